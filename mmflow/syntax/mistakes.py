"""What people get wrong, and what they meant: from the place where the parser stopped to one mistake with a name."""

from collections.abc import Callable

from mmflow.syntax import edition
from mmflow.syntax.arms import equal_for_compare, in_condition, in_else_or_share
from mmflow.syntax.context import AHEAD, ITEM_ENDS, Context, Mistake, Repair
from mmflow.syntax.headers import brace_before_name, equals_missing, in_header, not_an_attribute
from mmflow.syntax.lexer import BAD, CLOSERS, LEADING, MAX_DEPTH, OPEN_STRING, OPEN_TEXT, QUOTED, TOO_DEEP
from mmflow.syntax.tables import tables

_CHARACTERS = {
    "&&": ("AND", "write `and`"), "||": ("OR", "write `or`"), "&": ("AND", "write `and`"), "|": ("OR", "write `or`"),
    "!": ("NOT", "write `not`"), ";": ("COMMA", "items are separated by a new line or a comma"), "→": ("_ARROW", "write `->`"),
    "⇒": ("_ARROW", "write `->`"), "≥": ("COMPARE", "write `>=`"), "≤": ("COMPARE", "write `<=`"), "≠": ("COMPARE", "write `!=`"),
    "\xa0": ("", "this is a no-break space, write a plain one"), "“": ("", 'strings stand between plain quotes `"…"`'),
    "”": ("", 'strings stand between plain quotes `"…"`'), "€": ("", "money is in dollars: `$0.02`"),
    "/": ("", "a comment begins with `#`"), "$": ("", "money is `$0.02`"),
}  # fmt: skip


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


def _target_missing(c: Context) -> Mistake | None:
    if c.before != "_ARROW" or c.kind not in ITEM_ENDS | CLOSERS.keys():
        return None
    if c.goes_on_below():
        help = "write it on the line of the arrow"
        return c.behind("target-missing", "the target after `->` is missing on this line", help=help, repair=Repair(skip=1))
    return c.behind("target-missing", "the target after `->` is missing", help="name a model, a tier, a route or another target")


def _value_missing(c: Context) -> Mistake | None:
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
            return equal_for_compare(c)
        if c.kind == BAD and c.text == ";":
            return _comma_missing(c.here, "a comma is due here, not `;`", skip=1)
        if c.is_value() or (c.kind == "LPAR" and c.types[c.at - 1] == "_NL"):
            what = "elements of a list" if c.bracket == "LSQB" else "arguments"
            make = c.here if c.layout.same_line(c.at, c.at - 1) and c.types[c.at - 1] != "_NL" else c.behind
            return _comma_missing(make, f"a comma is missing between {what}")
    if c.kind == "COMMA":
        return c.unexpected("a value", help="delete the comma", repair=Repair(skip=1))
    return None


def _comma_missing(make: Callable[..., Mistake], message: str, skip: int = 0) -> Mistake:
    return make("comma-missing", message, help="write `,`", repair=Repair(("COMMA",), skip=skip))


def _second_item(c: Context) -> Mistake | None:
    """Another item on the line of one that is complete."""
    if not c.is_complete or c.bracket or c.symbols in (["NAME"], ["QUANTITY"], ["ELSE"]) or c.head == "WHEN":
        return None
    block = c.symbols[-1] == "RBRACE"
    if c.kind in ("WHEN", "ELSE", "USE", "IMPORT", "LET", "PARAM") and (c.head or block):
        return _two_on_a_line(c)
    if c.kind == "QUANTITY" and c.peek() == "_ARROW" and (c.head or block):
        return _two_on_a_line(c)
    if c.head not in ("EQUAL", "_ARROW", "LET", "PARAM") and not (block and c.head is None):
        return None
    if c.is_name() and (c.peek() in ("EQUAL", "LBRACE") or _is_header(c)):
        return _two_on_a_line(c)
    return None


def _is_header(c: Context) -> bool:
    """Does a block begin at this token?"""
    ahead = 1
    while c.peek(ahead) in ("NAME", "STRING", "USING", "LIKE", "DOT") and ahead < AHEAD:
        ahead += 1
    return c.peek(ahead) == "LBRACE"


def _two_on_a_line(c: Context) -> Mistake:
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
            return brace_before_name(c)
        return equal_for_compare(c)
    if c.types[c.at - 1] == "QUANTITY" and c.is_name() and c.layout.same_line(c.at, c.at - 1):
        number = c.tokens.text_of(c.at - 1)
        help = f"no space stands before a unit: write `{number}{c.text}`"
        return c.unexpected(help=help if number[-1].isdigit() else None)
    if c.kind == "LBRACE":
        return c.unexpected("`with`", help="write `target with { … }`", repair=Repair(("WITH",)))
    if c.kind == "_ARROW" and c.head == "EQUAL":
        return c.unexpected("the end of the line", help="an arm is `when condition -> target`")
    return None


def _declaration(c: Context) -> Mistake | None:
    """Inside `let`, `param`, `use` or `import`."""
    if c.head in ("LET", "PARAM") and c.symbols[-1] == "NAME":
        word = c.tokens.text_of(c.at - 1)
        if c.kind == BAD and c.text == ":":
            message = f"`{word}` is followed by `:`, values are set with `=`"
            return not_an_attribute(c.here, word, message, Repair(("EQUAL",), skip=1))
        if c.is_value() and c.kind != "LPAR":
            return equals_missing(c, c.at, word, Repair(("EQUAL",)))
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
    _target_missing,
    _value_missing,
    _in_list,
    in_condition,
    in_else_or_share,
    _second_item,
    _declaration,
    _in_value,
    in_header,
    _surplus,
    _character,
)
