"""The virtual clock and the scripted models, which the other tests stand on."""

import asyncio
import time

import pytest
from plans import executor_of, of_type, plan_of

from mmflow.plugin import CallError, Delta, Request
from mmflow.runtime.events import CallEnded
from mmflow.runtime.simulate import Deadlock, Livelock, Scripted, fail, hang, reply, run_virtual, stream


def test_a_day_passes_at_once_and_to_the_second() -> None:
    async def main() -> list[float]:
        now = asyncio.get_running_loop().time
        times = [now()]
        for pause_s in (0.1, 0.2, 86_400.0):
            await asyncio.sleep(pause_s)
            times.append(now())
        return times

    began = time.process_time()
    assert run_virtual(main()) == [0.0, 0.1, 0.3, 86_400.3]
    assert time.process_time() - began < 5


def test_timers_fire_in_the_order_of_their_times() -> None:
    order: list[str] = []

    async def main() -> None:
        async def one(name: str, after_s: float) -> None:
            await asyncio.sleep(after_s)
            order.append(name)

        await asyncio.gather(one("last", 3), one("first", 1), one("second", 2))

    run_virtual(main())
    assert order == ["first", "second", "last"]


def test_waiting_for_nothing_is_a_clear_error_and_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="no timer is set"):
        run_virtual(main())


def test_a_time_out_cancels_what_would_wait_for_ever() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 5.0


def schedule(seed: int) -> list[int]:
    order: list[int] = []

    async def main() -> None:
        async def one(number: int) -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            order.append(number)

        await asyncio.gather(*map(one, range(8)))

    run_virtual(main(), seed)
    return order


def test_a_seed_is_one_schedule_and_another_seed_another() -> None:
    assert schedule(0) == list(range(8))
    assert schedule(7) == schedule(7)
    assert len({tuple(schedule(seed)) for seed in range(1, 6)}) > 1


def test_a_script_is_played_in_turn_and_its_last_entry_stays() -> None:
    executor = executor_of(plan_of(models=["small"]), Scripted({"small": [reply("one"), fail(500), reply("three")]}))

    async def main() -> list[str | None]:
        results = [await executor.run("main", Request.of("hi")) for _ in range(4)]
        return [each.reply.text if each.reply else None for each in results]

    assert run_virtual(main()) == ["one", None, "three", "three"]


def test_a_model_without_a_script_answers_as_it_is_declared() -> None:
    from plans import model

    result = run_virtual(executor_of(plan_of(models=[model("small", p95_s=1.5)])).run("main", Request.of("hi")))
    assert result.reply is not None
    assert ("small" in result.reply.text, result.ended.at_s) == (True, 1.5)


def test_a_broken_stream_gives_its_pieces_and_then_the_error() -> None:
    heard: list[str] = []

    async def emit(delta: Delta) -> None:
        heard.append(delta.text)

    lab = Scripted({"small": [stream(["a", "b", "c"], 3.0, broken_after=2)]})
    result = run_virtual(executor_of(plan_of(models=["small"]), lab).run("main", Request.of("hi"), emit))
    assert (heard, result.ended.at_s, result.ended.outcome) == (["a", "b"], 2.0, "stream_broken")


def test_a_model_that_hangs_waits_for_its_deadline() -> None:
    lab = Scripted({"small": [hang()]})
    result = run_virtual(executor_of(plan_of(models=["small"], deadline_s=9.0), lab).run("main", Request.of("hi")))
    assert [each.at_s for each in of_type(result, CallEnded)] == [9.0]


def test_each_failure_is_an_error_of_its_own() -> None:
    lab, errors = Scripted({"small": [fail("overloaded")]}), []
    executor = executor_of(plan_of(models=["small"]), lab)

    async def main() -> None:
        call = None
        await executor.run("main", Request.of("hi"))
        call = lab.calls[0]
        for _ in range(2):
            try:
                await lab.complete(call, None)
            except CallError as error:
                errors.append(error)

    run_virtual(main())
    assert errors[0] is not errors[1]


def test_what_goes_round_in_circles_is_a_clear_error_and_not_a_hang() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="no time passed"):
        run_virtual(main())
