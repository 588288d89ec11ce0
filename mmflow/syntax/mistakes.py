"""What people get wrong, and what they meant: from the place where the parser stopped to one mistake with a name."""

from collections.abc import Callable

from mmflow.diagnostics import did_you_mean
from mmflow.syntax import edition
from mmflow.syntax.context import AHEAD, ITEM_ENDS, Context, Mistake, Repair
from mmflow.syntax.lexer import BAD, CLOSERS, END, LEADING, MAX_DEPTH, OPEN_STRING, OPEN_TEXT, QUOTED, TOO_DEEP
from mmflow.syntax.tables import tables

_CHARACTERS = {
    "&&": ("AND", "write `and`"), "||": ("OR", "write `or`"), "&": ("AND", "write `and`"), "|": ("OR", "write `or`"),
    "!": ("NOT", "write `not`"), ";": ("COMMA", "items are separated by a new line or a comma"), "→": ("_ARROW", "write `->`"),
    "⇒": ("_ARROW", "write `->`"), "≥": ("COMPARE", "write `>=`"), "≤": ("COMPARE", "write `<=`"), "≠": ("COMPARE", "write `!=`"),
    "\xa0": ("", "this is a no-break space, write a plain one"), "“": ("", 'strings stand between plain quotes `"…"`'),
    "”": ("", 'strings stand between plain quotes `"…"`'), "€": ("", "money is in dollars: `$0.02`"),
    "/": ("", "a comment begins with `#`"), "$": ("", "money is `$0.02`"),
}  # fmt: skip
_WHENS = ("if", "elif", "elsif", "case", "unless")
_WORDS_FOR = {"is": "==", "equals": "==", "eq": "==", "has": "in", "like": "matches", "contains": "matches"}


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
    return Mistake("too-deep", f"this is nested more than {MAX_DEPTH} levels deep", last, last, help=help)


def _open_string(c: Context) -> Mistake | None:
    """A string without an end is the cause of whatever else is wrong on its line."""
    at = c.at
    while c.types[at] not in (OPEN_STRING, OPEN_TEXT):
        at += 1
        if at - c.at > AHEAD or at >= len(c.types) or not c.layout.same_line(at, c.at):
            return None
    repair = None
    if at == c.at:
        repair = Repair(("STRING" if c.kind == OPEN_STRING else "TEXT",), skip=1)
    quotes, what = ('"', "string") if c.types[at] == OPEN_STRING else ('"""', "text")
    if c.tokens.text_of(at) == '"':
        return Mistake("open-string", 'this `"` has no partner', at, at, help='add the other `"` of the string', repair=repair)
    return Mistake("open-string", f"this {what} is never closed", at, at, help=f"add the closing `{quotes}`", repair=repair)


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
    if c.before != "_ARROW" or c.kind not in ITEM_ENDS | CLOSERS.keys():
        return None
    if c.goes_on_below():
        help = "write it on the line of the arrow"
        return c.behind("target-missing", "the target after `->` is missing on this line", help=help, repair=Repair(skip=1))
    return c.behind("target-missing", "the target after `->` is missing", help="name a model, a tier, a route or another target")


def _missing_value(c: Context) -> Mistake | None:
    if c.before != "EQUAL" or c.kind not in ITEM_ENDS | CLOSERS.keys():
        return None
    name = c.tokens.text_of(c.at - 2)
    if c.goes_on_below():
        help = "write it on the line of the `=`"
        return c.behind("value-missing", f"the value of `{name}` is missing on this line", help=help, repair=Repair(skip=1))
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
    message = "`=` sets an attribute, it does not compare"
    return c.here("equal-for-compare", message, help="write `==`", repair=Repair(("COMPARE",), skip=1))


def _in_condition(c: Context) -> Mistake | None:
    if c.head != "WHEN" or c.bracket:
        return None
    if not c.is_complete:
        if c.before == "WHEN" and c.kind in ("_ARROW", *ITEM_ENDS):
            return c.unexpected("a condition", help="write `when condition -> target`, or `else -> target`")
        if c.kind == "EQUAL" and c.before == "WHEN":
            message = "`when` begins an arm, so no field is called that"
            return Mistake("reserved-word", message, c.at - 1, c.at - 1, help="choose another name")
        if c.kind in ("EQUAL", "COMPARE"):
            return c.unexpected("a value", help="delete it", repair=Repair(skip=1))
        return None
    if c.kind == "EQUAL":
        if c.peek() == "COMPARE" and c.tokens.text_of(c.at + 1) == ">":
            return _arrow_missing(c, Repair(("_ARROW",), skip=2))
        return _equal_for_compare(c)
    if c.kind in ITEM_ENDS:
        return _arrow_missing(c, None)
    if c.kind == BAD and c.text in (":", "?", "-", "→", "⇒", "="):
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
    make = c.behind if c.kind in ITEM_ENDS else c.here
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
    if c.symbols == ["QUANTITY"] and c.kind in ITEM_ENDS and c.is_number_with_comma():
        comma = c.at - 2
        help = "write `$0.05` with a point, and `8000` without a sign between the digits"
        return Mistake("unexpected-token", "unexpected `,` in a number", comma, comma, help=help)
    return _arrow_missing(c, None) if c.kind in ITEM_ENDS else None


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
    while c.peek(ahead) in ("NAME", "STRING", "USING", "LIKE", "DOT") and ahead < AHEAD:
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
        return c.unexpected("a value", help="delete it", repair=Repair(skip=1)) if c.kind == "COMPARE" else None
    if c.kind == "EQUAL":
        if c.head == "EQUAL" and c.symbols[-1] == "NAME" and c.closes_on_line():
            return _brace_before_name(c)
        return _equal_for_compare(c)
    if c.types[c.at - 1] == "QUANTITY" and c.is_name() and c.layout.same_line(c.at, c.at - 1):
        number = c.tokens.text_of(c.at - 1)
        help = f"no space stands before a unit: write `{number}{c.text}`"
        return c.unexpected(help=help if number[-1].isdigit() else None)
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
    if word in _WHENS and c.find_ahead("_ARROW", frozenset({"COMMA", "RBRACE"})):
        message = f"unexpected `{word}`, an arm begins with `when`"
        return Mistake("unexpected-token", message, first, first, help=f"write `when` for `{word}`")
    if c.kind == BAD and c.text == ":" and c.symbols == ["NAME"]:
        repair = Repair(("EQUAL",), skip=2 if c.peek() == "EQUAL" else 1)
        return c.here("not-an-attribute", f"`{word}` is followed by `:`, attributes are set with `=`",
                      help=f"write `{word} = …`", repair=repair)  # fmt: skip
    if c.symbols == ["NAME"]:
        return _after_one_name(c, word)
    if not c.is_complete:
        return c.unexpected("a name") if c.symbols[-1] in ("USING", "LIKE", "DOT") else None
    if c.kind == "_NL" and c.peek() == "LBRACE":
        return c.unexpected("`{`", help="put the `{` at the end of this line", repair=Repair(skip=1))
    if c.kind in ("_NL", END) and (c.next_is_deeper() or not c.in_body or not plain):
        return c.unexpected("`{`", help="add `{` at the end of the line", repair=_body_below(c))
    if plain and (c.kind in ("NAME", "STRING") or c.is_name()):
        return _after_two_names(c, word)
    if c.kind == "EQUAL" and plain:
        return _assignment_of_two(c, first, word)
    brace = c.find_ahead("LBRACE", frozenset({"EQUAL", "_ARROW", "COMMA"}))
    if brace:
        help = "names have no dashes, join the words with `_`" if c.text.startswith("-") else None
        return c.unexpected("`{`", help=help, repair=Repair(skip=brace))
    if plain and (c.is_value() or c.kind in ("LPAR", "LSQB", "COMPARE", "DOT", *ITEM_ENDS)):
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
    if c.kind in ITEM_ENDS:
        if c.next_is_deeper():
            return c.unexpected("`=` or `{`", help="add `{` at the end of the line", repair=_body_below(c))
        return c.behind("not-an-attribute", f"`{word}` has no value: attributes are `name = value`", help=f"write `{word} = …`")
    return None


def _juxtaposed(c: Context, at: int, word: str, repair: Repair) -> Mistake:
    message = f"`=` is missing between `{word}` and its value"
    return Mistake("not-an-attribute", message, at, at, help=f"write `{word} = …`", repair=repair)


def _after_two_names(c: Context, word: str) -> Mistake:
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
        return _brace_before_name(c)
    if word in ("let", "param", "use", "import"):
        return Mistake("unexpected-token", f"unexpected `{word}`, it stands outside of blocks only", first, first,
                       help="move it to the top of the file")  # fmt: skip
    if c.peek() == "LBRACE" and not c.in_body:
        message = f"a {word} is a block: no `=` stands before its `{{`"
        return c.here("attribute-or-block", message, help=f"write `{word} {name} {{ … }}`", repair=Repair(skip=1))
    meant = did_you_mean(word, ["let", "param"]) if not c.in_body else None
    help = f"did you mean `{meant} {name} = …`?" if meant else f"an attribute has one name: write `{word}_{name} = …`"
    return Mistake("unexpected-token", f"unexpected `{name}`, expected `=`", c.at - 1, c.at - 1, help=help)


def _body_below(c: Context) -> Repair | None:
    return Repair(("LBRACE",)) if c.may_open and c.kind == "_NL" else None


def _when_missing(c: Context) -> Mistake:
    first = c.machine.firsts[c.base + 1]
    message = f"unexpected `{c.tokens.text_of(first)}`, expected `when` before a condition"
    help = "write `when condition -> target`"
    return Mistake("unexpected-token", message, first, first, help=help, repair=Repair(("WHEN",), drop=1))


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
        return Mistake("unexpected-token", edition.AGAIN, c.at - 1, c.at, help="delete it")
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
