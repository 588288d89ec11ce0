"""A scripted network for a provider on trial: exchanges that its author writes down, and faults that the kit adds."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from json import dumps

import attrs
import msgspec

from mmflow.plugin import CallError, EventStream, HttpReply, ServerEvent, Timeouts, Usage

BETWEEN_S = 0.01
RETRY_AFTER_S = 7.0


@attrs.frozen(kw_only=True)
class Exchange:
    """A good answer of a server, and what it says.

    `whole` is the body of an answer that comes at once, `events` are the data of a stream, `chunks` its bytes where it is none
    of server-sent events: what the provider does not use may be left out. A body or an event is text, bytes, or a value that is
    sent as JSON. `usage` is what the server reports, None where this answer has no report. `headers` are lower case.
    """

    text: str
    whole: object = None
    events: Sequence[object] = ()
    chunks: Sequence[bytes] = ()
    usage: Usage | None = None
    headers: Mapping[str, str] = {}


@attrs.frozen
class Fault:
    """What the network does instead of the good answer."""

    status: int = 200
    error: CallError | None = None
    garbage: bytes | None = None
    cut_at: int | None = None
    broken_at: int | None = None


class ScriptedHttp:
    """The network that plays an exchange, a hundredth of a second for each step; `sent` counts what was sent."""

    def __init__(self, exchange: Exchange, fault: Fault | None = None) -> None:
        self.sent = 0
        self.misused: str | None = None
        self._exchange = exchange
        self._fault = fault or Fault()

    async def post(self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts) -> HttpReply:
        await self._begun(body)
        fault = self._fault
        content = self._content_of_fault()
        if content is None:
            if self._exchange.whole is None:
                self._misuse("the provider posts and reads a whole answer: give the exchange `whole`")
            content = _encoded(self._exchange.whole)
            if fault.cut_at is not None:
                content = content[: len(content) // 2]
        if fault.broken_at is not None:
            raise _broken()
        return HttpReply(fault.status, self._headers("application/json"), content)

    @asynccontextmanager
    async def stream(self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts) -> AsyncIterator[EventStream]:
        await self._begun(body)
        content = self._content_of_fault()
        exchange = self._exchange
        pieces = [_encoded(each) for each in exchange.events]
        if content is None and not pieces and not exchange.chunks:
            if exchange.whole is None:
                self._misuse("the provider streams: give the exchange `events`, or `chunks`")
            content = _encoded(exchange.whole)
        kind = "application/json" if content is not None and self._fault.garbage is None else "text/event-stream"
        yield ScriptedStream(self._fault, self._headers(kind), content, pieces, exchange)

    def _content_of_fault(self) -> bytes | None:
        if self._fault.garbage is not None:
            return self._fault.garbage
        if self._fault.status != 200:
            return msgspec.json.encode({"error": {"message": f"refused with {self._fault.status}", "type": "refused"}})
        return None

    async def _begun(self, body: object) -> None:
        self.sent += 1
        if not isinstance(body, bytes):
            dumps(body)
        await asyncio.sleep(BETWEEN_S)
        if self._fault.error is not None:
            given = self._fault.error
            raise CallError(given.error_class, given.message, dispatched=given.dispatched)

    def _headers(self, kind: str) -> Mapping[str, str]:
        waiting = {"retry-after": f"{RETRY_AFTER_S:g}"} if self._fault.status in (429, 503) else {}
        return {"content-type": kind} | dict(self._exchange.headers if self._fault.status == 200 else {}) | waiting

    def _misuse(self, how: str) -> None:
        self.misused = how
        raise ValueError(how)


class ScriptedStream(EventStream):
    """An open stream of an exchange."""

    def __init__(
        self, fault: Fault, headers: Mapping[str, str], content: bytes | None, pieces: Sequence[bytes], exchange: Exchange
    ) -> None:
        self.status: int = fault.status
        self.headers: Mapping[str, str] = headers
        self._fault = fault
        self._content = content
        self._pieces = pieces
        self._exchange = exchange

    async def body(self) -> bytes:
        await asyncio.sleep(BETWEEN_S)
        if self._content is not None:
            return self._content
        return b"".join(self._exchange.chunks) or b"".join(b"data: %s\n\n" % each for each in self._pieces)

    def said_nothing(self) -> None:
        """Nothing is bounded here."""

    async def events(self) -> AsyncIterator[ServerEvent]:
        if self._fault.garbage is not None:
            yield ServerEvent(self._fault.garbage.decode())
            return
        for number, (event, piece) in enumerate(zip(self._exchange.events, self._pieces, strict=True)):
            await asyncio.sleep(BETWEEN_S)
            if number == self._fault.broken_at:
                raise _broken()
            if number == self._fault.cut_at:
                return
            yield event if isinstance(event, ServerEvent) else ServerEvent(piece.decode())

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._fault.garbage is not None:
            yield self._fault.garbage
            return
        given = self._exchange.chunks or [b"data: %s\n\n" % each for each in self._pieces]
        for number, chunk in enumerate(given):
            await asyncio.sleep(BETWEEN_S)
            if number == self._fault.broken_at:
                raise _broken()
            if number == self._fault.cut_at:
                return
            yield chunk


def _encoded(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, ServerEvent):
        return value.data.encode()
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)


def _broken() -> CallError:
    return CallError("connect", "the connection broke off", dispatched="yes")
