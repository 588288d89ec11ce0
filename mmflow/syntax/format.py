"""From a source to the same file in the canonical layout."""

import attrs

from mmflow.diagnostics import Diagnostic
from mmflow.source import Source
from mmflow.syntax import edition, legible, lexer
from mmflow.syntax.parse import parse
from mmflow.syntax.printer import Printer
from mmflow.syntax.shape import Shape


@attrs.frozen
class Formatted:
    """The text of a file in its canonical layout, or None and the syntax errors that stand in the way."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...] = ()


def format(source: Source) -> Formatted:
    """Lay out a file: nothing but white space, commas and the place of operators changes; names are never looked up."""
    text, unreadable = legible.examine(source)
    if text is not None and not unreadable:
        # A line end at the end makes every comment part of a token.
        tokens = lexer.scan(text.replace("\r\n", "\n") + "\n")
        if edition.check(source, tokens).diagnostic is None:
            shape = Shape(tokens)
            if shape.is_sound:
                return Formatted(Printer(shape).text())
    return Formatted(None, parse(source).diagnostics)
