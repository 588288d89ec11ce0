"""Stand-ins for everything outside in a test of the language: models that follow a script, and scorers that know it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Literal

import attrs

from mmflow.options import ListOf, MapOf, ModelName, Scalar, fields_of
from mmflow.plan import Plan, Script, TestCase, Turn
from mmflow.plugin import (
    OPINION_OUTPUT_TOKENS,
    Ask,
    Call,
    CallError,
    Delta,
    Emit,
    Model,
    Purpose,
    Reply,
    Request,
    Scorer,
    ScorerWord,
    Usage,
    error_of_status,
)
from mmflow.runtime.cost import input_tokens, output_tokens
from mmflow.runtime.events import CallStarted, Event
from mmflow.vocabulary import Vocabulary

TYPICAL_OUTPUT_TOKENS = 500
"""How long an answer is for which no script says it."""

UNDECLARED_QUALITY = 1.0
"""The score of an answer for which no script says it, of a model that declares no quality."""

_STATUS = {"429": 429, "5xx": 503, "4xx": 400, "auth": 401, "overloaded": 529, "context_overflow": 413}

_started: ContextVar[CallStarted] = ContextVar("_started")


@attrs.frozen
class Asked:
    """A call that came to a model, in the order in which they came. `path` leads to it from the flow down."""

    path: str
    model: Model
    purpose: Purpose

    def is_of(self, target: str) -> bool:
        """Whether it is of a target: of that model whatever for, or for an answer of a target around it."""
        return self.model.name == target or (self.purpose == "answer" and target in self.path.split("/"))


@attrs.frozen
class _Said:
    model: Model
    turn: Turn


_DEFAULT = Turn()


class Cast:
    """The provider of every model of a test. What no script says is taken from the model's numbers.

    An answer takes the model's p95, is of `TYPICAL_OUTPUT_TOKENS` where its text is not given either, and `text_of` writes it.
    Of the scripts that fit a call the one of the innermost target counts.
    """

    def __init__(self, case: TestCase, text_of: Callable[[Call], Awaitable[str]]) -> None:
        self._case = case
        self._text_of = text_of
        self._taken: dict[str, int] = {}
        self._said: dict[str, _Said] = {}
        self.asked: list[Asked] = []

    def begin_again(self) -> None:
        """Forget what was asked, and begin the scripts from their first turn."""
        self._taken.clear()
        self.asked.clear()

    def observe(self, event: Event) -> None:
        """Hears the events of the run: a call knows its path by the one that announced it, in the same task."""
        if isinstance(event, CallStarted):
            _started.set(event)

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        """Do what the script says."""
        asked = Asked(_started.get().path, call.model, call.purpose)
        self.asked.append(asked)
        turn = self._turn(asked)
        if turn.error_class is not None:
            await asyncio.sleep(_failing_s(turn, call))
            raise _error(turn, call.model)
        return await self._answered(turn, call, emit)

    def is_scripted(self, models: Iterable[str]) -> bool:
        """Whether one of these models has a script of its own."""
        return any(script.target in models for script in self._case.scripts)

    def said(self, reply: Reply) -> tuple[Model | None, Turn]:
        """Whose an answer is, and the turn that it came of."""
        said = self._said.get(reply.request_id or "")
        return (said.model, said.turn) if said is not None else (None, _DEFAULT)

    def _turn(self, asked: Asked) -> Turn:
        places = asked.path.split("/") if asked.purpose == "answer" else []
        place = {name: index for index, name in enumerate([*places, asked.model.name])}
        fitting = [script for script in self._case.scripts if script.target in place]
        if not fitting:
            return _DEFAULT
        script: Script = max(fitting, key=lambda each: place[each.target])
        taken = self._taken.get(script.target, 0)
        self._taken[script.target] = taken + 1
        return script.turns[min(taken, len(script.turns) - 1)]

    async def _answered(self, turn: Turn, call: Call, emit: Emit | None) -> Reply:
        text = turn.text if turn.text is not None else await self._text_of(call)
        after_s = turn.after_s if turn.after_s is not None else call.model.p95_s or 0.0
        pieces = turn.pieces or (text,)
        first_s = min(call.model.first_token_s or after_s / len(pieces), after_s)
        each_s = (after_s - first_s) / max(1, len(pieces) - 1)
        for number, piece in enumerate(pieces[: turn.broken_after]):
            await asyncio.sleep(each_s if number else first_s)
            if emit is not None:
                await emit(Delta(piece))
        if turn.broken_after is not None:
            raise CallError("connect", "the stream broke off, as the test says", dispatched="yes")
        if len(pieces) == 1:
            await asyncio.sleep(after_s - first_s)
        key = f"test-{len(self._said) + 1}"
        self._said[key] = _Said(call.model, turn)
        served = turn.served_model or call.model.id
        return Reply(text=text, usage=_usage(turn, text, call), served_model=served, request_id=key)


def _usage(turn: Turn, text: str, call: Call) -> Usage:
    wrote = turn.output_tokens
    if wrote is None:
        wrote = output_tokens(text)
        if turn.text is None and call.purpose == "answer":
            wrote = min(TYPICAL_OUTPUT_TOKENS, call.max_output_tokens or TYPICAL_OUTPUT_TOKENS)
    read = turn.input_tokens
    if read is None:
        read = input_tokens(call.messages, call.request if call.purpose == "answer" else None)
    return Usage(input_tokens=read, output_tokens=wrote)


def _failing_s(turn: Turn, call: Call) -> float:
    """How long a failure takes: at once, but that a time-out takes the time that the model has."""
    if turn.after_s is None and turn.error_class == "timeout":
        return call.timeouts.total_s or 0.0
    return turn.after_s or 0.0


def _error(turn: Turn, model: Model) -> CallError:
    assert turn.error_class is not None
    message = f"`{model.name}` fails, as the test says"
    status = turn.status or _STATUS.get(turn.error_class)
    if status is not None:
        return error_of_status(status, message, retry_after_s=turn.retry_after_s)
    dispatched: Literal["no", "maybe", "yes"] = "no" if turn.error_class == "connect" else "maybe"
    return CallError(turn.error_class, message, retry_after_s=turn.retry_after_s, dispatched=dispatched)


class StandIn:
    """A scorer of a test. In this order: what the script of the answer says, what the test gives, and what is likely.

    That is what the scorer itself says where it can read something that the test says: the text of an answer, or the answer of
    a scripted judge; else the quality that the model declares. A judge is asked in any case: its time and its money count.
    """

    def __init__(self, name: str, case: TestCase, cast: Cast, models: Sequence[ModelName], real: Callable[[], Scorer]) -> None:
        self._name, self._case, self._cast, self._models, self._real = name, case, cast, models, real

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        model, turn = self._cast.said(reply)
        score = turn.scores.get(self._name, self._case.scores.get(self._name))
        is_readable = turn.text is not None and not self._models
        if score is None and (is_readable or self._cast.is_scripted(self._models)):
            return await self._real().score(request, reply, ask)
        for each in self._models:
            await ask(each, request.messages, max_output_tokens=OPINION_OUTPUT_TOKENS)
        if score is not None:
            return score
        return UNDECLARED_QUALITY if model is None or model.quality is None else model.quality


def asked_by(plan: Plan, name: str, vocabulary: Vocabulary) -> list[ModelName]:
    """The models that a scorer asks: those that the options of its word name."""
    scorer = plan.scorers[name]
    word = vocabulary.find("scorer", scorer.word)
    assert isinstance(word, ScorerWord)
    found: list[ModelName] = []
    for field in fields_of(word.options):
        value = scorer.options.get(field.name)
        match field.type:
            case Scalar(type=type_) if type_ is ModelName and value is not None:
                found.append(ModelName(value))
            case ListOf(item=Scalar(type=type_)) if type_ is ModelName:
                found.extend(map(ModelName, value or ()))
            case MapOf(value=Scalar(type=type_)) if type_ is ModelName:
                found.extend(map(ModelName, (value or {}).values()))
    return list(dict.fromkeys(found))
