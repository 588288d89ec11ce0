"""Which closing bracket was forgotten, and where: told by the layout, for to the grammar it shows at the end of the file only."""

from collections.abc import Callable

import attrs

from mmflow.syntax.layout import Layout
from mmflow.syntax.lexer import CLOSERS, END, OPENERS, Tokens

_DECLARES = frozenset({"USE", "IMPORT", "LET", "PARAM"})


@attrs.frozen
class Unclosed:
    """The bracket at token `opener` lacks its partner, which is missing somewhere before token `before`."""

    opener: int
    before: int


@attrs.frozen
class _Open:
    index: int
    kind: str
    line: int
    indent: int


def unclosed(tokens: Tokens, layout: Layout) -> list[Unclosed]:
    """The brackets that lack a partner, in the order in which partners have to be inserted."""
    found: list[Unclosed] = []
    for region in _regions(tokens, layout):
        by_kind = _match(tokens, region, layout)
        if by_kind:
            by_layout = _match(tokens, region, layout, by_layout=True)
            # A layout that closes more than is open is nobody's: only the kinds of the brackets tell then.
            found += by_layout if len(by_layout) == len(by_kind) else by_kind
    return found


def _regions(tokens: Tokens, layout: Layout) -> list[range]:
    """The tokens cut where a line at the outermost indentation begins a declaration."""
    first = next((index for index, kind in enumerate(tokens.types) if kind != "_NL"), 0)
    base = layout.indent(first)
    cuts = [0]
    for index in range(1, len(tokens)):
        if layout.is_first(index) and _declares(tokens, index, layout) and layout.indent(index) <= base:
            cuts.append(index)
    return [range(start, end) for start, end in zip(cuts, [*cuts[1:], len(tokens)], strict=True)]


def _declares(tokens: Tokens, index: int, layout: Layout) -> bool:
    """Does a line look like the first of a block or of another declaration?"""
    types = tokens.types
    if types[index] in _DECLARES:
        return types[index + 1] in ("NAME", "STRING")
    if types[index] != "NAME":
        return False
    ahead = index + 1
    while types[ahead] in ("NAME", "STRING", "USING", "LIKE", "DOT") and layout.lines[ahead] == layout.lines[index]:
        ahead += 1
    return types[ahead] == "LBRACE" and layout.lines[ahead] == layout.lines[index]


def _match(tokens: Tokens, region: range, layout: Layout, *, by_layout: bool = False) -> list[Unclosed]:
    types = tokens.types
    stack: list[_Open] = []
    kinds: dict[str, int] = dict.fromkeys(OPENERS, 0)
    found: list[Unclosed] = []

    def close(before: int) -> None:
        opened = stack.pop()
        kinds[opened.kind] -= 1
        found.append(Unclosed(opened.index, before))

    for index in region:
        kind = types[index]
        if by_layout and stack and kind not in ("_NL", END) and layout.is_first(index):
            _close_by_layout(tokens, index, layout, stack, close)
        if kind in OPENERS:
            stack.append(_Open(index, kind, layout.lines[index], layout.indent(index)))
            kinds[kind] += 1
        elif kind in CLOSERS and kinds[CLOSERS[kind]]:
            while stack[-1].kind != CLOSERS[kind]:
                close(index)
            stack.pop()
            kinds[CLOSERS[kind]] -= 1
    end = region.stop - (region.stop == len(tokens))
    while stack:
        close(end)
    return found


def _close_by_layout(tokens: Tokens, index: int, layout: Layout, stack: list[_Open], close: Callable[[int], None]) -> None:
    """Close what a line that begins at token `index` stands too far left to be inside of."""
    kind = tokens.types[index]
    indent = layout.indent(index)
    if kind in CLOSERS:
        fitting = [each for each in stack if each.kind == CLOSERS[kind] and each.indent <= indent]
        while fitting and stack[-1].indent > indent and stack[-1] is not fitting[-1]:
            close(index)
        return
    while stack and stack[-1].indent >= indent and stack[-1].line < layout.lines[index]:
        close(index)
