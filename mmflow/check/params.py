"""Parameters: the values that a caller gives to `param` declarations, as text."""

from collections.abc import Mapping, Sequence

import attrs

from mmflow.check.imports import Module
from mmflow.diagnostics import did_you_mean
from mmflow.source import Source
from mmflow.syntax import nodes
from mmflow.syntax.parse import parse
from mmflow.units import Tokens, UnitError, describe, parse_quantity


class ParamError(ValueError):
    """A parameter that the file does not have, or a value of another type than its default's."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.help = message, help


def with_params(modules: Sequence[Module], params: Mapping[str, str]) -> dict[str, nodes.Let]:
    """The parameters that a caller gives (`bar`, `lib.bar` of an imported file) with their values. Raises `ParamError`."""
    declared = {
        module.prefix + item.name: attrs.evolve(item, name=module.prefix + item.name)
        for module in modules
        for item in module.file.items
        if isinstance(item, nodes.Let) and item.is_param
    }
    is_whole = all(imported and imported.is_whole for module in modules for imported in module.imports.values())
    for name in params:
        if name not in declared and ("." not in name or is_whole):
            near = did_you_mean(name, declared)
            known = ", ".join(f"`{each}`" for each in declared) or "none"
            help = f"did you mean `{near}`?" if near else f"its parameters: {known}"
            raise ParamError(f"the file has no parameter `{name}`", help)
    return {name: _replaced(declared[name], text) for name, text in params.items() if name in declared}


def _replaced(param: nodes.Let, text: str) -> nodes.Let:
    default = param.value
    parsed = _expression(param.name, text)
    if isinstance(default, nodes.String) and not isinstance(parsed, nodes.String):
        return attrs.evolve(param, value=nodes.String(text, default.span))
    if parsed is None or type(parsed) is not type(default):
        raise ParamError(f"`{param.name}` is {_shape(default)}, not `{text}`", f"its default is `{default.span.text}`")
    if isinstance(parsed, nodes.Quantity) and isinstance(default, nodes.Quantity):
        _same_unit(param.name, default, parsed)
    return attrs.evolve(param, value=parsed)


def _expression(name: str, text: str) -> nodes.Expr | None:
    source = Source(f"--set {name}", f"mmflow 1\nlet {name.rpartition('.')[2]} = {text}\n")
    parsed = parse(source)
    if parsed.diagnostics or len(parsed.file.items) != 1:
        return None
    (item,) = parsed.file.items
    return item.value if isinstance(item, nodes.Let) else None


def _same_unit(name: str, default: nodes.Quantity, given: nodes.Quantity) -> None:
    try:
        due, got = parse_quantity(default.text), parse_quantity(given.text)
    except UnitError as problem:
        raise ParamError(f"`{name}` cannot be `{given.text}`: {problem.message}", problem.help) from problem
    numbers = (int, float, Tokens)
    if type(due) is not type(got) and not (type(due) in numbers and type(got) in numbers):
        raise ParamError(f"`{name}` cannot be {describe(got)}", f"its default is {describe(due)}")


def _shape(expr: nodes.Expr) -> str:
    names = {nodes.Quantity: "a quantity", nodes.Bool: "`true` or `false`", nodes.Ref: "a name", nodes.List: "a list"}
    names |= {nodes.Record: "a record", nodes.String: "a string", nodes.Text: "a text"}
    return names.get(type(expr), "an expression")
