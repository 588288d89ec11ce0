"""The one way to the network: JSON sent over HTTP, answers read whole or as server-sent events, faults as `CallError`."""

import asyncio
import io
import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import msgspec
from aiohttp.http_exceptions import ContentEncodingError
from multidict import CIMultiDictProxy
from yarl import URL

from mmflow.plugin import CallError, HttpReply, ServerEvent, Timeouts, Zone
from mmflow.runtime.alarms import Alarms, alarms_here
from mmflow.runtime.reach import check_host, is_out_of_reach, refusal
from mmflow.runtime.sse import EventParser
from mmflow.runtime.target import CHECK_PROXY, target_of
from mmflow.runtime.watch import watch_of

BODY_LIMIT_BYTES = 32 * 1024 * 1024
STREAM_LIMIT_BYTES = 128 * 1024 * 1024
# aiohttp copies a larger body while the loop waits, unless it comes as a file.
_LARGE_BODY_BYTES = 1024 * 1024
# How long to wait for the end of a stream whose last event was read: then its connection can serve the next call.
_LINGER_S = 0.05
# A plain answer costs less to read than a compressed one saves on the way, and no bomb hides in it.
_HEADERS = {"User-Agent": "mmflow", "Accept-Encoding": "identity", "Content-Type": "application/json"}

_CHECK_URL = "check that the server runs and that the provider's `url` is right"


class AioHttp:
    """Implements `mmflow.plugin.Http` over one aiohttp session, made at the first call and bound to the running loop.

    A call is sent once: no redirect is followed and nothing is sent again. Proxies are those of the environment
    (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`). In `post`, the bound `first_token_s` holds until the first byte of the answer;
    in `stream`, until the first event of which its reader does not say that it `said_nothing`. From the zone `external`,
    link-local and metadata addresses are out of reach: each address that a name resolves to is looked at as the connection
    to it is made.
    """

    def __init__(
        self,
        *,
        zone: Zone = "own",
        body_limit_bytes: int = BODY_LIMIT_BYTES,
        stream_limit_bytes: int = STREAM_LIMIT_BYTES,
    ) -> None:
        self.body_limit_bytes = body_limit_bytes
        self.stream_limit_bytes = stream_limit_bytes
        self.target_of = lru_cache(maxsize=256)(self._target_of)
        self._zone = zone
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarms: Alarms | None = None

    async def post(self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts) -> HttpReply:
        """Send `body` as JSON and read the whole answer, whatever its status."""
        async with _Exchange(self, url, body, headers, timeouts) as exchange:
            return HttpReply(exchange.status, exchange.headers, await exchange.body())

    def stream(self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts) -> "_Exchange":
        """Send `body` as JSON and read the answer as server-sent events."""
        return _Exchange(self, url, body, headers, timeouts)

    async def close(self) -> None:
        """Close every connection. A later call opens new ones."""
        session, self._session = self._session, None
        if session is not None and self._loop is asyncio.get_running_loop():
            await session.close()

    def _target_of(self, text: str) -> tuple[URL, URL | None]:
        url, proxy = target_of(text)
        if self._zone == "external":
            check_host(url.raw_host or "")
        return url, proxy

    def alarms(self) -> Alarms:
        """The alarms of the running loop."""
        self._alarms = alarms = alarms_here(self._alarms)
        return alarms

    def session(self) -> aiohttp.ClientSession:
        """The session of the running loop."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=_CONNECTORS[self._zone](limit=0),  # how many calls run at a time is the executor's to say
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers=_HEADERS,
            )
        return self._session


class _Exchange:
    """One request and its answer: an `EventStream`, and the context that opens and closes it."""

    __slots__ = (
        "_body", "_content", "_dispatched", "_headers", "_http", "_response", "_url", "_watch", "headers", "proxied", "status",
    )  # fmt: skip

    headers: Mapping[str, str]
    status: int

    def __init__(self, http: AioHttp, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts) -> None:
        self._http = http
        self.proxied = False
        self._url = url
        self._body = body
        self._headers = headers
        self._watch = watch_of(timeouts, http.alarms())
        self._dispatched: Literal["no", "maybe", "yes"] = "no"
        self._response: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> Self:
        data = _encode(self._body)
        url, proxy = self._http.target_of(self._url)
        self.proxied = proxy is not None
        self._watch.start()
        token = _EXCHANGE.set(self)
        try:
            response = await self._http.session().post(url, data=data, headers=self._headers, proxy=proxy, allow_redirects=False)
        except BaseException as error:  # a cancellation too: the watch may have caused it
            fault = self._overdue(error)
            if fault is None and isinstance(error, aiohttp.ClientError | OSError | ValueError):
                fault = _fault(error, url.authority, sent=self._dispatched != "no")
            if fault is None:
                raise
            raise fault from None  # aiohttp's error holds the request's headers, and so the key
        finally:
            _EXCHANGE.reset(token)
        self._response = response
        self._content = response.content
        self.status = response.status
        self.headers = _Headers(response.headers)
        if self.status < 300:
            self._dispatched = "yes"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._response is not None
        if error is None:
            self._watch.stop()
            try:
                if not self._content.is_eof():
                    with suppress(TimeoutError, aiohttp.ClientError, OSError):
                        async with asyncio.timeout(_LINGER_S):
                            await self._content.wait_eof()
            finally:
                self._response.release()
            return
        self._response.close()
        if (fault := self._overdue(error)) is not None:
            raise fault from None

    def sent(self) -> None:
        """There is a connection, and the request goes out on it."""
        self._dispatched = "maybe"
        self._watch.expect_first()

    async def body(self) -> bytes:
        """The whole body, at most `body_limit_bytes` of it."""
        chunks: list[bytes] = []
        size = 0
        while not self._content.at_eof() and (chunk := await self._read()):
            self._watch.began()
            chunks.append(chunk)
            size += len(chunk)
            if size > self._http.body_limit_bytes:
                raise self._too_large(self._http.body_limit_bytes)
        return b"".join(chunks)

    def events(self) -> "_Events":
        """The events as they come."""
        return _Events(self)

    def chunks(self) -> "_Chunks":
        """The bytes as they come."""
        return _Chunks(self)

    def said_nothing(self) -> None:
        """What was read last holds nothing of the answer."""
        self._watch.said_nothing()

    async def _read(self) -> bytes:
        """The next bytes; none at the end."""
        self._watch.wait()
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, ContentEncodingError):
                message = "the answer is said to be compressed and is not"
                raise CallError("protocol", message, status=self.status, dispatched=self._dispatched) from None
            where = URL(self._url).authority
            message = f"the connection to {where} broke in the middle of the answer"
            raise CallError("connect", message, status=self.status, dispatched=self._dispatched) from None
        finally:
            self._watch.rest()

    def _overdue(self, error: BaseException) -> CallError | None:
        """Stop the watch; the error to raise where `error` is a cancellation by it."""
        message = self._watch.stop(error)
        return None if message is None else CallError("timeout", message, dispatched=self._dispatched)

    def _too_large(self, limit_bytes: int) -> CallError:
        return CallError("protocol", f"the answer is larger than {limit_bytes // 1024**2} MiB and was cut", status=self.status)


class _Headers(Mapping[str, str]):
    """Headers by lower-case name, made so as they are read: most answers have many, of which hardly one is looked at."""

    __slots__ = ("_headers",)

    def __init__(self, headers: CIMultiDictProxy[str]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return self._headers.getall(name)[-1]

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): None for name in self._headers})

    def __len__(self) -> int:
        return len({name.lower() for name in self._headers})

    def get(self, name: str, default: Any = None) -> Any:
        # `Mapping` tries and fails, which is dear for what is mostly not there.
        return self[name] if name in self._headers else default


class _Events:
    """The events of an exchange. A class and not a generator, so that one that is left half read leaves nothing to clean up."""

    __slots__ = ("_ended", "_exchange", "_parser", "_ready", "_size")

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange
        self._parser = EventParser()
        self._ready: deque[ServerEvent] = deque()
        self._size = 0
        self._ended = False

    def __aiter__(self) -> "_Events":
        return self

    async def __anext__(self) -> ServerEvent:
        exchange = self._exchange
        while not self._ready:
            if self._ended:
                raise StopAsyncIteration
            if chunk := await exchange._read():
                self._size += len(chunk)
                if self._size > exchange._http.stream_limit_bytes:
                    raise exchange._too_large(exchange._http.stream_limit_bytes)
                self._ready.extend(self._parser.feed(chunk))
            else:
                self._ended = True
                self._ready.extend(self._parser.finish())
            if self._parser.is_within and not self._ready and exchange._watch.has_begun:
                # A long event comes in parts.
                exchange._watch.began()
        exchange._watch.began()
        return self._ready.popleft()


class _Chunks:
    """The bytes of an exchange; a class for the same reason."""

    __slots__ = ("_exchange", "_size")

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange
        self._size = 0

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        exchange = self._exchange
        if not (chunk := await exchange._read()):
            raise StopAsyncIteration
        self._size += len(chunk)
        if self._size > exchange._http.stream_limit_bytes:
            raise exchange._too_large(exchange._http.stream_limit_bytes)
        exchange._watch.began()
        return chunk


_EXCHANGE: ContextVar[_Exchange] = ContextVar("mmflow_exchange")


class _Connector(aiohttp.TCPConnector):
    """Tells the exchange when it has a connection: before that nothing was sent, after it anything may have been."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109
        connection = await super().connect(req, traces, timeout)
        _EXCHANGE.get().sent()
        return connection


class _ExternalConnector(_Connector):
    """Connects to no address that is out of reach, whatever name leads there."""

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> Any:
        found = await super()._resolve_host(host, port, traces=traces)
        within = [each for each in found if not is_out_of_reach(each["host"])]
        # A proxy is not what the file names: it may stand anywhere.
        if len(within) == len(found) or _EXCHANGE.get().proxied:
            return found
        if not within:
            raise refusal(host)
        return within


_CONNECTORS: dict[Zone, type[_Connector]] = {"own": _Connector, "external": _ExternalConnector}


def _encode(body: object) -> bytes | io.BytesIO:
    try:
        data = _encoder.encode(body)
    except UnicodeEncodeError:
        raise CallError("4xx", "the request has text that is not Unicode: half of a surrogate pair", dispatched="no") from None
    except RecursionError:
        raise CallError("4xx", "the request is nested too deep for JSON", dispatched="no") from None
    return data if len(data) < _LARGE_BODY_BYTES else io.BytesIO(data)


def _plain(value: object) -> object:
    """A quantity of the language (`Duration`, `Tokens`) as the JSON number or string that it is."""
    for plain in (int, float, str):
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def _fault(error: Exception, where: str, *, sent: bool) -> CallError:
    """A fault before the answer came, in the language's classes. aiohttp's own texts could hold what was sent."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", None) or "it is not for this host"
            message, help_ = f"the TLS certificate of {where} is refused: {reason}", "trust its authority with SSL_CERT_FILE"
        case aiohttp.ClientConnectorSSLError():
            message, help_ = f"no TLS connection with {where}", "check whether the server speaks `http://`, not `https://`"
        case aiohttp.ClientProxyConnectionError():
            message, help_ = f"cannot connect to the proxy on the way to {where}: {_reason(error)}", CHECK_PROXY
        case aiohttp.ClientHttpProxyError():
            message, help_ = f"the proxy on the way to {where} answered HTTP {error.status}", CHECK_PROXY
        case aiohttp.ClientConnectorDNSError():
            message, help_ = f"the name of {where} cannot be resolved", _CHECK_URL
        case aiohttp.ClientConnectorError():
            message, help_ = f"cannot connect to {where}: {_reason(error)}", _CHECK_URL
        case aiohttp.ClientResponseError():
            return CallError("protocol", f"{where} answered with something that is not proper HTTP", dispatched="maybe")
        case aiohttp.InvalidURL():
            message, help_ = f"{where} is not the address of a server", _CHECK_URL
        case ValueError():
            message = "a header holds a character that no header may hold, such as a line break"
            return CallError("4xx", message, dispatched="no", help="check the key and the provider's `headers`")
        case _ if sent:
            return CallError("connect", f"{where} closed the connection before it answered", dispatched="maybe")
        case _:
            message, help_ = f"cannot connect to {where}", _CHECK_URL
    return CallError("connect", message, dispatched="no", help=help_)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    number = error.os_error.errno
    return os.strerror(number).lower() if number else "no address of it answers"
