"""The way to a Redis server: no call waits for longer than its time-out, and one that is away is left alone for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs

from mmflow.runtime.state import StateError
from mmflow.units import Duration, UnitError, parse_quantity, text_of
from mmflow.wording import clause

SCHEMES = ("redis://", "rediss://", "unix://")

TIMEOUT_S = 0.05
"""How long a call waits for Redis before it goes on without."""

SLICES = 5
"""A time-out is waited for in so many parts: a loop that was busy with something else gets to read what has come."""

COOLING_S = 1.0
"""How long Redis is left alone after it failed; twice as long after each further failure."""

LONGEST_COOLING_S = 5.0

MOST_CONNECTIONS = 32

MOST_COMPLAINTS = 100
"""So many different answers of Redis that it cannot are told."""

INSTALL = "pip install 'mmflow[redis]'"


@attrs.frozen
class RedisAddress:
    """Where Redis is, and how it is used. Only `url` has the password."""

    url: str = attrs.field(repr=False)
    shown: str
    """The same for people, without user and password."""
    namespace: str | None = None
    away: Literal["refuse", "local"] = "refuse"
    timeout_s: float = TIMEOUT_S


def is_redis(named: str) -> bool:
    """Whether a state is in Redis rather than in a file."""
    return named.lower().startswith(SCHEMES)


def address_of(url: str) -> RedisAddress:
    """What a URL such as `redis://:password@host:6379/0?namespace=support&away=local&timeout=100ms` says.

    Raises `StateError`, whose message never has the password.
    """
    help = "write `redis://HOST:6379/0`, `rediss://…` for TLS, or `unix:///PATH`; `?namespace=…&away=refuse|local&timeout=50ms`"
    try:
        parts = urlsplit(url)
        port = parts.port
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError as error:
        raise StateError("the URL of the state in Redis cannot be read", help) from error
    database = parts.path.strip("/")
    if parts.scheme != "unix" and (not parts.hostname or (database and not database.isdigit())):
        raise StateError("the URL of the state in Redis must name a host, and a database by its number", help)
    if parts.scheme == "unix" and not parts.path:
        raise StateError("the URL of the state in Redis must name a socket", help)
    shown = f"{parts.scheme}://{parts.hostname or ''}{f':{port}' if port else ''}{parts.path}"
    namespace, away, timeout = (given.pop(each, None) for each in ("namespace", "away", "timeout"))
    if away not in (None, "refuse", "local"):
        raise StateError(f"{shown}: `away` is `refuse` or `local`, not `{away}`", help)
    timeout_s = TIMEOUT_S
    if timeout is not None:
        try:
            quantity = parse_quantity(timeout)
        except UnitError as error:
            raise StateError(f"{shown}: {error}", help) from error
        if not isinstance(quantity, Duration) or not 0 < quantity <= 10:
            raise StateError(f"{shown}: `timeout` is a time of at most 10s such as `50ms`", help)
        timeout_s = float(quantity)
    bare = urlunsplit(parts._replace(query=urlencode(given)))
    return RedisAddress(bare, shown, namespace or None, "local" if away == "local" else "refuse", timeout_s)


class RedisLink:
    """Runs scripts in Redis. Whatever goes wrong is a `StateError` after `timeout_s` at most, and at once while Redis is away.

    Nothing is ever sent twice: a script whose answer did not come may have been run all the same.
    """

    def __init__(self, address: RedisAddress, wall: Callable[[], float] = time.time) -> None:
        imported()
        self.address = address
        self._wall = wall
        self._client: Any = None
        self._scripts: dict[str, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failures = 0
        self._away_until = 0.0
        self.away_since = 0.0
        """When the first of the last failures in a row was, on the monotonic clock."""
        self._last: StateError | None = None
        self._news: list[str] = []
        self._complaints: set[str] = set()
        self.ahead_s = 0.0
        """How far the clock of Redis is ahead of this machine's."""
        self.knows_the_time = False
        """Whether Redis has told its time to this process."""
        self._closing: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """This machine's clock, put right by that of Redis."""
        return self._wall() + self.ahead_s

    @property
    def is_away(self) -> bool:
        """Whether the last call failed."""
        return self._failures > 0

    @property
    def retry_in_s(self) -> float:
        """How long Redis is left alone; 0 where it may be asked."""
        return max(0.0, self._away_until - time.monotonic())

    def news(self) -> str | None:
        """That Redis went away or came back, told once."""
        return self._news.pop(0) if self._news else None

    async def run(self, script: str, keys: Sequence[bytes], args: Sequence[object]) -> list[Any]:
        """What a script returns; its first two values are the seconds and microseconds of Redis' clock."""
        if self._last is not None and self.retry_in_s > 0:
            raise self._last
        before = self._wall()
        try:
            reply: list[Any] = await within(self.address.timeout_s, lambda: self._run(script, keys, args))
        except StateError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client raises, sockets and parsers below it too
            raise (self._refused(error) if _is_an_answer(error) else self._failed(error)) from None
        self.ahead_s = int(reply[0]) + int(reply[1]) / 1e6 - (before + self._wall()) / 2
        self.knows_the_time = True
        if self._failures:
            self._failures, self._last = 0, None
            self._news.append(f"Redis at {self.address.shown} answers again")
        return reply[2:]

    async def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        client, self._client = self._client, None
        self._scripts = {}
        if client is not None:
            await _closed(client)
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _run(self, script: str, keys: Sequence[bytes], args: Sequence[object]) -> list[Any]:
        if self._client is None or self._loop is not asyncio.get_running_loop():
            self._loop = asyncio.get_running_loop()
            self._client, self._scripts = client_of(self.address), {}
        if (registered := self._scripts.get(script)) is None:
            registered = self._scripts[script] = self._client.register_script(script)
        reply: list[Any] = await registered(keys=keys, args=args)
        return reply

    def _refused(self, error: Exception) -> StateError:
        """Redis answered that it cannot: it is full, a replica, or has something else there. It may do other things."""
        # Where in a script of ours it stopped is nobody's business.
        why = clause(without_secrets(str(error).partition(" script: ")[0], self.address.url))
        if why not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(why)
            self._news.append(f"Redis at {self.address.shown} refuses: {why}")
        if type(error).__name__ == "ReadOnlyError":
            # After a failover the same name is that of another server.
            self._drop()
        return StateError(f"the state in Redis at {self.address.shown} cannot be used: {why}", "look after Redis")

    def _failed(self, error: Exception) -> StateError:
        why = f"it did not answer within {text_of(Duration(self.address.timeout_s))}"
        if not isinstance(error, TimeoutError) and type(error).__name__ != "TimeoutError":
            why = clause(without_secrets(str(error) or type(error).__name__, self.address.url))
        help = "look after Redis; `away=local` in its URL lets budgets go on with a share of what was left"
        self._last = StateError(f"the state in Redis at {self.address.shown} cannot be used: {why}", help)
        if not self._failures:
            self.away_since = time.monotonic()
            self._news.append(f"Redis at {self.address.shown} is away: {why}")
        self._away_until = time.monotonic() + min(LONGEST_COOLING_S, COOLING_S * 2 ** min(self._failures, 8))
        self._failures += 1
        self._drop()
        return self._last

    def _drop(self) -> None:
        """The next call connects anew."""
        client, self._client = self._client, None
        if client is not None:
            task = asyncio.ensure_future(_closed(client))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def within(timeout_s: float, work: Callable[[], Awaitable[Any]]) -> Any:
    """What a piece of work gives in time, else `TimeoutError`; a loop that is late itself is no reason."""
    task = asyncio.ensure_future(work())
    try:
        for _ in range(SLICES):
            done, _pending = await asyncio.wait((task,), timeout=timeout_s / SLICES)
            if done:
                return task.result()
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_seen)


def imported() -> None:
    """Load the client, which takes longer than a call may wait. Raises `StateError` where it is not installed."""
    try:
        import redis.asyncio  # noqa: F401 - it is there now
    except ImportError as error:
        raise StateError("state in Redis needs the package `redis`", f"install it: `{INSTALL}`") from error


def client_of(address: RedisAddress) -> Any:
    """A client that waits as long as the address says, and tries nothing twice. Raises `StateError` where there is none."""
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        pool = BlockingConnectionPool.from_url(
            address.url,
            socket_timeout=address.timeout_s,
            socket_connect_timeout=address.timeout_s,
            # Its own default tries for six seconds on a server that is frozen.
            retry=Retry(NoBackoff(), 0),
            max_connections=MOST_CONNECTIONS,
            timeout=address.timeout_s,
        )
        return Redis.from_pool(pool)
    except (TypeError, ValueError) as error:
        why = clause(without_secrets(str(error), address.url))
        raise StateError(f"the URL {address.shown} cannot be used: {why}", "see what redis-py takes in a URL") from None


def without_secrets(text: str, url: str) -> str:
    """A message without what the URL has before its `@`."""
    parts = urlsplit(url)
    before = parts.netloc.rpartition("@")[0]
    for each in (url if before else "", before, parts.password, parts.username):
        if each and len(each) > 3 and each != parts.hostname:
            text = text.replace(each, "***")
    return text


async def _closed(client: Any) -> None:
    with suppress(Exception, asyncio.TimeoutError):  # it is given up, whatever becomes of it
        async with asyncio.timeout(TIMEOUT_S):
            await client.aclose()


def _is_an_answer(error: Exception) -> bool:
    # Redis itself answers so, and the client has the class by now.
    return any(each.__name__ == "ResponseError" for each in type(error).__mro__)


def _seen(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()
