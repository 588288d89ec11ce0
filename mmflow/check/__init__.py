"""From nodes to a checked program: names, types, routing and bounds, each diagnostic by a function of its code's name."""

from collections.abc import Iterator, Mapping

import attrs

from mmflow.check import bounds, names, privacy, routing, uses
from mmflow.check.allow import allowances, silenced
from mmflow.check.imports import Reader as Reader
from mmflow.check.imports import gather, no_reader
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


def check(file: nodes.File, vocabulary: Vocabulary, params: Mapping[str, str] | None = None, read: Reader = no_reader) -> Checked:
    """Check a parsed file and those that it imports, which `read` gives.

    Raises `ParamError` for a parameter that cannot be set.
    """
    modules, before = gather(file, read)
    scope = Scope(vocabulary, modules, with_params(modules, params or {}))
    program = resolve(scope, params or {})
    allowed = allowances(scope)
    found = scope.diagnostics
    found.extend(routing.cascade_without_accept(program))
    found.extend(routing.cascade_order(program))
    found.extend(routing.shares(program))
    found.extend(routing.arms(program))
    found.extend(bounds.below_bar(program))
    if len(program.declarations) == len(scope.blocks):
        # The rest follows names from block to block; with a block missing it would blame the innocent.
        circles = list(routing.cycle(program))
        found.extend(circles)
        found.extend(bounds.unknown_price(program))
        found.extend(privacy.idle_guard(program))
        found.extend(privacy.guards(program) if not circles else ())
        # A library is not used up by one who imports it.
        found.extend(each for each in uses.unused(program, scope) if scope.module(each.span) is modules[0])
        found.extend(unused_imports(program, scope))
    found = list(silenced([*before, *found], allowed, modules[0].source))
    # A block that is copied by `like` is typed again, and says the same.
    told = dict.fromkeys(scope.as_written(each) for each in found)
    return Checked(program, tuple(sort(told)))


def unused_imports(program: Program, scope: Scope) -> Iterator[Diagnostic]:
    """`unused` for imports of which nothing is named; a file without flows may have them for those that import it."""
    imports = (item for item in program.file.items if isinstance(item, nodes.Import))
    for item in imports if program.of_kind("flow") else ():
        if item.name not in scope.used and scope.modules[0].imports[item.name] is not None:
            yield names.unused(item.name, "the import", item.name_span)
