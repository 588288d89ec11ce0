"""`cascade-order`: a cascade goes from cheap to good."""

from collections.abc import Iterator
from itertools import pairwise

from mmflow.bounds.names import step_text
from mmflow.bounds.typical import TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS
from mmflow.bounds.walk import reached
from mmflow.check.paths import field_span
from mmflow.check.program import Program
from mmflow.diagnostics import Diagnostic, warning
from mmflow.plan import Ask, Cascade, Plan
from mmflow.plugin import Model
from mmflow.units import TOKENS_PER_PRICE, Money, text_of


def cascade_order(program: Program, plan: Plan) -> Iterator[Diagnostic]:
    """A cascade whose next step costs less, or is worse by its declared quality, than the one before, or one asked twice."""
    for step in plan.steps.values():
        if not isinstance(step, Cascade):
            continue
        span = field_span(program, step.name, "steps")
        named = [step_text(plan, each) for each in step.steps]
        repeated = [name for name in dict.fromkeys(named) if named.count(name) > 1]
        for name in repeated:
            message = f"`{step.name}` asks `{name}` twice, which answers the same again"
            yield warning("cascade-order", message, span, help="name each step once, cheapest first")
        if repeated:
            continue
        for earlier, later in pairwise(step.steps):
            if why := _falls(plan, earlier, later):
                message = f"`{step.name}` goes from `{step_text(plan, earlier)}` on to `{step_text(plan, later)}`, {why}"
                yield warning("cascade-order", message, span, help="put the steps in the order of cost and quality")


def _falls(plan: Plan, earlier: str, later: str) -> str:
    """Why the later of two steps is no step up; empty where it is."""
    before, after = _models(plan, earlier), _models(plan, later)
    costs = _dearest(before), _dearest(after)
    if costs[0] is not None and costs[1] is not None and costs[1] < costs[0]:
        return f"which costs less: {_money(costs[1])} and not {_money(costs[0])} for a typical call of its dearest model"
    best = _best(before), _best(after)
    if best[0] is not None and best[1] is not None and best[1] < best[0]:
        return f"which is worse: quality {best[1]:g} and not {best[0]:g}"
    return ""


def _models(plan: Plan, root: str) -> list[Model]:
    return [plan.models[step.model] for step in reached(plan, root) if isinstance(step, Ask)]


def _dearest(models: list[Model]) -> float | None:
    """Micro-dollars of a typical call of the dearest model; None where a price is not known."""
    known = [each.prices for each in models if each.prices is not None]
    if len(known) < len(models) or not known:
        return None
    return max((TYPICAL_INPUT_TOKENS * each.input + TYPICAL_OUTPUT_TOKENS * each.output) / TOKENS_PER_PRICE for each in known)


def _best(models: list[Model]) -> float | None:
    known = [each.quality for each in models if each.quality is not None]
    return max(known) if known and len(known) == len(models) else None


def _money(microusd: float) -> str:
    return text_of(Money(round(microusd)))
