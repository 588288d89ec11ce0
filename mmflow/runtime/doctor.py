"""Tries the declared models one by one with the smallest call that there is, and says what keeps one from answering."""

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from mmflow.options import MissingSecret, OptionError, Surroundings, build
from mmflow.plan import Plan
from mmflow.plan import Provider as PlannedProvider
from mmflow.plugin import Call, CallError, Http, Model, Provider, ProviderWord, Request, Timeouts
from mmflow.runtime.deadline import tightest
from mmflow.runtime.plugins import Plugins
from mmflow.vocabulary import Vocabulary, WordError

MAX_OUTPUT_TOKENS = 16
"""What a model may say; some vendors take no smaller limit."""

_AT_A_TIME = 8
_RECORDINGS = "tape"
_GRACE_S = 1.0
# OpenAI's models that reason refuse a limit that their thoughts alone would pass: they were found, and the key was taken.
_THOUGHT_TOO_LONG = "output limit was reached"

Finding = Literal[
    "answers", "skipped", "missing key", "refused key", "unknown id", "wrong url", "unreachable", "limited", "timeout", "fault"
]  # fmt: skip


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one model, or of a provider that no model uses. `message` and `help` hold no secret."""

    provider: str
    word: str
    model: str | None
    id: str | None
    finding: Finding
    message: str | None = None
    help: str | None = None
    latency_s: float | None = None
    served_model: str | None = None
    simulated: bool = False

    @property
    def is_well(self) -> bool:
        return self.finding in ("answers", "skipped")


async def examine(
    plan: Plan,
    vocabulary: Vocabulary,
    *,
    folder: Path,
    timeout_s: float,
    environ: Mapping[str, str] | None = None,
    http: Http | None = None,
) -> list[Diagnosis]:
    """A diagnosis of each declared model, by provider in the order of the file; one call of each, a few at a time.

    `without_key = simulate` does not count: a key that is missing is found. A provider that answers from a recording, or writes
    down what it is asked, is made and not called.
    """
    strict = {name: msgspec.structs.replace(each, without_key="refuse") for name, each in plan.providers.items()}
    plan = msgspec.structs.replace(plan, providers=strict)
    environ = os.environ if environ is None else environ
    plugins = Plugins(plan, vocabulary, folder=folder, random=Random(), http=http, environ=environ)
    examiner = _Examiner(plan, vocabulary, plugins, Surroundings(folder, environ), timeout_s)
    try:
        found = await asyncio.gather(*(examiner.examine(each, model) for each, model in _each(plan)))
    finally:
        await plugins.close()
    return list(found)


def _each(plan: Plan) -> list[tuple[PlannedProvider, Model | None]]:
    """The models of each provider; None where it has none."""
    pairs: list[tuple[PlannedProvider, Model | None]] = []
    for provider in plan.providers.values():
        models: list[Model | None] = [model for model in plan.models.values() if model.provider == provider.name]
        pairs += [(provider, model) for model in models or [None]]
    return pairs


class _Examiner:
    """Examines one model after another, or at the same time."""

    def __init__(
        self, plan: Plan, vocabulary: Vocabulary, plugins: Plugins, surroundings: Surroundings, timeout_s: float
    ) -> None:
        self._plan = plan
        self._vocabulary = vocabulary
        self._plugins = plugins
        self._surroundings = surroundings
        self._timeout_s = timeout_s
        self._room = asyncio.Semaphore(_AT_A_TIME)

    async def examine(self, declared: PlannedProvider, model: Model | None) -> Diagnosis:
        """What came of it."""
        name, id_ = (model.name, model.id) if model else (None, None)
        about = partial(Diagnosis, provider=declared.name, word=declared.word, model=name, id=id_)
        if (missing := self._missing_key(declared)) is not None:
            help = f"set {missing.name} in the environment or in `.env`"
            return about(finding="missing key", message=str(missing), help=help)
        try:
            provider = self._plugins.provider(declared.name)
        except CallError as error:
            return self._failed(about, self._plugins.masked_error(error))
        if model is None:
            return about(finding="skipped", message="no model is declared with it, so that there is nothing to ask")
        if declared.word == _RECORDINGS:
            return about(finding="skipped", message="it answers from a recording, so it is not asked")
        if (where := self._writes_to(declared)) is not None:
            return about(finding="skipped", message=f"it writes what it is asked to {where}, so it is not asked")
        async with self._room:
            return await self._asked(about, declared, provider, model)

    async def _asked(
        self, about: Callable[..., Diagnosis], declared: PlannedProvider, provider: Provider, model: Model
    ) -> Diagnosis:
        request = Request.of("hi")
        bound = Timeouts(total_s=self._timeout_s)
        call = Call(
            model=model,
            messages=request.messages,
            request=request,
            max_output_tokens=MAX_OUTPUT_TOKENS,
            timeouts=tightest(bound, tightest(model.timeouts, declared.timeouts)),
        )
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._timeout_s + _GRACE_S):
                reply = self._plugins.masked_reply(self._plugins.sound(declared.word, await provider.complete(call, None)))
        except CallError as error:
            return self._failed(about, self._plugins.masked_error(error), model)
        except TimeoutError:
            return about(finding="timeout", message="its plugin keeps to no time-out")
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the others are to be examined
            return self._failed(about, self._plugins.crashed(declared.word, error))
        return about(
            finding="answers",
            latency_s=round(clock() - began, 3),
            served_model=reply.served_model,
            simulated=reply.simulated,
        )

    def _failed(self, about: Callable[..., Diagnosis], error: CallError, model: Model | None = None) -> Diagnosis:
        if error.status == 400 and _THOUGHT_TOO_LONG in error.message:
            return about(finding="answers")
        return about(finding=_finding(error, model), message=error.message, help=error.help)

    def _missing_key(self, declared: PlannedProvider) -> MissingSecret | None:
        """The variable that is not set; whatever else is wrong with the options is told when the provider is made."""
        try:
            self._options(declared)
        except MissingSecret as missing:
            return missing
        except (WordError, OptionError):
            return None
        return None

    def _writes_to(self, declared: PlannedProvider) -> str | None:
        word, options = self._options(declared)
        return word.stores(options)

    def _options(self, declared: PlannedProvider) -> tuple[ProviderWord, object]:
        word = self._vocabulary.find("provider", declared.word)
        assert isinstance(word, ProviderWord)
        return word, build(word.options, declared.options, self._surroundings)


def _finding(error: CallError, model: Model | None) -> Finding:
    """What is wrong, in the words of somebody who set it up."""
    match error.error_class:
        case "auth":
            return "refused key"
        case "connect":
            return "unreachable"
        case "timeout":
            return "timeout"
        case "429" | "overloaded":
            return "limited"
        case "protocol":
            return "wrong url" if error.status is not None or error.dispatched == "yes" else "fault"
        case "4xx":
            said = error.message.lower()
            names_model = model is not None and any(mark in said for mark in (model.id.lower(), "model", "deployment"))
            if error.status == 404:
                return "unknown id" if names_model else "wrong url"
            return "unknown id" if names_model and _says_unknown(said) else "fault"
        case _:
            return "fault"


def _says_unknown(said: str) -> bool:
    return any(
        mark in said
        for mark in (
            "not found",
            "not exist",
            "unknown",
            "invalid model",
            "identifier is invalid",
            "not a valid model",
            "no such model",
        )
    )
