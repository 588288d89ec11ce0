"""Conditions as written to the plan's tests: total, two-valued, over labels, scores and the request alone."""

from collections.abc import Iterator

from mmflow.check import names, types
from mmflow.check.conditions.request import FORMS, REQUEST_FIELDS, request_field, request_test, text_test
from mmflow.check.conditions.signals import label_test, score_test, signal_kind
from mmflow.check.scope import Scope
from mmflow.plan import All, Any_, Not, RequestIs, Test
from mmflow.syntax import nodes


def lower(expr: nodes.Expr, scope: Scope, *, scores: bool = False) -> Test | None:
    """The test of a condition; None where it has a mistake, which is then reported.

    With `scores`, it is about an answer (`accept = quality >= 0.85`), else about a request.
    """
    with scope.nested(expr) as is_small:
        return _lower(expr, scope, scores) if is_small else None


def _lower(expr: nodes.Expr, scope: Scope, scores: bool) -> Test | None:
    expanded = scope.expand(expr)
    match expanded:
        case None:
            return None
        case nodes.Or(operands=operands):
            tests = [lower(each, scope, scores=scores) for each in operands]
            return Any_(tuple(each for each in tests if each is not None)) if None not in tests else None
        case nodes.And(operands=operands):
            tests = [lower(each, scope, scores=scores) for each in operands]
            return All(tuple(each for each in tests if each is not None)) if None not in tests else None
        case nodes.Not(operand=operand):
            inner = lower(operand, scope, scores=scores)
            return Not(inner) if inner is not None else None
        case nodes.Bool(value=value):
            return All(()) if value else Any_(())
        case nodes.Compare(first=first, rest=((operator, right),)):
            return _compare(first, operator, right, expanded, scope, scores)
        case nodes.Compare():
            scope.report(types.wrong_type("a condition compares two things at a time", expanded.span, "join two by `and`"))
            return None
        case _:
            return _bare(expanded, scope, scores)


def text_of(expr: nodes.Expr, scope: Scope) -> str:
    """A condition on one line, as written but for the names of lets, which give way to their values."""
    text, start = expr.span.text, expr.span.start
    for ref in sorted(_refs(expr), key=lambda ref: ref.span.start, reverse=True):
        if ref.name in scope.lets and (value := scope.expand(ref)) is not None:
            text = text[: ref.span.start - start] + value.span.text + text[ref.span.end - start :]
    return " ".join(text.split())


def _refs(expr: nodes.Expr) -> Iterator[nodes.Ref]:
    match expr:
        case nodes.Ref():
            yield expr
        case nodes.And(operands=operands) | nodes.Or(operands=operands) | nodes.List(items=operands):
            for each in operands:
                yield from _refs(each)
        case nodes.Not(operand=operand):
            yield from _refs(operand)
        case nodes.Compare(first=first, rest=rest):
            yield from _refs(first)
            for _, right in rest:
                yield from _refs(right)


def _bare(expr: nodes.Expr, scope: Scope, scores: bool) -> Test | None:
    """A condition without an operator: only the request's own yes-or-no fields."""
    if isinstance(expr, nodes.Ref) and expr.name == "request":
        scope.report(types.wrong_type("`request` is not a condition by itself", expr.span, f"conditions see {FORMS}"))
        return None
    if isinstance(expr, nodes.Ref) and (kind := signal_kind(expr, scope)):
        example = {"classify": f"{expr.name} == LABEL", "scorer": f"{expr.name} >= 0.85"}[kind]
        scope.report(types.wrong_type(f"`{expr.name}` is not a condition by itself", expr.span, f"compare it: `{example}`"))
        return None
    match expr:
        case (
            nodes.Member(base=nodes.Ref(name="request")) | nodes.Invoke(function=nodes.Member(base=nodes.Ref(name="request")))
        ) if not scores:
            field = request_field(expr, scope)
            if field is None:
                return None
            if REQUEST_FIELDS.get(field) is bool:
                return RequestIs(field, "==", True)
            written = expr.span.text[:40]
            help = f"compare it: `{written} == …`"
            scope.report(types.wrong_type(f"`{written}` is not a condition by itself", expr.span, help))
            return None
    return _no_signal(expr, scope, scores)


def _no_signal(expr: nodes.Expr, scope: Scope, scores: bool) -> None:
    """Report what a condition cannot see."""
    kind, what = ("scorer", "a scorer") if scores else ("classify", "a classifier or a field of the request")
    if isinstance(expr, nodes.Ref) and expr.name in ("when", "else"):  # which may be names, and here are not meant as such
        message = f"unexpected `{expr.name}`, expected the rest of the condition above"
        scope.report(types.unexpected_token(message, expr.span, "end the line above with `-> target`, not with `and` or `or`"))
        return
    forms = "conditions see the scorers of this file" if scores else f"conditions see classifiers of this file and {FORMS}"
    if isinstance(expr, nodes.Ref) and expr.name not in scope.blocks and expr.name not in scope.lets:
        known = [*scope.of_kinds((kind,)), *(() if scores else ("request",))]
        scope.report(names.unknown_name(expr.name, expr.span, what, known, forms))
    else:
        scope.report(types.wrong_type(f"`{expr.span.text[:40]}` is not {what}", expr.span, forms))


def _compare(left: nodes.Expr, operator: str, right: nodes.Expr, whole: nodes.Expr, scope: Scope, scores: bool) -> Test | None:
    if isinstance(left, nodes.Ref) and left.name in scope.lets:
        value = scope.value(left)
        if value is None:
            return None
        left = scope.linked(value) if isinstance(value, nodes.Ref | nodes.Member | nodes.Invoke) else left
    kind = signal_kind(left, scope)
    if isinstance(left, nodes.Ref) and kind == "classify":
        scope.used.add(left.name)
        if scores:
            message = f"`{left.name}` is about the request; an answer is accepted by its scores"
            scope.report(types.wrong_type(message, left.span, "compare a scorer: `quality >= 0.85`"))
            return None
        return label_test(left.name, operator, right, whole, scope)
    if isinstance(left, nodes.Ref) and kind == "scorer":
        scope.used.add(left.name)
        if not scores:
            message = f"`{left.name}` scores answers, and there is no answer yet"
            scope.report(types.wrong_type(message, left.span, "scores stand in `accept` of a cascade"))
            return None
        return score_test(left.name, operator, right, scope)
    match left:
        case nodes.Member(base=nodes.Ref(name="request"), name="text") if not scores:
            return text_test(operator, right, whole, scope)
        case (
            nodes.Member(base=nodes.Ref(name="request")) | nodes.Invoke(function=nodes.Member(base=nodes.Ref(name="request")))
        ) if not scores:
            field = request_field(left, scope)
            return request_test(field, operator, right, whole, scope) if field else None
    if signal_kind(right, scope) or (isinstance(right, nodes.Member) and isinstance(right.base, nodes.Ref)):
        scope.report(types.wrong_type("the signal stands on the left of a comparison", whole.span, "turn it round"))
        return None
    return _no_signal(left, scope, scores)
