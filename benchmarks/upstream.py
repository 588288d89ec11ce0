"""A model provider that costs next to nothing: answers every chat completion at once with the same bytes.

Run as a program it prints its port and serves on 127.0.0.1 until its standard input ends.
"""

import asyncio
import json
import sys
from typing import cast

ANSWER = {
    "id": "chatcmpl-benchmark",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "mock",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "The capital of France is Paris, and it lies on the Seine."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 24, "completion_tokens": 14, "total_tokens": 38},
}
BODY = json.dumps(ANSWER).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Upstream(asyncio.Protocol):
    """Reads whole requests off a kept connection by their `Content-Length`, and nothing else of them."""

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
            del self.received[: end + 4 + length]
            self.transport.write(RESPONSE)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
