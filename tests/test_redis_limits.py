"""Limits of providers in a real Redis: what all processes let pass together, and what is left to each while Redis is away."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from plans import executor_of, of_type, plan_of
from redis_server import RedisServer, running

from mmflow import plan
from mmflow.plan import Limits, Plan, Rate
from mmflow.plugin import Call, Emit, Reply, Request, Usage
from mmflow.runtime.events import StateChanged
from mmflow.runtime.executor import Executor
from mmflow.runtime.redis_link import address_of
from mmflow.runtime.simulate import Scripted, reply
from mmflow.runtime.state_redis import RedisStore


@pytest.fixture
def server() -> Iterator[RedisServer]:
    yield from running()


class Noted(Scripted):
    """Notes when each call came; the calls of several executors come here."""

    def __init__(self, scripts: Any = None, *, holds: bool = False) -> None:
        super().__init__(scripts)
        self.came: list[float] = []
        self.under_way = self.most = 0
        self.go_on = asyncio.Event()
        if not holds:
            self.go_on.set()

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        self.came.append(time.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.go_on.wait()
            return await super().complete(call, emit)
        finally:
            self.under_way -= 1


def limited(deadline_s: float = 20.0, **limits: Any) -> Plan:
    return plan_of(
        models=("small",),
        providers=[plan.Provider(name="lab", word="lab", limits=Limits(**limits))],
        deadline_s=deadline_s,
        max_output_tokens=20,
    )


def process(of: Plan, lab: Scripted, server: RedisServer, query: str = "?timeout=2s") -> Executor:
    """An executor as another process would have one."""
    return executor_of(of, lab, state=RedisStore(address_of(server.url + query)))


async def outcomes(*executors: Executor, each: int) -> list[str]:
    requests = [one.run("main", Request.of(f"{number}")) for one in executors for number in range(each)]
    return [result.ended.outcome for result in await asyncio.gather(*requests)]


async def closed(*executors: Executor) -> None:
    for each in executors:
        await each.close()


async def test_processes_let_pass_together_what_one_may(server: RedisServer) -> None:
    lab = Noted()
    of = limited(deadline_s=1.0, requests=Rate(6, 3_600))
    executors = [process(of, lab, server) for _ in range(3)]
    found = await outcomes(*executors, each=5)
    assert found.count("served") == len(lab.came) == 6
    await closed(*executors)


async def test_a_turn_that_would_come_after_the_deadline_is_refused_at_once(server: RedisServer) -> None:
    executors = [process(limited(deadline_s=300.0, requests=Rate(2, 3_600)), Noted(), server) for _ in range(2)]
    assert await outcomes(*executors, each=1) == ["served"] * 2
    ended = (await executors[0].run("main", Request.of("hello"))).ended
    assert (ended.outcome, ended.error_class) == ("failed", "429")
    assert "would have its turn among all processes in" in (ended.message or "")
    await closed(*executors)


async def test_the_period_slides_for_all_of_them(server: RedisServer) -> None:
    lab = Noted()
    executors = [process(limited(requests=Rate(4, 1)), lab, server) for _ in range(2)]
    assert set(await outcomes(*executors, each=6)) == {"served"}
    came = sorted(lab.came)
    assert all(later - earlier > 0.9 for earlier, later in zip(came, came[4:], strict=False)), "four in any second"
    await closed(*executors)


async def test_calls_at_a_time_are_counted_over_processes_and_given_back(server: RedisServer) -> None:
    lab = Noted(holds=True)
    executors = [process(limited(concurrency=3), lab, server) for _ in range(2)]
    running_ = asyncio.create_task(outcomes(*executors, each=4))
    while lab.under_way < 3:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    lab.go_on.set()
    assert set(await running_) == {"served"}
    assert lab.most == 3
    await closed(*executors)


async def test_tokens_are_corrected_when_the_answer_is_there(server: RedisServer) -> None:
    few = Usage(input_tokens=10, output_tokens=5)
    lab = Noted({"small": [reply("yes", usage=few)] * 8})
    executors = [process(limited(deadline_s=2.0, tokens=Rate(100, 3_600)), lab, server) for _ in range(2)]
    served = 0
    for number in range(8):
        result = await executors[number % 2].run("main", Request.of("hello"))
        served += result.ended.outcome == "served"
        await asyncio.sleep(0.01)
    # Each is taken for 20 and more until it has ended, with 15.
    assert served >= 5
    assert served * 15 <= 100
    await closed(*executors)


async def test_calls_that_come_together_are_asked_for_together(server: RedisServer) -> None:
    executor = process(limited(requests=Rate(10_000, 1)), Noted(), server)
    assert set(await outcomes(executor, each=200)) == {"served"}
    said = server.ask("INFO", "commandstats").decode()
    messages = next(
        int(line.split("calls=")[1].split(",")[0]) for line in said.splitlines() if line.startswith("cmdstat_evalsha:")
    )
    assert messages < 40
    await closed(executor)


async def test_a_request_that_is_cancelled_in_line_holds_nothing(server: RedisServer) -> None:
    lab = Noted(holds=True)
    executors = [process(limited(concurrency=1), lab, server) for _ in range(2)]
    first = asyncio.create_task(executors[0].run("main", Request.of("first")))
    while not lab.under_way:
        await asyncio.sleep(0.01)
    second = asyncio.create_task(executors[1].run("main", Request.of("second")))
    await asyncio.sleep(0.1)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    lab.go_on.set()
    assert (await first).ended.outcome == "served"
    assert set(await outcomes(*executors, each=2)) == {"served"}
    await closed(*executors)


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_without_redis_each_process_goes_on_with_its_share(server: RedisServer, way: str) -> None:
    lab = Noted()
    of = limited(deadline_s=3.0, requests=Rate(12, 3_600))
    executors = [process(of, lab, server, "?timeout=500ms") for _ in range(3)]
    assert await outcomes(*executors, each=1) == ["served"] * 3
    assert await outcomes(*executors, each=1) == ["served"] * 3
    if way == "killed":
        server.kill()
    else:
        server.freeze()
    results = [await each.run("main", Request.of(f"{n}")) for each in executors for n in range(6)]
    assert sum(each.ended.outcome == "served" for each in results) == 6, "four each, of which two were spent"
    assert len(lab.came) == 12
    told = [event.message for each in results for event in of_type(each, StateChanged)]
    assert len(told) == 3, "each process tells once"
    if way == "frozen":
        server.thaw()
    await closed(*executors)


async def test_a_redis_that_never_was_there_leaves_a_process_the_limit(server: RedisServer) -> None:
    lab = Noted()
    server.kill()
    executor = process(limited(deadline_s=3.0, requests=Rate(3, 3_600)), lab, server)
    assert sorted(await outcomes(executor, each=5)) == ["failed"] * 2 + ["served"] * 3
    await closed(executor)


async def test_when_redis_is_back_the_whole_limit_holds_again(server: RedisServer) -> None:
    lab = Noted()
    one, other = (process(limited(deadline_s=6.0, concurrency=2), lab, server, "?timeout=500ms") for _ in range(2))
    assert set(await outcomes(one, other, each=2)) == {"served"}
    server.kill()
    lab.most = 0
    lab.go_on.clear()
    tasks = asyncio.create_task(outcomes(one, each=3))
    while not lab.under_way:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert lab.under_way == 1, "its share of two"
    lab.go_on.set()
    await tasks
    server.start()
    for _ in range(100):
        await asyncio.sleep(0.05)
        result = await one.run("main", Request.of("hello"))
        if any("answers again" in each.message for each in of_type(result, StateChanged)):
            break
    else:
        raise AssertionError("it did not come back")
    lab.go_on.clear()
    tasks = asyncio.create_task(outcomes(one, each=3))
    while lab.under_way < 2:
        await asyncio.sleep(0.01)
    lab.go_on.set()
    await tasks
    await closed(one, other)


HOLD = """
import asyncio, sys
from mmflow.plan import Limits
from mmflow.runtime.limits_redis import SharedLimits, SharedLine
from mmflow.runtime.redis_link import RedisLink, address_of

async def main():
    link = RedisLink(address_of(sys.argv[1]))
    common = SharedLimits(link, sys.argv[2])
    way = common.way(SharedLine(link), (common.gate("provider `lab`", Limits(concurrency=2)),))
    await way.enter(1, float(sys.argv[3]))
    print("held", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


async def test_the_place_of_a_killed_process_is_free_after_its_lease(server: RedisServer) -> None:
    lab = Noted()
    store = RedisStore(address_of(f"{server.url}?timeout=2s&namespace=team"))
    holder = subprocess.Popen([sys.executable, "-c", HOLD, f"{server.url}?timeout=5s", "team", "-59.0"], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    executor = executor_of(limited(concurrency=2), lab, state=store)
    assert await outcomes(executor, each=2) == ["served"] * 2
    # The lease of this one is a second, which it outlives here; its place counts until then.
    await closed(executor)


RUN_50 = """
import asyncio, sys, time
from mmflow.plan import Limits, Rate
from mmflow.runtime.limits_redis import SharedLimits, SharedLine, TooLate
from mmflow.runtime.redis_link import RedisLink, address_of

async def main():
    link = RedisLink(address_of(sys.argv[1]))
    common = SharedLimits(link, "team")
    way = common.way(SharedLine(link), (common.gate("provider `lab`", Limits(requests=Rate(20, 3600))),))
    async def one(number):
        try:
            async with asyncio.timeout(3):
                ticket = await way.enter(1, 60)
        except (TimeoutError, TooLate):
            return 0
        ticket.leave(1, was_sent=True)
        return int(ticket.known)
    print(sum(await asyncio.gather(*map(one, range(50)))))
    await common.close()
    await link.close()

asyncio.run(main())
"""


def test_four_processes_with_200_calls_and_leave_for_20_send_20(server: RedisServer) -> None:
    start = [sys.executable, "-c", RUN_50, f"{server.url}?timeout=5s"]
    processes = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert sum(int(process.communicate()[0]) for process in processes) == 20
