"""A decision for people: what is known, the arms, and for each way that is open how it goes on."""

from collections.abc import Iterator

from mmflow.bounds.said import promises_text
from mmflow.cli.bounds import calls_text, cost_text, seconds_text, situations_text, time_text, width, wrapped, zones_text
from mmflow.explanation import Explanation
from mmflow.explanation.decision import StepSaid, WaySaid, arm_text, because_text
from mmflow.plan import Flow

TOLD_IN_FULL = 8
"""So many ways are told with all of their steps."""


def lines_of(found: Explanation, flow: Flow) -> Iterator[str]:
    """The decision in lines."""
    columns = width()
    yield from wrapped(f"flow {flow.name}{promises_text(flow)}", columns, 0)
    if found.known:
        yield "known"
        for fact in found.known:
            yield from wrapped(fact, columns, 2)
    if found.refused is not None:
        yield from wrapped(f"refused: {found.refused}", columns, 0)
    elif found.arms:
        yield "arms"
        for arm in found.arms:
            yield from wrapped(arm_text(arm), columns, 2)
    if len(found.ways) > 1:
        yield ""
        yield from wrapped(f"{len(found.ways)} ways are open; they depend on {', '.join(found.open)}", columns, 0)
    for way in found.ways:
        if len(found.ways) <= TOLD_IN_FULL:
            yield ""
            yield from _way(way, flow, columns)
        else:
            yield from wrapped(f"{_head(way)}: {_worst(way)}", columns, 2)
    if len(found.ways) > TOLD_IN_FULL:
        yield from wrapped("note: give more of it to see how each way goes on", columns, 2)
    for remark in found.remarks:
        yield from wrapped(f"note: {remark}", columns, 2)


def _head(way: WaySaid) -> str:
    situations = "" if way.situations == () else f"{situations_text(way.situations)} "
    return f"{situations}-> {way.target}"


def _way(way: WaySaid, flow: Flow, columns: int | None) -> Iterator[str]:
    yield from wrapped(_head(way), columns, 0)
    for rule in way.rules:
        applies = {"yes": "applies", "no": "does not apply", "open": "may apply"}[rule.verdict]
        yield from wrapped(f"guard {rule.guard} {applies}: {rule.rule}{because_text(rule.verdict, rule.because)}", columns, 2)
    for step in way.steps:
        if not step.by_budget:
            yield from _step(step, f"{step.kind} {step.name}", columns)
    if way.budget:
        yield from wrapped(f"budget {flow.budget}: {', '.join(way.budget)}", columns, 2)
    for step in way.steps:
        if step.by_budget:
            yield from _step(step, f"{step.kind} {step.name}, to which the budget degrades", columns)
    yield from wrapped(_worst(way), columns, 2)


def _step(step: StepSaid, head: str, columns: int | None) -> Iterator[str]:
    yield from wrapped(head, columns, 2)
    for line in step.lines:
        yield from wrapped(line, columns, 4)
    for each in step.left_out:
        yield from wrapped(f"not {each.target}: {each.why}", columns, 4)


def _worst(way: WaySaid) -> str:
    bound = way.bound
    calls = "1 call" if bound.calls == 1 else f"{bound.calls} calls"
    cost, time = cost_text(bound.cost), time_text(bound.time)
    said = f"at most {calls} ({calls_text(bound.calls_by_model)}), {cost}, {time}; data can reach {zones_text(bound)}"
    if bound.estimated_p95_s is None:
        return said
    return f"{said}; est. p95 {seconds_text(bound.estimated_p95_s)}, first token {seconds_text(bound.estimated_first_token_s)}"
