"""From a source to its tree and its syntax errors."""

import attrs

from mmflow.diagnostics import Diagnostic, error
from mmflow.source import Source, Span
from mmflow.syntax import lexer, nodes
from mmflow.syntax.build import Builder
from mmflow.syntax.machine import Machine
from mmflow.syntax.tables import tables


@attrs.frozen
class Parsed:
    """A tree, in which `Broken` stands for what could not be read, and the diagnostics that say why."""

    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """Parse any text whatever: what is wrong with it is in the diagnostics, never an exception."""
    tokens = lexer.scan(source.text)
    machine = Machine(tables(), tokens, Builder(source, tokens))
    at = machine.run(0)
    if at is None:
        return Parsed(machine.result, ())
    span = Span(source, tokens.starts[at], tokens.ends[at])
    empty = nodes.File(None, (), Span(source, 0, len(source.text)))
    return Parsed(empty, (error("unexpected-token", f"unexpected `{tokens.text_of(at)}`", span),))
