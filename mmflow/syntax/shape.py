"""The tokens of a file as the formatter sees them: with comments and line ends, and with what the grammar knows of them."""

from collections.abc import Callable
from typing import Any

from mmflow.source import Source
from mmflow.syntax.build import Builder
from mmflow.syntax.lexer import CLOSERS, LEADING, OPENERS, WORD_OPERATORS, Tokens
from mmflow.syntax.machine import Machine
from mmflow.syntax.tables import tables

_CONTINUES = frozenset({LEADING, "_ARROW", "COMPARE", "DOT"})
_JOINERS = frozenset({"AND", "OR"})


class Shape:
    """Parallel lists of the kinds and texts of tokens; a `_NL` has its comments and blank lines in its text.

    Operators that begin a line are moved to where the grammar wants them: `and` and `or` to the end of the line before, others
    together with what follows. `joined` has the comments that stood before such a token and have no place there any more.
    `is_sound` says whether the grammar takes it all; the rest holds only then.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.types: list[str] = []
        self.texts: list[str] = []
        self.joined: dict[int, list[str]] = {}
        self._read(tokens)
        notes = _Notes(self.types)
        self.is_sound = notes.is_sound
        self.joiners = {at for at, kind in enumerate(self.types) if kind in _JOINERS and at not in notes.content}
        self.partners: dict[int, int] = {}
        self.broken: set[int] = set()
        """Opening brackets with a line end inside."""
        if self.is_sound:
            self._match()
        self.calls = {self.partners[at] for at in notes.calls} if self.is_sound else set()
        self.blocks = {self.partners[at] for at in notes.blocks} if self.is_sound else set()

    def _read(self, tokens: Tokens) -> None:
        types, texts, words = self.types, self.texts, tables().words
        for index, kind in enumerate(tokens.types):
            text = tokens.text_of(index)
            if kind == "_NL" and types and types[-1] == "_NL":
                texts[-1] += text
            elif kind in _CONTINUES and types and types[-1] == "_NL":
                types.pop()
                space = texts.pop()
                kind = words.get(text, kind)
                if kind not in _JOINERS:
                    self.joined[len(types)] = [line.strip() for line in space.split("\n") if line.strip()]
                types.append(kind)
                texts.append(text)
                if kind in _JOINERS:
                    types.append("_NL")
                    texts.append(space)
            else:
                types.append(kind)
                texts.append(text)

    def _match(self) -> None:
        """Find the partners of brackets, and which pairs cannot stand on one line."""
        types, texts = self.types, self.texts
        opened: list[int] = []
        ends_line: list[bool] = []
        has_text: list[bool] = []
        for at, kind in enumerate(types):
            if ends_line and (kind == "_NL" or at in self.joined):
                ends_line[-1] = True
            if kind == "TEXT" and has_text and "\n" in texts[at]:
                has_text[-1] = True
            elif kind in OPENERS:
                opened.append(at)
                ends_line.append(False)
                has_text.append(False)
            elif kind in CLOSERS:
                opener, is_broken, text = opened.pop(), ends_line.pop(), has_text.pop()
                self.partners[opener], self.partners[at] = at, opener
                # A text between parentheses may stand on its own lines, anything else makes room for it.
                if (is_broken or (text and kind != "RPAR")) and not self._is_blank(opener, at):
                    self.broken.add(opener)
                    if opened:
                        ends_line[-1] = True
                if text and opened:
                    has_text[-1] = True

    def _is_blank(self, opener: int, closer: int) -> bool:
        inside = range(opener + 1, closer)
        return all(self.types[at] in ("_NL", "COMMA") and "#" not in self.texts[at] for at in inside)

    def is_empty(self, opener: int) -> bool:
        """Is there nothing, not even a comment, between an opening bracket and its partner?"""
        return opener not in self.broken and self._is_blank(opener, self.partners[opener])

    def may_begin_line(self, at: int) -> bool:
        """Would a token be read in the same way at the start of a line? A name such as `in` would be taken for an operator."""
        return self.types[at] not in WORD_OPERATORS or self.types[at + 1] == "EQUAL"

    def is_separator(self, at: int) -> bool:
        """Does a token, outside of any bracket, stand between two items or elements?"""
        kind = self.types[at]
        return kind == "COMMA" or (kind == "_NL" and at - 1 not in self.joiners)


class _Notes(Builder):
    """Makes no tree: notes what tokens are to the grammar."""

    def __init__(self, types: list[str]) -> None:
        nowhere = [0] * len(types)
        tokens = Tokens("", types, nowhere, nowhere)
        super().__init__(Source("", ""), tokens)
        self.content: set[int] = set()
        """Names, numbers and strings: a keyword among them is a name."""
        self.calls: set[int] = set()
        self.blocks: set[int] = set()
        self.is_sound = Machine(tables(), tokens, self).run(0) is None

    def maker(self, rule: str) -> Callable[[list[Any], int, int], Any]:
        ends = {"invoke": self.calls, "block": self.blocks}.get(rule)

        def note(children: list[Any], first: int, last: int) -> None:
            self.content.update(child for child in children if child is not None)
            if ends is not None:
                ends.add(last)

        return note
