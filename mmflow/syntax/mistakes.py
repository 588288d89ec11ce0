"""What people get wrong, and what they meant: from the place where the parser stopped to one mistake with a name."""

from collections.abc import Callable
from functools import cache

import attrs

from mmflow.diagnostics import did_you_mean
from mmflow.syntax.layout import Layout
from mmflow.syntax.lexer import BAD, CLOSERS, END, LEADING, OPEN_STRING, OPEN_TEXT, OPENERS, QUOTED, TOO_DEEP
from mmflow.syntax.lexer import MAX_DEPTH as _MAX_DEPTH
from mmflow.syntax.machine import Machine
from mmflow.syntax.tables import tables

_VALUES = frozenset({"NAME", "QUANTITY", "STRING", "TEXT", "TRUE", "FALSE", "LBRACE", "LSQB", QUOTED, OPEN_STRING, OPEN_TEXT})
_ITEM_ENDS = frozenset({"_NL", "COMMA", "RBRACE", END})
_SEPARATORS = frozenset({"_NL", "COMMA", "_sep"})
_AWAITING = frozenset({
    "EQUAL", "_ARROW", "COMPARE", "IN", "MATCHES", "AND", "OR", "NOT", "WITH", "WHEN", "ELSE", "LSQB", "LPAR", "COMMA", "DOT", "AT",
    "AS", "USING", "LIKE", "USE", "IMPORT", "LET", "PARAM", "operator", "LBRACE",
})  # fmt: skip
_HEADS = frozenset({"WHEN", "ELSE", "_ARROW", "EQUAL", "LET", "PARAM", "USE", "IMPORT"})
_AHEAD = 200  # how many tokens are looked at for what was meant: a bound, so that no text takes quadratic time

_CHARACTERS = {
    "&&": ("AND", "write `and`"), "||": ("OR", "write `or`"), "&": ("AND", "write `and`"), "|": ("OR", "write `or`"),
    "!": ("NOT", "write `not`"), ";": ("COMMA", "items are separated by a new line or a comma"), "→": ("_ARROW", "write `->`"),
    "⇒": ("_ARROW", "write `->`"), "≥": ("COMPARE", "write `>=`"), "≤": ("COMPARE", "write `<=`"), "≠": ("COMPARE", "write `!=`"),
    "\xa0": ("", "this is a no-break space, write a plain one"), "“": ("", 'strings stand between plain quotes `"…"`'),
    "”": ("", 'strings stand between plain quotes `"…"`'), "€": ("", "money is in dollars: `$0.02`"),
}  # fmt: skip
_WORDS_FOR = {"is": "==", "equals": "==", "eq": "==", "has": "in", "like": "matches", "contains": "matches"}


@attrs.frozen
class Repair:
    """Take away the last `drop` symbols, take tokens of the kinds in `feed`, take these symbols again, leave out `skip` tokens."""

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
        return self._last("LSQB") is None and self._last("LPAR") is None and machine.fits(["QUANTITY", "_ARROW"])

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
        return kind in _VALUES or kind in ("NOT", "LPAR") or kind in tables().words.values()

    def is_name(self, ahead: int = 0) -> bool:
        kind = self.peek(ahead)
        return kind == "NAME" or kind in tables().words.values()

    def find_ahead(self, wanted: str, stop: frozenset[str]) -> int | None:
        """How far ahead on this line, outside of brackets, a kind of token stands."""
        depth = 0
        for ahead in range(_AHEAD):
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
        for ahead in range(_AHEAD if self.may_open else 0):
            kind = self.peek(ahead)
            if kind in (END, "_NL"):
                return False
            depth += (kind in OPENERS) - (kind in CLOSERS)
            if depth < 0 and kind == "RBRACE":
                return True
        return False

    def next_is_deeper(self) -> bool:
        """Does the next line stand deeper than the line of the item?"""
        first = self.machine.firsts[self.base + 1] if self.symbols else self.at
        return self.kind == "_NL" and self.peek() != END and self.layout.indent(self.at + 1) > self.layout.indent(first)

    def goes_on_below(self) -> bool:
        """Does the next line hold a value, and nothing that begins an item?"""
        if self.kind != "_NL" or self.peek() not in _VALUES:
            return False
        is_item = self.peek(2) in ("EQUAL", "_ARROW", "LBRACE") or (self.peek() in ("NAME",) and self.peek(2) in ("NAME", "STRING"))
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
        return f"`{text if len(text) <= 40 else text[:39] + '…'}`" if self.kind != "TEXT" else "text"

    def _expected(self) -> str:
        fitting = {kind for kind in _terminals() if self.machine.fits([kind])}
        words: list[str] = []
        if {"QUANTITY", "STRING", "LSQB"} <= fitting:
            words.append("a value")
            fitting -= _VALUES | {"NOT", "LPAR", "NAME"}
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
    return names | {"LSQB": "`[`", "LPAR": "`(`", "DOT": "`.`", "AT": "`@`", "_NL": "the end of the line", END: "the end of the file"}


# ---- the mistakes -------------------------------------------------------------------------------------------------------


def find(c: Context) -> Mistake:
    """The mistake that stopped the parser."""
    for rule in _RULES:
        if mistake := rule(c):
            return mistake
    return c.unexpected()


def _too_deep(c: Context) -> Mistake | None:
    if c.kind != TOO_DEEP:
        return None
    help = "give the inner parts names of their own"
    last = c.at
    return Mistake("too-deep", f"this is nested more than {_MAX_DEPTH} levels deep", last, last, help=help)


def _open_string(c: Context) -> Mistake | None:
    """A string without an end is the cause of whatever else is wrong on its line."""
    at = c.at
    while c.types[at] not in (OPEN_STRING, OPEN_TEXT):
        at += 1
        if at - c.at > _AHEAD or at >= len(c.types) or not c.layout.same_line(at, c.at):
            return None
    repair = None
    if at == c.at:
        repair = Repair(("STRING" if c.kind == OPEN_STRING else "TEXT",), skip=1)
    quotes, what = ('"', "string") if c.types[at] == OPEN_STRING else ('"""', "text")
    last = at
    return Mistake("open-string", f"this {what} is never closed", at, last, help=f"add the closing `{quotes}`", repair=repair)


def _leading_operator(c: Context) -> Mistake | None:
    """A line that begins with what continues the line before."""
    leading = ("_ARROW", "COMPARE", "DOT", LEADING)
    if c.kind == "_NL" and c.symbols and c.peek() in leading and (c.is_complete or c.head == "ELSE"):
        at, skip, drop = c.at + 1, 2, 0
    elif c.kind in leading and c.layout.is_first(c.at) and (c.kind == LEADING or not c.symbols):
        at, skip, drop = c.at, 1, 1 if c.symbols else 0
    else:
        return None
    word = c.tokens.text_of(at)
    kind = tables().words.get(word, c.types[at])
    help = "put it at the end of the line before" if kind in ("AND", "OR") else "write it on one line with what stands before it"
    repair = Repair((kind,), skip=skip) if not drop else None
    return Mistake("leading-operator", f"a line cannot begin with `{word}`", at, at, help=help, repair=repair)


def _missing_target(c: Context) -> Mistake | None:
    if c.before != "_ARROW" or c.kind not in _ITEM_ENDS | CLOSERS.keys():
        return None
    if c.goes_on_below():
        return c.behind("target-missing", "the target after `->` is missing on this line", help="write it on the line of the arrow",
                        repair=Repair(skip=1))  # fmt: skip
    return c.behind("target-missing", "the target after `->` is missing", help="name a model, a tier, a route or another target")


def _missing_value(c: Context) -> Mistake | None:
    if c.before != "EQUAL" or c.kind not in _ITEM_ENDS | CLOSERS.keys():
        return None
    name = c.tokens.text_of(c.at - 2)
    if c.goes_on_below():
        return c.behind("value-missing", f"the value of `{name}` is missing on this line", help="write it on the line of the `=`",
                        repair=Repair(skip=1))  # fmt: skip
    return c.behind("value-missing", f"the value of `{name}` is missing", help=f"write `{name} = …`, or delete the line")


def _in_list(c: Context) -> Mistake | None:
    """Inside `[…]` or the parentheses of a call."""
    if c.bracket is None or (c.bracket == "LPAR" and not c.is_call):
        return None
    if c.is_complete:
        if c.kind == "EQUAL":
            return _equal_for_compare(c)
        if c.kind == BAD and c.text == ";":
            return c.here("comma-missing", "a comma is due here, not `;`", help="write `,`", repair=Repair(("COMMA",), skip=1))
        if c.is_value() or (c.kind == "LPAR" and c.types[c.at - 1] == "_NL"):
            what = "elements of a list" if c.bracket == "LSQB" else "arguments"
            make = c.here if c.layout.same_line(c.at, c.at - 1) and c.types[c.at - 1] != "_NL" else c.behind
            return make("comma-missing", f"a comma is missing between {what}", help="write `,`", repair=Repair(("COMMA",)))
    if c.kind == "COMMA":
        return c.unexpected("a value", help="delete the comma", repair=Repair(skip=1))
    return None


def _equal_for_compare(c: Context) -> Mistake:
    help = "write `==`"
    return c.here("equal-for-compare", "`=` sets an attribute, it does not compare", help=help, repair=Repair(("COMPARE",), skip=1))


def _in_condition(c: Context) -> Mistake | None:
    if c.head != "WHEN" or c.bracket:
        return None
    if not c.is_complete:
        if c.before == "WHEN" and c.kind in ("_ARROW", *_ITEM_ENDS):
            return c.unexpected("a condition", help="write `when condition -> target`, or `else -> target`")
        if c.kind == "EQUAL":
            return c.unexpected("a value", repair=Repair(skip=1))
        return None
    if c.kind == "EQUAL":
        if c.peek() == "COMPARE" and c.tokens.text_of(c.at + 1) == ">":
            return _arrow_missing(c, Repair(("_ARROW",), skip=2))
        return _equal_for_compare(c)
    if c.kind in _ITEM_ENDS:
        return _arrow_missing(c, None)
    if c.kind == BAD and c.text in (":", "-", "→", "⇒", "="):
        skip = 2 if c.text == "-" and c.peek() == "COMPARE" else 1
        return _arrow_missing(c, Repair(("_ARROW",), skip=skip))
    arrow = c.find_ahead("_ARROW", frozenset({"COMMA", "RBRACE"}))
    if c.is_value() and arrow is None:
        if c.text in ("then", "do", "return", "use", "to") and c.is_value(1):
            return _arrow_missing(c, Repair(("_ARROW",), skip=1))
        return _arrow_missing(c, Repair(("_ARROW",)))
    if arrow and c.is_value():
        meant = _WORDS_FOR.get(c.text)
        if meant:
            kind = "COMPARE" if meant == "==" else tables().words[meant]
            return c.unexpected("an operator or `->`", help=f"write `{meant}`", repair=Repair((kind,), skip=1))
        return c.unexpected("an operator or `->`", repair=Repair(skip=arrow))
    return None


def _arrow_missing(c: Context, repair: Repair | None) -> Mistake:
    what = {"WHEN": "this condition", "ELSE": "`else`"}.get(c.head or "", "this share")
    make = c.behind if c.kind in _ITEM_ENDS else c.here
    return make("arrow-missing", f"`->` and a target are due after {what}", help="write `-> target`", repair=repair)


def _in_else_or_share(c: Context) -> Mistake | None:
    if c.symbols not in (["ELSE"], ["QUANTITY"]):
        return None
    if c.kind == "EQUAL":
        skip = 2 if c.peek() == "COMPARE" else 1
        return _arrow_missing(c, Repair(("_ARROW",), skip=skip))
    if c.kind == BAD and c.text in (":", "-", "→", "⇒"):
        return _arrow_missing(c, Repair(("_ARROW",), skip=2 if c.text == "-" and c.peek() == "COMPARE" else 1))
    if c.kind in ("WHEN",) or c.text == "if":
        return c.unexpected("`->`", help="`else` has no condition: write another `when` above it")
    if c.is_value():
        return _arrow_missing(c, Repair(("_ARROW",)))
    return _arrow_missing(c, None) if c.kind in _ITEM_ENDS else None


def _second_item(c: Context) -> Mistake | None:
    """Another item on the line of one that is complete."""
    if not c.is_complete or c.bracket or c.symbols in (["NAME"], ["QUANTITY"], ["ELSE"]) or c.head == "WHEN":
        return None
    block = c.symbols[-1] == "RBRACE"
    if c.kind in ("WHEN", "ELSE", "USE", "IMPORT", "LET", "PARAM") and (c.head or block):
        return _two(c)
    if c.kind == "QUANTITY" and c.peek() == "_ARROW" and (c.head or block):
        return _two(c)
    if c.head not in ("EQUAL", "_ARROW", "LET", "PARAM") and not (block and c.head is None):
        return None
    if c.is_name() and (c.peek() in ("EQUAL", "LBRACE") or _is_header(c)):
        return _two(c)
    return None


def _is_header(c: Context) -> bool:
    """Does a block begin at this token?"""
    ahead = 1
    while c.peek(ahead) in ("NAME", "STRING", "USING", "LIKE", "DOT") and ahead < _AHEAD:
        ahead += 1
    return c.peek(ahead) == "LBRACE"


def _two(c: Context) -> Mistake:
    help = "begin a new line, or write a comma between them"
    return c.here("two-on-a-line", f"`{c.text}` begins another item on the same line", help=help, repair=Repair(("_NL",)))


def _in_value(c: Context) -> Mistake | None:
    """Behind the value of an attribute, or a target."""
    if c.head not in ("EQUAL", "_ARROW") or c.bracket:
        return None
    if c.before == "WITH" and c.kind != "LBRACE":
        repair = Repair(("LBRACE",)) if c.closes_on_line() else None
        return c.unexpected("`{`", help="write `with { … }`", repair=repair)
    if not c.is_complete:
        return None
    if c.kind == "EQUAL":
        if c.head == "EQUAL" and c.symbols[-1] == "NAME" and c.closes_on_line():
            return _brace_before_name(c)
        return _equal_for_compare(c)
    if c.kind == "LBRACE":
        return c.unexpected("`with`", help="write `target with { … }`", repair=Repair(("WITH",)))
    if c.kind == "_ARROW" and c.head == "EQUAL":
        return c.unexpected("the end of the line", help="an arm is `when condition -> target`")
    return None


def _brace_before_name(c: Context) -> Mistake:
    name = c.at - 1
    message = f"unexpected `{c.tokens.text_of(name)}`, expected `{{`"
    return Mistake("unexpected-token", message, name, name, help="add `{`", repair=Repair(("LBRACE",), drop=1))


def _in_header(c: Context) -> Mistake | None:
    """Behind one or more words that begin an item: an attribute or the header of a block."""
    if not c.symbols or c.head or c.bracket or c.symbols[0] != "NAME" or c.symbols[-1] == "RBRACE":
        return None
    names = [each for each in c.symbols if each in ("NAME", "STRING")]
    plain = len(names) == len(c.symbols)
    first = c.machine.firsts[c.base + 1]
    word = c.tokens.text_of(first)
    if c.kind == BAD and c.text == ":" and c.symbols == ["NAME"]:
        repair = Repair(("EQUAL",), skip=2 if c.peek() == "EQUAL" else 1)
        return c.here("not-an-attribute", f"`{word}` is followed by `:`, attributes are set with `=`",
                      help=f"write `{word} = …`", repair=repair)  # fmt: skip
    if c.symbols == ["NAME"]:
        return _after_one_name(c, word)
    if not c.is_complete:
        return c.unexpected("a name") if c.symbols[-1] in ("USING", "LIKE", "DOT") else None
    if c.kind in ("_NL", END) and (c.next_is_deeper() or not c.in_body or not plain):
        return c.unexpected("`{`", help="add `{` at the end of the line", repair=_body_below(c))
    if plain and (c.kind in ("NAME", "STRING") or c.is_name()):
        return _after_two_names(c, word)
    if c.kind == "EQUAL" and plain:
        return _assignment_of_two(c, first, word)
    brace = c.find_ahead("LBRACE", frozenset({"EQUAL", "_ARROW", "COMMA"}))
    if brace:
        return c.unexpected("`{`", repair=Repair(skip=brace))
    if plain and (c.is_value() or c.kind in ("LPAR", "LSQB", "COMPARE", "DOT", *_ITEM_ENDS)):
        return _juxtaposed(c, c.at - 1, word, Repair(("EQUAL",), drop=1))
    return None


def _after_one_name(c: Context, word: str) -> Mistake | None:
    if c.kind == "COMPARE":
        if c.find_ahead("_ARROW", frozenset({"COMMA", "RBRACE"})):
            return _when_missing(c)
        if c.text == "==":
            return c.here("not-an-attribute", "`==` compares, attributes are set with `=`", help=f"write `{word} = …`",
                          repair=Repair(("EQUAL",), skip=1))  # fmt: skip
    if c.kind in ("_ARROW", "IN", "AND", "OR", "NOT", "MATCHES", "DOT", "LPAR") and (
        c.kind == "_ARROW" or c.find_ahead("_ARROW", frozenset({"COMMA", "RBRACE"}))
    ):
        return _when_missing(c)
    if c.kind == "QUANTITY" and (brace := c.find_ahead("LBRACE", frozenset({"EQUAL", "_ARROW", "COMMA"}))):
        return c.unexpected("a name", help="a name begins with a letter and has no dashes", repair=Repair(skip=brace))
    if c.is_value() and c.kind != "LPAR":
        return _juxtaposed(c, c.at, word, Repair(("EQUAL",)))
    if c.kind in _ITEM_ENDS:
        if c.next_is_deeper():
            return c.unexpected("`=` or `{`", help="add `{` at the end of the line", repair=_body_below(c))
        return c.behind("not-an-attribute", f"`{word}` has no value: attributes are `name = value`", help=f"write `{word} = …`")
    return None


def _juxtaposed(c: Context, at: int, word: str, repair: Repair) -> Mistake:
    message = f"`=` is missing between `{word}` and its value"
    return Mistake("not-an-attribute", message, at, at, help=f"write `{word} = …`", repair=repair)


def _after_two_names(c: Context, word: str) -> Mistake:
    if c.peek() == "EQUAL":  # `provider anthropic key = …`
        repair = Repair(("LBRACE",)) if c.closes_on_line() else None
        return c.unexpected("`{`", help="add `{`", repair=repair)
    ahead = 1
    while c.peek(ahead) in ("NAME", "STRING", "DOT", "QUANTITY") and ahead < _AHEAD:
        ahead += 1
    if c.text in ("use", "uses", "with", "from", "by", "via") and c.is_name(1):
        return c.unexpected("`using`, `like` or `{`", help="write `using`", repair=Repair(("USING",), skip=1))
    if c.kind == "NAME" and c.is_name(1) and (meant := did_you_mean(c.text, ["using", "like"])):
        kind = tables().words[meant]
        return c.unexpected("`using`, `like` or `{`", help=f"did you mean `{meant}`?", repair=Repair((kind,), skip=1))
    name = c.tokens.text_of(c.at - 1)
    message = f"a block has one name, not both `{name}` and `{c.text}`"
    repair = Repair(skip=ahead) if c.peek(ahead) in ("LBRACE", "USING", "LIKE") else None
    return c.here("two-names", message, help="join them with `_`, or delete one", repair=repair)


def _assignment_of_two(c: Context, first: int, word: str) -> Mistake:
    name = c.tokens.text_of(c.at - 1)
    if c.closes_on_line() and c.symbols == ["NAME", "NAME"]:
        return _brace_before_name(c)
    if word in ("let", "param", "use", "import"):
        return Mistake("unexpected-token", f"unexpected `{word}`, it stands outside of blocks only", first, first,
                       help="move it to the top of the file")  # fmt: skip
    meant = did_you_mean(word, ["let", "param"]) if not c.in_body else None
    help = f"did you mean `{meant} {name} = …`?" if meant else f"an attribute has one name: write `{word}_{name} = …`"
    return Mistake("unexpected-token", f"unexpected `{name}`, expected `=`", c.at - 1, c.at - 1, help=help)


def _body_below(c: Context) -> Repair | None:
    return Repair(("LBRACE",)) if c.may_open and c.kind == "_NL" else None


def _when_missing(c: Context) -> Mistake:
    first = c.machine.firsts[c.base + 1]
    message = f"unexpected `{c.tokens.text_of(first)}`, expected `when` before a condition"
    return Mistake("unexpected-token", message, first, first, help="write `when condition -> target`", repair=Repair(("WHEN",), drop=1))


def _declaration(c: Context) -> Mistake | None:
    """Inside `let`, `param`, `use` or `import`."""
    if c.head in ("LET", "PARAM") and c.symbols[-1] == "NAME":
        word = c.tokens.text_of(c.at - 1)
        if c.kind == BAD and c.text == ":":
            message = f"`{word}` is followed by `:`, values are set with `=`"
            return c.here("not-an-attribute", message, help=f"write `{word} = …`", repair=Repair(("EQUAL",), skip=1))
        if c.is_value() and c.kind != "LPAR":
            return _juxtaposed(c, c.at, word, Repair(("EQUAL",)))
    return None


def _character(c: Context) -> Mistake | None:
    """Characters that the language does not have."""
    if c.kind == QUOTED:
        return c.unexpected("a string", help='strings stand between double quotes: `"…"`', repair=Repair(("STRING",), skip=1))
    if c.kind != BAD:
        return None
    kind, help = _CHARACTERS.get(c.text, _CHARACTERS.get(c.text[0], ("", None)))
    if not help and c.text[0].isalpha():
        help = "names are written in the letters of ASCII, digits and `_`"
    candidates = [Repair((kind,), skip=1)] if kind else []
    candidates.append(Repair(skip=1))
    fitting = (each for each in candidates if c.machine.fits([*each.feed, c.peek()]))
    return c.unexpected(help=help, repair=next(fitting, None))


def _surplus(c: Context) -> Mistake | None:
    """A closing bracket that closes nothing."""
    if c.kind not in CLOSERS:
        return None
    if c.kind == "RBRACE" and c.in_body:
        return None
    if c.kind == "RBRACE" and c.bracket:
        return None
    return c.here("unexpected-token", f"unexpected `{c.text}`: nothing is open that it closes", help="delete it",
                  repair=Repair(skip=1))  # fmt: skip


def _edition_again(c: Context) -> Mistake | None:
    if c.symbols == ["NAME"] and c.kind == "QUANTITY" and c.tokens.text_of(c.at - 1) == "mmflow" and not c.in_body:
        return Mistake("unexpected-token", "unexpected `mmflow`: the edition stands in the first line only", c.at - 1, c.at)
    return None


_RULES: tuple[Callable[[Context], Mistake | None], ...] = (
    _too_deep,
    _open_string,
    _leading_operator,
    _edition_again,
    _missing_target,
    _missing_value,
    _in_list,
    _in_condition,
    _in_else_or_share,
    _second_item,
    _declaration,
    _in_value,
    _in_header,
    _surplus,
    _character,
)
