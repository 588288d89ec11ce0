"""What must hold of a run as a whole when everybody is gone: nothing is left, and limits and budgets held."""

from collections.abc import Iterator

from mmflow.plan import Limits
from mmflow.testing.simulate.upstream import Load
from mmflow.testing.simulate.violation import TICK_S, Violation
from mmflow.testing.simulate.world import World

STORE_S = 0.2
"""Between its turn and its start a call may wait for the store of its budget."""


def whole(world: World) -> Iterator[Violation]:
    """What is wrong with a run."""
    if world.problem is not None:
        waiting = [each.number for each in world.callers if each.ended_at is None]
        stuck = next((each for each in world.callers if each.ended_at is None and each.events), None)
        yield Violation("comes-to-an-end", f"{world.problem}; requests {waiting} are not answered", stuck)
        return
    for message in world.lost:
        yield Violation("nothing-lost", message)
    for task in world.left:
        yield Violation("nothing-left", f"a task is still under way: {task}")
    yield from (Violation("nothing-left", message) for message in _held(world))
    yield from (Violation("limits-hold", message) for message in _limits(world))
    for message, caller in world.ledger.wrong:
        yield Violation("budgets-hold", message, caller)
    for each in world.ledger.granted.values():
        if each.cost_microusd is None:
            yield Violation("budgets-hold", f"{each.promise.amount_microusd} micro-dollars stay promised", each.caller)


def _held(world: World) -> Iterator[str]:
    if (shared := world.shared) is None:
        return
    for model, count in shared.in_flight.items():
        if count:
            yield f"`{model}` has {count} calls in flight"
    if shared.limits is not None and shared.limits.held:
        yield f"{shared.limits.held} places at the limits are held"
    if shared.caches.flights:
        yield f"{len(shared.caches.flights)} requests wait at a cache"
    if world.alarms:
        yield f"{world.alarms} alarms are set"


def _limits(world: World) -> Iterator[str]:
    plan, loads = world.scene.plan, world.upstream.loads
    declared = {f"provider {each.name}": each.limits for each in plan.providers.values()}
    declared |= {f"model {name}": each for name, each in plan.model_limits.items()}
    for name, limits in declared.items():
        if limits != Limits() and name in loads:
            yield from _limit(name, limits, loads[name], STORE_S if world.weather.levels["stores"] and plan.budgets else 0.0)


def _limit(name: str, limits: Limits, load: Load, slack_s: float) -> Iterator[str]:
    if limits.concurrency is not None and load.most > limits.concurrency:
        yield f"{name} had {load.most} calls at a time, and its limit is {limits.concurrency}"
    if (rate := limits.requests) is None:
        return
    times = [each.at for each in load.began if each.is_counted]
    for first, last in zip(times, times[rate.count :], strict=False):
        if last - first < rate.period_s - slack_s - TICK_S:
            limit = f"{rate.count}/{rate.period_s}s"
            yield f"{name} was asked {rate.count + 1} times within {last - first:g}s, and its limit is {limit}"
            return
