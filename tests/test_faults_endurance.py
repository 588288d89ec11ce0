"""A day of virtual time and many thousand requests under faults: what is held goes back to what it was at the start."""

import asyncio
import gc
import os
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import pytest
import upstream as up
from faulty import running
from plans import executor_of, model, plan_of
from upstream import Upstream

from mmflow import plan
from mmflow.plan import Budget, Plan
from mmflow.plugin import Call, CallError, Delta, Emit, Reply, Request, Timeouts, Usage
from mmflow.runtime.simulate import run_virtual
from mmflow.runtime.state import MemoryStore, window_at

HELLO = Request.of("hello")
NOON = 1_728_043_200.0
HOUR_S = 3600
DAY_S = 24 * HOUR_S
USED = Usage(input_tokens=10, output_tokens=5)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


class Weather:
    """Models that answer in their time, fail now and then, hang now and then, and are away for an hour every six."""

    def __init__(self, seed: int) -> None:
        self.random, self.under_way, self.played = Random(seed), 0, Counter[str]()

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        self.under_way += 1
        try:
            away = call.model.name == "one" and asyncio.get_running_loop().time() % (6 * HOUR_S) < HOUR_S
            drawn = self.random.random()
            if away or drawn < 0.05:
                self.played["failed"] += 1
                raise CallError(self.random.choice(["5xx", "429", "connect", "protocol"]), "down", dispatched="no")
            if drawn < 0.06:
                self.played["hung"] += 1
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(0.1 + self.random.random())
            if emit is not None:
                await emit(Delta("Yes."))
            self.played["answered"] += 1
            return Reply(text="Yes.", usage=USED)
        finally:
            self.under_way -= 1


def stormy(limit: int) -> Plan:
    made = plan_of(
        plan.Fallback("main", ("any", "three"), ("5xx", "429", "connect", "timeout", "protocol"), 1, 0.2),
        plan.Tier("any", ("one", "two")),
        models=[model(each, timeouts=Timeouts(total_s=5.0)) for each in ("one", "two", "three")],
        deadline_s=10.0,
        max_output_tokens=20,
        max_input_tokens=26,
        budget="hourly",
    )
    budget = Budget(name="hourly", limit_microusd=limit, period_s=HOUR_S)
    return plan.Plan(**{each: getattr(made, each) for each in made.__struct_fields__} | {"budgets": {"hourly": budget}})


def test_a_day_of_faults_leaves_nothing_behind_and_breaks_no_promise() -> None:
    lab, store, random = Weather(1), MemoryStore(), Random(2)
    outcomes = Counter[str]()
    limit = 1_800

    async def day() -> None:
        loop = asyncio.get_running_loop()
        executor = executor_of(stormy(limit), lab, state=store, wall=lambda: NOON + loop.time())

        async def one() -> None:
            began_at = loop.time()
            task = asyncio.create_task(executor.run("main", HELLO))
            if random.random() < 0.1:
                await asyncio.sleep(random.random())
                task.cancel()
            await asyncio.wait([task])
            outcomes["cancelled" if task.cancelled() else task.result().ended.outcome] += 1
            assert loop.time() - began_at <= 10.000001

        running = set[asyncio.Task[None]]()
        while loop.time() < DAY_S:
            running.add(asyncio.create_task(one()))
            await asyncio.sleep(random.expovariate(1 / 30))
            for task in [each for each in running if each.done()]:
                running.discard(task)
                task.result()
        await asyncio.gather(*running)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert lab.under_way == 0
        most = 0
        for hour in range(25):
            window = window_at(f"{os.path.abspath('')}#hourly", HOUR_S, NOON + hour * HOUR_S)
            balance = await store.balance(window, NOON + hour * HOUR_S)
            assert balance.promised_microusd == 0
            assert balance.spent_microusd <= limit
            most = max(most, balance.spent_microusd)
        # There was not money enough for all.
        assert most > limit - 100
        assert not any(executor._shared.in_flight.values())

    run_virtual(day(), 3)
    assert set(outcomes) <= {"served", "failed", "rejected", "cancelled"}
    assert outcomes["served"] > 0.5 * outcomes.total()
    assert min(lab.played.values()) > 10


def _held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_memory_is_flat_over_many_requests_of_which_some_fail_and_some_are_left() -> None:
    async def requests(count: int, executor: object, random: Random) -> None:
        for _ in range(count // 50):
            tasks = [asyncio.create_task(executor.run("main", HELLO)) for _ in range(50)]  # type: ignore[attr-defined]
            await asyncio.sleep(0.3)
            for task in tasks:
                if random.random() < 0.1:
                    task.cancel()
            await asyncio.wait(tasks)

    async def play() -> tuple[int, int]:
        loop, random = asyncio.get_running_loop(), Random(1)
        executor = executor_of(stormy(10**9), Weather(5), wall=lambda: NOON + loop.time())
        await requests(400, executor, random)
        before = _held_bytes()
        await requests(1_200, executor, random)
        return before, _held_bytes()

    tracemalloc.start()
    try:
        before, after = run_virtual(play())
    finally:
        tracemalloc.stop()
    # A request that leaves a hundred bytes behind leaves 120 kB.
    assert after - before < 60_000


async def test_connections_and_tasks_go_back_to_what_they_were(upstream: Upstream) -> None:
    rest = "fallback any { try = [m, ok], on = [5xx, timeout, protocol, connect] }\n"
    rest += "flow main { deadline = 30s, max_output = 100, else -> any }"
    upstream.scripts["m"] = ["ok", "500", "reset", "html", "hang_mid_stream", "cut_stream", "429", "drop_stream"] * 25
    tasks, files = asyncio.all_tasks(), _open_files()

    async def leave(delta: Delta) -> None:
        raise ConnectionResetError

    async with running(upstream, ["m", "ok"], rest, "idle = 20ms, first_token = 30s") as executor:
        for number in range(200):
            streams = number % 10 == 3
            try:
                await executor.run("main", HELLO, leave if streams else None)
            except ConnectionResetError:
                assert streams
        # One at a time: they all went over one connection, but for those that broke.
        assert upstream.open_connections <= 2
    await _closed(upstream)
    assert upstream.open_connections == 0
    assert _open_files() == files
    assert asyncio.all_tasks() == tasks


async def _closed(upstream: Upstream) -> None:
    while upstream.open_connections:
        upstream.closed.clear()
        if upstream.open_connections:
            await upstream.closed.wait()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
