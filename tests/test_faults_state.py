"""Faults around money and state: processes that are killed, clocks that jump, files that cannot be written, ties."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from plans import executor_of, of_type, plan_of
from test_budget import COSTS_20, NOON, WORST, Wall, budgeted, daily
from test_bundled_strategies import step, vocabulary

from mmflow.plugin import Call, Emit, Reply, Request
from mmflow.runtime import state_file
from mmflow.runtime.budget import LEASE_S
from mmflow.runtime.events import CallEnded
from mmflow.runtime.simulate import Scripted, Turn, fail, reply, run_virtual
from mmflow.runtime.state import Balance, MemoryStore, Promise, StateError
from mmflow.runtime.state_file import StateFile

KILLED_MID_CALL = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from plans import executor_of
from test_budget import COSTS_20, budgeted, Wall
from mmflow.plugin import Request
from mmflow.runtime.simulate import Scripted, hang, reply
from mmflow.runtime.state_file import StateFile

class Telling(Scripted):
    async def complete(self, call, emit):
        if len(self.calls) == 1:
            print("sent", flush=True)
        return await super().complete(call, emit)

async def main():
    script = {"dear": [reply("yes", usage=COSTS_20), hang()]}
    executor = executor_of(budgeted(100), Telling(script), state=StateFile(Path(sys.argv[2])), wall=Wall())
    await executor.run("main", Request.of("hello"))
    await executor.run("main", Request.of("hello"))

asyncio.run(main())
"""


def test_a_process_that_is_killed_mid_call_loses_no_money_and_holds_none_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    start = [sys.executable, "-c", KILLED_MID_CALL, str(Path(__file__).parent), str(path)]
    process = subprocess.Popen(start, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "sent\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    async def after(seconds: float) -> tuple[int, int, str]:
        wall = Wall()
        wall.now = NOON + seconds
        store = StateFile(path)
        balance = await store.balance(daily(now=wall.now), wall.now)
        lab = Scripted({"dear": [reply("yes", usage=COSTS_20)]})
        executor = executor_of(budgeted(100), lab, state=store, wall=wall)
        result = await executor.run("main", Request.of("hello"))
        await executor.close()
        return balance.spent_microusd, balance.promised_microusd, result.ended.outcome

    # What the first call cost is spent; what the second may cost is promised, and others may not have it meanwhile.
    assert asyncio.run(after(0)) == (20, WORST, "failed")
    assert asyncio.run(after(60 + LEASE_S + 1)) == (20, 0, "served")


@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize(
    ("one", "two"),
    [
        (reply("a", 1.0), reply("b", 0.5)),
        (reply("a", 1.0), fail(500, 0.5)),
        (fail(500, 1.0), reply("b", 0.5)),
        (fail(401, 1.0), reply("b", 0.5)),
        (fail("timeout", 1.0), reply("b", 0.5)),
    ],
    ids=["both answer", "the second fails", "the first fails", "the first is refused", "the first may have run"],
)
def test_of_a_hedge_that_ends_in_one_tick_the_caller_gets_one_answer_and_both_calls_are_settled(
    one: Turn, two: Turn, seed: int
) -> None:
    of = plan_of(
        step("hedge", "one", "two", after=[0, 0.5]),
        models=["one", "two"],
        max_output_tokens=20,
        max_input_tokens=26,
        max_cost_microusd=200,
    )
    executor = executor_of(of, Scripted({"one": [one], "two": [two]}), vocabulary())
    result = run_virtual(executor.run("main", Request.of("hello")), seed)
    ended = of_type(result, CallEnded)
    assert result.ended.outcome == "served"
    assert result.reply is not None
    assert result.reply.text in ("a", "b")
    assert sorted(each.model for each in ended) == ["one", "two"]
    assert {each.at_s for each in ended} == {1.0}
    assert result.ended.cost_microusd == sum(each.cost_microusd or 0 for each in ended)
    assert "answered" in {each.outcome for each in ended}


# ---- clocks ---------------------------------------------------------------------------------------------------------------


class Jumping(Scripted):
    """A model that takes a second, in which the wall clock is set to another time."""

    def __init__(self, wall: Wall, by_s: float) -> None:
        super().__init__({"dear": [reply("yes", 1.0, usage=COSTS_20)]})
        self.wall, self.by_s = wall, by_s

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        self.wall.now += self.by_s
        return await super().complete(call, emit)


@pytest.mark.parametrize("hours", [-13, -1, 1, 13])
def test_a_wall_clock_that_jumps_moves_no_deadline_and_loses_no_money(hours: int) -> None:
    wall, store = Wall(), MemoryStore()
    executor = executor_of(budgeted(100, deadline_s=2.0), Jumping(wall, hours * 3600.0), state=store, wall=wall)

    async def play() -> None:
        result = await executor.run("main", Request.of("hello"))
        assert (result.ended.outcome, result.ended.at_s) == ("served", 1.0)
        # It is spent in the day in which the request came in.
        assert await store.balance(daily(), NOON) == Balance(20, 0)

    run_virtual(play())


def test_a_wall_clock_that_goes_back_and_forth_gives_no_new_money() -> None:
    wall, store = Wall(), MemoryStore()
    lab = Scripted({"dear": [reply("yes", usage=COSTS_20)]})
    executor = executor_of(budgeted(100), lab, state=store, wall=wall)

    async def play() -> int:
        served = 0
        for number in range(40):
            wall.now = NOON + (3600.0, -3600.0, 0.0)[number % 3]
            served += (await executor.run("main", Request.of("hello"))).ended.outcome == "served"
        return served

    # Each costs 20 and needs 59 free: three of them, and 60 of 100 is spent.
    assert run_virtual(play()) == 3


# ---- the state file -------------------------------------------------------------------------------------------------------


async def test_a_state_file_that_another_process_holds_refuses_in_time_and_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "BUSY_S", 0.05)
    path = tmp_path / "state.sqlite"
    store = StateFile(path)
    lab = Scripted({"dear": [reply("yes", usage=COSTS_20)]})
    executor = executor_of(budgeted(100), lab, state=store, wall=Wall())
    await store.balance(daily(), NOON)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = await executor.run("main", Request.of("hello"))
    assert (refused.ended.outcome, refused.ended.error_class, lab.calls) == ("failed", "budget", [])
    assert "locked" in (refused.ended.message or "")
    other.execute("ROLLBACK")
    other.close()
    assert (await executor.run("main", Request.of("hello"))).ended.outcome == "served"
    await executor.close()


async def test_a_state_file_with_a_damaged_page_refuses_and_gives_no_money_away(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = StateFile(path)
    for number in range(50):
        promise = Promise(f"{number}", daily(f"user {number}" * 20), 10, NOON + 60)
        assert (await store.reserve(promise, 100, NOON)).granted
        store.settle(promise, 10)
    await store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * len(data[4096:])
    path.write_bytes(data)
    store = StateFile(path)
    with pytest.raises(StateError, match="cannot be used"):
        await store.reserve(Promise("next", daily(), 10, NOON + 60), 100, NOON)
    await store.close()
