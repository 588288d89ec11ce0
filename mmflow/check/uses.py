"""What each declaration uses: the edges over which requests, data and money flow."""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from mmflow.check import names
from mmflow.check.program import Declaration, Program, targets_of
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic
from mmflow.options import FieldType, ListOf, MapOf, Reference, Scalar, fields_of
from mmflow.plan import LabelIs, ScoreIs, Slot, Test
from mmflow.situations import atoms
from mmflow.syntax import nodes


def uses(declaration: Declaration) -> Iterator[str]:
    """The names of the declarations that this one refers to."""
    yield from (target.name for target in targets_of(declaration))
    yield from (each.target.name for each in declaration.thresholds if each.target is not None)
    cls = declaration.kind.fields
    for attribute, field in zip(attrs.fields(cls), fields_of(cls), strict=True):
        value = getattr(declaration.fields, attribute.name)
        yield from _references(field.type, value) if value is not None else ()
    for atom in atoms(_tests(declaration)):
        match atom:
            case LabelIs(signal=name) | ScoreIs(scorer=name):
                yield name
    for template in declaration.templates:
        yield from (part.path for part in template.parts if isinstance(part, Slot) and not part.path.startswith("request."))
    yield from asked_by(declaration)


def _tests(declaration: Declaration) -> list[Test]:
    """The conditions that a declaration reads."""
    conditions = [arm.condition for arm in declaration.arms]
    conditions += [rule.condition for rule in declaration.rules]
    conditions += [off.condition for off in declaration.off]
    if declaration.kind.name == "cascade":
        conditions.append(declaration.fields.accept)
    return [condition.test for condition in conditions if condition is not None]


def asked_by(declaration: Declaration) -> Iterator[Reference]:
    """What the options of a declaration's word refer to: the model of a judge, the provider of a tape."""
    if declaration.word is None:
        return
    types = {field.name: field.type for field in fields_of(declaration.word.options)}
    for name, value in declaration.options.items():
        yield from _references(types[name], value)


def _references(type_: FieldType, value: Any) -> Iterator[Reference]:
    match type_:
        case Scalar(type=scalar) if issubclass(scalar, Reference):
            yield value
        case ListOf(item=item):
            for each in value:
                yield from _references(item, each)
        case MapOf(value=of):
            for each in value.values():
                yield from _references(of, each)


def reached(program: Program, start: Iterable[str]) -> set[str]:
    """Every declaration that these reach, themselves included."""
    found: set[str] = set()
    open_ = list(start)
    while open_:
        name = open_.pop()
        if name in found or name not in program.declarations:
            continue
        found.add(name)
        open_.extend(uses(program.declarations[name]))
    return found


def unused_names(program: Program, scope: Scope) -> Iterator[Diagnostic]:
    """`unused` for declarations that no flow reaches, lets and parameters that nothing names; a library has no flows."""
    flows = [each.name for each in program.of_kind("flow")]
    if not flows:
        return
    inside = reached(program, flows)
    for declaration in program.declarations.values():
        if declaration.name not in inside:
            yield names.unused(declaration.name, f"the {declaration.kind.name}", declaration.name_span)
    for let in scope.lets.values():
        if let.name not in scope.used:
            yield names.unused(let.name, "the parameter" if let.is_param else "the value", let.name_span)


def unused_imports(program: Program, scope: Scope) -> Iterator[Diagnostic]:
    """`unused` for imports of which nothing is named; a file without flows may have them for those that import it."""
    imports = (item for item in program.file.items if isinstance(item, nodes.Import))
    for item in imports if program.of_kind("flow") else ():
        if item.name not in scope.used and scope.modules[0].imports[item.name] is not None:
            yield names.unused(item.name, "the import", item.name_span)
