"""Mistakes behind the words that begin an item: the name of an attribute, or the header of a block."""

from collections.abc import Callable

from mmflow.diagnostics import did_you_mean
from mmflow.syntax.context import AHEAD, ITEM_ENDS, Context, Mistake, Repair
from mmflow.syntax.lexer import BAD, END
from mmflow.syntax.tables import tables

_WHENS = ("if", "elif", "elsif", "case", "unless")


def in_header(c: Context) -> Mistake | None:
    """Behind one or more words that begin an item: an attribute or the header of a block."""
    if not c.symbols or c.head or c.bracket or c.symbols[0] != "NAME" or c.symbols[-1] == "RBRACE":
        return None
    names = [each for each in c.symbols if each in ("NAME", "STRING")]
    plain = len(names) == len(c.symbols)
    first = c.machine.firsts[c.base + 1]
    word = c.tokens.text_of(first)
    if word in _WHENS and c.find_ahead("_ARROW", frozenset({"COMMA", "RBRACE"})):
        message = f"unexpected `{word}`, an arm begins with `when`"
        return Mistake("unexpected-token", message, first, first, help=f"write `when` for `{word}`")
    if c.kind == BAD and c.text == ":" and c.symbols == ["NAME"]:
        repair = Repair(("EQUAL",), skip=2 if c.peek() == "EQUAL" else 1)
        return not_an_attribute(c.here, word, f"`{word}` is followed by `:`, attributes are set with `=`", repair)
    if c.symbols == ["NAME"]:
        return _after_one_name(c, word)
    if not c.is_complete:
        return c.unexpected("a name") if c.symbols[-1] in ("USING", "LIKE", "DOT") else None
    if c.kind == "_NL" and c.peek() == "LBRACE":
        return c.unexpected("`{`", help="put the `{` at the end of this line", repair=Repair(skip=1))
    if c.kind in ("_NL", END) and (c.next_is_deeper() or not c.in_body or not plain):
        return c.unexpected("`{`", help="add `{` at the end of the line", repair=_body_below(c))
    if plain and (c.kind in ("NAME", "STRING") or c.is_name()):
        return _two_names(c, word)
    if c.kind == "EQUAL" and plain:
        return _assignment_of_two(c, first, word)
    brace = c.find_ahead("LBRACE", frozenset({"EQUAL", "_ARROW", "COMMA"}))
    if brace:
        help = "names have no dashes, join the words with `_`" if c.text.startswith("-") else None
        return c.unexpected("`{`", help=help, repair=Repair(skip=brace))
    if plain and (c.is_value() or c.kind in ("LPAR", "LSQB", "COMPARE", "DOT", *ITEM_ENDS)):
        return equals_missing(c, c.at - 1, word, Repair(("EQUAL",), drop=1))
    return None


def _after_one_name(c: Context, word: str) -> Mistake | None:
    if c.kind == "COMPARE":
        if c.find_ahead("_ARROW", frozenset({"COMMA", "RBRACE"})):
            return _when_missing(c)
        if c.text == "==":
            message = "`==` compares, attributes are set with `=`"
            return not_an_attribute(c.here, word, message, Repair(("EQUAL",), skip=1))
    if c.kind in ("_ARROW", "IN", "AND", "OR", "NOT", "MATCHES", "DOT", "LPAR") and (
        c.kind == "_ARROW" or c.find_ahead("_ARROW", frozenset({"COMMA", "RBRACE"}))
    ):
        return _when_missing(c)
    if c.kind == "QUANTITY" and (brace := c.find_ahead("LBRACE", frozenset({"EQUAL", "_ARROW", "COMMA"}))):
        return c.unexpected("a name", help="a name begins with a letter and has no dashes", repair=Repair(skip=brace))
    if c.is_value() and c.kind != "LPAR":
        return equals_missing(c, c.at, word, Repair(("EQUAL",)))
    if c.kind in ITEM_ENDS:
        if c.next_is_deeper():
            return c.unexpected("`=` or `{`", help="add `{` at the end of the line", repair=_body_below(c))
        return not_an_attribute(c.behind, word, f"`{word}` has no value: attributes are `name = value`")
    return None


def not_an_attribute(make: Callable[..., Mistake], word: str, message: str, repair: Repair | None = None) -> Mistake:
    """A name that no `=` and value follow; `make` says where."""
    return make("not-an-attribute", message, help=f"write `{word} = …`", repair=repair)


def equals_missing(c: Context, at: int, word: str, repair: Repair) -> Mistake:
    """A name and its value without `=` between them."""
    message = f"`=` is missing between `{word}` and its value"
    return Mistake("not-an-attribute", message, at, at, help=f"write `{word} = …`", repair=repair)


def _two_names(c: Context, word: str) -> Mistake:
    if c.peek() == "EQUAL":  # `provider anthropic key = …`
        if c.closes_on_line():
            return c.unexpected("`{`", help="add `{`", repair=Repair(("LBRACE",)))
        return _assignment_of_two(c, c.machine.firsts[c.base + 1], word)
    ahead = 1
    while c.peek(ahead) in ("NAME", "STRING", "DOT", "QUANTITY") and ahead < AHEAD:
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
        return brace_before_name(c)
    if word in ("let", "param", "use", "import"):
        return Mistake("unexpected-token", f"unexpected `{word}`, it stands outside of blocks only", first, first,
                       help="move it to the top of the file")  # fmt: skip
    if c.peek() == "LBRACE" and not c.in_body:
        message = f"a {word} is a block: no `=` stands before its `{{`"
        return c.here("attribute-or-block", message, help=f"write `{word} {name} {{ … }}`", repair=Repair(skip=1))
    meant = did_you_mean(word, ["let", "param"]) if not c.in_body else None
    help = f"did you mean `{meant} {name} = …`?" if meant else f"an attribute has one name: write `{word}_{name} = …`"
    return Mistake("unexpected-token", f"unexpected `{name}`, expected `=`", c.at - 1, c.at - 1, help=help)


def brace_before_name(c: Context) -> Mistake:
    """An attribute that stands right behind a name, as in `provider key = …`: its block was not opened."""
    name = c.at - 1
    message = f"unexpected `{c.tokens.text_of(name)}`, expected `{{`"
    return Mistake("unexpected-token", message, name, name, help="add `{`", repair=Repair(("LBRACE",), drop=1))


def _body_below(c: Context) -> Repair | None:
    return Repair(("LBRACE",)) if c.may_open and c.kind == "_NL" else None


def _when_missing(c: Context) -> Mistake:
    first = c.machine.firsts[c.base + 1]
    message = f"unexpected `{c.tokens.text_of(first)}`, expected `when` before a condition"
    help = "write `when condition -> target`"
    return Mistake("unexpected-token", message, first, first, help=help, repair=Repair(("WHEN",), drop=1))
