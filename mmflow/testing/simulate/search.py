"""Looks for seeds that break an invariant, and makes what it finds small."""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import attrs

from mmflow.testing.simulate.check import differs, violations
from mmflow.testing.simulate.violation import Violation
from mmflow.testing.simulate.world import Scene, Size, World, run

TWICE_EVERY = 20
"""Of so many seeds one is run a second time, to see that it does the same."""


@attrs.define
class Tally:
    """What came of all runs."""

    seeds: int = 0
    requests: int = 0
    calls: int = 0
    outcomes: Counter[str] = attrs.field(factory=Counter)

    def add(self, world: World) -> None:
        """Count a run."""
        self.seeds += 1
        for caller in world.callers:
            self.requests += 1
            self.calls += len(caller.asked)
            if caller.result is not None:
                self.outcomes[caller.result.ended.outcome] += 1
            else:
                self.outcomes["cancelled"] += 1

    def merge(self, other: "Tally") -> None:
        """Add what another process counted."""
        self.seeds += other.seeds
        self.requests += other.requests
        self.calls += other.calls
        self.outcomes.update(other.outcomes)


@attrs.frozen
class Finding:
    """A seed that broke an invariant, and what is the least that shows it. `violations` are those of the small run."""

    seed: int
    size: Size
    violations: tuple[Violation, ...]


def search(
    scene_of: Callable[[int], Scene], seeds: Iterable[int], size: Size, tally: Tally, *, twice_every: int = TWICE_EVERY
) -> Iterator[Finding]:
    """The seeds that break an invariant, as they are found. `tally` counts the runs."""
    for seed in seeds:
        with _unswept():
            scene = scene_of(seed)
            found, world = examine(scene, seed, size, twice=seed % twice_every == 0)
            tally.add(world)
            finding = shrunk(scene, seed, size, found) if found else None
        if finding is not None:
            yield finding


@contextmanager
def _unswept() -> Iterator[None]:
    """Without the garbage collector: a run is short, makes much, and leaves it all at its end."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def examine(scene: Scene, seed: int, size: Size, *, twice: bool = False) -> tuple[tuple[Violation, ...], World]:
    """What a seed breaks, and the run."""
    world = run(scene, seed, size)
    found = tuple(violations(world))
    if twice and not found:
        found = tuple(differs(world, run(scene, seed, size)))
    return found, world


def shrunk(scene: Scene, seed: int, size: Size, found: tuple[Violation, ...]) -> Finding:
    """The same invariant broken by fewer requests, fewer callers at a time and fewer kinds of faults, as far as that goes."""
    broken = found[0].invariant

    def still(smaller: Size) -> tuple[Violation, ...]:
        found, _ = examine(scene, seed, smaller, twice=broken == "replays")
        return tuple(each for each in found if each.invariant == broken)

    for kind in size.faults:
        smaller = attrs.evolve(size, faults=tuple(each for each in size.faults if each != kind))
        if again := still(smaller):
            size, found = smaller, again
    for part in (4, 2, 2):
        smaller = attrs.evolve(size, requests=max(1, size.requests // part))
        if again := still(smaller):
            size, found = smaller, again
    smaller = attrs.evolve(size, concurrency=1)
    if again := still(smaller):
        size, found = smaller, again
    return Finding(seed, size, found)
