"""What a guard or a template needs of a callee, as written, to the alternatives that a plan has."""

from itertools import product
from typing import get_args

from mmflow.check import names, types
from mmflow.check.scope import Scope
from mmflow.diagnostics import did_you_mean
from mmflow.plan import TargetIs
from mmflow.plugin import Zone
from mmflow.syntax import nodes

Needs = tuple[tuple[TargetIs, ...], ...]

_FIELDS = ("zone", "region", "provider", "family", "name")
_FORMS = "facts of the callee are due, such as `target.zone == own` or `target.region in [eu, ch]`"
_MOST = 64


def lower_needs(expr: nodes.Expr, scope: Scope, holds: bool = True) -> Needs | None:
    """The alternatives under which an expression is `holds`; None where it has a mistake, which is then reported."""
    with scope.nested(expr) as is_small:
        return _lower(expr, scope, holds) if is_small else None


def _lower(expr: nodes.Expr, scope: Scope, holds: bool) -> Needs | None:
    match scope.expand(expr):
        case None:
            return None
        case nodes.Not(operand=operand):
            return lower_needs(operand, scope, not holds)
        case nodes.Or(operands=operands) | nodes.And(operands=operands) as junction:
            parts = [lower_needs(each, scope, holds) for each in operands]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            if isinstance(junction, nodes.Or) == holds:
                return tuple(fact for part in known for fact in part)
            return _each_with_each(known, expr, scope)
        case nodes.Compare(first=nodes.Member(base=nodes.Ref(name="target"), name=field), rest=((operator, right),)) as compared:
            if field not in _FIELDS:
                assert isinstance(compared.first, nodes.Member)
                scope.report(types.unknown_field(field, "a target", compared.first.name_span, _FIELDS))
                return None
            return _fact(field, operator, right, holds, scope)
        case other:
            scope.report(types.wrong_type(f"`{other.span.text[:40]}` is not about the callee", expr.span, _FORMS))
            return None


def _each_with_each(parts: list[Needs], expr: nodes.Expr, scope: Scope) -> Needs | None:
    count = 1
    for part in parts:
        count *= len(part)
    if count > _MOST:
        scope.report(types.out_of_range(f"this needs {count} alternatives", expr.span, f"write at most {_MOST}, in several arms"))
        return None
    return tuple(tuple(fact for facts in chosen for fact in facts) for chosen in product(*parts))


def _fact(field: str, operator: str, right: nodes.Expr, holds: bool, scope: Scope) -> Needs | None:
    expanded = scope.expand(right)
    if operator in ("in", "not in") and isinstance(expanded, nodes.List):
        values = [_value(field, each, scope) for each in expanded.items]
    elif operator in ("==", "!=") and expanded is not None:
        values = [_value(field, expanded, scope)]
    elif operator in ("in", "not in"):
        help = f"write `target.{field} {operator} [{right.span.text[:40]}]`"
        scope.report(types.wrong_type(f"`{operator}` needs a list", right.span, help))
        return None
    else:
        scope.report(types.wrong_type(f"a fact of the callee is not compared by `{operator}`", right.span, _FORMS))
        return None
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if (operator in ("==", "in")) == holds:
        return tuple((TargetIs(field, "==", value),) for value in known)  # type: ignore[arg-type]  # one of _FIELDS
    return (tuple(TargetIs(field, "!=", value) for value in known),)  # type: ignore[arg-type]  # one of _FIELDS


def _value(field: str, expr: nodes.Expr, scope: Scope) -> str | None:
    """The word or string that a fact is compared with, where such a thing can be."""
    if not isinstance(expr, nodes.Ref | nodes.String):
        scope.report(types.wrong_type(f"`target.{field}` is compared with a word", expr.span, _FORMS))
        return None
    value = expr.name if isinstance(expr, nodes.Ref) else expr.value
    known: list[str] = []
    match field:
        case "zone":
            known = list(get_args(Zone))
        case "provider":
            known = [*scope.of_kinds(("provider",)), *scope.implicit_providers]
        case "name":
            known = scope.of_kinds(("model",))
    if known and value not in known:
        if field == "zone":
            near = did_you_mean(value, known)
            help = f"did you mean `{near}`?" if near else "zones are `own` and `external`"
            scope.report(types.wrong_type(f"there is no zone `{value}`", expr.span, help))
        else:
            scope.report(names.unknown_name(value, expr.span, f"a {'model' if field == 'name' else field}", known))
        return None
    return value
