"""The canonical layout of a file's tokens."""

import textwrap

import attrs

from mmflow.source import Source
from mmflow.syntax.build import Builder
from mmflow.syntax.lexer import CLOSERS, OPENERS, Tokens
from mmflow.syntax.shape import Shape

WIDTH = 120
INDENT = 2

_CLOSING = frozenset({")", "]", "}"})
_TIGHT_BEFORE = frozenset({"COMMA", "RPAR", "RSQB", "AT"})
_TIGHT_AFTER = frozenset({"LPAR", "LSQB", "DOT", "AT"})


@attrs.frozen
class _Gap:
    """What stands between two items: a comment at the end of the first one's line, and lines, empty or with a comment each."""

    trailing: str
    lines: list[str]


class Printer:
    """Writes a sound shape once, from its start to its end."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._types, self._texts = shape.types, shape.texts
        self._lines: list[str] = []
        self._line: list[str] = []  # empty: between two lines
        self._indent = 0
        self._column = 0
        self._before = ""  # the kind of the last token on this line

    def text(self) -> str:
        """The whole file, with one line end at its end."""
        self._contents(-1, len(self._types) - 1, 0, comma="", hang=INDENT)
        self._end_line()
        return "\n".join(self._lines) + "\n"

    # ---- lines

    def _end_line(self) -> None:
        if self._line:
            self._lines.append("".join(self._line))
            self._line = []

    def _new_line(self, indent: int) -> None:
        self._end_line()
        self._line = [" " * indent]
        self._indent = self._column = indent
        self._before = ""

    def _put(self, text: str, kind: str) -> None:
        self._line.append(text)
        self._column += len(text)
        self._before = kind

    def _comments(self, gap: _Gap, indent: int, *, is_first: bool = False, is_last: bool = False) -> None:
        """Write what stands between two items, without blank lines at the start and the end of a block."""
        if gap.trailing:
            self._line.append("  " + gap.trailing)
        lines = gap.lines
        if not lines:
            return
        start, end = 0, len(lines)
        while is_first and start < end and not lines[start]:
            start += 1
        while is_last and start < end and not lines[end - 1]:
            end -= 1
        for line in lines[start:end]:
            self._end_line()
            if line or self._lines[-1]:
                self._lines.append(" " * indent + line if line else "")

    def _hoist(self, comments: list[str]) -> None:
        """Write comments above the current line, which cannot end where they stood."""
        if comments:
            first = self._line[1] if len(self._line) > 1 else ""
            margin = " " * (self._indent + (INDENT if first in _CLOSING else 0))
            self._lines += [margin + comment for comment in comments]

    # ---- structure

    def _contents(self, opener: int, end: int, indent: int, *, comma: str, hang: int) -> None:
        """Write what stands between a pair of brackets, each item or element on a line of its own."""
        shape = self._shape
        at, gap = self._gap(opener + 1, end, starts_line=opener < 0)
        self._separate(gap, at, end, indent, is_first=True)
        while at < end:
            stop = self._item_end(at, end)
            if shape.may_begin_line(at):
                self._new_line(indent)
            self._item(at, stop, hang, len(comma))
            at, gap = self._gap(stop, end)
            if comma or (at < end and not shape.may_begin_line(at)):
                self._put(",", "COMMA")
            self._separate(gap, at, end, indent)

    def _separate(self, gap: _Gap, at: int, end: int, indent: int, *, is_first: bool = False) -> None:
        if at == end or self._shape.may_begin_line(at):
            self._comments(gap, indent, is_first=is_first, is_last=at == end)
        else:
            self._hoist([comment for comment in (gap.trailing, *gap.lines) if comment])

    def _item_end(self, at: int, end: int) -> int:
        types, partners, is_separator = self._types, self._shape.partners, self._shape.is_separator
        while at < end and not is_separator(at):
            at = partners[at] + 1 if types[at] in OPENERS else at + 1
        return at

    def _gap(self, at: int, end: int, *, starts_line: bool = False) -> tuple[int, _Gap]:
        """The token behind a run of line ends and commas, and what the run holds."""
        trailing = ""
        lines: list[str] = []
        after_comma = False
        while at < end and self._types[at] in ("COMMA", "_NL"):
            if self._types[at] == "COMMA":
                _detach(lines)
                after_comma = True
            else:
                rest, *whole = [line.strip() for line in self._texts[at].split("\n")[:-1]]
                if not starts_line:
                    trailing = rest
                elif rest or not after_comma:
                    lines.append(rest)
                    if after_comma:
                        _detach(lines)
                lines += whole
                starts_line, after_comma = True, False
            at += 1
        return at, _Gap(trailing, lines)

    def _item(self, at: int, stop: int, hang: int, tail: int) -> None:
        """Write an item or an element, `tail` columns before the end of its line; lines that go on begin at `hang`."""
        types, shape = self._types, self._shape
        while at < stop:
            kind = types[at]
            if kind == "_NL":
                at, gap = self._gap(at, stop)
                self._comments(gap, hang, is_first=True, is_last=True)
                self._new_line(hang)
            elif kind in OPENERS:
                self._brackets(at, stop, tail)
                at = shape.partners[at] + 1
            else:
                self._token(at)
                at += 1
                may_end_line = at - 1 in shape.joiners and types[at] != "_NL" and shape.may_begin_line(at)
                if may_end_line and not self._fits(at, stop, tail, whole=at - 1):
                    self._new_line(hang)

    def _brackets(self, opener: int, stop: int, tail: int) -> None:
        shape = self._shape
        closer = shape.partners[opener]
        if shape.is_empty(opener) or (opener not in shape.broken and self._fits(opener, stop, tail, whole=closer)):
            self._flat(opener, closer)
            return
        self._token(opener)
        indent = self._indent
        is_group = self._types[opener] == "LPAR" and opener not in shape.calls
        comma = "" if is_group or opener in shape.blocks else ","
        inner = indent + INDENT
        self._contents(opener, closer, inner, comma=comma, hang=inner if is_group else inner + INDENT)
        self._new_line(indent)
        self._token(closer)

    def _flat(self, at: int, last: int) -> None:
        for each in range(at, last + 1):
            if not self._is_idle(each, self._before):
                self._token(each)

    def _fits(self, at: int, stop: int, tail: int, *, whole: int) -> bool:
        """Does the line hold the tokens up to `whole`, and what must follow them until the line may end?"""
        types, texts, shape = self._types, self._texts, self._shape
        column, before = self._column, self._before
        while at < stop:
            kind = types[at]
            if at > whole:
                if kind == "_NL":
                    return True
                if kind in OPENERS:
                    if kind == "LBRACE" or at in shape.broken:
                        return column + len(self._space(before, at)) + 1 <= WIDTH
                    whole = shape.partners[at]
            if not self._is_idle(at, before):
                column += len(self._space(before, at))
                if kind == "TEXT" and "\n" in texts[at]:
                    return column + 3 <= WIDTH
                column += len(texts[at])
                before = kind
                if column > WIDTH:
                    return False
                if at > whole and at in shape.joiners:
                    return True
            at += 1
        return column + tail <= WIDTH

    def _is_idle(self, at: int, before: str) -> bool:
        """Is a token one that a single line does without: an end of line, or a comma with nothing to separate?"""
        kind = self._types[at]
        if kind != "COMMA":
            return kind == "_NL"
        after = at + 1
        while self._types[after] == "_NL":
            after += 1
        return before in OPENERS or self._types[after] in CLOSERS or self._types[after] == "COMMA"

    # ---- tokens

    def _token(self, at: int) -> None:
        if at in self._shape.joined:
            self._hoist(self._shape.joined[at])
        kind, text, space = self._types[at], self._texts[at], self._space(self._before, at)
        if kind == "TEXT" and "\n" in text:
            text = _indented(text, self._indent + INDENT)
            self._put(space + text, kind)
            self._column = len(text) - text.rfind("\n") - 1
        else:
            self._put(space + text, kind)

    def _space(self, before: str, at: int) -> str:
        """What stands between a token and one of kind `before` on the same line."""
        kind = self._types[at]
        if not before or kind in _TIGHT_BEFORE or before in _TIGHT_AFTER:
            return ""
        if kind == "DOT":
            return " " if before == "QUANTITY" else ""  # `5.x` would be a number
        if kind == "RBRACE":
            return "" if before == "LBRACE" else " "
        return "" if kind == "LPAR" and at in self._shape.calls else " "


def _detach(lines: list[str]) -> None:
    """Keep a `##` that was no documentation, for a comma follows it, from becoming that of the block below."""
    if lines and lines[-1].startswith("##"):
        lines.append("")


def _indented(literal: str, indent: int) -> str:
    """A text of several lines at an indentation, or as it is where that would change its value."""
    first, _, rest = literal[3:-3].partition("\n")
    if first.strip():
        return literal
    margin = " " * indent
    lines = textwrap.dedent(rest).rstrip().split("\n") if rest.strip() else []
    moved = "\n".join(['"""', *(margin + line if line else "" for line in lines), margin + '"""'])
    return moved if _value(moved) == _value(literal) else literal


def _value(literal: str) -> str:
    builder = Builder(Source("", literal), Tokens(literal, ["TEXT"], [0], [len(literal)]))
    value: str = builder.maker("text")([0], 0, 0).value
    return value
