"""From nodes to a checked program: names, types, routing and bounds, each diagnostic by a function of its code's name."""

from collections.abc import Mapping

import attrs

from mmflow.check import bounds, routing, uses
from mmflow.check.params import ParamError as ParamError
from mmflow.check.params import with_params
from mmflow.check.program import Program as Program
from mmflow.check.resolve import resolve
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic, sort
from mmflow.syntax import nodes
from mmflow.vocabulary import Vocabulary


@attrs.frozen
class Checked:
    """A program and what was found. It compiles where no diagnostic is an error."""

    program: Program
    diagnostics: tuple[Diagnostic, ...]


def check(file: nodes.File, vocabulary: Vocabulary, params: Mapping[str, str] | None = None) -> Checked:
    """Check a parsed file. Raises `ParamError` for a parameter that cannot be set."""
    scope = Scope(vocabulary)
    program = resolve(with_params(file, params or {}), scope, params or {})
    found = scope.diagnostics
    found.extend(routing.cascade_without_accept(program))
    found.extend(routing.cascade_order(program))
    found.extend(routing.shares(program))
    found.extend(routing.arms(program))
    found.extend(bounds.below_bar(program))
    if len(program.declarations) == len(scope.blocks):
        # The rest follows names from block to block; with a block missing it would blame the innocent.
        found.extend(routing.cycle(program))
        found.extend(bounds.unknown_price(program))
        found.extend(uses.unused(program, scope))
    return Checked(program, tuple(sort(found)))
