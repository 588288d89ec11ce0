"""Signals: each is read once a request, whoever asks, and whoever is cancelled."""

import asyncio

import pytest

from mmflow.runtime.deadline import Bounds
from mmflow.runtime.signals import Signal, Signals
from mmflow.runtime.simulate import run_virtual

BOUNDS = Bounds(ends_at=60.0, deadline_s=60.0)


class Reader:
    """Takes a second to read, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.asked, self.failures = 0, failures

    async def __call__(self, name: str, bounds: Bounds) -> Signal:
        self.asked += 1
        await asyncio.sleep(1)
        if self.asked <= self.failures:
            raise RuntimeError("no")
        return Signal(name, name, 0.9)


def test_two_readers_at_a_time_ask_once() -> None:
    reader = Reader()

    async def main() -> None:
        signals = Signals(reader)
        first, second = await asyncio.gather(signals.get("task", BOUNDS), signals.get("task", BOUNDS))
        assert first is second is await signals.get("task", BOUNDS)
        assert asyncio.get_running_loop().time() == 1.0

    run_virtual(main())
    assert reader.asked == 1


@pytest.mark.parametrize("who", [0, 1])
def test_a_reader_that_is_cancelled_leaves_the_other_with_an_answer(who: int) -> None:
    async def main() -> None:
        signals = Signals(Reader())
        readers = [asyncio.create_task(signals.get("task", BOUNDS)) for _ in range(2)]
        await asyncio.sleep(0.5)
        readers[who].cancel()
        assert (await readers[1 - who]).label == "task"
        assert readers[who].cancelled()

    run_virtual(main())


def test_a_reading_that_fails_is_not_kept() -> None:
    async def main() -> None:
        signals = Signals(Reader(failures=1))
        with pytest.raises(RuntimeError):
            await signals.get("task", BOUNDS)
        assert (await signals.get("task", BOUNDS)).label == "task"

    run_virtual(main())


def test_a_signal_is_told_in_words() -> None:
    assert Signal("high", "high", 0.92).fact("complexity") == "complexity = high (0.92)"
    assert Signal("high", "low", 0.55, "confidence 0.55 < 0.80").fact("complexity") == (
        "complexity = high (unsure: confidence 0.55 < 0.80)"
    )
