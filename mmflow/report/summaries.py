"""A run as one object for JSON."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from mmflow.plugin import ErrorClass, Finish, Purpose, Reply, ToolCall, Usage
from mmflow.runtime.events import ArmTested, CallEnded, Event, RequestEnded, RequestOutcome, RequestStarted, Scored, SignalRead
from mmflow.units import MICROUSD_PER_USD

LineOutcome = Literal["served", "rejected", "failed", "uncertain", "cancelled"]


class TokenCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one call, by kind; the counts do not overlap."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    reasoning: int


class CallFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call failed; `class` is of the language: `429`, `timeout`."""

    error_class: ErrorClass = msgspec.field(name="class")
    message: str
    help: str | None


class CallLine(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `rejected` answered, and another answer was served; a judge or a classifier that answered has `served`."""

    path: str
    model: str
    provider: str
    purpose: Purpose
    attempt: int
    outcome: LineOutcome
    tokens: TokenCounts
    estimated: bool
    cost_usd: float | None
    cost_microusd: int | None
    latency_s: float
    first_token_s: float | None
    served_model: str | None
    request_id: str | None
    simulated: bool
    error: CallFailure | None


class ArmLine(msgspec.Struct, frozen=True, kw_only=True):
    """One arm that was tried, with the facts that decided it."""

    path: str
    text: str
    holds: bool
    because: tuple[str, ...]
    target: str


class SignalLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a classifier said, and the label that the arms saw; `unsure` says why they differ."""

    label: str
    guess: str | None
    confidence: float | None
    unsure: str | None
    latency_s: float


class ScoreLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a scorer said of an answer; `score` is null where it failed."""

    path: str
    scorer: str
    score: float | None
    message: str | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run as one object. Costs are sums over all calls, rejected ones included; null where one is unknown.

    `cached`: the answer was kept, and `model`, `path` and `served_model` are of the request that it was made for.
    """

    answer: str | None
    finish: Finish | None
    tool_calls: tuple[ToolCall, ...]
    flow: str
    outcome: RequestOutcome
    model: str | None
    served_model: str | None
    path: str | None
    simulated: bool
    cached: bool
    degraded: str | None
    error: CallFailure | None
    cost_usd: float | None
    cost_microusd: int | None
    latency_s: float
    calls: list[CallLine]
    decision: list[ArmLine]
    signals: dict[str, SignalLine]
    scores: list[ScoreLine]
    request_id: str
    plan: str


def summary(reply: Reply | None, events: Iterable[Event]) -> Summary:
    """The run whose events these are, with its answer, None where it has none. `ValueError` where the run has not ended."""
    events = tuple(events)
    if not events or not isinstance(events[-1], RequestEnded) or not isinstance(events[0], RequestStarted):
        raise ValueError("these are not the events of a run from its start to its end")
    started, ended = events[0], events[-1]
    calls = [event for event in events if isinstance(event, CallEnded)]
    served = _served(calls, ended)
    kept = reply if ended.cached else None
    failure = None
    if ended.error_class is not None:
        failure = CallFailure(error_class=ended.error_class, message=ended.message or "", help=ended.help)
    return Summary(
        answer=reply.text if reply else None,
        finish=reply.finish if reply else None,
        tool_calls=reply.tool_calls if reply else (),
        flow=started.flow,
        outcome=ended.outcome,
        model=ended.model,
        served_model=served.served_model if served else kept.served_model if kept else None,
        path=ended.path,
        simulated=served.simulated if served else kept is not None and kept.simulated,
        cached=ended.cached,
        degraded=ended.degraded,
        error=failure,
        cost_usd=_usd(ended.cost_microusd),
        cost_microusd=ended.cost_microusd,
        latency_s=_rounded(ended.at_s),
        calls=[_call_line(call, served) for call in calls],
        decision=[
            ArmLine(path=each.path, text=each.text, holds=each.holds, because=each.because, target=each.target)
            for each in events
            if isinstance(each, ArmTested)
        ],
        signals={
            each.signal: SignalLine(
                label=each.label,
                guess=each.guess,
                confidence=each.confidence,
                unsure=each.unsure,
                latency_s=_rounded(each.at_s - each.started_at_s),
            )
            for each in events
            if isinstance(each, SignalRead)
        },
        scores=[
            ScoreLine(path=each.path, scorer=each.scorer, score=each.score, message=each.message)
            for each in events
            if isinstance(each, Scored)
        ],
        request_id=started.request_id,
        plan=started.plan,
    )


def _served(calls: Sequence[CallEnded], ended: RequestEnded) -> CallEnded | None:
    """The call whose answer was served."""
    if ended.outcome != "served" or ended.cached:
        return None
    return next((call for call in reversed(calls) if call.path == ended.path and call.outcome == "answered"), None)


def _call_line(call: CallEnded, served: CallEnded | None) -> CallLine:
    outcome: LineOutcome
    if call.outcome == "answered":
        outcome = "served" if call is served or call.purpose != "answer" else "rejected"
    else:
        outcome = call.outcome
    error = None
    if call.error_class is not None:
        error = CallFailure(error_class=call.error_class, message=call.message or "", help=call.help)
    first_at_s = call.first_token_at_s
    return CallLine(
        path=call.path,
        model=call.model,
        provider=call.provider,
        purpose=call.purpose,
        attempt=call.attempt,
        outcome=outcome,
        tokens=_counts(call.usage),
        estimated=call.estimated,
        cost_usd=_usd(call.cost_microusd),
        cost_microusd=call.cost_microusd,
        latency_s=_rounded(call.at_s - call.started_at_s),
        first_token_s=None if first_at_s is None else _rounded(first_at_s - call.started_at_s),
        served_model=call.served_model,
        request_id=call.request_id,
        simulated=call.simulated,
        error=error,
    )


def _counts(usage: Usage) -> TokenCounts:
    return TokenCounts(
        input=usage.input_tokens,
        cached_input=usage.cached_input_tokens,
        cache_write=usage.cache_write_tokens,
        output=usage.output_tokens,
        reasoning=usage.reasoning_tokens,
    )


def _usd(microusd: int | None) -> float | None:
    return None if microusd is None else microusd / MICROUSD_PER_USD


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
