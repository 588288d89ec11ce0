"""The attributes of a block or a record, and the object that their values make."""

from collections.abc import Iterable, Mapping
from typing import Any

from mmflow.check import names, types
from mmflow.check.kinds import KINDS
from mmflow.check.scope import Scope
from mmflow.options import OptionError, construct_named
from mmflow.source import Span
from mmflow.syntax import nodes


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
                scope.report(
                    types.attribute_or_block(
                        f"`{kind}` is written as an attribute here, not as a block", item.header, f"write `{kind} = …`"
                    )
                )
            case nodes.When() | nodes.Else() | nodes.Share():
                scope.report(types.unknown_field("->", owner, item.span, ()))
    return found


def constructed(cls: type, values: Mapping[str, Any], spans: Mapping[str, Span], whole: Span, scope: Scope) -> Any:
    """The object of a class from values by public name; what the class refuses is reported at the field."""
    try:
        return construct_named(cls, values)
    except OptionError as problem:
        where = spans.get(problem.field, whole)
        field = f"`{problem.field}` is refused: " if problem.field else ""
        scope.report(types.out_of_range(f"{field}{problem.message}", where, problem.help))
        return None
