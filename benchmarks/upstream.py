"""A model provider that costs next to nothing: answers every chat completion at once with the same bytes.

A request for a stream gets the same text in pieces, the model `json` answers with an object, and a text with `FAIL` in it is
answered with HTTP 503. Run as a program it prints its port and serves on 127.0.0.1 until its standard input ends.
"""

import asyncio
import json
import re
import sys
from typing import Any, cast

TEXT = "The capital of France is Paris, and it lies on the Seine. " * 3
PIECES = re.findall(r"\S+\s*", TEXT)
USAGE = {"prompt_tokens": 24, "completion_tokens": 42, "total_tokens": 66}


def _answer(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return _http(b"application/json", json.dumps(_object("chat.completion", [choice], usage=USAGE)).encode())


def _event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(_object("chat.completion.chunk", choices, **more)).encode()


def _object(kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-benchmark", "object": kind, "created": 1_790_000_000, "model": "mock", "choices": choices, **more}


def _http(content_type: bytes, body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (status, content_type, len(body), body)


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


ANSWER = _answer(TEXT)
OBJECT = _answer('{"city": "Paris", "river": "Seine"}')
FAILURE = _http(b"application/json", b'{"error": {"message": "as asked"}}', b"503 Service Unavailable")
STREAM = [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    *(_chunked(_event([{"index": 0, "delta": {"content": each}, "finish_reason": None}])) for each in PIECES),
    _chunked(_event([{"index": 0, "delta": {}, "finish_reason": "stop"}])),
    _chunked(_event([], usage=USAGE)) + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n",
]


class Upstream(asyncio.Protocol):
    """Reads whole requests off a kept connection by their `Content-Length`, and little else of them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.received[:end]).lower()
            length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self.received) < end + 4 + length:
                return
            body = bytes(self.received[end + 4 : end + 4 + length])
            del self.received[: end + 4 + length]
            if re.search(rb'"stream": ?true', body):
                self.stream(0)
            else:
                self.transport.write(FAILURE if b"FAIL" in body else OBJECT if b'"json"' in body else ANSWER)

    def stream(self, number: int) -> None:
        """One piece for each turn of the loop, as a model writes them."""
        self.transport.write(STREAM[number])
        if number + 1 < len(STREAM) and not self.transport.is_closing():
            asyncio.get_running_loop().call_soon(self.stream, number + 1)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
