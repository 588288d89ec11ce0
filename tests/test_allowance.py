"""Allowances: a process grants most of its calls by itself, money passes no limit, and what is not used goes back."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from mmflow.runtime import allowance, state_file
from mmflow.runtime.allowance import FREE_SHARE, LARGEST_SHARE, Holding
from mmflow.runtime.state import Balance, Promise, Window
from mmflow.runtime.state_file import StateFile

WINDOW = Window("file#month", 0, 1_000)
NOW = 10.0
LIMIT = 100_000


def promise(name: object, microusd: int, until: float = NOW + 70) -> Promise:
    return Promise(str(name), WINDOW, microusd, until)


@asynccontextmanager
async def stores(path: Path, count: int) -> AsyncIterator[list[StateFile]]:
    """As many as there are processes: each knows nothing of the others but by the file."""
    made = [StateFile(path) for _ in range(count)]
    yield made
    for each in made:
        await each.close()


async def busy(store: StateFile, microusd: int = 100, calls: int = 10, limit: int = LIMIT) -> list[Promise]:
    """Calls at a time, enough of them that a block is taken."""
    made = [promise(f"{id(store)} {number}", microusd) for number in range(calls)]
    assert all(each.granted for each in await asyncio.gather(*(store.reserve(each, limit, NOW) for each in made)))
    return made


async def in_file(path: Path, now: float = NOW) -> Balance:
    """What somebody sees who has just started."""
    async with stores(path, 1) as (store,):
        return await store.balance(WINDOW, now)


def questions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What goes to the file from now on."""
    asked: list[object] = []
    answer = StateFile._answer

    def noted(self: StateFile, each: state_file._Asked, now: float | None = None) -> "asyncio.Future[object]":
        asked.append(each.promise or each.mark)
        return answer(self, each, now)

    monkeypatch.setattr(StateFile, "_answer", noted)
    return asked


async def test_a_busy_process_asks_the_file_for_few_of_its_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stores(tmp_path / "s.sqlite", 1) as (store,):
        asked = questions(monkeypatch)
        for number in range(500):
            each = promise(number, 50)
            assert (await store.reserve(each, LIMIT, NOW)).granted
            store.settle(each, 1)
        assert len([each for each in asked if each is not None]) < 10
        # Its own money counts at once.
        assert (await store.balance(WINDOW, NOW)).spent_microusd == 500
    assert await in_file(tmp_path / "s.sqlite") == Balance(500, 0)


async def test_who_asks_once_takes_no_more_than_it_needs(tmp_path: Path) -> None:
    async with stores(tmp_path / "s.sqlite", 1) as (store,):
        await store.reserve(promise("one", 100), LIMIT, NOW)
        assert await in_file(tmp_path / "s.sqlite") == Balance(0, 100)


async def test_what_a_process_holds_is_promised_for_everybody_else_and_not_for_itself(tmp_path: Path) -> None:
    async with stores(tmp_path / "s.sqlite", 2) as (one, other):
        await busy(one, 100, 10)
        held = (await other.balance(WINDOW, NOW)).promised_microusd
        assert 1_000 < held <= 1_000 + LARGEST_SHARE * LIMIT
        assert await one.balance(WINDOW, NOW) == Balance(0, 1_000)


async def test_near_the_limit_every_call_is_asked_for_and_all_of_the_money_can_be_spent(tmp_path: Path) -> None:
    async with stores(tmp_path / "s.sqlite", 3) as made:
        spent = 0
        for number in range(400):
            store, each = made[number % 3], promise(number, 300)
            if (await store.reserve(each, LIMIT, NOW)).granted:
                store.settle(each, 300)
                spent += 300
        # Nothing is left that one more call would fit into.
        assert LIMIT - 300 < spent <= LIMIT
    assert await in_file(tmp_path / "s.sqlite") == Balance(spent, 0)


def test_no_block_reaches_into_the_last_of_a_limit_nor_is_one_taken_that_is_too_small() -> None:
    holding = Holding(WINDOW)
    assert holding.block(100, LIMIT, NOW) == 1_600
    assert holding.block(1_000, LIMIT, NOW) == LARGEST_SHARE * LIMIT
    assert holding.block(3_000, LIMIT, NOW) == 0
    holding.block_microusd, holding.taken_at = 800, NOW
    assert holding.block(10, LIMIT, NOW) == 1_600, "one that does not last grows"
    assert holding.block(10, LIMIT, NOW + 5) == 160


async def test_what_is_not_used_goes_back_when_another_needs_it(tmp_path: Path) -> None:
    async with stores(tmp_path / "s.sqlite", 2) as (one, other):
        open_calls = await busy(one, 100, 10)
        rest = promise("all the rest", LIMIT - 1_000)
        assert (await other.reserve(rest, LIMIT, NOW)).granted
        # What calls under way may cost is still theirs.
        assert not (await other.reserve(promise("one more", 1), LIMIT, NOW)).granted
        for each in open_calls:
            one.settle(each, 10)
        other.settle(rest, 0)
    assert await in_file(tmp_path / "s.sqlite") == Balance(100, 0)


async def test_what_is_not_used_goes_back_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "IDLE_S", 0.0)
    async with stores(tmp_path / "s.sqlite", 2) as (one, other):
        await busy(one, 100, 10)
        monkeypatch.setattr(allowance, "FRESH_S", -1.0)
        async with asyncio.timeout(10):
            while (await other.balance(WINDOW, NOW)).promised_microusd != 1_000:
                pass


async def test_closing_gives_back_what_is_not_used_and_keeps_what_calls_under_way_may_cost(tmp_path: Path) -> None:
    one = StateFile(tmp_path / "s.sqlite")
    (first, *_) = await busy(one, 100, 10)
    one.settle(first, 7)
    await one.close()
    assert await in_file(tmp_path / "s.sqlite") == Balance(7, 900)


async def test_a_lower_limit_is_held_though_a_block_was_granted_under_a_higher_one(tmp_path: Path) -> None:
    async with stores(tmp_path / "s.sqlite", 1) as (store,):
        await busy(store, 100, 10)
        assert not (await store.reserve(promise("low", 100), 1_050, NOW)).granted
        assert (await store.reserve(promise("fits", 50), 1_050, NOW)).granted


async def test_what_has_no_limit_leaves_nothing_that_others_could_pass_theirs_with(tmp_path: Path) -> None:
    async with stores(tmp_path / "s.sqlite", 1) as (store,):
        for number in range(10):
            each = promise(f"free {number}", 50_000)
            assert (await store.reserve(each, None, NOW)).granted
            store.settle(each, 10_000)
        assert not (await store.reserve(promise("last", 1), LIMIT, NOW)).granted


async def test_a_block_that_lapsed_grants_nothing_and_what_it_paid_for_is_spent_all_the_same(tmp_path: Path) -> None:
    async with stores(tmp_path / "s.sqlite", 2) as (one, other):
        (first, *_) = await busy(one, 100, 10)
        # A machine that slept for an hour.
        later = NOW + 3_600
        most = promise("most", LIMIT, later + 70)
        assert (await other.reserve(most, LIMIT, later)).granted
        assert not (await one.reserve(promise("next", 100, later + 70), LIMIT, later)).granted
        one.settle(first, 7)
        other.settle(most, 0)
        # What it asks of the file is written with all before.
        await other.mark(WINDOW, "free")
        assert (await one.reserve(promise("again", 100, later + 70), LIMIT, later)).granted
    assert (await in_file(tmp_path / "s.sqlite", later)).spent_microusd == 7


@pytest.mark.parametrize("seed", range(1, 21))
async def test_no_interleaving_of_processes_passes_the_limit(tmp_path: Path, seed: int) -> None:
    """Three processes, one of which starts anew now and then; some callers leave, most calls cost less than they may."""
    random, limit = Random(seed), 20_000
    spent, taken = 0, dict[str, int]()

    async def one(store: Callable[[], StateFile], name: str) -> None:
        nonlocal spent
        for number in range(60):
            own, each = store(), promise(f"{name} {number}", random.randint(1, 400))
            asking = asyncio.create_task(own.reserve(each, random.choice([limit, limit, limit, limit // 2]), NOW))
            if random.random() < 0.1:
                await asyncio.sleep(0)
                asking.cancel()
            try:
                granted = (await asking).granted
            except asyncio.CancelledError:
                continue
            if not granted:
                continue
            taken[each.id] = each.amount_microusd
            assert spent + sum(taken.values()) <= limit
            if random.random() < 0.3:
                await asyncio.sleep(0)
            cost = random.randint(0, each.amount_microusd)
            spent += cost
            del taken[each.id]
            own.settle(each, cost)

    made, gone = [StateFile(tmp_path / "s.sqlite") for _ in range(3)], list[StateFile]()

    async def restarts() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            old, made[1] = made[1], StateFile(tmp_path / "s.sqlite")
            # It may still be used by those who have it.
            gone.append(old)
            await old.close()

    tasks = [one(lambda number=number: made[number], f"{number}.{each}") for number in range(3) for each in range(4)]  # type: ignore[misc]
    await asyncio.gather(restarts(), *tasks)
    for each in made + gone:
        await each.close()
    assert await in_file(tmp_path / "s.sqlite") == Balance(spent, 0)


KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_allowance import LIMIT, NOW, WINDOW, busy
from mmflow.runtime.state_file import StateFile

async def main():
    store = StateFile(Path(sys.argv[2]))
    for each in (await busy(store))[:5]:
        store.settle(each, 20)
    # What it asks of the file is written with all before.
    await store.mark(WINDOW, "told")
    print("held", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_block_of_a_process_that_is_killed_is_held_until_its_lease_ends(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    found = asyncio.run(in_file(path))
    assert found.spent_microusd == 100
    # Its five calls under way, and what it did not use.
    assert 500 <= found.promised_microusd <= 1_000 + LARGEST_SHARE * LIMIT
    assert asyncio.run(in_file(path, NOW + 71)) == Balance(100, 0)


def test_blocks_leave_the_last_of_a_limit_alone() -> None:
    assert 0 < LARGEST_SHARE < FREE_SHARE < 0.5
