"""Mistakes in arms: in the condition of a `when`, behind `else`, and behind a share."""

from mmflow.syntax.context import ITEM_ENDS, Context, Mistake, Repair
from mmflow.syntax.lexer import BAD
from mmflow.syntax.tables import tables

_WORDS_FOR = {"is": "==", "equals": "==", "eq": "==", "has": "in", "like": "matches", "contains": "matches"}


def in_condition(c: Context) -> Mistake | None:
    """Between `when` and the end of its line."""
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
        return equal_for_compare(c)
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


def in_else_or_share(c: Context) -> Mistake | None:
    """Behind `else`, or behind a share such as `10%`."""
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


def _arrow_missing(c: Context, repair: Repair | None) -> Mistake:
    what = {"WHEN": "this condition", "ELSE": "`else`"}.get(c.head or "", "this share")
    make = c.behind if c.kind in ITEM_ENDS else c.here
    return make("arrow-missing", f"`->` and a target are due after {what}", help="write `-> target`", repair=repair)


def equal_for_compare(c: Context) -> Mistake:
    """`=` where `==` is meant."""
    message = "`=` sets an attribute, it does not compare"
    return c.here("equal-for-compare", message, help="write `==`", repair=Repair(("COMPARE",), skip=1))
