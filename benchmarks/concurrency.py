"""Many calls at a time, and many in all, through `sim` on one core: the CPU of a call, and what memory holds.

The clock is virtual, so that an answer which takes a second takes no time here, and every call of a wave is under way at once.
The first table: waves of more and more calls at a time. The second: one wave after the other until `--calls` were made, and
the blocks of memory that Python holds, and what of the process is resident. Memory that is flat grows by next to nothing.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from figures import arguments, show

from mmflow.build import build
from mmflow.plugin import Request
from mmflow.registry import Registry
from mmflow.runtime.executor import Executor
from mmflow.runtime.simulate import run_virtual
from mmflow.source import Source

WAVES = (1, 100, 1_000, 10_000)
FEWEST = 1_000
"""Smaller waves are repeated until so many calls were made."""

WAVE = 1_000
"""Calls at a time of the second table."""

REMEMBERED = 10_000
"""Calls that `sim` remembers: until then memory may grow."""
WORKFLOW = """\
mmflow 1

provider simulated using sim {}

model mock {
  provider = simulated
  id = "mock"
  price = { input = $0.15/1M, output = $0.60/1M }
  latency = { first_token = 200ms, p95 = 1s }
}

flow main { else -> mock }
"""


def executor() -> Executor:
    vocabulary = Registry.installed()
    built = build(Source("concurrency.mmf", WORKFLOW), vocabulary)
    assert built.plan is not None, built.diagnostics[0]
    return Executor(built.plan, vocabulary, folder=Path())


async def wave(executor: Executor, first: int, calls: int) -> int:
    """So many calls, all under way at once; how many are answered."""

    async def one(number: int) -> bool:
        return (await executor.run("main", Request.of(f"What is {number} squared?"))).reply is not None

    return sum(await asyncio.gather(*map(one, range(first, first + calls))))


def resident_mib() -> float:
    """Memory of this process that is in use; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / 2**20


async def at_a_time(sizes: Sequence[int], rounds: int) -> list[list[str]]:
    """The CPU of a call by how many are under way, and what the memory of the process grew by while they were."""
    ready, first = executor(), 0
    samples: dict[int, list[float]] = {size: [] for size in sizes}
    grown: dict[int, float] = {}
    for _ in range(rounds):
        for size in sizes:
            waves = max(1, FEWEST // size)
            before, resident = time.process_time(), resident_mib()
            for _ in range(waves):
                assert await wave(ready, first, size) == size
                first += size
            samples[size].append((time.process_time() - before) / (waves * size))
            grown[size] = max(grown.get(size, 0.0), resident_mib() - resident)
    base = samples[sizes[0]]
    return [
        [
            f"{size:,}",
            f"{1e6 * median(each):.0f}",
            f"{median(a / b for a, b in zip(each, base, strict=True)):.2f}",
            f"{grown[size]:.1f}",
        ]
        for size, each in samples.items()
    ]


async def in_all(calls: int, before: int) -> list[list[str]]:
    """The memory after more and more calls, from a point on."""
    ready, made, table = executor(), 0, []
    due = [before + calls * tenth // 10 for tenth in range(11)]
    for until in due:
        while made < until:
            size = min(WAVE, until - made)
            assert await wave(ready, made, size) == size
            made += size
        gc.collect()
        table.append([f"{made:,}", f"{sys.getallocatedblocks():,}", f"{resident_mib():.1f}"])
    return table


def main() -> None:
    number = {"type": int, "default": 100_000, "help": "how many calls in all (default: 100000)"}
    options = arguments(__doc__.partition("\n")[0], rounds=3, calls=number)
    sizes, calls, before = (WAVES[:2], 500, 0) if options.quick else (WAVES, options.calls, REMEMBERED)
    show(["calls at a time", "CPU a call, µs", "× one at a time", "grew by, MiB"], run_virtual(at_a_time(sizes, options.rounds)))
    print()
    show(["calls in all", "Python's blocks", "resident, MiB"], run_virtual(in_all(calls, before)))


if __name__ == "__main__":
    main()
