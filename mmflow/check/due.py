"""Refusals of a value: what is due in a field, what stands there, in words."""

from mmflow.check import types
from mmflow.check.scope import Scope
from mmflow.options import Either, FieldType, ListOf, MapOf, OneWord, RecordOf, Reference, Scalar, Secret, fields_of
from mmflow.syntax import nodes
from mmflow.units import UnitError, describe, parse_quantity

_ARTICLE = {str: "a string", bool: "`true` or `false`", int: "a whole number", float: "a number", Secret: '`secret("NAME")`'}


def due(type_: FieldType) -> str:
    """What is due, in words."""
    match type_:
        case Scalar(type=scalar):
            if issubclass(scalar, Reference):
                return f"the name of a {' or '.join(scalar.kinds) if len(scalar.kinds) < 3 else 'target'}"
            return str(getattr(scalar, "due", None) or _ARTICLE.get(scalar, scalar.__name__))
        case OneWord(words=words):
            return " or ".join(f"`{word}`" for word in words)
        case ListOf(item=item):
            return f"a list `[…]`, each {due(item)}"
        case MapOf(value=value):
            return f"a record `{{ name = … }}`, each {due(value)}"
        case RecordOf(options=cls):
            return "a record `{ " + ", ".join(f"{field.name} = …" for field in fields_of(cls)) + " }`"
        case Either(types=each):
            return ", or ".join(due(one) for one in each)


def shown(expr: nodes.Expr) -> str:
    """What stands there, in words."""
    match expr:
        case nodes.Quantity(text=text):
            try:
                return describe(parse_quantity(text))
            except UnitError:
                return f"`{text}`"
        case nodes.String() | nodes.Text():
            return "a string"
        case nodes.Ref(name=name):
            return f"the name `{name}`"
        case nodes.List():
            return "a list"
        case nodes.Record():
            return "a record"
        case nodes.Bool(value=value):
            return f"`{str(value).lower()}`"
        case nodes.Compare() | nodes.And() | nodes.Or() | nodes.Not():
            return "a condition"
        case _:
            return f"`{expr.span.text[:40]}`"


def refuse(expr: nodes.Expr, type_: FieldType, scope: Scope, help: str | None = None) -> None:
    """Report a value that is not of the type that is due; it has no typed value."""
    scope.report(types.wrong_type(f"expected {due(type_)}, got {shown(expr)}", expr.span, help))
