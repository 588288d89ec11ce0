"""CPU of a call as a file grows from 1 to 1,000 deployments, over a provider that answers at once.

`one of the file`: a flow uses one of them, whatever else the file declares. The other rows ask a tier of all of them, in the
order of a pick. `listed` looks at none of them; the others look at each, by contract, so that their cost grows with the tier.
"""

import asyncio
import time
from pathlib import Path
from statistics import median

from bare import QUESTION
from figures import arguments, show

from mmflow.build import build
from mmflow.plugin import Call, Emit, Reply, Request, Usage
from mmflow.registry import Registry
from mmflow.runtime.executor import Executor
from mmflow.source import Source

SIZES = (1, 10, 100, 1_000)
PICKS = ("listed", "cheapest", "least_busy", "fastest")
ONE = "one of the file"
HEAD = 'mmflow 1\n\nprovider local using openai_compatible { url = "http://localhost/v1" }\n'
MODEL = """\
model m{n} {{
  provider = local
  id = "m{n}"
  price = {{ input = $0.{cents:02}/1M, output = $0.60/1M }}
  latency = {{ first_token = 90ms, p95 = 420ms }}
}}
"""
FLOW = "flow {name} {{ else -> {name}_of_all }}\ntier {name}_of_all {{ models = [{models}], pick = {name} }}\n"


class AtOnce:
    """A provider of every model."""

    reply = Reply(text="The Seine.", usage=Usage(20, output_tokens=4))

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        return self.reply


def executor(size: int, vocabulary: Registry) -> Executor:
    """A file with so many deployments, ready to run."""
    models = "".join(MODEL.format(n=n, cents=1 + n % 99) for n in range(size))
    names = ", ".join(f"m{n}" for n in range(size))
    flows = "".join(FLOW.format(name=pick, models=names) for pick in PICKS)
    built = build(Source("deployments.mmf", f"{HEAD}{models}{flows}flow main {{ else -> m0 }}\n"), vocabulary)
    assert built.plan is not None, built.diagnostics[0]
    return Executor(built.plan, vocabulary, folder=Path(), providers={"local": AtOnce()})


async def cpu_s(executor: Executor, flow: str, calls: int) -> float:
    """CPU of one of so many calls, in seconds."""
    request = Request.of(QUESTION)
    before = time.process_time()
    for _ in range(calls):
        await executor.run(flow, request)
    return (time.process_time() - before) / calls


async def measured(sizes: tuple[int, ...], rounds: int, calls: int) -> dict[tuple[str, int], list[float]]:
    vocabulary = Registry.installed()
    executors = {size: executor(size, vocabulary) for size in sizes}
    rows = {ONE: "main", **{f"tier, pick = {pick}": pick for pick in PICKS}}
    samples: dict[tuple[str, int], list[float]] = {(name, size): [] for name in rows for size in sizes}
    for _ in range(rounds):
        for name, size in samples:
            # What grows with a tier needs fewer calls to be seen.
            often = calls if name == ONE or rows[name] == "listed" else max(1, calls // size)
            samples[name, size].append(await cpu_s(executors[size], rows[name], often))
    for each in executors.values():
        await each.close()
    return samples


def main() -> None:
    options = arguments(__doc__.partition("\n")[0], rounds=30)
    sizes = SIZES[:2] if options.quick else SIZES
    samples = asyncio.run(measured(sizes, options.rounds, calls=2 if options.quick else 100))
    table = []
    for name in dict.fromkeys(name for name, _ in samples):
        figures = [f"{1e6 * median(samples[name, size]):.0f}" for size in sizes]
        growth = median(b / a for a, b in zip(samples[name, sizes[0]], samples[name, sizes[-1]], strict=True))
        table.append([name, *figures, f"{growth:.2f}"])
    show(["CPU a call, µs", *(f"{size:,}" for size in sizes), f"{sizes[-1]:,} × 1"], table)


if __name__ == "__main__":
    main()
