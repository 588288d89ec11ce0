"""From nodes to a checked program and what is wrong with it: each diagnostic is made by a function of its code's name."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import attrs

from mmflow.check import (
    files,
    idle,
    keys,
    lifecycle,
    plugins,
    prices,
    privacy,
    routing,
    safety,
    templates,
    tests,
    tiers,
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
from mmflow.source import Span
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
    modules, of_imports = gather(file, read)
    scope = Scope(vocabulary, modules, with_params(modules, params or {}))
    program = resolve(scope, params or {})
    allowed = allowances(scope)
    program, of_scorecards = files.measured(program, read)
    program = attrs.evolve(program, tests=tests.cases(program, scope))
    program, of_catalogue = files.catalogued(program, read)
    found = scope.diagnostics  # what was said while the blocks were read
    found += of_scorecards
    found += of_catalogue
    found += _of_files(program, exists)
    found += _of_arms(program, scope)
    unreachable = _never_taken(found)  # so that what their conditions say does not matter
    found += _of_bounds(program, exists, unreachable)
    found += _of_time(program, scope, read, today or date.today())
    # A key is told as such, and not as a value of the wrong form: all that is said of values comes before.
    found[:] = keys.with_secrets(found, modules)
    found += _of_safety(program)
    if len(program.declarations) == len(scope.blocks):
        # The rest follows names from block to block; with a block missing it would blame the innocent.
        found += _of_the_whole(program, scope)
        if len(program.tests) == len(scope.tests):
            found += untested.untested_arm(program, unreachable, modules[0].source)
    return Checked(program, (*of_imports, *found), scope, tuple(allowed), tuple(plugins.used_plugins(program, scope)))


def _of_files(program: Program, exists: Exists | None) -> Iterator[Diagnostic]:
    yield from files.strange_labels(program)
    if exists is not None:
        yield from files.missing_files(program, exists)


def _of_arms(program: Program, scope: Scope) -> Iterator[Diagnostic]:
    yield from hidden_names(scope)
    yield from templates.idle_templates(program)
    yield from routing.cascade_without_accept(program)
    yield from routing.shares(program)
    yield from routing.arms(program)


def _never_taken(found: Iterable[Diagnostic]) -> list[Span]:
    """The arms of which it was found that nothing takes them, or that it makes no difference."""
    unreachable = [each.span for each in found if each.code == "unreachable-arm"]
    return unreachable + [
        note.span for each in found if each.code == "copied-arm" for note in each.notes if note.span is not None
    ]


def _of_bounds(program: Program, exists: Exists | None, unreachable: list[Span]) -> Iterator[Diagnostic]:
    yield from idle.idle_thresholds(program, unreachable)
    placed = trained.on_disk(program) if exists is not None else program
    yield from trained.strange_labels(placed)
    yield from idle.confidence_unreachable(placed)
    yield from tiers.members(program)


def _of_time(program: Program, scope: Scope, read: Reader, today: date) -> Iterator[Diagnostic]:
    yield from lifecycle.ending_models(program, today)
    yield from lifecycle.old_prices(program, today)
    yield from lifecycle.other_prices(program)
    yield from plugins.drifted_plugins(program, scope, read)


def _of_safety(program: Program) -> Iterator[Diagnostic]:
    yield from safety.impure_conditions(program)
    yield from safety.opaque_strategies(program)
    yield from privacy.lowered_classes(program)


def _of_the_whole(program: Program, scope: Scope) -> Iterator[Diagnostic]:
    circles = list(routing.cycle(program))
    yield from circles
    yield from prices.unknown_price(program)
    yield from privacy.idle_guard(program)
    if not circles:  # on which a walk of the paths would not end
        yield from privacy.guards(program)
    yield from privacy.unguarded_classes(program)
    # A library is not used up by one who imports it.
    yield from (each for each in uses.unused_names(program, scope) if scope.module(each.span) is scope.modules[0])
    yield from uses.unused_imports(program, scope)
