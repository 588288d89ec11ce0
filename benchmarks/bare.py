"""What the calls are measured against: the mock upstream, and aiohttp with msgspec asking it by hand."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import msgspec

QUESTION = "What is the capital of France, and on which river does it lie?"
HEADERS = {"Content-Type": "application/json"}
Ask = Callable[[], Awaitable[str]]
"""One exchange; it returns the answer's text."""


class Message(msgspec.Struct):
    content: str = ""


class Choice(msgspec.Struct):
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class Completion(msgspec.Struct):
    """A whole answer, or a chunk of one."""

    model: str
    choices: list[Choice]
    usage: Usage | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Completion).decode


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


def whole(session: aiohttp.ClientSession, url: str) -> Ask:
    """The least that a client can do: encode, post, read, decode."""

    async def ask() -> str:
        body = _encode({"model": "mock", "messages": [{"role": "user", "content": QUESTION}]})
        async with session.post(f"{url}/chat/completions", data=body, headers=HEADERS) as response:
            answer = _decode(await response.read())
        return answer.choices[0].message.content if answer.choices[0].message else ""

    return ask


def streamed(session: aiohttp.ClientSession, url: str) -> Ask:
    """The least that a client can do with a stream: cut it into events, and decode each."""

    async def ask() -> str:
        body = _encode(
            {
                "model": "mock",
                "messages": [{"role": "user", "content": QUESTION}],
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        )
        text, rest = [], b""
        async with session.post(f"{url}/chat/completions", data=body, headers=HEADERS) as response:
            async for data in response.content.iter_any():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event.startswith(b"data: {") and (choices := _decode(event[6:]).choices) and choices[0].delta:
                        text.append(choices[0].delta.content)
        return "".join(text)

    return ask
