"""What a plan names, made from installed plugins when it is first needed, and kept: providers, classifiers, caches and so on."""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

from msgspec.structs import replace

from mmflow.options import MissingSecret, OptionError, Secret, Surroundings, build
from mmflow.plan import Plan
from mmflow.plan import Provider as PlannedProvider
from mmflow.plan import Strategy as PlannedStrategy
from mmflow.plugin import (
    CacheStore,
    CacheWord,
    Call,
    CallError,
    Classifier,
    ClassifierWord,
    Emit,
    Http,
    Pick,
    PickWord,
    Provider,
    ProviderName,
    ProviderWord,
    Reply,
    Scorer,
    ScorerWord,
    Strategy,
    StrategyWord,
    ToolCall,
    Zone,
)
from mmflow.vocabulary import Vocabulary, WordError, WordKind

_WordT = TypeVar("_WordT", ProviderWord, ClassifierWord, ScorerWord, PickWord, StrategyWord, CacheWord)

MASK = "***"
SHORTEST_MASKED = 4
"""Shorter secrets are left alone: they would blot out ordinary words."""

LONGEST_REASON = 300

ASK_AUTHOR = "report it to the author of the plugin (`mmflow plugins` says whose it is)"


class Plugins:
    """Makes what the plan names, and is the `Host` of most of it; providers get one that masks the others.

    Whatever goes wrong is a `CallError` that was not dispatched: `auth` for a missing key, `protocol` for the rest.
    `providers`, `classifiers` and `scorers` stand in for those of the plan, by name.
    """

    def __init__(
        self,
        plan: Plan,
        vocabulary: Vocabulary,
        *,
        folder: Path,
        random: Random,
        http: Http | None = None,
        environ: Mapping[str, str] | None = None,
        providers: Mapping[str, Provider] | None = None,
        classifiers: Mapping[str, Classifier] | None = None,
        scorers: Mapping[str, Scorer] | None = None,
    ) -> None:
        self.random = random
        self._plan = plan
        self._vocabulary = vocabulary
        self._surroundings = Surroundings(folder, os.environ if environ is None else environ)
        self._given_http = http
        self._https: dict[Zone, Http] = {}
        self._close_https: list[Callable[[], Awaitable[None]]] = []
        self._providers = dict(providers or {})
        self._classifiers = dict(classifiers or {})
        self._scorers = dict(scorers or {})
        self._picks: dict[str, Pick] = {}
        self._strategies: dict[str, tuple[Strategy, StrategyWord]] = {}
        self._caches: dict[str, CacheStore] = {}
        self._stand_ins: set[str] = set()
        self._making: list[str] = []
        self._secrets: set[str] = set()

    @property
    def http(self) -> Http:
        """The client of whatever is no provider."""
        return self.http_of("own")

    def http_of(self, zone: Zone) -> Http:
        """The client that the providers of a zone share, made when one first reaches for it."""
        if self._given_http is not None:
            return self._given_http
        if (made := self._https.get(zone)) is None:
            # aiohttp is heavy, and a run that stays off the network never needs it.
            from mmflow.runtime.http import AioHttp

            made = self._https[zone] = own = AioHttp(zone=zone)
            self._close_https.append(own.close)
        return made

    async def close(self) -> None:
        """Close the clients that were made here, and the caches that can be closed."""
        for store in self._caches.values():
            if callable(close := getattr(store, "close", None)):
                with suppress(Exception):  # a plugin may raise anything, and what it kept is kept
                    await close()
        for close_http in self._close_https:
            await close_http()

    def provider(self, name: str) -> Provider:
        """A declared provider."""
        if (made := self._providers.get(name)) is None:
            if (declared := self._plan.providers.get(name)) is None:
                raise _unusable(f"there is no provider `{name}`")
            if name in self._making:
                raise _unusable(f"provider `{name}` leads back to itself")
            self._making.append(name)
            try:
                made = self._providers[name] = self._made_provider(declared)
            finally:
                self._making.pop()
        return made

    def stands_in(self, name: str) -> bool:
        """Whether a simulated provider stands in for a declared one, whose key is missing."""
        try:
            self.provider(name)
        except CallError:
            return False
        return name in self._stand_ins

    def _made_provider(self, declared: PlannedProvider) -> Provider:
        word = self._find("provider", declared.word, ProviderWord)
        with self._blaming(declared.word, f"provider `{declared.name}`"):
            try:
                options = self._options(word.options, declared.options)
            except MissingSecret:
                if declared.without_key == "refuse":
                    raise
                self._stand_ins.add(declared.name)
                word = self._find("provider", "sim", ProviderWord)
                options = self._options(word.options, {})
            return word.make(options, _Lent(self, declared))

    def classifier(self, name: str) -> Classifier:
        """A declared classifier."""
        if (made := self._classifiers.get(name)) is None:
            declared = self._plan.classifiers[name]
            word = self._find("classifier", declared.word, ClassifierWord)
            with self._blaming(declared.word, f"classifier `{name}`"):
                made = word.make(self._options(word.options, declared.options), declared.labels, self)
            self._classifiers[name] = made
        return made

    def scorer(self, name: str) -> Scorer:
        """A declared scorer."""
        if (made := self._scorers.get(name)) is None:
            declared = self._plan.scorers[name]
            word = self._find("scorer", declared.word, ScorerWord)
            with self._blaming(declared.word, f"scorer `{name}`"):
                made = word.make(self._options(word.options, declared.options), self)
            self._scorers[name] = made
        return made

    def pick(self, path: str) -> Pick:
        """The order that a tier names."""
        if (found := self._picks.get(path)) is None:
            found = self._picks[path] = self._find("pick", path, PickWord).pick
        return found

    def strategy(self, name: str) -> tuple[Strategy, StrategyWord]:
        """A declared strategy, one for all requests, so that it may learn; and its word."""
        if (found := self._strategies.get(name)) is None:
            declared = self._plan.steps[name]
            assert isinstance(declared, PlannedStrategy), "it is asked for by its own step"
            word = self._find("strategy", declared.word, StrategyWord)
            with self._blaming(declared.word, f"strategy `{name}`"):
                made = word.make(self._options(word.options, declared.options), self)
            found = self._strategies[name] = (made, word)
        return found

    def cache(self, name: str) -> CacheStore:
        """A declared cache."""
        if (made := self._caches.get(name)) is None:
            declared = self._plan.caches[name]
            word = self._find("cache", declared.word, CacheWord)
            with self._blaming(declared.word, f"cache `{name}`"):
                made = word.make(self._options(word.options, declared.options), self)
            self._caches[name] = made
        return made

    def masked(self, text: str) -> str:
        """The text without any secret that a plugin was given."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def broke(self, word: str, how: str, *, dispatched: Literal["no", "maybe"] = "maybe") -> CallError:
        """The error of a plugin that did not keep its contract."""
        return CallError("protocol", f"the plugin `{word}` {how}", dispatched=dispatched, help=ASK_AUTHOR)

    def sound(self, word: str, reply: object) -> Reply:
        """The reply, if it is one: a plugin need not have been type-checked. Raises `CallError`."""
        if not (isinstance(reply, Reply) and isinstance(reply.text, str)):
            raise self.broke(word, f"answered with {type(reply).__name__}, not with a Reply that has a text")
        if reply.tool_calls != () and not (
            isinstance(reply.tool_calls, tuple) and all(isinstance(each, ToolCall) for each in reply.tool_calls)
        ):
            raise self.broke(word, "answered with `tool_calls` that are not a tuple of ToolCall")
        return reply

    def masked_error(self, error: CallError) -> CallError:
        """The error with its texts masked, and without what is not of its type: a plugin need not have been type-checked."""
        return CallError(
            error.error_class,
            self.masked(_said(error.message)),
            status=error.status if isinstance(error.status, int) else None,
            retry_after_s=error.retry_after_s if isinstance(error.retry_after_s, int | float) else None,
            dispatched=error.dispatched,
            help=self.masked(_said(error.help)) if error.help else None,
        )

    def masked_reply(self, reply: Reply) -> Reply:
        """The reply with what the provider says of itself masked: a server may send a key back as its request's id."""
        if not self._secrets:
            return reply
        model, id_ = (each and self.masked(_said(each)) for each in (reply.served_model, reply.request_id))
        if (model, id_) == (reply.served_model, reply.request_id):
            return reply
        return replace(reply, served_model=model, request_id=id_)

    def reason(self, error: BaseException) -> str:
        """An exception in a few words, masked."""
        said = _said(error.message) if isinstance(error, CallError) else f"{type(error).__name__}: {_said(error)}"
        return self.masked(" ".join(said.removesuffix(": ").split()))[:LONGEST_REASON]

    def crashed(self, word: str, error: BaseException, *, dispatched: Literal["no", "maybe"] = "maybe") -> CallError:
        """The error of a plugin that raised what is not a `CallError`, with the line that did, for its author."""
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f" ({Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno})" if at is not None else ""
        return self.broke(word, f"broke: {self.reason(error)}{where}", dispatched=dispatched)

    def _find(self, kind: WordKind, path: str, type_: type[_WordT]) -> _WordT:
        try:
            word = self._vocabulary.find(kind, path)
        except WordError as error:
            raise _unusable(error.message, error.help) from None
        if not isinstance(word, type_):
            raise _unusable(f"the plugin word `{path}` is not a {kind}")
        return word

    def _options(self, cls: type, values: Mapping[str, object]) -> object:
        made: object = build(cls, values, self._surroundings)
        self._secrets.update(secret for secret in _secrets_in(made) if len(secret) >= SHORTEST_MASKED)
        return made

    @contextmanager
    def _blaming(self, word: str, what: str) -> Iterator[None]:
        """Turns whatever keeps a plugin from being made into a `CallError` that names the plugin and its declaration."""
        try:
            yield
        except CallError:
            raise
        except MissingSecret as missing:
            help = f"set {missing.name} in the environment or in `.env`"
            if what.startswith("provider"):
                help += ", or declare `without_key = simulate` to answer without it"
            raise CallError("auth", f"{missing}, which {what} needs", dispatched="no", help=help) from None
        except OptionError as error:
            field = f"`{error.field}`: " if error.field else ""
            raise _unusable(self.masked(f"{what}: {field}{error.message}"), error.help) from None
        except Exception as error:  # A plugin may raise anything, and its user needs no traceback.
            raise _unusable(f"the plugin `{word}` cannot make {what}: {self.reason(error)}", ASK_AUTHOR) from error


class _Lent:
    """The host of one provider: what it learns from another one is masked, since it may keep it."""

    def __init__(self, plugins: Plugins, own: PlannedProvider) -> None:
        self._plugins = plugins
        self._own = own

    @property
    def http(self) -> Http:
        return self._plugins.http_of(self._own.zone)

    @property
    def random(self) -> Random:
        return self._plugins.random

    def provider(self, name: ProviderName) -> Provider:
        made = self._plugins.provider(name)
        return made if name == self._own.name else _Masked(made, self._plugins)


class _Masked:
    """A provider whose errors and replies hold no secret that a plugin was given."""

    def __init__(self, provider: Provider, plugins: Plugins) -> None:
        self._provider = provider
        self._plugins = plugins

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        try:
            return self._plugins.masked_reply(await self._provider.complete(call, emit))
        except CallError as error:
            raise self._plugins.masked_error(error) from None


def _unusable(message: str, help: str | None = None) -> CallError:
    return CallError("protocol", message, dispatched="no", help=help)


def _said(what: object) -> str:
    """What a plugin says, as text: its own `__str__` may break too."""
    try:
        return str(what)
    except Exception:  # noqa: BLE001 - a plugin's class may raise anything
        return ""


def _secrets_in(value: object) -> Iterator[str]:
    """Every secret within an options object."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _secrets_in(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from _secrets_in(each)
    else:
        for attribute in getattr(value, "__attrs_attrs__", ()):
            yield from _secrets_in(getattr(value, attribute.name))
