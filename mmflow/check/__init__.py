"""From nodes to a checked program: names, types, routing and bounds, each diagnostic by a function of its code's name."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import attrs

from mmflow.check import (
    bounds,
    files,
    idle,
    keys,
    lifecycle,
    names,
    plugins,
    privacy,
    routing,
    safety,
    templates,
    tests,
    trained,
    untested,
    uses,
)
from mmflow.check.allow import Allowance, allowances, silenced
from mmflow.check.files import Exists as Exists
from mmflow.check.hidden import hidden_names
from mmflow.check.imports import Reader as Reader
from mmflow.check.imports import gather, no_reader
from mmflow.check.params import ParamError as ParamError
from mmflow.check.params import with_params
from mmflow.check.program import Program as Program
from mmflow.check.resolve import resolve
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic, sort
from mmflow.syntax import nodes
from mmflow.vocabulary import Installed, Vocabulary

WHOLE = frozenset(
    (
        "below-bar", "class-lowered", "guard-broken", "guard-cache", "guard-empty", "impure-condition", "retired-model",
        "unknown-price",
    )
)  # fmt: skip
"""Errors of programs in which every name and value still stands, so that their plans can be looked at, though not run."""


@attrs.frozen
class Checked:
    """A program and what was found, before anything of it is silenced. It may run where none of it is an error."""

    program: Program
    found: tuple[Diagnostic, ...]
    scope: Scope
    allowed: tuple[Allowance, ...]
    plugins: tuple[Installed, ...] = ()
    """The installed plugins whose words the program uses."""

    @property
    def is_whole(self) -> bool:
        """Whether the program compiles."""
        return all(each.severity != "error" or each.code in WHOLE for each in self.found)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What the author hears of the program; what its plan comes to, `build` knows."""
        return self.told(is_complete=False)

    def told(self, more: Iterable[Diagnostic] = (), *, is_complete: bool = True) -> tuple[Diagnostic, ...]:
        """What the author hears: what was found and `more`, but for what blocks allow.

        Where it is not complete, what is allowed may be what was not looked for, and is not called idle.
        """
        heard = silenced([*self.found, *more], self.allowed, self.scope.modules[0].source, is_complete=is_complete)
        # A block that is copied by `like` is typed again, and says the same.
        return tuple(sort(dict.fromkeys(self.scope.as_written(each) for each in heard)))


def check(
    file: nodes.File,
    vocabulary: Vocabulary,
    params: Mapping[str, str] | None = None,
    read: Reader = no_reader,
    exists: Exists | None = None,
    today: date | None = None,
) -> Checked:
    """Check a parsed file and those that it imports, which `read` gives, as it does scorecards and the lock of plugins.

    With `exists`, the other files that it names are looked for. `today` is the day by which models and prices are old. Raises
    `ParamError` for a parameter that cannot be set.
    """
    modules, before = gather(file, read)
    scope = Scope(vocabulary, modules, with_params(modules, params or {}))
    program = resolve(scope, params or {})
    allowed = allowances(scope)
    found = scope.diagnostics
    program, broken = files.measured(program, read)
    program = attrs.evolve(program, tests=tests.cases(program, scope))
    found.extend(broken)
    found.extend(files.strange_labels(program))
    found.extend(files.missing_files(program, exists) if exists is not None else ())
    found.extend(hidden_names(scope))
    found.extend(templates.idle_templates(program))
    found.extend(routing.cascade_without_accept(program))
    found.extend(routing.shares(program))
    found.extend(routing.arms(program))
    unreachable = [each.span for each in found if each.code == "unreachable-arm"]
    unreachable += [note.span for each in found if each.code == "copied-arm" for note in each.notes if note.span is not None]
    found.extend(idle.idle_threshold(program, unreachable))
    placed = trained.on_disk(program) if exists is not None else program
    found.extend(trained.strange_labels(placed))
    found.extend(idle.confidence_unreachable(placed))
    found.extend(bounds.below_bar(program))
    today = today or date.today()
    found.extend(lifecycle.ending_models(program, today))
    found.extend(lifecycle.old_prices(program, today))
    found.extend(plugins.drifted_plugins(program, scope, read))
    found[:] = keys.with_secrets(found, modules)
    found.extend(safety.impure_conditions(program))
    found.extend(safety.opaque_strategies(program))
    found.extend(privacy.lowered_classes(program))
    if len(program.declarations) == len(scope.blocks):
        # The rest follows names from block to block; with a block missing it would blame the innocent.
        circles = list(routing.cycle(program))
        found.extend(circles)
        found.extend(bounds.unknown_price(program))
        found.extend(privacy.idle_guard(program))
        found.extend(privacy.guards(program) if not circles else ())
        found.extend(privacy.unguarded_classes(program))
        # A library is not used up by one who imports it.
        found.extend(each for each in uses.unused(program, scope) if scope.module(each.span) is modules[0])
        found.extend(unused_imports(program, scope))
        if len(program.tests) == len(scope.tests):
            found.extend(untested.untested_arm(program, unreachable, modules[0].source))
    return Checked(program, (*before, *found), scope, tuple(allowed), tuple(plugins.used_plugins(program, scope)))


def unused_imports(program: Program, scope: Scope) -> Iterator[Diagnostic]:
    """`unused` for imports of which nothing is named; a file without flows may have them for those that import it."""
    imports = (item for item in program.file.items if isinstance(item, nodes.Import))
    for item in imports if program.of_kind("flow") else ():
        if item.name not in scope.used and scope.modules[0].imports[item.name] is not None:
            yield names.unused(item.name, "the import", item.name_span)
