"""One run: a plan, everything around it simulated from a seed, and what came of it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import attrs

from mmflow.bounds.worst import asked_by
from mmflow.plan import Flow, Plan
from mmflow.runtime.calls import Shared
from mmflow.runtime.executor import Executor
from mmflow.runtime.simulate import Deadlock, Livelock, VirtualLoop
from mmflow.testing.simulate.caller import Caller, Watched
from mmflow.testing.simulate.faults import Weather, weather_of
from mmflow.testing.simulate.opinions import Opinion
from mmflow.testing.simulate.stores import Ledger, Shelf
from mmflow.testing.simulate.traffic import Traffic
from mmflow.testing.simulate.upstream import Upstream
from mmflow.vocabulary import Vocabulary

WALL_S = 1_767_225_600.0
"""2026-01-01 00:00 UTC."""

SPAN_S = 60.0
"""About how long the callers of a run are at it."""

LONGEST_S = 30 * 24 * 3600.0
"""A run that is not over by then is taken for endless."""

_PAUSES_S = (0.0, 0.0, 0.1, 1.0, 5.0, 600.0)


@attrs.frozen
class Scene:
    """What a run needs of a workflow. `texts` as in `Upstream`; `flows` are those that are asked."""

    plan: Plan
    vocabulary: Vocabulary
    folder: Path
    flows: tuple[Flow, ...]
    traffic: Traffic
    texts: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Size:
    """How much happens in a run: requests, callers at a time, and the kinds of faults that there may be."""

    requests: int
    concurrency: int
    faults: tuple[str, ...]


@attrs.define(eq=False)
class World:
    """Everything of one run, to be looked at when it is over."""

    scene: Scene
    seed: int
    weather: Weather
    upstream: Upstream
    ledger: Ledger
    callers: list[Caller]
    shared: Shared | None = None
    lost: list[str] = attrs.field(factory=list)
    """What the loop was told of that nobody handles."""
    left: list[str] = attrs.field(factory=list)
    """Tasks that were under way in the end."""
    alarms: int = 0
    problem: str | None = None
    """Why the run did not come to an end."""


def run(scene: Scene, seed: int, size: Size) -> World:
    """Run a seed: the same one twice does the same."""
    plan = scene.plan
    weather = weather_of(size.faults, seed, plan.providers, SPAN_S)
    upstream = Upstream(weather, Random(f"upstream {seed}"), dict(scene.texts))
    ledger = Ledger(Random(f"ledger {seed}"), weather.levels["stores"], plan.budgets)
    world = World(scene, seed, weather, upstream, ledger, [])
    random = Random(f"traffic {seed}")
    for number in range(1, size.requests + 1):
        flow = random.choice(scene.flows)
        world.callers.append(scene.traffic.caller(number, flow, random, weather.levels["callers"], world.callers))
    try:
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(seed + 1)) as runner:
            runner.run(_run(world, size, Random(f"pauses {seed}")))
    except (Deadlock, Livelock) as problem:
        world.problem = str(problem)
    return world


async def _run(world: World, size: Size, random: Random) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: world.lost.append(_told(context)))
    executor = _executor(world, loop)
    # Drawn beforehand: it must not depend on who is faster.
    waiting = [(caller, random.choice(_PAUSES_S) * random.random()) for caller in world.callers]
    workers = [asyncio.create_task(_work(executor, waiting)) for _ in range(min(size.concurrency, size.requests))]
    _, late = await asyncio.wait(workers, timeout=LONGEST_S)
    if late:
        world.problem = "it does not come to an end"
        return
    for each in workers:
        each.result()
    if world.upstream.tasks:
        await asyncio.wait(world.upstream.tasks)
    # What is over gets a turn to be gone.
    for _ in range(3):
        await asyncio.sleep(0)
    world.left = sorted(str(each.get_coro()) for each in asyncio.all_tasks() if each is not asyncio.current_task())
    # The alarm of a limit that nobody waits for any more rings at its time.
    await asyncio.sleep(LONGEST_S)
    calls = next((each.calls for each in world.callers if each.calls is not None), None)
    if calls is not None:
        world.shared, world.alarms = calls.shared, len(calls.alarms)
    await executor.close()


async def _work(executor: Executor, waiting: list[tuple[Caller, float]]) -> None:
    """One caller after the other."""
    while waiting:
        caller, pause_s = waiting.pop(0)
        await asyncio.sleep(pause_s)
        await caller.send(executor)


def _executor(world: World, loop: asyncio.AbstractEventLoop) -> Executor:
    plan, seed, levels = world.scene.plan, world.seed, world.weather.levels
    opinions = Random(f"opinions {seed}")

    def opinion(declared: Any) -> Opinion:
        is_classifier = declared.name in plan.classifiers
        models = tuple(asked_by(declared, plan))
        return Opinion(opinions, levels["opinions"], models, declared if is_classifier else None)

    return Executor(
        plan,
        world.scene.vocabulary,
        folder=world.scene.folder,
        random=Random(f"executor {seed}"),
        environ={},
        providers=dict.fromkeys(plan.providers, world.upstream),
        classifiers={name: opinion(each) for name, each in plan.classifiers.items()},
        scorers={name: opinion(each) for name, each in plan.scorers.items()},
        caches={name: Shelf(Random(f"{name} {seed}"), levels["stores"]) for name in plan.caches},
        state=world.ledger,
        wall=lambda: WALL_S + loop.time(),
        calls=Watched,
    )


def _told(context: Mapping[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message')}: {error!r}" if error is not None else str(context.get("message"))
