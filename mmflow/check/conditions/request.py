"""Conditions on fields of the request, and on its text."""

from mmflow.check import types
from mmflow.check.scope import Scope
from mmflow.patterns import PatternError, compile_pattern
from mmflow.plan import Any_, Not, RequestIs, Test, TextMatches
from mmflow.syntax import nodes
from mmflow.units import Tokens, UnitError, coerce, parse_quantity

# The fields of a request that a condition may read, and what they are compared with.
REQUEST_FIELDS = {"tokens": Tokens, "user": str, "language": str, "has_images": bool, "has_tools": bool}


FORMS = "`request.tokens`, `request.user`, `request.language`, `request.has_images`, `request.has_tools`, "
FORMS += '`request.meta("team")`, `request.text matches "…"`'


def request_field(expr: nodes.Expr, scope: Scope) -> str | None:
    """`request.user`, `request.meta("team")` as the name in a plan; None (reported) where it is no field."""
    match expr:
        case nodes.Member(base=nodes.Ref(name="request"), name=name) if name in REQUEST_FIELDS:
            return name
        case nodes.Invoke(
            function=nodes.Member(base=nodes.Ref(name="request"), name="meta"), arguments=(nodes.String(value=key),)
        ):
            return f"meta.{key}"
        case nodes.Member(base=nodes.Ref(name="request"), name="meta"):
            message = "`request.meta` needs the name of a field"
            scope.report(types.wrong_type(message, expr.span, 'write `request.meta("team")`'))
        case nodes.Member(base=nodes.Ref(name="request"), name="text"):
            message = "`request.text` is only matched with a pattern, in a condition"
            scope.report(types.wrong_type(message, expr.span, 'write `request.text matches "invoice"`'))
        case nodes.Member(base=nodes.Ref(name="request"), name=name, name_span=span):
            scope.report(types.unknown_field(name, "a request", span, [*REQUEST_FIELDS, "meta", "text"]))
        case _:
            scope.report(types.wrong_type("expected a field of the request", expr.span, f"fields are {FORMS}"))
    return None


def request_test(field: str, operator: str, right: nodes.Expr, whole: nodes.Expr, scope: Scope) -> Test | None:
    """The test of a comparison of a field; None (reported) where it is none."""
    if operator in ("in", "not in"):
        expanded = scope.expand(right)
        if not isinstance(expanded, nodes.List):
            scope.report(types.wrong_type("`in` needs a list", right.span, 'write `in ["a", "b"]`'))
            return None
        tests = [request_test(field, "==", each, whole, scope) for each in expanded.items]
        if None in tests:
            return None
        found = Any_(tuple(each for each in tests if each is not None))
        return found if operator == "in" else Not(found)
    if operator == "matches":
        scope.report(types.wrong_type("only `request.text` is matched with patterns", whole.span))
        return None
    wanted = REQUEST_FIELDS.get(field, str)
    value = _request_value(right, wanted, scope)
    if value is None:
        return None
    if wanted is not Tokens and operator not in ("==", "!="):
        scope.report(types.wrong_type(f"`request.{field}` has no order", whole.span, "compare it by `==` or `!=`"))
        return None
    return RequestIs(field, operator, value)  # type: ignore[arg-type]  # `in` and `matches` are gone, the rest is Operator


def _request_value(right: nodes.Expr, wanted: type, scope: Scope) -> int | str | bool | None:
    expanded = scope.expand(right)
    match expanded:
        case nodes.String(value=value) if wanted is str:
            return value
        case nodes.Bool(value=truth) if wanted is bool:
            return truth
        case nodes.Quantity(text=text) if wanted is Tokens:
            try:
                return int(coerce(parse_quantity(text), Tokens))  # type: ignore[arg-type]  # coerce gives Tokens
            except UnitError as problem:
                scope.report(types.wrong_type(problem.message, right.span, problem.help))
                return None
        case nodes.Ref(name=name) if wanted is str:
            scope.report(types.wrong_type("expected a string", right.span, f'write `"{name}"`'))
        case None:
            pass
        case _:
            due = {str: "a string", bool: "`true` or `false`", Tokens: "a number of tokens such as `2k`"}[wanted]
            scope.report(types.wrong_type(f"expected {due}", right.span))
    return None


def text_test(operator: str, right: nodes.Expr, whole: nodes.Expr, scope: Scope) -> Test | None:
    """The test of `request.text matches "…"`; None (reported) where it is none."""
    expanded = scope.expand(right)
    if operator != "matches" or not isinstance(expanded, nodes.String):
        message = "the text of a request is matched with a pattern"
        scope.report(types.wrong_type(message, whole.span, 'write `request.text matches "invoice"`'))
        return None
    try:
        compile_pattern(expanded.value)
    except PatternError as problem:
        scope.report(types.slow_pattern(problem.message, right.span, problem.help))
        return None
    return TextMatches(expanded.value)
