"""Expressions to typed values: what a field's class asks for, or a diagnostic that shows the fix."""

import os.path
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import attrs

from mmflow.check import names, safety, types
from mmflow.check.conditions import lower, request_field, text_of
from mmflow.check.due import QUANTITY_TYPES, due, refuse, words_of
from mmflow.check.hidden import hidden_word
from mmflow.check.kinds import (
    KINDS,
    Condition,
    ErrorName,
    Expectation,
    Fixed,
    Labels,
    OnInvalid,
    PickName,
    Reading,
    RequestField,
    Target,
    WithFields,
)
from mmflow.check.scope import UNKNOWN_VARIABLE, Scope, path_of
from mmflow.diagnostics import Note, did_you_mean
from mmflow.options import (
    Either,
    Field,
    FieldType,
    File,
    ListOf,
    MapOf,
    Name,
    OneWord,
    OptionError,
    Pattern,
    ProviderName,
    RecordOf,
    Reference,
    Scalar,
    Secret,
    TargetName,
    Written,
    construct,
    fields_of,
)
from mmflow.patterns import PatternError, compile_pattern
from mmflow.plugin import ErrorClass
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.units import Score, Share, Tokens, UnitError, coerce, parse_quantity


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
        return _unknown(expr, type_, scope)
    match type_:
        case Scalar(type=scalar):
            return _scalar(expr, scalar, scope)
        case OneWord(words=words):
            return _one_word(expr, words, scope)
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


def _unknown(expr: nodes.Ref, type_: FieldType, scope: Scope) -> None:
    """Report a name that an imported file does not have; it has no typed value."""
    reference = type_.type if isinstance(type_, Scalar) and issubclass(type_.type, Reference) else None
    known = scope.of_kinds(reference.kinds) if reference else list(scope.lets)
    scope.report(names.unknown_name(expr.name, expr.span, due(type_), known))


def _is_declared(expr: nodes.Ref, scope: Scope) -> bool:
    name = scope.full(expr)
    return name in scope.blocks or name in scope.strangers


def _no_name(expr: nodes.Expr, type_: FieldType, scope: Scope) -> None:
    """Report what stands where a name is due: one of a file that is not imported, or no name at all."""
    path = path_of(expr) if isinstance(expr, nodes.Member) else None
    if path is None or scope.full(nodes.Ref(path.parts[0], path.span)) in (*scope.blocks, *scope.lets, *scope.aliases):
        return refuse(expr, type_, scope)
    first = path.parts[0]
    help = f'import the file that has it: `import "{first}.mmf" as {first}`'
    scope.report(names.unknown_name(str(path), expr.span, due(type_), (), help))
    return None


def _through_let(expr: nodes.Expr, expanded: nodes.Expr, type_: FieldType, scope: Scope) -> Any:
    """A let's value; what is wrong with it is said where it is used, with a note of where it is declared."""
    with scope.aside() as found:
        value = typed(expanded, type_, scope)
    for each in found:
        notes = (*each.notes, Note("its value stands here", expanded.span))
        scope.report(attrs.evolve(each, span=expr.span, notes=notes))
    return value


# ---- scalars ----------------------------------------------------------------------------------------------------------------


def _scalar(expr: nodes.Expr, scalar: type, scope: Scope) -> Any:
    if issubclass(scalar, Written):
        return _WRITTEN[scalar](expr, scope)
    if issubclass(scalar, Reference):
        return _reference(expr, scalar, scope)
    if scalar is Secret:
        return _secret(expr, scope)
    if scalar is File:
        return _file(expr, scope)
    if scalar is bool:
        return expr.value if isinstance(expr, nodes.Bool) else refuse(expr, Scalar(bool), scope)
    if scalar is Name:
        if isinstance(expr, nodes.Ref) and "." not in expr.name:
            return Name(expr.name)
        return Name(expr.value) if isinstance(expr, nodes.String) else refuse(expr, Scalar(Name), scope)
    if scalar is Pattern:
        return _pattern(expr, scope)
    if scalar is str:
        if isinstance(expr, nodes.String | nodes.Text):
            return expr.value
        help = f'write `"{expr.name}"`' if isinstance(expr, nodes.Ref) else None
        if _called_with_string(expr, "file") is not None:
            help = 'write the text itself, on several lines between `"""` and `"""`'
        return refuse(expr, Scalar(str), scope, help)
    return _quantity(expr, scalar, scope)


def _file(expr: nodes.Expr, scope: Scope) -> File | None:
    """A path, made relative to the folder of the file that is checked: it is written relative to that of its own file."""
    path = _called_with_string(expr, "file")
    if path is None:
        return refuse(expr, Scalar(File), scope)
    if safety.is_python(path):
        scope.report(safety.python_not_allowed(f"`{path}`", expr.span))
        return None
    folder = scope.module(expr.span).folder
    return File(os.path.normpath(os.path.join(folder, path)) if folder else path)


def _quantity(expr: nodes.Expr, wanted: type, scope: Scope) -> Any:
    if isinstance(expr, nodes.Ref) and not _is_declared(expr, scope):
        return _unknown(expr, Scalar(wanted), scope)
    if not isinstance(expr, nodes.Quantity):
        return refuse(expr, Scalar(wanted), scope)
    try:
        value = parse_quantity(expr.text)
        if type(value) in (int, float) and wanted is Score and not 0 <= value <= 1:  # type: ignore[operator]  # numbers only
            scope.report(
                types.out_of_range(f"a score is from 0 to 1, not `{expr.text}`", expr.span, types.score_meant(float(expr.text)))
            )
            return None
        if type(value) in (int, float) and wanted is Tokens and value < 0:  # type: ignore[operator]  # numbers only
            scope.report(types.out_of_range(f"`{expr.text}` is negative", expr.span, f"write `{expr.text[1:]}`"))
            return None
        result = coerce(value, wanted)
    except UnitError as problem:
        code = types.out_of_range if problem.message.endswith("is negative") else types.wrong_type
        scope.report(code(problem.message, expr.span, problem.help))
        return None
    if isinstance(result, Share) and not 0 <= result <= 1:
        scope.report(types.out_of_range(f"a share is from 0% to 100%, not `{expr.text}`", expr.span, "write one such as `95%`"))
        return None
    if isinstance(result, int | float) and result < 0 and wanted is not float:
        scope.report(types.out_of_range(f"`{expr.text}` is negative", expr.span))
        return None
    return result


def _secret(expr: nodes.Expr, scope: Scope) -> Secret | None:
    if (name := _called_with_string(expr, "secret")) is not None:
        if name.replace("_", "").isalnum() and not name[0].isdigit():
            return Secret(name, "")
        scope.report(types.secret_in_file(expr.span, scope.variable))
        return None
    if isinstance(expr, nodes.String | nodes.Text):
        scope.report(types.secret_in_file(expr.span, scope.variable))
        return None
    names_variable = isinstance(expr, nodes.Ref) and "." not in expr.name
    return refuse(expr, Scalar(Secret), scope, f'write `secret("{expr.span.text}")`' if names_variable else None)


def _called_with_string(expr: nodes.Expr, function: str) -> str | None:
    """The one string argument of `function("…")`, or None."""
    match expr:
        case nodes.Invoke(function=nodes.Ref(name=name), arguments=(nodes.String(value=value),)) if name == function:
            return value or None
        case _:
            return None


def _pattern(expr: nodes.Expr, scope: Scope) -> Pattern | None:
    if not isinstance(expr, nodes.String):
        return refuse(expr, Scalar(Pattern), scope)
    try:
        compile_pattern(expr.value)
    except PatternError as problem:
        scope.report(types.slow_pattern(problem.message, expr.span, problem.help))
        return None
    return Pattern(expr.value)


def _reference(expr: nodes.Expr, reference: type[Reference], scope: Scope) -> Reference | None:
    if reference is TargetName:
        found = target(expr, scope)
        return TargetName(found.name) if found else None
    if reference is ProviderName:
        return _provider(expr, scope)
    if not isinstance(expr, nodes.Ref):
        return _no_name(expr, Scalar(reference), scope)
    name = _declared(expr, reference.kinds, due(Scalar(reference)), scope)
    return reference(name) if name is not None else None


def _declared(expr: nodes.Ref, kinds: tuple[str, ...], what: str, scope: Scope) -> str | None:
    """What a name that is declared as one of these kinds is called in the program; None (reported) where it is not."""
    name = scope.full(expr)
    block = scope.blocks.get(name)
    if name in scope.strangers:
        return None
    if block is None:
        help = f"write `{expr.name}.NAME`: `{expr.name}` is an import" if expr.name in scope.module(expr.span).imports else None
        scope.report(names.unknown_name(name, expr.span, what, () if help else scope.of_kinds(kinds), help))
        return None
    scope.used.add(name)
    if block.kind in kinds:
        return name
    notes = [Note(f"`{name}` is declared here", block.header)]
    message = f"expected {what}, got the {block.kind} `{name}`"
    scope.report(types.wrong_type(message, expr.span, notes=notes))
    return None


def _provider(expr: nodes.Expr, scope: Scope) -> ProviderName | None:
    path = path_of(expr)
    if path is None:
        return refuse(expr, Scalar(ProviderName), scope, "providers are named without quotes")
    if isinstance(expr, nodes.Ref) and scope.full(expr) in scope.blocks:
        name = _declared(expr, ("provider",), "a provider", scope)
        return ProviderName(name) if name is not None else None
    word = scope.word_path(path)
    with scope.aside() as found:
        installed = scope.word("provider", word, expr.span)
    if installed is not None:
        return ProviderName(scope.implicit_provider(word, expr.span))
    if isinstance(expr, nodes.Ref) and (near := scope.of_kinds(("provider",))):
        scope.report(names.unknown_name(scope.full(expr), expr.span, "a provider", near, found[0].help))
    else:
        scope.diagnostics.extend(found)
    return None


def _one_word(expr: nodes.Expr, words: tuple[str, ...], scope: Scope) -> str | None:
    if isinstance(expr, nodes.Ref) and expr.name in words:
        return expr.name
    help = f"write `{expr.value}` without quotes" if isinstance(expr, nodes.String) and expr.value in words else None
    return refuse(expr, OneWord(words), scope, help)


# ---- lists and records ------------------------------------------------------------------------------------------------------


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


def attributes_of(items: Iterable[nodes.Item], owner: str, scope: Scope) -> dict[str, nodes.Attr]:
    """The attributes among items by name; what is set twice, and what is not an attribute, is reported."""
    found: dict[str, nodes.Attr] = {}
    for item in items:
        match item:
            case nodes.Attr(name=name) if name in found:
                scope.report(names.duplicate_name(name, item.name_span, found[name].name_span, "set"))
            case nodes.Attr(name=name):
                found[name] = item
            case nodes.Block(kind=kind, name=str(name)) if kind in KINDS:
                scope.report(types.block_due(kind, item.header, f"move it out of {owner}, and name it there: `{name}`"))
                scope.strangers.add(scope.prefix + name)
            case nodes.Block(kind=kind):
                scope.report(types.attribute_or_block(kind, item.header, "an attribute here, not as a block"))
            case nodes.When() | nodes.Else() | nodes.Share():
                scope.report(types.unknown_field("->", owner, item.span, ()))
    return found


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


def constructed(cls: type, values: Mapping[str, Any], spans: Mapping[str, Span], whole: Span, scope: Scope) -> Any:
    """The object of a class from values by public name; what the class refuses is reported at the field."""
    attributes = {each.name: values[each.name.rstrip("_")] for each in attrs.fields(cls) if each.name.rstrip("_") in values}
    try:
        return construct(cls, attributes)
    except OptionError as problem:
        where = spans.get(problem.field, whole)
        field = f"`{problem.field}` is refused: " if problem.field else ""
        scope.report(types.out_of_range(f"{field}{problem.message}", where, problem.help))
        return None


# ---- values in a form of their own ------------------------------------------------------------------------------------------


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
            times = typed(count, Scalar(int), scope)
            if times is not None and not 1 <= times <= 5:
                scope.report(types.out_of_range("1 to 5 times", count.span, "write `fail` to ask no second time"))
                return None
            return OnInvalid(times) if times is not None else None
        case _:
            asks_again = "write `retry(1)`" if expr.span.text.startswith("retry") else None
            return refuse(expr, Scalar(OnInvalid), scope, asks_again)


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
            name = _declared(expr, TargetName.kinds, "a target", scope)
            return Target(name) if name is not None else None
        case nodes.List():
            return refuse(
                expr, Scalar(Target), scope, f"declare what they are together, such as `tier t {{ models = {expr.span.text} }}`"
            )
        case _:
            return _no_name(expr, Scalar(Target), scope)


_WRITTEN: dict[type, Callable[[nodes.Expr, Scope], Any]] = {
    Labels: _labels,
    Condition: _condition,
    RequestField: _request_field,
    Reading: _reading,
    ErrorName: _error_name,
    PickName: _pick_name,
    OnInvalid: _on_invalid,
    Target: target,
    Fixed: lambda expr, scope: Fixed(expr) if isinstance(expr, nodes.Record) else refuse(expr, Scalar(Fixed), scope),
    Expectation: lambda expr, scope: Expectation(expr),
}
