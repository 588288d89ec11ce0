"""`allow = [unused("kept for the next quarter")]`: warnings and notes that a block silences, each with its reason."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import attrs

from mmflow.check import names, types
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic, pages, warning
from mmflow.source import Source, Span
from mmflow.syntax import nodes

FIELD = "allow"

_NAMED = re.compile(r"`([\w.]+)`")
_EXAMPLE = 'write `allow = [unused("kept for the next quarter")]`'


@attrs.frozen
class Allowance:
    """A code that a block silences. `bases` are the blocks that it is `like`, whose values it has as its own."""

    code: str
    reason: str
    block: nodes.Block
    bases: tuple[nodes.Block, ...]
    span: Span

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Whether a diagnostic lies in the block, or is about it by a value that it copies."""
        if diagnostic.code != self.code or diagnostic.severity == "error":
            return False
        if _lies_in(diagnostic.span, self.block):
            return True
        return f"`{self.block.name}`" in diagnostic.message and any(_lies_in(diagnostic.span, base) for base in self.bases)


def _lies_in(span: Span, block: nodes.Block) -> bool:
    whole = block.span
    return span.source is whole.source and whole.start <= span.start and span.end <= whole.end


def allowances(scope: Scope) -> list[Allowance]:
    """What the blocks of a program allow; what cannot be allowed is reported."""
    blocks = [*scope.blocks.values(), *scope.tests.values()]
    return [each for block in blocks for each in _of_block(block, scope)]


def silenced(
    found: Sequence[Diagnostic], allowed: Sequence[Allowance], source: Source, *, is_complete: bool = True
) -> Iterator[Diagnostic]:
    """The diagnostics that nothing silences, and `idle-allow` for what silences nothing in a source or has no reason."""
    by_block: dict[tuple[str, str | None], list[Allowance]] = {}
    for entry in allowed:
        by_block.setdefault((entry.code, entry.block.name), []).append(entry)
    places = _Places(entry.block for entry in allowed)
    used: set[int] = set()
    for diagnostic in found:
        owners = {places.at(diagnostic.span), *_NAMED.findall(diagnostic.message)}
        entries = (by_block.get((diagnostic.code, owner), ()) for owner in owners)
        by = [id(of_block[0]) for of_block in entries if of_block and of_block[0].covers(diagnostic)]
        if not by:
            yield diagnostic
        used.update(by)
    # With an error, some checks have not been made, and what they would have found may be what is allowed.
    is_complete = is_complete and not any(each.severity == "error" for each in found)
    for entry in allowed:
        if entry.span.source is source and not entry.reason:
            yield idle_allow(entry, "reason")
        elif entry.span.source is source and is_complete and id(entry) not in used:
            yield idle_allow(entry, "use")


class _Places:
    """Blocks by where they stand; they do not overlap."""

    def __init__(self, blocks: Iterable[nodes.Block]) -> None:
        self._blocks: dict[Source, list[tuple[int, str]]] = {}
        for start, name, source in sorted({(each.span.start, each.name or "", each.span.source) for each in blocks}, key=_first):
            self._blocks.setdefault(source, []).append((start, name))

    def at(self, span: Span) -> str | None:
        """The name of the last block that begins at or before a place."""
        blocks = self._blocks.get(span.source, [])
        index = bisect_right(blocks, span.start, key=_first)
        return blocks[index - 1][1] if index else None


def _first(item: tuple[Any, ...]) -> int:
    return int(item[0])


def idle_allow(entry: Allowance, lacks: Literal["reason", "use"]) -> Diagnostic:
    """An entry of `allow` that silences nothing, or that does not say why it does."""
    word = entry.code.replace("-", "_")
    if lacks == "reason":
        help = f'write `{word}("why it is fine")`'
        return warning("idle-allow", f"`{word}` is allowed without a reason", entry.span, help=help)
    message = f"`{entry.block.name}` allows `{word}`, which nothing in it is"
    return warning("idle-allow", message, entry.span, help="remove it from `allow`")


def _of_block(block: nodes.Block, scope: Scope) -> Iterator[Allowance]:
    attribute = next((each for each in block.body.items if isinstance(each, nodes.Attr) and each.name == FIELD), None)
    listed = scope.value(attribute.value) if attribute is not None else None
    if attribute is None or listed is None:
        return
    if not isinstance(listed, nodes.List):
        scope.report(types.wrong_type("expected a list of warnings, each with its reason", attribute.value.span, _EXAMPLE))
        return
    for expr in listed.items:
        if (allowance := _of_entry(expr, block, scope)) is not None:
            yield allowance


def _of_entry(expr: nodes.Expr, block: nodes.Block, scope: Scope) -> Allowance | None:
    match expr:
        case nodes.Ref() as word:
            reason = ""
        case nodes.Invoke(function=nodes.Ref() as word, arguments=()):
            reason = ""
        case nodes.Invoke(function=nodes.Ref() as word, arguments=(nodes.String(value=reason) | nodes.Text(value=reason),)):
            pass
        case _:
            scope.report(types.wrong_type("expected the code of a warning with a reason", expr.span, _EXAMPLE))
            return None
    code = word.name.replace("_", "-")
    if code not in pages.codes():
        known = [each.replace("-", "_") for each in pages.codes()]
        help = "codes are those in brackets behind `warning` and `note`, with underscores for dashes"
        scope.report(names.unknown_name(word.name, word.span, "the code of a warning", known, help))
        return None
    if pages.page(code).severity == "error":
        message = f"`{word.name}` is an error, and errors cannot be allowed"
        scope.report(types.out_of_range(message, word.span, f"correct what is wrong: `mmflow explain {code}`"))
        return None
    return Allowance(code, reason.strip(), block, tuple(_bases(block, scope)), expr.span)


def _bases(block: nodes.Block, scope: Scope) -> Iterator[nodes.Block]:
    passed = {block.name}
    while block.like is not None and (base := scope.blocks.get(scope.full(block.like))) and base.name not in passed:
        passed.add(base.name)
        yield base
        block = base
