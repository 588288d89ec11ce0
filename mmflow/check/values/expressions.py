"""Expressions to typed values: what a field's class asks for, or a diagnostic that shows the fix."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from mmflow.check import names, types
from mmflow.check.due import QUANTITY_TYPES, due, refuse, words_of
from mmflow.check.hidden import hidden_word
from mmflow.check.kinds import Target, WithFields
from mmflow.check.scope import UNKNOWN_VARIABLE, Scope
from mmflow.check.values.attributes import attributes_of, constructed
from mmflow.check.values.forms import FORMS
from mmflow.check.values.references import declared, no_name, provider, unknown
from mmflow.check.values.scalars import one_word, plain
from mmflow.diagnostics import Note, did_you_mean
from mmflow.options import (
    Either,
    Field,
    FieldType,
    ListOf,
    MapOf,
    OneWord,
    ProviderName,
    RecordOf,
    Reference,
    Scalar,
    TargetName,
    Written,
    fields_of,
)
from mmflow.source import Span
from mmflow.syntax import nodes


def typed(expr: nodes.Expr, type_: FieldType, scope: Scope) -> Any:
    """The value of an expression as a field's type; None where it has none, which is then reported."""
    expr = scope.qualified(expr)
    expanded = scope.value(expr)
    if expanded is None:
        return None
    if expanded is not expr:
        if isinstance(expr, nodes.Ref) and expr.name in words_of(type_):
            scope.report(hidden_word(expr.name, scope.lets[scope.full(expr)], expr.span))
        return _through_let(expr, expanded, type_, scope)
    if isinstance(expr, nodes.Ref) and "." in expr.name and expr.name not in scope.blocks:
        return unknown(expr, type_, scope)
    match type_:
        case Scalar(type=scalar):
            return _scalar(expr, scalar, scope)
        case OneWord(words=words):
            return one_word(expr, words, scope)
        case ListOf(item=item):
            return _list(expr, item, scope)
        case MapOf(value=value):
            return _map(expr, value, scope)
        case RecordOf(options=cls):
            if isinstance(expr, nodes.Record):
                return record(expr, cls, "this record", scope)
        case Either(types=each):
            return _either(expr, each, scope)
    return refuse(expr, type_, scope)


def _through_let(expr: nodes.Expr, expanded: nodes.Expr, type_: FieldType, scope: Scope) -> Any:
    """A let's value; what is wrong with it is said where it is used, with a note of where it is declared."""
    with scope.aside() as found:
        value = typed(expanded, type_, scope)
    for each in found:
        notes = (*each.notes, Note("its value stands here", expanded.span))
        scope.report(attrs.evolve(each, span=expr.span, notes=notes))
    return value


def _scalar(expr: nodes.Expr, scalar: type, scope: Scope) -> Any:
    if issubclass(scalar, Written):
        return target(expr, scope) if scalar is Target else FORMS[scalar](expr, scope)
    if issubclass(scalar, Reference):
        return _reference(expr, scalar, scope)
    return plain(expr, scalar, scope)


def _reference(expr: nodes.Expr, reference: type[Reference], scope: Scope) -> Reference | None:
    if reference is TargetName:
        found = target(expr, scope)
        return TargetName(found.name) if found else None
    if reference is ProviderName:
        return provider(expr, scope)
    if not isinstance(expr, nodes.Ref):
        return no_name(expr, Scalar(reference), scope)
    name = declared(expr, reference.kinds, due(Scalar(reference)), scope)
    return reference(name) if name is not None else None


def _list(expr: nodes.Expr, item: FieldType, scope: Scope) -> tuple[object, ...] | None:
    if not isinstance(expr, nodes.List):
        return refuse(expr, ListOf(item), scope, f"write `[{expr.span.text}]`" if len(expr.span.text) < 40 else None)
    values = tuple(typed(each, item, scope) for each in expr.items)
    if not expr.items:
        scope.report(types.out_of_range("the list is empty", expr.span, "name at least one"))
        return None
    return None if any(value is None for value in values) else values


def _map(expr: nodes.Expr, value: FieldType, scope: Scope) -> dict[str, object] | None:
    if not isinstance(expr, nodes.Record):
        return refuse(expr, MapOf(value), scope)
    attributes = attributes_of(expr.items, "this record", scope)
    values = {name: typed(attribute.value, value, scope) for name, attribute in attributes.items()}
    return None if any(each is None for each in values.values()) else values


def _either(expr: nodes.Expr, types_: tuple[FieldType, ...], scope: Scope) -> Any:
    for each in types_:
        with scope.aside() as found:
            value = typed(expr, each, scope)
        if value is not None and not any(problem.severity == "error" for problem in found):
            scope.diagnostics.extend(found)
            return value
        is_quantity = isinstance(expr, nodes.Quantity) and isinstance(each, Scalar) and each.type in QUANTITY_TYPES
        if is_quantity or (isinstance(expr, nodes.Record) and isinstance(each, RecordOf | MapOf)):
            scope.diagnostics.extend(found)
            return None
    return refuse(expr, Either(types_), scope)


def record(expr: nodes.Record, cls: type, owner: str, scope: Scope) -> Any:
    """An options object from a record; None where a field is wrong, which is then reported."""
    attributes = attributes_of(expr.items, owner, scope)
    values = fields(attributes, fields_of(cls), owner, expr.span, scope)
    if values is None:
        return None
    return constructed(cls, values, {name: each.value.span for name, each in attributes.items()}, expr.span, scope)


def fields(
    attributes: Mapping[str, nodes.Attr], known: Iterable[Field], owner: str, span: Span, scope: Scope, *, is_copy: bool = False
) -> dict[str, Any] | None:
    """The typed values of the attributes that are there, by public name; None where one is wrong, unknown or missing.

    What a copy by `like` lacks its base lacks as well, where it is told.
    """
    by_name = {field.name: field for field in known}
    values: dict[str, Any] = {}
    ok = True
    for name, attribute in attributes.items():
        if name in by_name:
            scope.variable = by_name[name].env or UNKNOWN_VARIABLE
        if name not in by_name:
            scope.report(types.unknown_field(name, owner, attribute.name_span, by_name))
            ok = False
        elif (value := typed(attribute.value, by_name[name].type, scope)) is None:
            ok = False
        else:
            values[name] = value
            if new := by_name[name].replaced_by:
                scope.report(types.deprecated_field(name, owner, new, attribute.name_span))
    meant = {did_you_mean(name, by_name) for name in attributes if name not in by_name}
    for name, field in by_name.items():
        if field.required and name not in attributes and name not in meant:
            if not is_copy:
                scope.report(types.missing_field(name, owner, span, field.doc))
            ok = False
    return values if ok else None


def target(expr: nodes.Expr, scope: Scope) -> Target | None:
    """A target, with the settings of `with`; None (reported) where it is none."""
    match expr:
        case nodes.With(target=nodes.With(span=inner), settings=settings):
            scope.report(names.duplicate_name("with", settings.span, inner, "given"))
            return None
        case nodes.With(target=inner, settings=settings):
            with scope.nested(expr) as is_small:
                found = target(inner, scope) if is_small else None
            narrowed: WithFields | None = record(settings, WithFields, "`with`", scope)
            if found is None or narrowed is None:
                return None
            if found.settings is not None:
                scope.report(names.duplicate_name("with", settings.span, inner.span, "given"))
                return None
            return Target(found.name, narrowed)
        case nodes.Ref() | nodes.Member() if (expanded := scope.value(expr)) is not expr:
            if expanded is None:
                return None
            named = scope.qualified(expr)
            is_let = isinstance(named, nodes.Ref) and scope.full(named) in scope.lets
            return _through_let(expr, expanded, Scalar(Target), scope) if is_let else target(expanded, scope)
        case nodes.Ref():
            name = declared(expr, TargetName.kinds, "a target", scope)
            return Target(name) if name is not None else None
        case nodes.List():
            return refuse(
                expr, Scalar(Target), scope, f"declare what they are together, such as `tier t {{ models = {expr.span.text} }}`"
            )
        case _:
            return no_name(expr, Scalar(Target), scope)
