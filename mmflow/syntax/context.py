"""Where the parser stopped: what it has read of an item, and what comes next."""

from functools import cache
from unicodedata import category

import attrs

from mmflow.syntax.layout import Layout
from mmflow.syntax.lexer import BAD, CLOSERS, END, OPEN_STRING, OPEN_TEXT, OPENERS, QUOTED
from mmflow.syntax.machine import Machine
from mmflow.syntax.tables import tables

VALUES = frozenset({"NAME", "QUANTITY", "STRING", "TEXT", "TRUE", "FALSE", "LBRACE", "LSQB", QUOTED, OPEN_STRING, OPEN_TEXT})
ITEM_ENDS = frozenset({"_NL", "COMMA", "RBRACE", END})
AHEAD = 200
"""How many tokens are looked at for what was meant: a bound, so that no text takes quadratic time."""

_SEPARATORS = frozenset({"_NL", "COMMA", "_sep"})
_AWAITING = frozenset({
    "EQUAL", "_ARROW", "COMPARE", "IN", "MATCHES", "AND", "OR", "NOT", "WITH", "WHEN", "ELSE", "LSQB", "LPAR", "COMMA", "DOT",
    "AT", "AS", "USING", "LIKE", "USE", "IMPORT", "LET", "PARAM", "operator", "LBRACE",
})  # fmt: skip
_HEADS = frozenset({"WHEN", "ELSE", "_ARROW", "EQUAL", "LET", "PARAM", "USE", "IMPORT"})


@attrs.frozen
class Repair:
    """Take away `drop` symbols, take tokens of the kinds in `feed`, take these symbols again, leave out `skip` tokens."""

    feed: tuple[str, ...] = ()
    skip: int = 0
    drop: int = 0


@attrs.frozen
class Mistake:
    """What is wrong at the tokens `first`..`last`, or with `after` right behind them."""

    code: str
    message: str
    first: int
    last: int
    after: bool = False
    help: str | None = None
    repair: Repair | None = None


class Context:
    """Where the parser stopped: at token `at`, behind the `symbols` of an unfinished item.

    `base` is the height of the stack below the item. A bracket that is closed stands for what is inside. `may_open` says that
    further on a `}` stands that closes nothing, so that a `{` may be missing here.
    """

    def __init__(self, machine: Machine, layout: Layout, at: int, *, may_open: bool) -> None:
        self.machine, self.layout, self.at, self.may_open = machine, layout, at, may_open
        self.tokens = machine.tokens
        self.types = machine.tokens.types
        self.kind = self.types[at]
        names = _names()
        actions = machine.tables.actions
        height = len(machine.states) - 1
        closed = 0
        while height > 0 and (closed or "item" not in actions[machine.states[height]]):
            name = names[machine.states[height]]
            closed += (name in CLOSERS) - (name in OPENERS and closed > 0)
            height -= 1
        self.base = height
        self.symbols: list[str] = []
        for state in machine.states[height + 1 :]:
            name = names[state]
            if name in CLOSERS and (opener := self._last(CLOSERS[name])) is not None:
                del self.symbols[opener:]
            self.symbols.append(name)
        if self.symbols and self._starts_item():
            self.symbols = []

    def _starts_item(self) -> bool:
        """Does an item begin here? Then the symbols are separators that belong to the list of items, not to one of them."""
        names, machine = _names(), self.machine
        if not names[machine.states[-1]].startswith("___sep") and names[machine.states[-1]] not in _SEPARATORS:
            return False
        return self._last("LSQB") is None and self._last("LPAR") is None and machine.fits(["WHEN"], as_names=False)

    def _last(self, symbol: str) -> int | None:
        return next((i for i in range(len(self.symbols) - 1, -1, -1) if self.symbols[i] == symbol), None)

    @property
    def in_body(self) -> bool:
        """Is the item one of a `{ … }`, not of the file?"""
        return self.machine.tables.actions[self.machine.states[self.base]].get("_top") is None

    @property
    def before(self) -> str:
        """The last symbol that is not a line end."""
        return next((each for each in reversed(self.symbols) if each != "_NL"), "")

    @property
    def is_complete(self) -> bool:
        """Could what stands before end here?"""
        return self.before not in _AWAITING and bool(self.symbols)

    @property
    def bracket(self) -> str | None:
        """The innermost bracket of the item that is open."""
        return next((each for each in reversed(self.symbols) if each in ("LSQB", "LPAR")), None)

    @property
    def is_call(self) -> bool:
        """Is the innermost bracket that of arguments?"""
        at = self._last("LPAR")
        return bool(self.bracket == "LPAR" and at and self.symbols[at - 1] not in _AWAITING and self.symbols[at - 1] != "_NL")

    @property
    def head(self) -> str | None:
        """The word or sign of the item, inside of the innermost bracket, that rules here."""
        for each in reversed(self.symbols):
            if each in _HEADS or each in ("LSQB", "LPAR"):
                return each if each in _HEADS else None
        return None

    def open_brackets(self) -> int:
        return sum(each in ("LSQB", "LPAR") for each in self.symbols)

    def peek(self, ahead: int = 1) -> str:
        return self.types[min(self.at + ahead, len(self.types) - 1)]

    @property
    def text(self) -> str:
        return self.tokens.text_of(self.at)

    def is_value(self, ahead: int = 0) -> bool:
        """May a value begin with the token?"""
        kind = self.peek(ahead)
        return kind in VALUES or kind in ("NOT", "LPAR") or kind in tables().words.values()

    def is_name(self, ahead: int = 0) -> bool:
        kind = self.peek(ahead)
        return kind == "NAME" or kind in tables().words.values()

    def find_ahead(self, wanted: str, stop: frozenset[str]) -> int | None:
        """How far ahead on this line, outside of brackets, a kind of token stands."""
        depth = 0
        for ahead in range(AHEAD):
            kind = self.peek(ahead)
            if depth == 0 and kind == wanted:
                return ahead
            if kind in (END, "_NL") or (depth == 0 and kind in stop):
                return None
            depth += (kind in OPENERS) - (kind in CLOSERS)
            if depth < 0:
                return None
        return None

    def closes_on_line(self) -> bool:
        """Does the rest of the line close a brace, and may it be one that is missing here?"""
        depth = -self.open_brackets()
        for ahead in range(AHEAD if self.may_open else 0):
            kind = self.peek(ahead)
            if kind in (END, "_NL"):
                return False
            depth += (kind in OPENERS) - (kind in CLOSERS)
            if depth < 0 and kind == "RBRACE":
                return True
        return False

    def is_number_with_comma(self) -> bool:
        """Is the token before the second half of a number such as `8,000`?"""
        starts, ends, at = self.tokens.starts, self.tokens.ends, self.at - 1
        return self.types[at - 2 : at] == ["QUANTITY", "COMMA"] and starts[at] == ends[at - 1] and starts[at - 1] == ends[at - 2]

    def next_is_deeper(self) -> bool:
        """Does the next line stand deeper than the line of the item?"""
        first = self.machine.firsts[self.base + 1] if self.symbols else self.at
        return self.kind == "_NL" and self.peek() != END and self.layout.indent(self.at + 1) > self.layout.indent(first)

    def goes_on_below(self) -> bool:
        """Does the next line hold a value, and nothing that begins an item?"""
        if self.kind != "_NL" or self.peek() not in VALUES:
            return False
        is_item = self.peek(2) in ("EQUAL", "_ARROW", "LBRACE") or (
            self.peek() in ("NAME",) and self.peek(2) in ("NAME", "STRING")
        )
        return not is_item or (self.next_is_deeper() and self.peek(2) == "LBRACE")

    # ---- making a mistake

    def here(self, code: str, message: str, *, help: str | None = None, repair: Repair | None = None) -> Mistake:
        """A mistake at the token where the parser stopped; one that is a line end is shown behind what stands before it."""
        if self.kind in ("_NL", END) or self.tokens.starts[self.at] == self.tokens.ends[self.at]:
            return self.behind(code, message, help=help, repair=repair)
        return Mistake(code, message, self.at, self.at, help=help, repair=repair)

    def behind(self, code: str, message: str, *, help: str | None = None, repair: Repair | None = None) -> Mistake:
        """A mistake right behind the last token with a text."""
        last = self.at - 1
        while last > 0 and (self.types[last] == "_NL" or self.tokens.starts[last] == self.tokens.ends[last]):
            last -= 1
        if last < 0:
            return Mistake(code, message, self.at, self.at, help=help, repair=repair)
        return Mistake(code, message, last, last, after=True, help=help, repair=repair)

    def unexpected(self, expected: str | None = None, *, help: str | None = None, repair: Repair | None = None) -> Mistake:
        due = expected or self._expected()
        message = f"unexpected {self._shown()}" + (f", expected {due}" if due else "")
        return self.here("unexpected-token", message, help=help, repair=repair)

    def _shown(self) -> str:
        if self.kind == END:
            return "end of the file"
        if self.kind == "_NL":
            return "end of the line"
        text = self.text
        if not text:  # a bracket that is missing in the file
            return "end of the block"
        if self.kind == BAD and not text[0].isascii() and category(text[0])[0] in "LMC":
            # It may look like another letter, or like nothing.
            code = f"U+{ord(text[0]):04X}"
            return f"`{text}` ({code})" if text.isprintable() else f"{code}, a character that cannot be seen"
        return f"`{text if len(text) <= 40 else text[:39] + '…'}`" if self.kind != "TEXT" else "text"

    def _expected(self) -> str:
        fitting = {kind for kind in _terminals() if self.machine.fits([kind], as_names=False)}
        words: list[str] = []
        if {"QUANTITY", "STRING", "LSQB"} <= fitting:
            words.append("a value")
            fitting -= VALUES | {"NOT", "LPAR", "NAME"}
        elif {"QUANTITY", "WHEN"} <= fitting:
            words.append("an attribute, a block or an arm")
            fitting -= {"QUANTITY", "WHEN", "ELSE", "NAME", "USE", "IMPORT", "LET", "PARAM", "_NL", "COMMA"}
        if "COMPARE" in fitting:
            words.append("an operator")
            fitting -= {"COMPARE", "IN", "NOT", "MATCHES", "AND", "OR", "WITH", "DOT", "LPAR"}
        if {"_NL", "COMMA"} <= fitting:
            words.append("the end of the line")
            fitting -= {"_NL", "COMMA", END}
        words += [name for kind, name in _terminals().items() if kind in fitting]
        return words[0] if len(words) == 1 else f"{', '.join(words[:4][:-1])} or {words[:4][-1]}" if words else ""


@cache
def _names() -> dict[int, str]:
    """The symbol that leads into each state: an LR automaton has one."""
    return {target: symbol for row in tables().actions for symbol, target in row.items() if target >= 0}


@cache
def _terminals() -> dict[str, str]:
    """Every kind of token and its name for people, the most telling first."""
    names = {"_ARROW": "`->`", "EQUAL": "`=`", "LBRACE": "`{`", "RBRACE": "`}`", "RSQB": "`]`", "RPAR": "`)`", "COMMA": "`,`"}
    names |= {"NAME": "a name", "STRING": "a string", "QUANTITY": "a number", "COMPARE": "a comparison", "TEXT": "a text"}
    names |= {kind: f"`{word}`" for word, kind in tables().words.items()}
    names |= {"LSQB": "`[`", "LPAR": "`(`", "DOT": "`.`", "AT": "`@`"}
    return names | {"_NL": "the end of the line", END: "the end of the file"}
