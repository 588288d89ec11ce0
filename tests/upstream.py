"""A provider that misbehaves on demand, in each wire format over raw sockets, with every fault of the table.

The model's id says what happens (`429`, `hang`, `cut_stream`, …; any other id is answered well), or a script does:
`upstream.scripts["mini"] = ["500", "ok"]` plays in order and stays at the last; `bodies` and `streams` give the answer itself.
`upstream.seen` has every request.
"""

import asyncio
import json
import re
import socket
import ssl
import struct
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any
from urllib.parse import unquote

import attrs

REQUEST_IDS = dict.fromkeys(("x-request-id", "request-id", "x-amzn-requestid"), "req-1")
KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key")
TEXT = "Grüße, 世界! 🙂"
SSE = {"content-type": "text/event-stream"}
OVERFLOW = "This model's maximum context length is 8192 tokens"


@attrs.frozen
class Seen:
    """A request as it came in; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    connection: int
    data: bytes = b""

    @property
    def model(self) -> str:
        """The model that is asked: in the body, or in the path of formats that have it there."""
        in_path = re.search(r"/(?:models?|deployments)/([^/:?]+)", self.path)
        return unquote(in_path[1]) if in_path else str(self.body.get("model", ""))


@attrs.define
class Upstream:
    """The server: where it is, what it saw, and what it will play."""

    port: int = 0
    seen: list[Seen] = attrs.field(factory=list)
    scripts: dict[str, list[str]] = attrs.field(factory=dict)
    bodies: dict[str, object] = attrs.field(factory=dict)
    """By model: what a whole answer is."""
    streams: dict[str, list[object]] = attrs.field(factory=dict)
    """By model: the events of a stream, which ends after them; a string is sent as it is."""
    open_connections: int = 0
    connections: int = 0
    closed: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set whenever a client has gone."""
    played: Counter[str] = attrs.field(factory=Counter)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        connection = self.connections
        try:
            while (seen := await _request(reader, connection)) is not None:
                self.seen.append(seen)
                wire = Wire(self, reader, writer, seen)
                await self._play(wire)
                if wire.closing or writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self.open_connections -= 1
            self.closed.set()

    async def _play(self, wire: "Wire") -> None:
        model = wire.seen.model
        if wire.streamed and model in self.streams:
            await wire.begin_stream()
            for event in self.streams[model]:
                await wire.event(event)
            await wire.end_stream()
        elif model in self.bodies:
            await wire.reply(200, self.bodies[model])
        else:
            script = self.scripts.get(model, [model])
            at = min(self.played[model], len(script) - 1)
            self.played[model] += 1
            await BEHAVIOURS.get(script[at], ok)(wire)


async def _request(reader: asyncio.StreamReader, connection: int) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "chunked" in headers.get("transfer-encoding", ""):
        body = b""
        while size := int((await reader.readline()).strip(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(first.split(" ")[1], headers, json.loads(body or b"{}"), connection, body)


@attrs.define
class Wire:
    """One request's way back: what a behaviour answers with."""

    upstream: Upstream
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: Seen
    closing: bool = False

    @property
    def messages_api(self) -> bool:
        return self.api == "messages"

    @property
    def api(self) -> str:
        """Which wire format is spoken, by its path."""
        ends = {"/messages": "messages", "/responses": "responses", "enerateContent": "gemini"}
        ends |= {"/converse": "bedrock", "/converse-stream": "bedrock"}
        return next((api for end, api in ends.items() if self.seen.path.partition("?")[0].endswith(end)), "chat")

    @property
    def streamed(self) -> bool:
        return bool(self.seen.body.get("stream")) or "stream" in self.seen.path

    async def raw(self, data: bytes) -> None:
        if self.writer.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, status: int, body: bytes | object, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer; an object is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        await self.head(status, named)
        await self.raw(data)

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self.raw(f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode())

    async def begin_stream(self) -> None:
        kind = {"content-type": "application/vnd.amazon.eventstream"} if self.api == "bedrock" else SSE
        await self.head(200, kind | {"transfer-encoding": "chunked"} | REQUEST_IDS)

    async def piece(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, data: object, name: str = "") -> None:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        await self.piece((f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode())

    async def end_stream(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def hang(self) -> None:
        """Say nothing more until the client goes away."""
        await self.reader.read(1)
        self.closing = True

    def reset(self) -> None:
        """Break the connection without a goodbye."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.closing = True


# ---- good answers ---------------------------------------------------------------------------------------------------------


def chat(text: str | None = TEXT, *, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    """A whole chat completion; `more` goes into the message or, for `usage` and `model`, beside it."""
    top = {key: more.pop(key) for key in ("usage", "model", "id") if key in more}
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **more}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "served-1", "choices": [choice], "usage": USAGE} | top


def chunk(delta: dict[str, Any], finish: str | None = None, **top: Any) -> dict[str, Any]:
    """A chunk of a streamed chat completion."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "served-1", "choices": choices} | top


def message(*blocks: dict[str, Any], stop_reason: str = "end_turn", **top: Any) -> dict[str, Any]:
    """A whole answer of the Messages API."""
    content = list(blocks) or [{"type": "text", "text": TEXT}]
    known = {"id": "msg_1", "type": "message", "role": "assistant", "model": "served-1", "usage": MESSAGES_USAGE}
    return known | {"content": content, "stop_reason": stop_reason} | top


def contents(*parts: dict[str, Any], finish: str | None = "STOP", **top: Any) -> dict[str, Any]:
    """A whole answer of the Gemini API, which is an event of a stream as well."""
    candidate = {"content": {"role": "model", "parts": list(parts) or [{"text": TEXT}]}, "index": 0}
    known = {"candidates": [candidate | ({"finishReason": finish} if finish else {})], "usageMetadata": GEMINI_USAGE}
    return known | {"modelVersion": "served-1", "responseId": "req-1"} | top


def response(*output: dict[str, Any], status: str = "completed", **top: Any) -> dict[str, Any]:
    """A whole answer of the Responses protocol."""
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}
    known = {"id": "resp_1", "object": "response", "model": "served-1", "status": status, "usage": RESPONSES_USAGE}
    return known | {"error": None, "incomplete_details": None, "output": list(output) or [said]} | top


def response_events(*events: dict[str, Any], **top: Any) -> list[dict[str, Any]]:
    """A stream of the Responses protocol: its events between the first and the last."""
    begun = {"type": "response.created", "response": response(status="in_progress", usage=None) | {"output": []}}
    return [begun, *events, {"type": "response.completed", "response": response(**top)}]


def converse(*blocks: dict[str, Any], stop_reason: str = "end_turn", **top: Any) -> dict[str, Any]:
    """A whole answer of Bedrock's Converse API."""
    said = {"message": {"role": "assistant", "content": list(blocks) or [{"text": TEXT}]}}
    return {"output": said, "stopReason": stop_reason, "usage": CONVERSE_USAGE, "metrics": {"latencyMs": 7}} | top


def amazon(kind: str, payload: dict[str, Any], *, message: str = "event") -> bytes:
    """An event of Amazon's binary streams."""
    named = {":message-type": message, f":{message}-type": kind, ":content-type": "application/json"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in named.items()
    )
    data = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + data
    return whole + struct.pack(">I", zlib.crc32(whole))


USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
RESPONSES_USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 29,
}
GEMINI_USAGE = {
    "promptTokenCount": 20,
    "cachedContentTokenCount": 8,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 4,
    "totalTokenCount": 29,
}
CONVERSE_USAGE = {
    "inputTokens": 12,
    "cacheReadInputTokens": 8,
    "cacheWriteInputTokens": 3,
    "outputTokens": 9,
    "totalTokens": 32,
}
MESSAGES_USAGE = {"input_tokens": 12, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 3, "output_tokens": 9}


def whole(api: str) -> dict[str, Any]:
    """A whole answer in a wire format."""
    wholes = {"messages": message, "responses": response, "gemini": contents, "bedrock": converse}
    return wholes.get(api, chat)()


async def ok(wire: Wire) -> None:
    if not wire.streamed:
        await wire.reply(200, whole(wire.api), REQUEST_IDS)
        return
    streams = {"messages": _stream_messages, "responses": _stream_responses, "gemini": _stream_gemini, "bedrock": _stream_bedrock}
    await streams.get(wire.api, _stream_chat)(wire)


async def _stream_responses(wire: Wire) -> None:
    await wire.begin_stream()
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    pieces = [{"type": "response.output_text.delta", "output_index": 0, "delta": letter} for letter in TEXT]
    for event in response_events({"type": "response.output_item.added", "output_index": 0, "item": item}, *pieces):
        await wire.event(event, event["type"])
    await wire.end_stream()


async def _stream_bedrock(wire: Wire) -> None:
    await wire.begin_stream()
    pieces = [amazon("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": letter}}) for letter in TEXT]
    data = b"".join((amazon("messageStart", {"role": "assistant"}), *pieces, amazon("messageStop", {"stopReason": "end_turn"})))
    data += amazon("metadata", {"usage": CONVERSE_USAGE, "metrics": {"latencyMs": 7}})
    for at in range(0, len(data), 100):  # events end where they like
        await wire.piece(data[at : at + 100])
    await wire.end_stream()


async def _stream_gemini(wire: Wire) -> None:
    await wire.begin_stream()
    for letter in TEXT[:-1]:
        await wire.event(contents({"text": letter}, finish=None))
    await wire.event(contents({"text": TEXT[-1]}))
    await wire.end_stream()


async def _stream_chat(wire: Wire) -> None:
    await wire.begin_stream()
    await wire.event(chunk({"role": "assistant", "content": ""}))
    for word in TEXT.split(" "):
        await wire.event(chunk({"content": word if word == TEXT.split(" ")[0] else f" {word}"}))
    await wire.event(chunk({}, "stop"))
    if (wire.seen.body.get("stream_options") or {}).get("include_usage"):
        await wire.event({**chunk({}), "choices": [], "usage": USAGE})
    await wire.event("[DONE]")
    await wire.end_stream()


async def messages_events(wire: Wire, *events: dict[str, Any]) -> None:
    """Events of the Messages API, each named by its type."""
    for event in events:
        await wire.event(event, event["type"])


def message_start() -> dict[str, Any]:
    usage = MESSAGES_USAGE | {"output_tokens": 1}
    return {"type": "message_start", "message": {"id": "msg_1", "model": "served-1", "content": [], "usage": usage}}


async def _stream_messages(wire: Wire) -> None:
    await wire.begin_stream()
    await messages_events(
        wire,
        message_start(),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": letter}} for letter in TEXT),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    )
    await wire.end_stream()


# ---- bad ones -------------------------------------------------------------------------------------------------------------

Behaviour = Callable[[Wire], Awaitable[None]]
BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(play: Behaviour) -> Behaviour:
    """Make a function the behaviour of its name; register others in a test with `BEHAVIOURS[name] = …`."""
    BEHAVIOURS[play.__name__] = play
    return play


def _refusal(status: int, error: object, headers: Mapping[str, str] | None = None) -> Behaviour:
    async def play(wire: Wire) -> None:
        body = {"type": "error", "error": error} if wire.messages_api else {"error": error}
        await wire.reply(status, body, headers)

    return play


_LIMITED = {"message": "slow down", "type": "rate_limit_error"}
BEHAVIOURS |= {
    "400": _refusal(400, {"message": "no such parameter: `wings`", "type": "invalid_request_error"}),
    "401": _refusal(401, {"message": "wrong key", "type": "authentication_error"}),
    "402": _refusal(402, {"message": "Insufficient Balance"}),
    "403": _refusal(403, {"message": "not for you", "type": "permission_error"}),
    "404": _refusal(404, {"message": "no such model", "type": "not_found_error"}),
    "408": _refusal(408, {"message": "too slow"}),
    "429": _refusal(429, _LIMITED),
    "429_seconds": _refusal(429, _LIMITED, {"retry-after": "7"}),
    "429_ms": _refusal(429, _LIMITED, {"retry-after-ms": "250", "retry-after": "1"}),
    "429_date": _refusal(
        429, _LIMITED, {"date": "Sun, 06 Nov 1994 08:49:30 GMT", "retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}
    ),
    "429_absurd": _refusal(429, _LIMITED, {"retry-after": "1000000000"}),
    "429_negative": _refusal(429, _LIMITED, {"retry-after": "-5"}),
    "429_nan": _refusal(429, _LIMITED, {"retry-after": "NaN"}),
    "429_quota": _refusal(429, {"message": "You exceeded your quota", "code": "insufficient_quota"}),
    "500": _refusal(500, {"message": "broken", "type": "server_error"}),
    "502": _refusal(502, {"message": "bad gateway"}),
    "503": _refusal(503, {"message": "not now"}),
    "504": _refusal(504, {"message": "gateway timeout"}),
    "529": _refusal(529, {"message": "Overloaded", "type": "overloaded_error"}),
    "overflow": _refusal(
        400, {"message": OVERFLOW, "type": "invalid_request_error", "code": "context_length_exceeded"}
    ),
    "filtered": _refusal(400, {"message": "The prompt was filtered", "code": "content_filter"}),
    "error_in_200": _refusal(200, {"message": "upstream fell over", "type": "server_error", "code": 502}),
}  # fmt: skip


@behaviour
async def hang(wire: Wire) -> None:
    """Takes the request and never answers."""
    await wire.hang()


@behaviour
async def hang_after_headers(wire: Wire) -> None:
    await wire.begin_stream()
    await wire.hang()


@behaviour
async def hang_mid_stream(wire: Wire) -> None:
    await wire.begin_stream()
    await _first_token(wire)
    await wire.hang()


@behaviour
async def comments_only(wire: Wire) -> None:
    """Keeps the connection busy, and no token comes."""
    await wire.begin_stream()
    while True:
        await wire.piece(b": keep alive\n\n")
        await asyncio.sleep(0.01)


@behaviour
async def says_nothing(wire: Wire) -> None:
    """Begins an answer, gives signs of life, and no token comes."""
    await wire.begin_stream()
    await _signs_of_life(wire)


@behaviour
async def says_no_more(wire: Wire) -> None:
    """Gives signs of life after the first token, and no other comes."""
    await wire.begin_stream()
    await _first_token(wire)
    await _signs_of_life(wire)


async def _signs_of_life(wire: Wire) -> None:
    while True:
        match wire.api:
            case "messages":
                await messages_events(wire, message_start(), {"type": "ping"})
            case "responses":
                await wire.event({"type": "response.in_progress", "response": response(status="in_progress", usage=None)})
            case "gemini":
                await wire.event({"usageMetadata": GEMINI_USAGE, "modelVersion": "served-1"})
            case "bedrock":
                await wire.piece(amazon("messageStart", {"role": "assistant"}))
            case _:
                await wire.event(chunk({"role": "assistant", "content": ""}))
        await asyncio.sleep(0.01)


@behaviour
async def dribble(wire: Wire) -> None:
    """A byte at a time, for ever."""
    await wire.begin_stream()
    await _first_token(wire)
    while True:
        await wire.piece(b" ")
        await asyncio.sleep(0.01)


@behaviour
async def reset(wire: Wire) -> None:
    wire.reset()


@behaviour
async def close(wire: Wire) -> None:
    """Takes the request and closes the connection properly."""
    wire.closing = True


@behaviour
async def ok_then_close(wire: Wire) -> None:
    """Answers, and closes the connection without having said so."""
    await ok(wire)
    wire.closing = True


@behaviour
async def late_end(wire: Wire) -> None:
    """Says that the answer is complete some time before the stream ends."""
    await wire.begin_stream()
    await wire.event(chunk({"content": "First"}, "stop"))
    await wire.event("[DONE]")
    await asyncio.sleep(0.005)
    await wire.end_stream()


@behaviour
async def no_end(wire: Wire) -> None:
    """Says that the answer is complete, and never ends the stream."""
    await wire.begin_stream()
    await wire.event(chunk({"content": "First"}, "stop"))
    await wire.event("[DONE]")
    await wire.hang()


@behaviour
async def reset_mid_stream(wire: Wire) -> None:
    await wire.begin_stream()
    await _first_token(wire)
    await asyncio.sleep(0.05)  # a reset overtakes what was sent before it
    wire.reset()


@behaviour
async def cut_stream(wire: Wire) -> None:
    """Ends the stream properly before the answer is complete."""
    await wire.begin_stream()
    await _first_token(wire)
    await wire.end_stream()


@behaviour
async def drop_stream(wire: Wire) -> None:
    """Closes the connection in the middle of a stream."""
    await wire.begin_stream()
    await _first_token(wire)
    wire.closing = True


@behaviour
async def short_body(wire: Wire) -> None:
    """Says that more comes than does."""
    await wire.head(200, {"content-type": "application/json", "content-length": "1000"})
    await wire.raw(b'{"choices":')
    wire.closing = True


@behaviour
async def empty(wire: Wire) -> None:
    await wire.reply(200, b"")


@behaviour
async def no_content(wire: Wire) -> None:
    await wire.head(204, {})


@behaviour
async def html(wire: Wire) -> None:
    await wire.reply(200, b"<!doctype html><title>Welcome to nginx</title>", {"content-type": "text/html"})


@behaviour
async def html_502(wire: Wire) -> None:
    await wire.reply(502, b"<html><h1>Bad Gateway</h1></html>", {"content-type": "text/html"})


@behaviour
async def truncated(wire: Wire) -> None:
    data = json.dumps(whole(wire.api)).encode()
    await wire.reply(200, data[: len(data) // 2])


@behaviour
async def no_choices(wire: Wire) -> None:
    await wire.reply(200, {"id": "1", "model": "served-1", "choices": []})


@behaviour
async def invalid_chunk(wire: Wire) -> None:
    await wire.begin_stream()
    await _first_token(wire)
    await wire.event('{"choices": [{"delta"')
    await wire.end_stream()


@behaviour
async def error_in_stream(wire: Wire) -> None:
    await wire.begin_stream()
    await _first_token(wire)
    if wire.api == "bedrock":
        await wire.piece(amazon("serviceUnavailableException", {"message": "Overloaded"}, message="exception"))
        await wire.end_stream()
        return
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    await wire.event(error, "error" if wire.messages_api else "")
    await wire.end_stream()


@behaviour
async def redirect(wire: Wire) -> None:
    await wire.reply(307, b"", {"location": f"{wire.upstream.root}/elsewhere"})


@cache
def bomb() -> bytes:
    """64 MiB of spaces in 64 KiB."""
    compressor = zlib.compressobj(9, wbits=31)
    return b"".join(compressor.compress(b" " * 2**20) for _ in range(64)) + compressor.flush()


@behaviour
async def gzip_bomb(wire: Wire) -> None:
    """Compressed although its client did not ask for it."""
    await wire.reply(200, bomb(), {"content-encoding": "gzip"})


@behaviour
async def bad_gzip(wire: Wire) -> None:
    await wire.reply(200, b"this was never compressed", {"content-encoding": "gzip"})


@behaviour
async def huge(wire: Wire) -> None:
    """A body without an end."""
    await wire.head(200, {"content-type": "application/json", "transfer-encoding": "chunked"})
    while True:
        await wire.piece(b" " * 65536)


@behaviour
async def huge_stream(wire: Wire) -> None:
    await wire.begin_stream()
    while True:
        await wire.piece(b"data: {}\n\n" * 6000)


@behaviour
async def huge_event(wire: Wire) -> None:
    await wire.begin_stream()
    await wire.piece(b"data: ")
    while True:
        await wire.piece(b" " * 65536)


@behaviour
async def huge_headers(wire: Wire) -> None:
    await wire.raw(b"HTTP/1.1 200 OK\r\n")
    while True:
        await wire.raw(b"x-noise: " + b"n" * 1000 + b"\r\n")


@behaviour
async def not_http(wire: Wire) -> None:
    await wire.raw(b"SSH-2.0-OpenSSH_9.6\r\n")
    wire.closing = True


@behaviour
async def echo_key(wire: Wire) -> None:
    """The mistake that puts keys into logs."""
    bearer = wire.seen.headers.get("authorization", "").removeprefix("Bearer ")
    key = bearer or next((wire.seen.headers[name] for name in KEY_HEADERS if name in wire.seen.headers), "")
    await _refusal(401, {"message": f"no such key: \x1b[31m{key}\x1b[0m\r\nin\x00 this account", "type": "authentication_error"})(
        wire
    )


@behaviour
async def no_stream(wire: Wire) -> None:
    """Answers a request for a stream with a whole answer."""
    await wire.reply(200, whole(wire.api), {"x-request-id": "req-1"})


@behaviour
async def no_stream_options(wire: Wire) -> None:
    """Refuses `stream_options`, as some servers do."""
    if "stream_options" in wire.seen.body:
        await _refusal(422, {"message": "extra field `stream_options` is not permitted"})(wire)
    else:
        await ok(wire)


async def _first_token(wire: Wire) -> None:
    match wire.api:
        case "messages":
            block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "First"}}
            await messages_events(wire, message_start(), block)
        case "responses":
            await wire.event({"type": "response.output_text.delta", "output_index": 0, "delta": "First"})
        case "gemini":
            await wire.event(contents({"text": "First"}, finish=None))
        case "bedrock":
            await wire.piece(amazon("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "First"}}))
        case _:
            await wire.event(chunk({"content": "First"}))


# ---- running it -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """A server of its own for the length of the context."""
    upstream = Upstream()
    open_: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_[task] = writer
        try:
            await upstream.serve(reader, writer)
        finally:
            del open_[task]

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        tasks = list(open_)
        for writer in open_.values():
            writer.transport.abort()
        await asyncio.gather(*tasks)


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
