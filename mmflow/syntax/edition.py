"""The first line of a file: which edition of the language it is written in."""

import difflib
import re

import attrs

from mmflow.diagnostics import Diagnostic, error
from mmflow.source import Source, Span
from mmflow.syntax.lexer import END, Tokens

EDITION = 1

AGAIN = "unexpected `mmflow`: the edition stands in the first line only"
_WRITE = f"write `mmflow {EDITION}` as the first line"


@attrs.frozen
class Heading:
    """What is wrong with the first line, if anything: its tokens before `keep` are right, and the file goes on at `resume`."""

    diagnostic: Diagnostic | None
    keep: int
    resume: int


def check(source: Source, tokens: Tokens) -> Heading:
    """Look at the first line alone."""
    types = tokens.types
    at = 1 if types[0] == "_NL" else 0
    span = Span(source, tokens.starts[at], tokens.ends[at])
    if types[at] == "MMFLOW" and types[at + 1] == "QUANTITY":
        return _check_number(source, tokens, at + 1)
    if types[at] == END:
        return Heading(edition_missing("the file is empty", span), 0, at)
    resume = at
    if types[at] == "MMFLOW" or (types[at] == "NAME" and types[at + 1] == "QUANTITY"):
        word = tokens.text_of(at)
        is_alone = types[at] == "NAME" and types[at + 2] in ("_NL", END)
        if word == "mmflow" or is_alone or difflib.SequenceMatcher(None, word.lower(), "mmflow").ratio() >= 0.6:
            resume = _line_end(tokens, at)
    elif types[at] == "QUANTITY" and types[at + 1] in ("_NL", END):
        resume = at + 1
    message = "the first line must say the edition of the language"
    if types[at] == "MMFLOW":
        message = "`mmflow` lacks the number of the edition"
    return Heading(edition_missing(message, span), 0, resume)


def _check_number(source: Source, tokens: Tokens, at: int) -> Heading:
    text = tokens.text_of(at)
    span = Span(source, tokens.starts[at], tokens.ends[at])
    after = at + 1
    if text == str(EDITION):
        if tokens.types[after] in ("_NL", "COMMA", END):
            return Heading(None, after, after)
        second = Span(source, tokens.starts[after], tokens.ends[after])
        message = f"`{tokens.text_of(after)[:40]}` stands on the line of the edition"
        return Heading(error("two-on-a-line", message, second, help="begin a new line"), after, after)
    if re.fullmatch(r"[1-9]\d{0,8}(\.\d+)*", text, re.ASCII) and int(text.partition(".")[0]) > EDITION:
        return Heading(edition_newer(text, span), after, after)
    return Heading(edition_missing(f"`{text}` is not an edition", span), 0, _line_end(tokens, at))


def edition_missing(message: str, span: Span) -> Diagnostic:
    """A first line that does not say the edition."""
    return error("edition-missing", message, span, help=_WRITE)


def edition_newer(edition: str, span: Span) -> Diagnostic:
    """An edition that this mmflow does not know yet."""
    message = f"edition {edition} is newer than edition {EDITION}, the newest that this mmflow knows"
    return error("edition-newer", message, span, help="upgrade mmflow, or write the file in an older edition")


def _line_end(tokens: Tokens, at: int) -> int:
    while tokens.types[at] not in ("_NL", END):
        at += 1
    return at
