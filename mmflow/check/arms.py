"""Arms as written to typed ones: targets under a condition or a share, rules, thresholds of a budget, `off`, templates."""

from collections.abc import Callable

from mmflow.check import types
from mmflow.check.conditions import lower, text_of
from mmflow.check.kinds import Arms, Condition
from mmflow.check.needs import lower_needs
from mmflow.check.program import Arm, Needed, Off, Rule, Template, Threshold
from mmflow.check.scope import Scope
from mmflow.check.templates import parts
from mmflow.check.values import target, typed
from mmflow.diagnostics import Diagnostic, did_you_mean
from mmflow.options import Scalar
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.units import Share, UnitError, coerce, parse_quantity

Item = nodes.When | nodes.Else | nodes.Share
AnyArm = Arm | Rule | Threshold | Off | Template

# What each sort of arms takes, in words and with an example.
_TAKES: dict[Arms, tuple[tuple[type, ...], str, str]] = {
    "none": ((), "has no arms", "a `split` takes shares, a `route` or `flow` conditions"),
    "conditions": ((nodes.When, nodes.Else), "takes `when` and `else`", "write `when condition -> target`, or `else -> target`"),
    "shares": ((nodes.Share, nodes.Else), "takes shares and `else`", "write `10% -> target`, or `else -> target` for the rest"),
    "needs": ((nodes.When,), "takes `when`", "write `when condition -> target.zone == own`; `when true` holds always"),
    "spent": ((nodes.When,), "takes `when spent >= …`", 'write `when spent >= 80% -> alert("ops")`'),
    "off": ((nodes.When,), "takes `when … -> off`", "write `when condition -> off`; `when true` holds always"),
    "templates": (
        (nodes.When, nodes.Else),
        "takes `when` and `else`",
        'write `when target.family == "llama" -> "…"`, or `else -> "…"`',
    ),
}


def read_arms(sort: Arms, items: tuple[Item, ...], owner: str, scope: Scope) -> list[AnyArm] | None:
    """The arms of a block; None where one has a mistake, which is then reported."""
    arms = [_arm(sort, item, owner, scope) for item in items]
    return None if None in arms else [arm for arm in arms if arm is not None]


def _arm(sort: Arms, item: Item, owner: str, scope: Scope) -> AnyArm | None:
    takes, due, help = _TAKES[sort]
    if not isinstance(item, takes):
        scope.report(types.wrong_type(f"{owner} {due}", item.span, help))
        return None
    return _READERS[sort](item, scope)


def _condition(expr: nodes.Expr, scope: Scope) -> Condition | None:
    test = lower(expr, scope)
    return Condition(test, text_of(scope.linked(expr), scope)) if test is not None else None


# ---- targets and rules --------------------------------------------------------------------------------------------------------


def _target_arm(item: Item, scope: Scope) -> Arm | None:
    found = target(item.target, scope)
    condition, share = None, None
    match item:
        case nodes.When(condition=expr):
            condition = _condition(expr, scope)
            if condition is None:
                return None
        case nodes.Share(share=quantity):
            share = typed(quantity, Scalar(Share), scope)
            if share is None:
                return None
    return Arm(condition, share, found, item) if found is not None else None


def _rule(item: nodes.When, scope: Scope) -> Rule | None:
    condition, needs = _condition(item.condition, scope), lower_needs(item.target, scope)
    if condition is None or needs is None:
        return None
    return Rule(condition, needs, " ".join(item.span.text.split()), item)


# ---- budgets ------------------------------------------------------------------------------------------------------------------

_SPENT = "write `when spent >= 80% -> …`: a share of the limit"
_ACTIONS = 'actions are `alert("ops")`, `degrade(fast)` and `reject`'


def _threshold(item: nodes.When, scope: Scope) -> Threshold | None:
    share = _spent(item.condition, scope)
    expr = scope.expand(item.target)
    match expr:
        case None:
            return None
        case nodes.Ref(name="reject") | nodes.Invoke(function=nodes.Ref(name="reject"), arguments=()):
            return Threshold(share, "reject", None, None, item) if share is not None else None
        case nodes.Invoke(function=nodes.Ref(name="alert"), arguments=(argument,)) if not isinstance(argument, nodes.NamedArg):
            channel = typed(argument, Scalar(str), scope)
            if channel == "":
                scope.report(types.out_of_range("the name of the channel is empty", argument.span, 'write `alert("ops")`'))
            return Threshold(share, "alert", channel, None, item) if share is not None and channel else None
        case nodes.Invoke(function=nodes.Ref(name="degrade"), arguments=(argument,)) if not isinstance(argument, nodes.NamedArg):
            found = target(argument, scope)
            return Threshold(share, "degrade", None, found, item) if share is not None and found is not None else None
    help = _ACTIONS
    match expr:
        case nodes.Ref(name=name) | nodes.Invoke(function=nodes.Ref(name=name)):
            needs = {"alert": 'write `alert("ops")`: the name of a channel', "degrade": "write `degrade(fast)`: one target"}
            near = did_you_mean(name, ("alert", "degrade", "reject"))
            if near is None and scope.full(nodes.Ref(name, expr.span)) in scope.blocks:
                help = f"write `degrade({name})`"
            else:
                help = needs.get(name) or (f"did you mean `{near}`?" if near else help)
    scope.report(types.wrong_type("expected an action of a budget", item.target.span, help))
    return None


def _spent(expr: nodes.Expr, scope: Scope) -> float | None:
    """The share of the limit from which on a threshold acts."""
    expanded = scope.value(expr)
    match expanded:
        case None:
            return None
        case nodes.Compare(first=nodes.Ref(name="spent"), rest=((">=" | ">", right),)):
            return _share_of_limit(right, scope)
        case nodes.Compare(first=nodes.Ref(name="spent")):
            message, help = "what was spent is compared by `>=`: it only grows", _SPENT
        case nodes.Compare(rest=((_, nodes.Ref(name="spent")),)):
            message, help = "`spent` stands on the left of a comparison", "turn it round: `spent >= 80%`"
        case _:
            message, help = "a threshold of a budget is about `spent` and nothing else", _SPENT
    scope.report(types.wrong_type(message, expr.span, help))
    return None


def _share_of_limit(expr: nodes.Expr, scope: Scope) -> float | None:
    expanded = scope.value(expr)
    if expanded is None:
        return None
    if not isinstance(expanded, nodes.Quantity):
        scope.report(types.wrong_type("`spent` is compared with a share of the limit", expr.span, _SPENT))
        return None
    try:
        share = coerce(parse_quantity(expanded.text), Share)
    except UnitError as problem:
        scope.report(_no_share(expanded.text, problem, expr.span))
        return None
    return float(share)  # type: ignore[arg-type]  # coerce gives a Share


def _no_share(text: str, problem: UnitError, span: Span) -> Diagnostic:
    if problem.message.endswith("is negative"):
        return types.out_of_range(problem.message, span, problem.help)
    is_fraction = text.replace(".", "", 1).isdecimal() and 0 < float(text) < 1
    help = f"write `{float(text) * 100:g}%`" if is_fraction else problem.help or _SPENT
    return types.wrong_type("`spent` is compared with a share of the limit", span, help)


# ---- caches and prompts -------------------------------------------------------------------------------------------------------


def _off(item: nodes.When, scope: Scope) -> Off | None:
    condition = _condition(item.condition, scope)
    if not (isinstance(item.target, nodes.Ref) and item.target.name == "off"):
        scope.report(types.wrong_type("a cache can only be turned `off`", item.target.span, "write `when condition -> off`"))
        return None
    return Off(condition, item) if condition is not None else None


def _template(item: nodes.When | nodes.Else, scope: Scope) -> Template | None:
    found = parts(item.target, scope)
    if isinstance(item, nodes.Else):
        return Template(None, found, item) if found is not None else None
    needs = lower_needs(item.condition, scope)
    if needs is None or found is None:
        return None
    return Template(Needed(needs, text_of(item.condition, scope)), found, item)


_READERS: dict[Arms, Callable[..., AnyArm | None]] = {
    "conditions": _target_arm,
    "shares": _target_arm,
    "needs": _rule,
    "spent": _threshold,
    "off": _off,
    "templates": _template,
}
