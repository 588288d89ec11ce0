"""CPU of a call through a one-model flow, beside the bare aiohttp client with msgspec in the same exchange.

The upstream runs in a process of its own; what is measured is the CPU of this process alone. Rounds are interleaved.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import aiohttp
import msgspec
from figures import arguments, show

import mmflow

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop

QUESTION = "What is the capital of France, and on which river does it lie?"
FLOW = """\
mmflow 1

provider local using openai_compatible {{ url = "{url}" }}

model mock {{
  provider = local
  id = "mock"
  price = {{ input = $0.15/1M, output = $0.60/1M }}
}}

flow main {{ else -> mock }}
"""
Ask = Callable[[], Awaitable[str]]


class Message(msgspec.Struct):
    content: str


class Choice(msgspec.Struct):
    message: Message
    finish_reason: str


class Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class Completion(msgspec.Struct):
    model: str
    choices: list[Choice]
    usage: Usage


@contextmanager
def upstream() -> Iterator[str]:
    """The base URL of the mock upstream."""
    script = Path(__file__).with_name("upstream.py")
    # Its standard input is a pipe that closes when this process is gone, and that ends it.
    with subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def bare(session: aiohttp.ClientSession, url: str) -> Ask:
    """The least that a client can do: encode, post, read, decode."""
    decoder = msgspec.json.Decoder(Completion)
    encoder = msgspec.json.Encoder()
    headers = {"Content-Type": "application/json"}

    async def ask() -> str:
        body = encoder.encode({"model": "mock", "messages": [{"role": "user", "content": QUESTION}]})
        async with session.post(f"{url}/chat/completions", data=body, headers=headers) as response:
            answer = decoder.decode(await response.read())
        return answer.choices[0].message.content

    return ask


def through_mmflow(flow: mmflow.Flow) -> Ask:
    async def ask() -> str:
        return (await flow.run(QUESTION)).text

    return ask


def through_litellm(url: str) -> Ask:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    parameters = {"model": "openai/mock", "api_base": url, "api_key": "none"}
    router = litellm.Router(model_list=[{"model_name": "mock", "litellm_params": parameters}])

    async def ask() -> str:
        reply = await router.acompletion("mock", messages=[{"role": "user", "content": QUESTION}])
        return str(reply.choices[0].message.content)

    return ask


async def cpu_s(ask: Ask, calls: int) -> float:
    """CPU of one call, in seconds."""
    before = time.process_time()
    for _ in range(calls):
        await ask()
    return (time.process_time() - before) / calls


async def measure(url: str, flow: mmflow.Flow, rounds: int, calls: int) -> dict[str, list[float]]:
    async with aiohttp.ClientSession() as session, flow:
        rows = {"aiohttp + msgspec, bare": bare(session, url), "mmflow, one-model flow": through_mmflow(flow)}
        if importlib.util.find_spec("litellm"):
            rows["litellm.Router"] = through_litellm(url)
        answers = {await ask() for ask in rows.values()}
        assert len(answers) == 1, answers
        samples: dict[str, list[float]] = {name: [] for name in rows}
        for number in range(rounds):
            order = list(rows) if number % 2 else list(reversed(rows))
            for name in order:
                samples[name].append(await cpu_s(rows[name], calls))
    return samples


def main() -> None:
    options = arguments(__doc__.partition("\n")[0], rounds=60)
    with upstream() as url, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "one_model.mmf")
        file.write_text(FLOW.format(url=url))
        samples = run_loop(measure(url, mmflow.load(file), options.rounds, calls=5 if options.quick else 50))
    base = samples["aiohttp + msgspec, bare"]
    show(
        ["client", "CPU a call, µs", "× bare, median of rounds"],
        [
            [name, f"{1e6 * median(each):.0f}", f"{median(a / b for a, b in zip(each, base, strict=True)):.2f}"]
            for name, each in samples.items()
        ],
    )


if __name__ == "__main__":
    main()
