"""The answers of `cache x using exact` in a Redis, for several processes and machines."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from mmflow.plugin import Request

SCHEMES = ("redis://", "rediss://", "unix://")

TIMEOUT_S = 0.05
"""How long an answer is waited for: whoever is slower is asked again later, and a model now."""

COOLING_S = 2.0
"""How long a Redis that failed is left alone: everything is a miss then."""

PREFIX = "mmflow:1:answer:"

INSTALL = "`pip install 'mmflow[redis]'`"


class ExactRedis:
    """The store. Redis drops what is too old, and what does not fit as its `maxmemory-policy` says."""

    def __init__(self, url: str) -> None:
        # Loading it takes longer than a cache may.
        imported()
        self._url = url
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._away_until = 0.0

    async def get(self, key: str, request: Request) -> bytes | None:
        value = await self._within("get", PREFIX + key)
        return value if isinstance(value, bytes) else None

    async def put(self, key: str, request: Request, value: bytes, ttl_s: float) -> None:
        await self._within("set", PREFIX + key, value, px=max(1, int(ttl_s * 1_000)))

    async def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(TIMEOUT_S):
                    await client.aclose()

    async def _within(self, command: str, *args: object, **more: object) -> object:
        """What a command gives. The first that fails raises, and the next ones are misses without a word."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await getattr(self._opened(), command)(*args, **more)
        except Exception as error:  # noqa: BLE001 - whatever it is, sockets and parsers included: no answer is here in time
            # What it says may have the URL, with its password.
            self._away_until = time.monotonic() + COOLING_S
            await self.close()
            why = f"did not answer within {TIMEOUT_S * 1_000:.0f}ms" if isinstance(error, TimeoutError) else "cannot be used"
            raise RuntimeError(f"Redis {why} ({type(error).__name__}), and is left alone for {COOLING_S:g}s") from None

    def _opened(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            pool = BlockingConnectionPool.from_url(
                self._url,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                # Its own default tries for six seconds on a server that is frozen.
                retry=Retry(NoBackoff(), 0),
                max_connections=32,
                timeout=TIMEOUT_S,
            )
            self._client, self._loop = Redis.from_pool(pool), loop
        return self._client


def imported() -> None:
    """Load the client. Raises `ImportError`, which says how to install it."""
    try:
        import redis.asyncio  # noqa: F401 - it is there now
    except ImportError as error:
        raise ImportError(f"a cache in Redis needs the package `redis`: {INSTALL}") from error
