"""Alarms and time-outs: they ring at their instant, once, in order; the loop sees one timer; nothing is left behind."""

import asyncio
import gc
import weakref
from collections import Counter
from contextvars import ContextVar
from random import Random
from typing import Any

import pytest

from mmflow.runtime.alarms import Alarm, Alarms, Timeout, alarms_here
from mmflow.runtime.simulate import VirtualLoop, run_virtual


class Bell(Alarm):
    """Keeps when it rang."""

    def __init__(self, alarms: Alarms) -> None:
        super().__init__()
        self.alarms = alarms
        self.rang_at: list[float] = []

    def ring(self) -> None:
        self.rang_at.append(self.alarms.loop.time())


class CountingLoop(VirtualLoop):
    """Counts the timers that are asked of it."""

    timers = 0

    def call_at(self, *args: Any, **more: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        self.timers += 1
        return super().call_at(*args, **more)


# ---- alarms -----------------------------------------------------------------------------------------------------------------


def test_thousands_ring_each_at_its_instant_and_those_that_were_dropped_never() -> None:
    async def main() -> None:
        alarms, random = alarms_here(None), Random(7)
        bells = [(Bell(alarms), random.randrange(1, 5_000) / 8) for _ in range(5_000)]
        for bell, at in bells:
            alarms.set(bell, at)
        dropped = set(random.sample(range(len(bells)), 2_500))
        for number in dropped:
            alarms.drop(bells[number][0])
        assert len(alarms) == 2_500
        await asyncio.sleep(1_000)
        for number, (bell, at) in enumerate(bells):
            assert bell.rang_at == ([] if number in dropped else [at])
        assert len(alarms) == 0

    run_virtual(main())


@pytest.mark.parametrize("moved_to", [1.0, 9.0])
def test_an_alarm_that_is_set_again_rings_only_at_its_last_time(moved_to: float) -> None:
    async def main() -> None:
        alarms = alarms_here(None)
        bell = Bell(alarms)
        alarms.set(bell, 5.0)
        alarms.set(bell, moved_to)
        await asyncio.sleep(20)
        assert bell.rang_at == [moved_to]

    run_virtual(main())


def test_an_alarm_may_be_set_again_while_it_rings() -> None:
    class Thrice(Bell):
        def ring(self) -> None:
            super().ring()
            if len(self.rang_at) < 3:
                self.alarms.set(self, self.alarms.loop.time() + 2)

    async def main() -> None:
        alarms = alarms_here(None)
        bell, other = Thrice(alarms), Bell(alarms)
        alarms.set(bell, 1.0)
        alarms.set(other, 4.0)
        await asyncio.sleep(20)
        assert (bell.rang_at, other.rang_at) == ([1.0, 3.0, 5.0], [4.0])

    run_virtual(main())


def test_an_instant_that_is_over_rings_at_once() -> None:
    async def main() -> None:
        await asyncio.sleep(10)
        alarms = alarms_here(None)
        bell = Bell(alarms)
        alarms.set(bell, 3.0)
        assert bell.rang_at == []
        await asyncio.sleep(0.001)
        assert bell.rang_at == [10.0]

    run_virtual(main())


def test_the_loop_sees_one_timer_for_a_minute_of_calls_that_are_in_time() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        alarms = alarms_here(None)
        for _ in range(10_000):
            with Timeout(alarms, loop.time() + 60):
                pass
        return loop.timers

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        assert runner.run(main()) == 1


def test_what_was_dropped_does_not_pile_up_behind_one_that_is_never_over() -> None:
    async def main() -> None:
        alarms = alarms_here(None)
        alarms.set(Bell(alarms), 1.0)
        bells = [Bell(alarms) for _ in range(10_000)]
        gone = [weakref.ref(bell) for bell in bells]
        for bell in bells:
            alarms.set(bell, 60.0)
            alarms.drop(bell)
        del bells, bell
        gc.collect()
        assert sum(each() is not None for each in gone) < 100

    run_virtual(main())


def test_each_loop_has_alarms_of_its_own() -> None:
    kept: list[Alarms] = []

    async def main() -> None:
        alarms = alarms_here(kept[-1] if kept else None)
        assert alarms is alarms_here(alarms)
        kept.append(alarms)
        with pytest.raises(TimeoutError), Timeout(alarms, asyncio.get_running_loop().time() + 2):
            await asyncio.sleep(5)

    run_virtual(main())
    run_virtual(main())
    assert kept[0] is not kept[1]


def test_on_uvloop_a_time_out_holds() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        alarms = alarms_here(None)
        for _ in range(3):
            with pytest.raises(TimeoutError), Timeout(alarms, alarms.loop.time() + 0.002):
                await alarms.loop.create_future()
        assert len(alarms) == 0

    uvloop.run(main())


# ---- time-outs ----------------------------------------------------------------------------------------------------------------


def test_thousands_of_overlapping_time_outs_end_as_asyncios_own_would() -> None:
    """One of each kind beside the other, over random work, deadlines and cancellations from outside."""

    async def main() -> None:
        loop, random = asyncio.get_running_loop(), Random(3)
        alarms = alarms_here(None)

        async def ours(start_s: float, work_s: float, at: float) -> str:
            await asyncio.sleep(start_s)
            try:
                with Timeout(alarms, at):
                    await asyncio.sleep(work_s)
            except TimeoutError:
                return f"timed out at {loop.time()}"
            return f"done at {loop.time()}"

        async def asyncios(start_s: float, work_s: float, at: float) -> str:
            await asyncio.sleep(start_s)
            try:
                async with asyncio.timeout_at(at):
                    await asyncio.sleep(work_s)
            except TimeoutError:
                return f"timed out at {loop.time()}"
            return f"done at {loop.time()}"

        pairs = []
        for number in range(3_000):
            # Thirds and sevenths never meet by chance, where either end would be right.
            start_s, work_s, at = random.randrange(100) / 7, random.randrange(1, 100) / 7, random.randrange(1, 90) / 3 + 0.1
            pair = [asyncio.create_task(each(start_s, work_s, at)) for each in (ours, asyncios)]
            if number % 5 == 0:
                cancelled_at = random.randrange(20) + 0.05
                for task in pair:
                    loop.call_at(cancelled_at, task.cancel)
            pairs.append(pair)
        await asyncio.wait([task for pair in pairs for task in pair])
        ends: Counter[str] = Counter()
        for pair in pairs:
            one, other = ("cancelled" if each.cancelled() else each.result() for each in pair)
            assert one == other
            ends[one.split()[0]] += 1
        assert min(ends["done"], ends["timed"], ends["cancelled"]) > 100
        assert len(alarms) == 0

    run_virtual(main())


def test_a_time_out_says_so_and_the_task_goes_on_uncancelled() -> None:
    async def main() -> None:
        alarms = alarms_here(None)
        timeout = Timeout(alarms, 2.0)
        with pytest.raises(TimeoutError), timeout:
            await asyncio.sleep(5)
        task = asyncio.current_task()
        assert task is not None
        assert (timeout.expired, task.cancelling(), alarms.loop.time()) == (True, 0, 2.0)
        await asyncio.sleep(5)

    run_virtual(main())


@pytest.mark.parametrize(("outer_at", "inner_at", "ends_at"), [(2.0, 4.0, 2.0), (4.0, 2.0, 2.0), (2.0, 2.0, 2.0)])
def test_of_nested_time_outs_the_sooner_one_ends_the_work(outer_at: float, inner_at: float, ends_at: float) -> None:
    async def main() -> None:
        alarms = alarms_here(None)
        outer, inner = Timeout(alarms, outer_at), Timeout(alarms, inner_at)
        with pytest.raises(TimeoutError), outer, inner:
            await asyncio.sleep(9)
        task = asyncio.current_task()
        assert task is not None
        assert (alarms.loop.time(), task.cancelling()) == (ends_at, 0)
        assert (outer.expired, inner.expired) == (outer_at <= inner_at, inner_at <= outer_at)

    run_virtual(main())


@pytest.mark.parametrize("seed", range(8))
def test_a_cancellation_from_outside_at_the_same_instant_goes_first(seed: int) -> None:
    async def main() -> None:
        alarms = alarms_here(None)

        async def work() -> None:
            with Timeout(alarms, 2.0):
                await asyncio.sleep(9)

        task = asyncio.create_task(work())
        await asyncio.sleep(1)

        class Both(Alarm):
            def ring(self) -> None:
                task.cancel()

        alarms.set(Both(), 2.0)
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main(), seed)


def test_an_error_of_the_work_is_not_covered_by_a_time_out_that_came_too() -> None:
    async def main() -> None:
        timeout = Timeout(alarms_here(None), 2.0)

        async def work() -> None:
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                raise ValueError("mine") from None

        with pytest.raises(ValueError, match="mine"), timeout:
            await work()
        task = asyncio.current_task()
        assert task is not None
        assert (timeout.expired, task.cancelling()) == (True, 0)

    run_virtual(main())


def test_the_timer_that_stays_armed_keeps_neither_the_task_nor_its_context_alive() -> None:
    class Big:
        """Something of a request."""

    async def main() -> None:
        alarms, variable = alarms_here(None), ContextVar[Big]("big")
        gone: list[weakref.ref[Any]] = []

        async def work() -> None:
            big = Big()
            gone.append(weakref.ref(big))
            variable.set(big)
            with Timeout(alarms, 60.0):
                await asyncio.sleep(0.1)

        alarms.set(Bell(alarms), 50.0)
        task = asyncio.create_task(work())
        gone.append(weakref.ref(task))
        await task
        del task
        await asyncio.sleep(0)
        gc.collect()
        assert [each() for each in gone] == [None, None]

    run_virtual(main())


def test_an_alarm_that_is_set_again_because_the_clock_is_a_little_early_does_not_ring_without_end() -> None:
    class Early(VirtualLoop):
        """Its clock lags behind its timers by less than its resolution, as uvloop's does."""

        def time(self) -> float:
            return super().time() - 5e-10

    class Again(Bell):
        def ring(self) -> None:
            super().ring()
            assert len(self.rang_at) < 10
            if self.alarms.loop.time() < 1.0:
                self.alarms.set(self, 1.0)

    async def main() -> None:
        alarms = alarms_here(None)
        again, other = Again(alarms), Bell(alarms)
        alarms.set(again, 1.0)
        alarms.set(other, 1.0)
        await asyncio.sleep(2.0)
        assert again.rang_at
        assert len(other.rang_at) == 1
        assert len(alarms) == 0

    with asyncio.Runner(loop_factory=Early) as runner:
        runner.run(main())
