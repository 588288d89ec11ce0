"""Refusals of a value: what is due in a field, what stands there, in words."""

from mmflow.check import types
from mmflow.check.scope import Scope
from mmflow.diagnostics import did_you_mean
from mmflow.options import Either, FieldType, File, ListOf, MapOf, OneWord, RecordOf, Reference, Scalar, Secret, fields_of
from mmflow.syntax import nodes
from mmflow.units import UNITS, Score, UnitError, coerce, describe, parse_quantity

QUANTITY_TYPES = (*UNITS, Score, int, float)
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
    help = help or _without_quotes(expr, type_) or _near_word(expr, type_)
    scope.report(types.wrong_type(f"expected {due(type_)}, got {shown(expr)}", expr.span, help))


def _without_quotes(expr: nodes.Expr, type_: FieldType) -> str | None:
    """The fix for a name, a word or a quantity that is written as a string."""
    if not isinstance(expr, nodes.String):
        return None
    is_scalar = isinstance(type_, Scalar) and type_.type not in (Secret, File)
    is_name = expr.value.isidentifier() and not (isinstance(type_, Scalar) and type_.type in QUANTITY_TYPES)
    if (is_name and (is_scalar or expr.value in words_of(type_))) or (is_scalar and _is_quantity(expr.value, type_)):
        return f"write `{expr.value}` without quotes"
    return None


def _is_quantity(text: str, type_: FieldType) -> bool:
    if not isinstance(type_, Scalar) or type_.type not in QUANTITY_TYPES:
        return False
    try:
        coerce(parse_quantity(text), type_.type)
    except UnitError:
        return False
    return True


def _near_word(expr: nodes.Expr, type_: FieldType) -> str | None:
    near = did_you_mean(expr.name, words_of(type_)) if isinstance(expr, nodes.Ref) else None
    # `internal` is no misspelt `external`: slips of the keyboard spare the first letter.
    return f"did you mean `{near}`?" if near and isinstance(expr, nodes.Ref) and near[0] == expr.name[0] else None


def words_of(type_: FieldType) -> tuple[str, ...]:
    """The words that may stand in a field; empty where it takes none."""
    match type_:
        case OneWord(words=words):
            return words
        case Either(types=each):
            return tuple(word for one in each for word in words_of(one))
        case _:
            return ()
