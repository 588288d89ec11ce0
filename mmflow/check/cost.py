"""Diagnostics of money: what one request may cost, and what all of them will; one function for each code."""

from collections.abc import Iterator, Sequence

import attrs
from msgspec.structs import replace

from mmflow.bounds.asks import asks
from mmflow.bounds.cases import Case
from mmflow.bounds.load import Load
from mmflow.bounds.names import step_text, target_text
from mmflow.bounds.reasons import NoPrice, OpaqueStrategy, Unknown
from mmflow.bounds.typical import dearest_call_microusd, typical_microusd
from mmflow.bounds.worst import worst_case
from mmflow.check.paths import Paths, money_text
from mmflow.diagnostics import Diagnostic, Note, error, warning
from mmflow.plan import Flow, Plan
from mmflow.source import Span
from mmflow.units import Budget, Money, Rate, Tokens, text_of

_LONGEST_TOKENS = 100_000_000
"""Longer requests than anybody sends."""

_SHOWN = 3

_SEARCHED = 8
"""Of so many of the dearest ways the length is looked for from which on they are too dear."""


@attrs.frozen
class _Limit:
    """Money that one request has: its `max_cost`, or all of a budget."""

    microusd: int
    text: str
    span: Span


def worst_cost(paths: Paths) -> Iterator[Diagnostic]:
    """One request that may cost more than it may.

    An error where the shortest request may, with each call made once; a warning where only long requests may, or calls that
    are made again. The runtime keeps the limit: it refuses the call that could pass it, in the middle of a request.
    """
    if not (limits := list(_limits(paths))):
        return
    shortest = [
        (case, worst_case(paths.plan, paths.flow, case.choices, case.shortest, refused=case.refused, is_repeated=False))
        for case in paths.cases
    ]
    if _lacks_price(paths, [load for _, load in shortest]):
        return  # `unknown-price` says so
    for limit in limits:
        found = _too_dear(paths, limit, shortest) or _dear_if_long(paths, limit)
        if found is not None:
            yield found


def _lacks_price(paths: Paths, loads: Sequence[Load]) -> bool:
    """Whether nobody knows the price of a model that answers, or of one that judges or classifies."""
    if any(isinstance(why, NoPrice) for load in loads for why in load.unknown):
        return True
    return any(each.model.prices is None for case in paths.cases for each in asks(paths.plan, paths.flow, case.choices))


def _limits(paths: Paths) -> Iterator[_Limit]:
    flow = paths.flow
    if (most := flow.max_cost_microusd) is not None:
        yield _Limit(most, f"the `max_cost` of `{flow.name}`, {text_of(Money(most))}", paths.span("max_cost"))
    if flow.budget is not None:
        budget = paths.plan.budgets[flow.budget]
        text = text_of(Budget(budget.limit_microusd, budget.period_s))
        yield _Limit(budget.limit_microusd, f"all of budget `{budget.name}`, {text}", paths.span("budget"))


def _too_dear(paths: Paths, limit: _Limit, loads: Sequence[tuple[Case, Load]]) -> Diagnostic | None:
    boundless = [(case, min(load.unknown, key=_text)) for case, load in loads if load.microusd is None]
    if boundless:
        case, why = min(boundless, key=lambda each: isinstance(each[1], OpaqueStrategy))
        message = f"{paths.when(case)}a request of `{paths.flow.name}` may cost any amount, above {limit.text}: {why.text}"
        if isinstance(why, OpaqueStrategy):
            # Its plugin is somebody else's, and the limit holds all the same.
            help = "use a strategy that declares its calls"
            return warning("worst-cost", message, limit.span, notes=_way(paths, case), help=help)
        return error("worst-cost", message, limit.span, notes=_way(paths, case), help="set `max_output` in the flow")
    dear = [(case, load.microusd) for case, load in loads if load.microusd is not None and load.microusd > limit.microusd]
    if not dear:
        return None
    case, worst = max(dear, key=_amount)
    message = (
        f"{paths.when(case)}one request may cost {money_text(worst)}, above {limit.text}, however short it is, "
        "so calls will be refused"
    )
    help = "lower `max_output`, raise the limit, or route to something cheaper"
    notes = [*_way(paths, case), *_others(paths, [each for each in dear if each[0] is not case])]
    return error("worst-cost", message, limit.span, notes=notes, help=help)


def _text(reason: Unknown) -> str:
    return reason.text


def _dear_if_long(paths: Paths, limit: _Limit) -> Diagnostic | None:
    dear = []
    for case in paths.cases:
        worst = _load(paths, case, case.longest).microusd
        if worst is None or worst > limit.microusd:
            dear.append((case, worst))
    if not dear:
        return None
    dear.sort(key=lambda each: (each[1] is not None, -(each[1] or 0)))
    tokens, number = min((_dear_above(paths, case, limit), number) for number, (case, _) in enumerate(dear[:_SEARCHED]))
    case, worst = dear[number]
    if tokens >= case.shortest:
        which = f"a request of more than {text_of(Tokens(tokens))} tokens may"
    else:
        which = "once calls are made again, a request may, however short it is,"
    message = (
        f"{paths.when(case)}{which} cost more than {limit.text}: the call that could pass it is then refused, "
        "in the middle of the request"
    )
    lengths = f"of {text_of(Tokens(case.longest))} tokens" if case.longest is not None else "of any length"
    most = "any amount" if worst is None else f"up to {money_text(worst)}"
    notes = [Note(f"one {lengths} may cost {most}, with every step, judge and retry that it can come to"), *_way(paths, case)]
    notes += _others(paths, [(each, worst) for each, worst in dear if each is not case and worst is not None])
    first = "lower" if paths.flow.max_input_tokens is not None else "set"
    help = f"{first} `max_input`, lower `max_output`, raise the limit, or route long requests to something cheaper"
    return warning("worst-cost", message, limit.span, notes=notes, help=help)


def _load(paths: Paths, case: Case, tokens: int | None) -> Load:
    return worst_case(paths.plan, paths.flow, case.choices, tokens, refused=case.refused)


def _dear_above(paths: Paths, case: Case, limit: _Limit) -> int:
    """The length above which a request may be too dear, below the shortest where all of them may: more tokens cost more."""
    low, high = case.shortest - 1, case.longest if case.longest is not None else _LONGEST_TOKENS
    while low + 1 < high:
        middle = (low + high) // 2
        worst = _load(paths, case, middle).microusd
        if worst is not None and worst <= limit.microusd:
            low = middle
        else:
            high = middle
    return low


def _way(paths: Paths, case: Case) -> list[Note]:
    return [Note(f"path: {paths.flow.name} -> {target_text(paths.plan, paths.flow.step, case.choices)}", paths.arm_span(case))]


def _others(paths: Paths, dear: Sequence[tuple[Case, int]]) -> list[Note]:
    """The dearest of the other ways that cost too much."""
    first = sorted(dear, key=_amount, reverse=True)[:_SHOWN]
    return [Note(f"{paths.when(case)}it may cost {money_text(worst)}".lstrip(), paths.arm_span(case)) for case, worst in first]


def _amount(each: tuple[Case, int]) -> int:
    return each[1]


def degrade_not_cheaper(paths: Paths) -> Iterator[Diagnostic]:
    """What a budget falls back on may call a model that is as dear as the dearest that it replaces."""
    plan, flow = paths.plan, paths.flow
    if flow.budget is None:
        return
    bare = replace(flow, budget=None)
    before = [dearest_call_microusd(plan, bare, case.choices) for case in paths.cases]
    dearest = max((each for each in before if each is not None), default=None)
    for declared, threshold in zip(
        paths.program.declarations[flow.budget].thresholds, plan.budgets[flow.budget].thresholds, strict=True
    ):
        if threshold.action != "degrade" or threshold.target is None or dearest is None:
            continue
        worst = dearest_call_microusd(plan, replace(bare, step=threshold.target), {})
        if worst is None or worst < dearest:
            continue
        target = step_text(plan, threshold.target)
        message = (
            f"a call of `{target}` costs up to {money_text(worst)} for a typical request of `{flow.name}`, "
            f"no less than the dearest that it replaces ({money_text(dearest)})"
        )
        yield warning("degrade-not-cheaper", message, declared.node.span, help="degrade to something cheaper, or `reject`")


def traffic_over_budget(flows: Sequence[Paths]) -> Iterator[Diagnostic]:
    """Flows whose expected traffic costs more than the budget that they share, by the estimate of `bounds.typical`."""
    by_budget: dict[str, list[tuple[Paths, Rate, float]]] = {}
    for paths in flows:
        flow = paths.flow
        each = typical_of(paths.plan, flow, paths.cases)
        if flow.budget is None or flow.traffic is None or each is None or paths.plan.budgets[flow.budget].per is not None:
            continue
        traffic = Rate(flow.traffic.count, flow.traffic.period_s)
        by_budget.setdefault(flow.budget, []).append((paths, traffic, each))
    for name, sharing in by_budget.items():
        budget = sharing[0][0].plan.budgets[name]
        costs = [rate.count / rate.period_s * budget.period_s * each for _, rate, each in sharing]
        if sum(costs) <= budget.limit_microusd:
            continue
        _, paths, rate, each = max(((cost, *one) for cost, one in zip(costs, sharing, strict=True)), key=lambda one: one[0])
        due = text_of(Budget(round(sum(costs)), budget.period_s))
        limit = text_of(Budget(budget.limit_microusd, budget.period_s))
        shared = "" if len(sharing) == 1 else f" with {len(sharing) - 1} more of the flows that share it"
        message = f"`{paths.flow.name}` at {text_of(rate)}{shared} will cost about {due}, and `{name}` has {limit}"
        notes = [Note(f"estimated from {money_text(each)} a request: a typical one on each arm, answered at once")]
        yield warning(
            "traffic-over-budget",
            message,
            paths.span("traffic"),
            notes=notes,
            help="raise the budget, lower the traffic, or route to something cheaper",
        )


def typical_of(plan: Plan, flow: Flow, cases: Sequence[Case]) -> float | None:
    """The micro-dollars of a typical request, each case as likely as the others; None where a price is not known."""
    known = [typical_microusd(plan, flow, case.choices) for case in cases]
    prices = [each for each in known if each is not None]
    return sum(prices) / len(prices) if prices and len(prices) == len(known) else None
