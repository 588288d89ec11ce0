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


@attrs.define
class Region:
    """A declaration and what follows it: its tokens, what is unclosed there, and how many `}` close nothing."""

    tokens: range
    unclosed: list[Unclosed]
    spare_braces: int


def regions(tokens: Tokens, layout: Layout) -> list[Region]:
    """The text by declarations, in order; partners for what is unclosed have to be inserted in the order given."""
    found: list[Region] = []
    for extent in _extents(tokens, layout):
        region = _match(tokens, extent, layout, None)
        if region.unclosed:
            is_flat = len({layout.indent(index) for index in extent if tokens.types[index] != "_NL"}) == 1
            rules = (_close_by_line, _close_by_indent) if is_flat else (_close_by_indent, _close_by_line)
            # A rule that closes more than is open does not suit this author's layout.
            guesses = (_match(tokens, extent, layout, rule) for rule in rules)
            region = next((guess for guess in guesses if len(guess.unclosed) == len(region.unclosed)), region)
        found.append(region)
    return found


def suspects(tokens: Tokens, layout: Layout, extent: range) -> list[int]:
    """Each `}` that closes a line above from a place that does not suit it, or stands above a line that is deeper than its own.

    Where one is too much, it is one of these.
    """
    found: list[int] = []
    openers: list[int] = []
    for index in extent:
        kind = tokens.types[index]
        if kind == "LBRACE":
            openers.append(index)
        elif kind == "RBRACE" and openers:
            opener = openers.pop()
            if layout.same_line(opener, index):
                suits = tokens.types[index + 1] != "_NL" or layout.indent(index + 2) <= layout.indent(index)
            else:
                suits = layout.is_first(index) and layout.indent(index) <= layout.indent(opener)
            if not suits:
                found.append(index)
    return found


def is_balanced(tokens: Tokens, layout: Layout) -> bool:
    """Has every bracket of the file a partner, wherever its declarations begin?"""
    whole = _match(tokens, range(len(tokens)), layout, None)
    return not whole.unclosed and not whole.spare_braces


def _extents(tokens: Tokens, layout: Layout) -> list[range]:
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


_Close = Callable[[int], None]
_Rule = Callable[[Tokens, int, Layout, list[_Open], _Close], None]


def _match(tokens: Tokens, extent: range, layout: Layout, rule: _Rule | None) -> Region:
    """What lacks a partner when brackets are closed where a rule says so, and where their kinds leave no choice."""
    types = tokens.types
    stack: list[_Open] = []
    kinds: dict[str, int] = dict.fromkeys(OPENERS, 0)
    found: list[Unclosed] = []
    spare = 0

    def close(before: int) -> None:
        opened = stack.pop()
        kinds[opened.kind] -= 1
        found.append(Unclosed(opened.index, before))

    for index in extent:
        kind = types[index]
        if rule and stack and kind != END:
            rule(tokens, index, layout, stack, close)
        if kind in OPENERS:
            stack.append(_Open(index, kind, layout.lines[index], layout.indent(index)))
            kinds[kind] += 1
        elif kind in CLOSERS and kinds[CLOSERS[kind]]:
            while stack[-1].kind != CLOSERS[kind]:
                close(index)
            stack.pop()
            kinds[CLOSERS[kind]] -= 1
        elif kind == "RBRACE":
            spare += 1
    end = extent.stop - (extent.stop == len(tokens))
    while stack:
        close(end)
    return Region(extent, found, spare)


def _close_by_indent(tokens: Tokens, index: int, layout: Layout, stack: list[_Open], close: _Close) -> None:
    """Close what a line that begins at token `index` stands too far left to be inside of."""
    kind = tokens.types[index]
    if kind == "_NL" or not layout.is_first(index):
        return
    indent = layout.indent(index)
    if kind in CLOSERS:
        fitting = [each for each in stack if each.kind == CLOSERS[kind] and each.indent <= indent]
        while fitting and stack[-1].indent > indent and stack[-1] is not fitting[-1]:
            close(index)
        return
    while stack and stack[-1].indent >= indent and stack[-1].line < layout.lines[index]:
        close(index)


def _close_by_line(tokens: Tokens, index: int, layout: Layout, stack: list[_Open], close: _Close) -> None:
    """Close at the end of a line what begins in its middle."""
    types = tokens.types
    if types[index] != "_NL" or types[index - 1] == "COMMA":
        return
    while stack and stack[-1].line == layout.lines[index - 1] and types[stack[-1].index + 1] != "_NL":
        close(index)
