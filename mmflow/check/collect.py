"""The names of a file: each block, let, use and import is entered once."""

from collections.abc import Callable

import attrs

from mmflow.check import names, safety, tests, types
from mmflow.check.imports import Module
from mmflow.check.kinds import KINDS
from mmflow.check.scope import Scope
from mmflow.source import Span
from mmflow.syntax import nodes

_RESERVED = ("request", "target", "spent")


_KEYWORDS = ("and", "else", "false", "in", "matches", "not", "or", "true", "when", "with")


def collect(module: Module, scope: Scope) -> None:
    """Enter every name of a file once."""
    prefix = module.prefix
    taken: dict[str, Span] = {}

    def enter(name: str, span: Span) -> bool:
        if name in _RESERVED:
            message = f"`{name}` has a meaning of its own in conditions"
            scope.report(names.reserved_word(message, span))
        elif name in _KEYWORDS:
            message = f"`{name}` is a word of the language, so nothing is called that"
            scope.report(names.reserved_word(message, span))
        if name in taken:
            scope.report(names.duplicate_name(name, span, taken[name]))
            return False
        taken[name] = span
        return True

    for item in module.file.items:
        match item:
            case nodes.Use(path=path, alias=alias):
                if path.parts[0] == safety.PYTHON_WORD:
                    scope.report(safety.python_not_allowed(f"`use {path}`", path.span))
                if enter(alias or path.parts[-1], path.span):
                    scope.aliases[prefix + (alias or path.parts[-1])] = path
            case nodes.Import(name=name, name_span=span):
                enter(name, span)
            case nodes.Let(name=name, name_span=span):
                if enter(name, span):
                    scope.lets[prefix + name] = attrs.evolve(scope.given.get(prefix + name, item), name=prefix + name)
            case nodes.Block(kind=kind) if prefix and kind in ("flow", "test"):
                pass  # a library has none
            case nodes.Block(kind="test"):
                tests.enter(item, scope)
            case nodes.Block():
                _enter_block(item, prefix, scope, enter)
            case nodes.Attr(name=name, name_span=span) if name in KINDS:
                scope.report(types.block_due(name, span, f"write `{name} NAME {{ … }}`"))
            case nodes.Attr(name=name, name_span=span):
                message = f"`{name} = …` stands outside of a block"
                scope.report(types.unexpected_token(message, span, f"move it into a block, or write `let {name} = …`"))
            case nodes.When() | nodes.Else() | nodes.Share():
                message = "an arm stands outside of a block"
                scope.report(types.unexpected_token(message, item.span, "move it into a `flow`, `route` or `split`"))


def _enter_block(block: nodes.Block, prefix: str, scope: Scope, enter: Callable[[str, Span], bool]) -> None:
    if block.kind not in KINDS:
        scope.report(names.unknown_kind(block.kind, block.kind_span))
        if block.name and block.name_span.text[:1] != '"':
            enter(block.name, block.name_span)
            scope.strangers.add(prefix + block.name)
        return
    if block.name is None:
        scope.report(types.missing_field("name", f"a {block.kind}", block.header, "", f"write `{block.kind} NAME {{ … }}`"))
    elif block.name_span.text.startswith('"'):
        message = f"the name of a {block.kind} is a word, not a string"
        name = block.name if block.name.isidentifier() else "NAME"
        scope.report(types.wrong_type(message, block.name_span, f"write `{block.kind} {name} {{ … }}`"))
        if name == "NAME":
            return
    if block.name is not None and enter(block.name, block.name_span):
        scope.blocks[prefix + block.name] = attrs.evolve(block, name=prefix + block.name)
