"""The bounds of a flow as rows: each way through its arms, and the most that it can cost, take and reach."""

from collections.abc import Iterator, Sequence
from math import inf, isfinite
from typing import Literal

import msgspec

from mmflow.bounds.cases import arm_cases, cases
from mmflow.bounds.estimate import estimated
from mmflow.bounds.load import Counts, Load, PerToken
from mmflow.bounds.names import arm_texts, step_text, target_text
from mmflow.bounds.walk import Choices
from mmflow.bounds.ways import domains_between, in_words
from mmflow.bounds.worst import degraded_to, worst_case
from mmflow.plan import Flow, Plan
from mmflow.plugin import Purpose, Zone
from mmflow.situations import TooMany


class CallCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often a model may be asked for a purpose."""

    model: str
    purpose: Purpose
    count: int


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-dollars at most. `by` says what bounds them: the calls, or the flow's `max_cost`, which refuses further calls.

    `calls_microusd` is the sum over the calls by itself. None is unknown: `unknown` says why.
    """

    worst_microusd: int | None
    by: Literal["calls", "max_cost", "unknown"]
    calls_microusd: int | None
    per_token: PerToken | None
    unknown: tuple[str, ...] = ()


class Time(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds at most. `by` says what bounds them: time-outs and pauses, the deadline of a `with`, or that of the flow.

    `calls_s` is the sum of time-outs and pauses by itself, without what a server may ask to wait; None where there is a call
    without a time-out. `endless` says what only a deadline bounds.
    """

    worst_s: float
    by: Literal["time-outs", "with", "deadline"]
    calls_s: float | None
    endless: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Where data may go: a provider, its zone and its region."""

    zone: Zone
    provider: str
    region: str | None = None

    def __str__(self) -> str:
        return self.zone if self.region is None else f"{self.zone}/{self.region}"


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """The most of everything on a path. The two estimates are no bounds: quantiles do not add up."""

    calls: int
    calls_by_model: tuple[CallCount, ...]
    cost: Cost
    time: Time
    estimated_p95_s: float | None
    estimated_first_token_s: float | None
    places: tuple[Place, ...]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One way through the arms of a flow.

    `situations` are those that take it, in words (empty: any); None where they are too many to tell. `arms` are the conditions
    that held, outermost first, `target` is what they lead to. `share` is how much of the flow's worst cost this path can cost:
    of the cost of its calls where that is known, else of what `max_cost` leaves of it.
    """

    situations: tuple[str, ...] | None
    arms: tuple[str, ...]
    target: str
    bound: Bound
    share: float | None
    choices: dict[str, int]
    """By table of arms, the number of the arm that is taken, from 0; that of `else` is the number of arms."""


class FlowBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a flow: the worst in each respect, and each way. `remarks` say what there is no bound for, and why."""

    flow: str
    worst: Bound
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]


def bounds(plan: Plan, flow: Flow) -> FlowBounds:
    """The bounds of a flow of a plan."""
    domains = domains_between((plan, flow))
    remarks: list[str] = []
    try:
        paths = cases(plan, flow, domains)
    except TooMany:
        remarks.append("there are too many situations to tell apart: each arm stands for all of them, at its worst")
        paths = arm_cases(plan, flow)
    loads = [worst_case(plan, flow, case.choices, case.longest, refused=case.refused) for case in paths]
    found = [bound_of(plan, flow, load, case.choices) for load, case in zip(loads, paths, strict=True)]
    whole = worst_of(found)
    rows = [
        Row(
            situations=None if case.situations is None else in_words(case.situations, domains),
            arms=arm_texts(plan, case.choices),
            target=target_text(plan, flow.step, case.choices),
            bound=bound,
            share=_share(bound.cost, whole.cost),
            choices=dict(case.choices),
        )
        for bound, case in zip(found, paths, strict=True)
    ]
    return FlowBounds(flow=flow.name, worst=whole, rows=tuple(rows), remarks=(*remarks, *_remarks(plan, flow, whole)))


def bound_of(plan: Plan, flow: Flow, load: Load, choices: Choices) -> Bound:
    """What a load comes to under the promises of a flow."""
    latency = estimated(plan, flow, choices, load.signals)
    return Bound(
        calls=load.total,
        calls_by_model=_counts(load.calls),
        cost=_cost(flow, load),
        time=_time(flow, load),
        estimated_p95_s=_rounded(latency.p95_s),
        estimated_first_token_s=_rounded(latency.first_token_s),
        places=_places(plan, load.calls),
    )


def _counts(calls: Counts) -> tuple[CallCount, ...]:
    return tuple(CallCount(model=model, purpose=purpose, count=count) for (model, purpose), count in calls.items())


def _cost(flow: Flow, load: Load) -> Cost:
    most, calls = flow.max_cost_microusd, load.microusd
    is_refused = most is not None and (calls is None or calls > most)
    return Cost(
        worst_microusd=most if is_refused else calls,
        by="max_cost" if is_refused else "unknown" if calls is None else "calls",
        calls_microusd=calls,
        per_token=load.per_token,
        unknown=tuple(sorted(each.text for each in load.unknown)),
    )


def _time(flow: Flow, load: Load) -> Time:
    worst_s = inf if load.endless else load.time_s
    is_over = worst_s > flow.deadline_s
    return Time(
        worst_s=_rounded(min(worst_s, flow.deadline_s)) or 0.0,
        by="deadline" if is_over else "with" if load.is_cut else "time-outs",
        calls_s=_rounded(load.time_s) if isfinite(load.time_s) else None,
        endless=tuple(sorted(each.text for each in load.endless)),
    )


def _places(plan: Plan, calls: Counts) -> tuple[Place, ...]:
    models = [plan.models[model] for model, _ in calls]
    found = {(each.zone, each.provider, each.region or "") for each in models}
    return tuple(Place(zone=zone, provider=provider, region=region or None) for zone, provider, region in sorted(found))


def worst_of(found: Sequence[Bound]) -> Bound:
    """The worst of several bounds in each respect."""
    costs, times = [each.cost for each in found], [each.time for each in found]
    known = [each.worst_microusd for each in costs if each.worst_microusd is not None]
    calls = [each.calls_microusd for each in costs if each.calls_microusd is not None]
    per_token = [each.per_token for each in costs if each.per_token is not None]
    together = PerToken()
    for each in per_token:
        together = together | each
    dearest = max(costs, key=lambda each: (each.worst_microusd is None, each.worst_microusd or 0, each.by == "max_cost"))
    longest = max(times, key=lambda each: (each.worst_s, each.by == "deadline"))
    own_s = [each.calls_s for each in times if each.calls_s is not None]
    counts: dict[tuple[str, Purpose], int] = {}
    for one in (count for each in found for count in each.calls_by_model):
        counts[one.model, one.purpose] = max(one.count, counts.get((one.model, one.purpose), 0))
    return Bound(
        calls=max(each.calls for each in found),
        calls_by_model=_counts(counts),
        cost=Cost(
            worst_microusd=max(known) if len(known) == len(costs) else None,
            by=dearest.by,
            calls_microusd=max(calls) if len(calls) == len(costs) else None,
            per_token=together if len(per_token) == len(costs) else None,
            unknown=tuple(sorted({why for each in costs for why in each.unknown})),
        ),
        time=Time(
            worst_s=longest.worst_s,
            by=longest.by,
            calls_s=max(own_s) if len(own_s) == len(times) else None,
            endless=tuple(sorted({why for each in times for why in each.endless})),
        ),
        estimated_p95_s=_most([each.estimated_p95_s for each in found]),
        estimated_first_token_s=_most([each.estimated_first_token_s for each in found]),
        places=tuple(sorted({place for each in found for place in each.places}, key=lambda each: (each.zone, each.provider))),
    )


def _most(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return max(known) if len(known) == len(values) else None


def _share(one: Cost, whole: Cost) -> float | None:
    part, all_ = one.calls_microusd, whole.calls_microusd
    if all_ is None:
        part, all_ = one.worst_microusd, whole.worst_microusd
    if part is None or all_ is None:
        return None
    return round(part / all_, 6) if all_ else 0.0


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _remarks(plan: Plan, flow: Flow, whole: Bound) -> Iterator[str]:
    cost, time = whole.cost, whole.time
    yield from _degraded(plan, flow)
    if cost.by == "max_cost":
        alone = "" if cost.calls_microusd is None else "the calls alone could cost more; "
        yield f"worst cost: {alone}`max_cost` refuses the call that could bring the request above it"
    if cost.unknown:
        yield f"worst cost without `max_cost` is unknown: {_first(cost.unknown)}"
    if time.by == "deadline":
        yield f"worst time: the deadline holds: {_first(time.endless) or 'the time-outs and pauses add up to more'}"


def _degraded(plan: Plan, flow: Flow) -> Iterator[str]:
    targets = " or ".join(f"`{step_text(plan, each)}`" for each in degraded_to(plan, flow))
    if targets:
        yield f"budget `{flow.budget}` may ask {targets} in place of an arm's target, or after it has begun: each way counts both"


def _first(reasons: tuple[str, ...], shown: int = 3) -> str:
    more = len(reasons) - shown
    return "; ".join(reasons[:shown]) + (f"; and {more} more" if more > 0 else "")
