"""Values in a form of their own: `low < high`, `last_user(2)`, `5xx`, `retry(1)`."""

from collections.abc import Callable
from typing import Any, get_args

from mmflow.check import names, types
from mmflow.check.conditions import lower, request_field, text_of
from mmflow.check.due import refuse
from mmflow.check.kinds import Condition, ErrorName, Expectation, Fixed, Labels, OnInvalid, PickName, Reading, RequestField
from mmflow.check.scope import Scope, path_of
from mmflow.check.values.scalars import quantity
from mmflow.diagnostics import did_you_mean
from mmflow.options import Name, Scalar
from mmflow.plugin import ErrorClass
from mmflow.source import Span
from mmflow.syntax import nodes


def _labels(expr: nodes.Expr, scope: Scope) -> Labels | None:
    match expr:
        case nodes.List(items=items):
            parts, ordered = items, False
        case nodes.Compare(first=first, rest=rest) if all(operator == "<" for operator, _ in rest):
            parts, ordered = (first, *(operand for _, operand in rest)), True
        case nodes.Compare(rest=rest):
            wrong = next(operator for operator, _ in rest if operator != "<")
            return refuse(expr, Scalar(Labels), scope, f"order labels from low to high by `<`, not `{wrong}`")
        case _:
            return refuse(expr, Scalar(Labels), scope)
    found: dict[str, Span] = {}
    for part in parts:
        if not isinstance(part, nodes.Ref):
            return refuse(part, Scalar(Name), scope)
        if part.name in found:
            scope.report(names.duplicate_name(part.name, part.span, found[part.name], "listed"))
            return None
        found[part.name] = part.span
    if len(found) < 2:
        scope.report(types.out_of_range("a classifier needs at least two labels", expr.span))
        return None
    return Labels(tuple(found), ordered)


def _condition(expr: nodes.Expr, scope: Scope) -> Condition | None:
    test = lower(expr, scope, scores=True)
    return Condition(test, text_of(scope.linked(expr), scope)) if test is not None else None


def _request_field(expr: nodes.Expr, scope: Scope) -> RequestField | None:
    name = request_field(expr, scope)
    return RequestField(name) if name else None


def _reading(expr: nodes.Expr, scope: Scope) -> Reading | None:
    match expr:
        case nodes.Ref(name="last_user"):
            return Reading("last_user", 1)
        case nodes.Ref(name="all_user" | "all" as turns):
            return Reading(turns, 0)
        case nodes.Invoke(function=nodes.Ref(name="last_user"), arguments=(nodes.Quantity(text=text) as count,)):
            if text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= 100:
                return Reading("last_user", int(text))
            scope.report(types.out_of_range("1 to 100 turns can be read", count.span))
            return None
        case _:
            return refuse(expr, Scalar(Reading), scope)


def _error_name(expr: nodes.Expr, scope: Scope) -> ErrorName | None:
    known = get_args(ErrorClass)
    match expr:
        case nodes.Quantity(text=text) | nodes.Ref(name=text) if text in ("budget", "blocked"):
            scope.report(types.out_of_range(f"`{text}` is final: nothing catches it", expr.span, "remove it"))
            return None
        case nodes.Quantity(text=text) | nodes.Ref(name=text) if text in known:
            return ErrorName(text)
        case nodes.Quantity(text=text) if text.isdecimal() and len(text) == 3 and 400 <= int(text) < 600:
            return refuse(expr, Scalar(ErrorName), scope, f"errors are caught by class: write `{text[0]}xx`")
        case nodes.Quantity(text=text) | nodes.Ref(name=text):
            classes = ", ".join(f"`{each}`" for each in known if each not in ("budget", "blocked"))
            near = did_you_mean(text, known)
            help = f"did you mean `{near}`?" if near and not text.isdecimal() else f"classes are {classes}"
            return refuse(expr, Scalar(ErrorName), scope, help)
        case _:
            is_known = isinstance(expr, nodes.String) and expr.value in known
            return refuse(expr, Scalar(ErrorName), scope, f"write `{expr.span.text[1:-1]}` without quotes" if is_known else None)


def _pick_name(expr: nodes.Expr, scope: Scope) -> PickName | None:
    path = path_of(expr)
    if path is None:
        return refuse(expr, Scalar(PickName), scope)
    word = scope.word_path(path)
    return PickName(word) if scope.word("pick", word, expr.span) is not None else None


def _on_invalid(expr: nodes.Expr, scope: Scope) -> OnInvalid | None:
    match expr:
        case nodes.Ref(name="fail"):
            return OnInvalid(0)
        case nodes.Invoke(function=nodes.Ref(name="retry"), arguments=(nodes.Quantity() as count,)):
            times = quantity(count, int, scope)
            if times is not None and not 1 <= times <= 5:
                scope.report(types.out_of_range("1 to 5 times", count.span, "write `fail` to ask no second time"))
                return None
            return OnInvalid(times) if times is not None else None
        case _:
            asks_again = "write `retry(1)`" if expr.span.text.startswith("retry") else None
            return refuse(expr, Scalar(OnInvalid), scope, asks_again)


FORMS: dict[type, Callable[[nodes.Expr, Scope], Any]] = {
    Labels: _labels,
    Condition: _condition,
    RequestField: _request_field,
    Reading: _reading,
    ErrorName: _error_name,
    PickName: _pick_name,
    OnInvalid: _on_invalid,
    Fixed: lambda expr, scope: Fixed(expr) if isinstance(expr, nodes.Record) else refuse(expr, Scalar(Fixed), scope),
    Expectation: lambda expr, scope: Expectation(expr),
}
