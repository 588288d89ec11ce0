"""What a plan names, made from installed plugins when it is first needed and kept: providers, classifiers, scorers, picks."""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

from mmflow.options import MissingSecret, OptionError, Secret, Surroundings, build
from mmflow.plan import Plan
from mmflow.plan import Provider as PlannedProvider
from mmflow.plugin import (
    CallError,
    Classifier,
    ClassifierWord,
    Http,
    Pick,
    PickWord,
    Provider,
    ProviderWord,
    Scorer,
    ScorerWord,
)
from mmflow.vocabulary import Vocabulary, WordError, WordKind

_WordT = TypeVar("_WordT", ProviderWord, ClassifierWord, ScorerWord, PickWord)

MASK = "***"
SHORTEST_MASKED = 4
"""Shorter secrets are left alone: they would blot out ordinary words."""

LONGEST_REASON = 300


class Plugins:
    """Makes what the plan names, and is the `Host` of every plugin that it makes.

    Whatever goes wrong is a `CallError` that was not dispatched: `auth` for a missing key, `protocol` for the rest.
    `providers` stand in for those of the plan, by name.
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
    ) -> None:
        self.random = random
        self._plan = plan
        self._vocabulary = vocabulary
        self._surroundings = Surroundings(folder, os.environ if environ is None else environ)
        self._http = http
        self._close_http: Callable[[], Awaitable[None]] | None = None
        self._providers = dict(providers or {})
        self._classifiers: dict[str, Classifier] = {}
        self._scorers: dict[str, Scorer] = {}
        self._picks: dict[str, Pick] = {}
        self._making: list[str] = []
        self._secrets: set[str] = set()

    @property
    def http(self) -> Http:
        """The shared client, made when a plugin first reaches for it."""
        if self._http is None:
            # aiohttp is heavy, and a run that stays off the network never needs it.
            from mmflow.runtime.http import AioHttp

            own = AioHttp()
            self._http, self._close_http = own, own.close
        return self._http

    async def close(self) -> None:
        """Close the client, if it was made here."""
        if self._close_http is not None:
            await self._close_http()

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

    def _made_provider(self, declared: PlannedProvider) -> Provider:
        word = self._find("provider", declared.word, ProviderWord)
        with self._blaming(declared.word, f"provider `{declared.name}`"):
            try:
                options = self._options(word.options, declared.options)
            except MissingSecret:
                if declared.without_key == "refuse":
                    raise
                word = self._find("provider", "sim", ProviderWord)
                options = self._options(word.options, {})
            return word.make(options, self)

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
        """The strategy that a tier names."""
        if (found := self._picks.get(path)) is None:
            found = self._picks[path] = self._find("pick", path, PickWord).pick
        return found

    def masked(self, text: str) -> str:
        """The text without any secret that a plugin was given."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def broke(self, word: str, how: str, *, dispatched: Literal["no", "maybe"] = "maybe") -> CallError:
        """The error of a plugin that did not keep its contract."""
        return CallError("protocol", f"the plugin `{word}` {how}", dispatched=dispatched, help=_ASK_AUTHOR)

    def masked_error(self, error: CallError) -> CallError:
        """The error with its texts masked."""
        if not self._secrets:
            return error
        return CallError(
            error.error_class,
            self.masked(error.message),
            status=error.status,
            retry_after_s=error.retry_after_s,
            dispatched=error.dispatched,
            help=error.help and self.masked(error.help),
        )

    def reason(self, error: Exception) -> str:
        """An exception in a few words, masked."""
        said = error.message if isinstance(error, CallError) else f"{type(error).__name__}: {error}".removesuffix(": ")
        return self.masked(" ".join(said.split()))[:LONGEST_REASON]

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
            raise _unusable(f"the plugin `{word}` cannot make {what}: {self.reason(error)}", _ASK_AUTHOR) from error


_ASK_AUTHOR = "report it to the author of the plugin (`mmflow plugins` says whose it is)"


def _unusable(message: str, help: str | None = None) -> CallError:
    return CallError("protocol", message, dispatched="no", help=help)


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
