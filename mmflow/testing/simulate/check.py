"""All invariants of a run, and whether the same seed does the same again."""

from collections.abc import Iterator

import msgspec

from mmflow.testing.simulate.bounded import Bounds
from mmflow.testing.simulate.guarded import guarded, kept_apart
from mmflow.testing.simulate.promises import CHECKS
from mmflow.testing.simulate.violation import Violation
from mmflow.testing.simulate.whole import whole
from mmflow.testing.simulate.world import World

INVARIANTS = (
    *CHECKS, "guarded", "kept-apart", "bounded",
    "comes-to-an-end", "nothing-lost", "nothing-left", "limits-hold", "budgets-hold", "replays",
)  # fmt: skip
"""The names of all invariants."""


def violations(world: World) -> Iterator[Violation]:
    """What broke an invariant, first what shows it best."""
    plan, bounds = world.scene.plan, Bounds(world)
    for caller in world.callers:
        if caller.ended_at is None:
            continue
        for name, check in CHECKS.items():
            yield from (Violation(name, message, caller) for message in check(caller, plan))
        yield from (Violation("guarded", message, caller) for message in guarded(caller, plan))
        yield from (Violation("kept-apart", message, caller) for message in kept_apart(caller, world))
        yield from (Violation("bounded", message, caller) for message in bounds.bounded(caller))
    yield from whole(world)


def log(world: World) -> bytes:
    """Everything that was said in a run, as bytes."""
    encoder = msgspec.json.Encoder()
    return b"\n".join(encoder.encode((caller.number, caller.heard, caller.events)) for caller in world.callers)


def differs(one: World, again: World) -> Iterator[Violation]:
    """The first request that went another way when a seed was run a second time."""
    if log(one) == log(again):
        return
    for caller, other in zip(one.callers, again.callers, strict=True):
        if msgspec.json.encode((caller.heard, caller.events)) != msgspec.json.encode((other.heard, other.events)):
            yield Violation("replays", "the same seed went another way when it was run again", caller)
            return
