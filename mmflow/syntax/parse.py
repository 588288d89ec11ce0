"""From a source to its tree and its syntax errors."""

import attrs

from mmflow.diagnostics import Diagnostic, sort
from mmflow.source import Source, Span
from mmflow.syntax import edition, legible, lexer, nodes
from mmflow.syntax.build import Builder
from mmflow.syntax.machine import Machine
from mmflow.syntax.recover import recover
from mmflow.syntax.tables import tables


@attrs.frozen
class Parsed:
    """A tree, in which `Broken` stands for what could not be read, and the diagnostics that say why."""

    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """Parse any text whatever: what is wrong with it is in the diagnostics, never an exception."""
    text, unreadable = legible.examine(source)
    if text is None:
        return Parsed(nodes.File(None, (), Span(source, 0, len(source.text))), tuple(unreadable))
    tokens = lexer.scan(text)
    if edition.check(source, tokens).diagnostic is None:
        machine = Machine(tables(), tokens, Builder(source, tokens))
        if machine.run(0) is None:
            return Parsed(machine.result, tuple(unreadable))
    file, diagnostics = recover(source, tokens)
    # What cannot be read is the cause of what else is wrong on its line.
    bad_lines = {each.span.position()[0] for each in unreadable}
    found = [each for each in diagnostics if each.span.position()[0] not in bad_lines]
    return Parsed(file, tuple(sort([*unreadable, *found])))
