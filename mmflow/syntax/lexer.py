"""From text to tokens: never fails, for what is no token becomes one that no grammar rule takes."""

import re
from functools import cache

import attrs

from mmflow.syntax.tables import tables

END = "$END"

# What only the error recovery understands.
OPEN_STRING = "OPEN_STRING"
OPEN_TEXT = "OPEN_TEXT"
QUOTED = "QUOTED"
BAD = "BAD"
LEADING = "LEADING"
TOO_DEEP = "TOO_DEEP"

MAX_DEPTH = 100
"""How deep brackets, `not`, calls, members and `with` may nest in sum: what reads the tree may recurse."""

OPENERS = {"LBRACE": "RBRACE", "LSQB": "RSQB", "LPAR": "RPAR"}
CLOSERS = {"RBRACE": "LBRACE", "RSQB": "LSQB", "RPAR": "LPAR"}

WORD_OPERATORS = frozenset({"AND", "OR", "IN", "MATCHES", "WITH"})
_ASSIGNS = re.compile(r"[ \t]*=(?!=)")
_CHAINS = frozenset({"NOT", "DOT", "WITH", "LPAR"})
_ENDS_CHAIN = frozenset({"_NL", "COMMA", "EQUAL", "_ARROW", "AND", "OR", "COMPARE", "IN", "MATCHES"})


@attrs.define(eq=False)
class Tokens:
    """Parallel lists, one entry for each token; the last token is the end of the file, and is empty."""

    text: str
    types: list[str]
    starts: list[int]
    ends: list[int]

    def __len__(self) -> int:
        return len(self.types)

    def text_of(self, index: int) -> str:
        return self.text[self.starts[index] : self.ends[index]]

    def append(self, kind: str, start: int, end: int) -> None:
        self.types.append(kind)
        self.starts.append(start)
        self.ends.append(end)


def indent_of(text: str, line_start: int) -> int:
    """The width of the white space at the start of a line, tabs to the next multiple of 8."""
    end = line_start
    while end < len(text) and text[end] in " \t":
        end += 1
    return len(text[line_start:end].expandtabs())


@cache
def _scanner() -> re.Pattern[str]:
    known = tables().terminals
    first = [pattern for pattern in known if pattern[0] == "TEXT"]
    parts = [*first, (OPEN_TEXT, r'(?s:""".*)'), *(each for each in known if each not in first)]
    # Runs of what cannot stand here are one token, so that they are one mistake.
    parts += [(OPEN_STRING, r'"[^\n]*'), (QUOTED, r"'[^'\n]*'"), (BAD, r"&&|\|\||[^\x00-\x7f]+|[\s\S]")]
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in parts))


# What a line of a text would not look like: the lines behind a text without an end do.
_CODE = re.compile(
    r"\s*(?:\}|else\s*->|when\s.*->|\w+\s*=[^=]|[a-z_]\w*(?:\s+[\w.\"]+)*\s*\{(?!\{)|\d+%\s*->|(?:let|param|use|import)\s)"
)


def scan(text: str) -> Tokens:
    """The tokens of a text, without white space and comments, in time linear in its length."""
    tokens, closed = _scan(text, by_layout=False)
    if not closed:
        # An odd number of `"""`: which of them lacks its partner is seen by the layout.
        tokens, _ = _scan(text, by_layout=True)
    return _cut_too_deep(tokens)


def _scan(text: str, *, by_layout: bool) -> tuple[Tokens, bool]:
    types: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    tokens = Tokens(text, types, starts, ends)
    words, ignored = tables().words, tables().ignored
    finditer = _scanner().finditer
    at, size = 0, len(text)
    may_cut = by_layout
    while at < size:
        for match in finditer(text, at):
            kind = match.lastgroup or BAD
            if kind in ignored:
                continue
            start, end = match.span()
            if kind == "NAME":
                kind = words.get(text[start:end], kind)
                if kind in WORD_OPERATORS and types and types[-1] == "_NL" and not _ASSIGNS.match(text, end):
                    kind = LEADING
            elif kind == "STRING" and text.startswith('"""', end - 1) and end - start > 2:
                kind, end = OPEN_STRING, _string_before_text(text, start, end)
            elif kind == OPEN_STRING:
                end = _string_end(tokens, start, end)
            elif kind == OPEN_TEXT and not by_layout:
                return tokens, False
            elif (kind == "TEXT" or kind == OPEN_TEXT) and may_cut and (cut := _text_end(text, start, end)):
                kind, end, may_cut = OPEN_TEXT, cut, False
            types.append(kind)
            starts.append(start)
            ends.append(end)
            if end != match.end():
                at = end
                break
        else:
            break
    types.append(END)
    starts.append(size)
    ends.append(size)
    return tokens, True


def _string_end(tokens: Tokens, start: int, end: int) -> int:
    """Where a string without its second `"` was meant to end: before what closes brackets that its line has opened."""
    line_start = tokens.text.rfind("\n", 0, start) + 1
    open_: list[str] = []
    closed = 0
    index = len(tokens.types) - 1
    while index >= 0 and tokens.starts[index] >= line_start:
        kind = tokens.types[index]
        if kind in CLOSERS:
            closed += 1
        elif kind in OPENERS:
            if closed:
                closed -= 1
            else:
                open_.append({"RBRACE": "}", "RSQB": "]", "RPAR": ")"}[OPENERS[kind]])
        index -= 1
    body = tokens.text[start + 1 : end]
    comment = body.find(" #")
    if comment >= 0:
        body = body[:comment]
    body = body.rstrip()
    if body.endswith("{"):  # a header: `test "a name {`
        return start + 1 + len(body.rstrip("{ \t"))
    tail = body[len(body.rstrip(" \t)]},")) :]
    places = [place for place, each in enumerate(tail) if each in ")]}"][-MAX_DEPTH:]
    for count in range(min(len(places), len(open_)), 0, -1):
        if [tail[place] for place in places[-count:]] == open_[:count]:
            return start + 1 + len(body) - len(tail) + places[-count]
    return start + 1 + len(body)


def _string_before_text(text: str, start: int, end: int) -> int:
    """Where a string was meant to end that took the first quote of a text for its own."""
    return start + len(text[start : end - 1].rstrip().removesuffix("->").rstrip())


def _text_end(text: str, start: int, end: int) -> int | None:
    """Where a text begins to hold code: lines that look like it and stand no deeper than the one that opens the text."""
    level = indent_of(text, text.rfind("\n", 0, start) + 1)
    at = text.find("\n", start, end)
    while at >= 0:
        line_end = text.find("\n", at + 1, end)
        line = text[at + 1 : line_end if line_end >= 0 else end]
        if _CODE.match(line) and indent_of(text, at + 1) <= level:
            return at - 1 if text[at - 1] == "\r" else at
        at = line_end
    return None


def _cut_too_deep(tokens: Tokens) -> Tokens:
    """The tokens with one in the place of what is nested past the limit."""
    if sum(map(tokens.types.count, (*OPENERS, "NOT", "DOT", "WITH"))) * 2 <= MAX_DEPTH:
        return tokens
    kept = Tokens(tokens.text, [], [], [])
    depth, chain, cutting = 0, 0, False
    opened: list[tuple[int, bool]] = []
    for kind, start, end in zip(tokens.types, tokens.starts, tokens.ends, strict=True):
        if kind in _CHAINS:
            chain += 1
            depth += 1
        elif kind in _ENDS_CHAIN:
            depth -= chain
            chain = 0
        of_kept = True
        if kind in OPENERS:
            depth += 1
            opened.append((chain, depth <= MAX_DEPTH))
            chain = 0
        elif kind in CLOSERS and opened:
            depth -= chain + 1
            chain, of_kept = opened.pop()
        if depth > MAX_DEPTH and not cutting:
            kept.append(TOO_DEEP, start, end)
        elif depth <= MAX_DEPTH and of_kept:
            kept.append(kind, start, end)
        cutting = depth > MAX_DEPTH
    if kept.types[-1] != END:
        kept.append(END, tokens.starts[-1], tokens.ends[-1])
    return kept
