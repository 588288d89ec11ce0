"""CPU of a call through a flow, beside the bare aiohttp client with msgspec in the same exchange, and beside `litellm.Router`.

The upstream runs in a process of its own; what is measured is the CPU of the client's process alone. Rounds are interleaved.
`litellm` is installed into an environment of its own, for the time of the run or in the folder that `--environment` names.
"""

import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import aiohttp
from bare import QUESTION, Ask, streamed, upstream, whole
from figures import arguments, show
from peer import LITELLM, Litellm, litellm

import mmflow
from mmflow.api import load_plan
from mmflow.registry import Registry
from mmflow.runtime.executor import Executor

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop

BARE, BARE_STREAM = "aiohttp + msgspec, bare", "aiohttp + msgspec, bare stream"
PLAIN, STREAM = "mmflow, one-model flow", "mmflow, one-model flow, streamed"
LEDGER = "mmflow, budget, limits, breaker, record"
LEDGER_FILE = "the same, its budget in the state file"
BASES = {BARE_STREAM: BARE_STREAM, STREAM: BARE_STREAM}
"""What a row is compared with, where it is not `BARE`."""

WORKFLOW = """\
mmflow 1

provider local using openai_compatible {{ url = "{url}" }}
provider counted using openai_compatible {{
  url = "{url}"
  limits = {{ requests = 1M/s, tokens = 1000M/s, concurrency = 1000 }}
}}

model mock {{
  provider = local
  id = "mock"
  price = {{ input = $0.15/1M, output = $0.60/1M }}
  context = 128k
}}
model metered like mock {{
  provider = counted
  limits = {{ requests = 1M/s, concurrency = 1000 }}
}}
model object like mock {{ id = "json" }}

budget month {{
  limit = $1000000/month
  when spent >= 80% -> alert("ops")
}}
scorer long using length {{ min = 20 }}
cascade answer {{
  steps = [mock, object]
  accept = long >= 0.5
}}
cache answers using exact {{ scope = all }}
prompt voice {{ else -> \"\"\"Answer in {{{{ request.language }}}}, as an object.\"\"\" }}
output reply {{ format = json, on_invalid = retry(1) }}

flow plain {{ else -> mock }}
flow ledger {{
  budget = month
  max_cost = $0.10
  max_input = 8k
  max_output = 1k
  else -> metered
}}
flow cascade {{ else -> answer }}
flow contract {{
  prompt = voice
  output = reply
  else -> object
}}
flow cached {{
  cache = answers
  else -> mock
}}
"""
FLOWS = {
    PLAIN: "plain",
    LEDGER: "ledger",
    LEDGER_FILE: "ledger in a file",
    "mmflow, cascade with a length scorer": "cascade",
    "mmflow, prompt and output contract": "contract",
    "mmflow, answered by the cache": "cached",
}
Measure = Callable[[int], Awaitable[float]]
"""CPU of one of so many calls, in seconds."""


def here(ask: Ask, before: Ask | None = None) -> Measure:
    """Calls in this process. `before` is done before each round and not measured."""

    async def measure(calls: int) -> float:
        if before is not None:
            await before()
        began = time.process_time()
        for _ in range(calls):
            await ask()
        return (time.process_time() - began) / calls

    return measure


def through(flow: mmflow.Flow, question: str = QUESTION) -> Ask:
    async def ask() -> str:
        return (await flow.run(question)).text

    return ask


def streaming(flow: mmflow.Flow) -> Ask:
    async def ask() -> str:
        async with flow.stream(QUESTION) as pieces:
            return "".join([piece.text async for piece in pieces])

    return ask


def failing(flow: mmflow.Flow) -> Ask:
    """A model that failed of late has a breaker, which counts its calls."""
    ask = through(flow, "FAIL")

    async def fail() -> str:
        try:
            return await ask()
        except mmflow.RunFailed:
            return ""

    return fail


async def measured(
    url: str, flows: Mapping[str, mmflow.Flow], peer: Litellm | None, rounds: int, calls: int
) -> dict[str, list[float]]:
    """Seconds of CPU a call, by row, one for each round."""
    async with aiohttp.ClientSession() as session:
        asks = {
            BARE: whole(session, url),
            **{name: through(flows[flow]) for name, flow in FLOWS.items()},
            BARE_STREAM: streamed(session, url),
            STREAM: streaming(flows["plain"]),
        }
        answers = {name: await ask() for name, ask in asks.items()}
        assert len(set(answers.values())) == 2, answers  # the text, and the object of the contract
        before = {name: failing(flows[FLOWS[name]]) for name in (LEDGER, LEDGER_FILE)}
        rows: dict[str, Measure] = {name: here(ask, before.get(name)) for name, ask in asks.items()}
        if peer is not None:
            rows[LITELLM] = peer
        samples: dict[str, list[float]] = {name: [] for name in rows}
        for number in range(rounds):
            for name in rows if number % 2 else reversed(rows):
                samples[name].append(await rows[name](calls))
        for flow in flows.values():
            await flow.close()
    return samples


def ready(file: Path, folder: Path) -> dict[str, mmflow.Flow]:
    """The flows that are measured, with what they keep in this folder."""
    environ = {**os.environ, "MMFLOW_CACHE": str(folder / "answers.sqlite")}
    vocabulary = Registry.installed()
    plan = load_plan(file, vocabulary).plan
    assert plan is not None
    in_memory = Executor(plan, vocabulary, folder=folder, environ=environ)
    flows = {name: mmflow.Flow(plan, name, in_memory) for name in plan.flows}
    return {**flows, "ledger in a file": mmflow.load(file, flow="ledger", environ=environ, state=folder / "state.sqlite")}


def ratio(row: Sequence[float], base: Sequence[float]) -> str:
    """The median over rounds."""
    return f"{median(a / b for a, b in zip(row, base, strict=True)):.2f}"


def main() -> None:
    environment = {"help": "a folder for the environment of litellm, which is kept there", "type": Path}
    alone = {"help": "leave litellm out", "action": "store_true"}
    options = arguments(__doc__.partition("\n")[0], rounds=40, environment=environment, alone=alone)
    with ExitStack() as stack:
        url, folder = stack.enter_context(upstream()), Path(stack.enter_context(tempfile.TemporaryDirectory()))
        peer = None
        if not (options.quick or options.alone):
            peer = stack.enter_context(litellm(url, options.environment or folder / "litellm"))
        file = folder / "calls.mmf"
        file.write_text(WORKFLOW.format(url=url))
        flows = ready(file, folder)
        samples = run_loop(measured(url, flows, peer, options.rounds, calls=2 if options.quick else 30))
    show(
        ["client", "CPU a call, µs", "× bare", "× mmflow, one-model flow"],
        [
            [name, f"{1e6 * median(each):.0f}", ratio(each, samples[BASES.get(name, BARE)]), ratio(each, samples[PLAIN])]
            for name, each in samples.items()
        ],
    )


if __name__ == "__main__":
    main()
