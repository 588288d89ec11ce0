"""`cache x using exact`: the answer to the very same request, kept in a file of this machine, or in Redis.

The file is an SQLite database, by default `answers.sqlite` in the user's cache folder, which its owner alone can read. Several
workflows and processes may share one: a key names what it belongs to.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from time import time
from typing import TypeVar

from mmflow.plugin import CacheStore, CacheWord, File, Host, OptionError, Request, Secret, hook, option, options
from mmflow_plugins.caches.exact_redis import SCHEMES, ExactRedis

_T = TypeVar("_T")

BUSY_S = 0.5
"""How long to wait for another process that writes."""

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value BLOB NOT NULL, put_at REAL NOT NULL, ends_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (put_at);
CREATE INDEX IF NOT EXISTS answers_by_end ON answers (ends_at);
"""
_GET = "SELECT value FROM answers WHERE key = ? AND ends_at > ?"
_PUT = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)"
_DROP_ENDED = "DELETE FROM answers WHERE ends_at <= ?"
_DROP_OLDEST = "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers ORDER BY put_at DESC, rowid DESC LIMIT -1 OFFSET ?)"


def _at_least_one(value: int) -> None:
    if value < 1:
        raise ValueError("it must be at least 1")


@options
class ExactOptions:
    """The answer to the very same request, kept in a file of this machine, or in Redis for several."""

    file: File | None = option(None, doc="Where answers are kept; else a file in your cache folder.", env="MMFLOW_CACHE")
    url: Secret | str | None = option(
        None, doc='A Redis in place of the file: `secret("REDIS_URL")`, or `"redis://host:6379/1"` where it has no password.'
    )
    max_entries: int = option(
        10_000, doc="How many answers a file keeps; beyond that the oldest go. Redis has a limit of its own.", check=_at_least_one
    )

    def __attrs_post_init__(self) -> None:
        if self.file is not None and Path(self.file).is_dir():
            raise OptionError("file", f"`{self.file}` is a folder", "name a file in it")
        if isinstance(self.url, str) and not self.url.startswith(SCHEMES):
            raise OptionError(
                "url", "it is not the URL of a Redis", "write `redis://HOST:6379/0`, `rediss://…` or `unix:///PATH`"
            )


class Exact:
    """The store. Ages are on the wall clock, for the file outlives every other."""

    def __init__(self, path: Path, max_entries: int, wall: Callable[[], float] = time) -> None:
        self._path, self._max_entries, self._wall = path, max_entries, wall
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    async def get(self, key: str, request: Request) -> bytes | None:
        return await asyncio.to_thread(self._in_file, lambda rows: self._get(rows, key))

    async def put(self, key: str, request: Request, value: bytes, ttl_s: float) -> None:
        await asyncio.to_thread(self._in_file, lambda rows: self._put(rows, key, value, ttl_s))

    async def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        await asyncio.to_thread(self._close)

    def _get(self, rows: sqlite3.Connection, key: str) -> bytes | None:
        found = rows.execute(_GET, (key, self._wall())).fetchone()
        return bytes(found[0]) if found else None

    def _put(self, rows: sqlite3.Connection, key: str, value: bytes, ttl_s: float) -> None:
        now = self._wall()
        rows.execute(_DROP_ENDED, (now,))
        rows.execute(_PUT, (key, value, now, now + ttl_s))
        rows.execute(_DROP_OLDEST, (self._max_entries,))

    def _in_file(self, use: Callable[[sqlite3.Connection], _T]) -> _T:
        """What is read or written in one transaction. After a failure the file is opened anew."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _opened(self._path)
                with self._connection:
                    return use(self._connection)
            except sqlite3.Error:
                self._closed()
                raise

    def _close(self) -> None:
        with self._lock:
            self._closed()

    def _closed(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    # Whoever has the lock has the connection to themselves, in whichever thread.
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLE)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def default_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The cache file of a user, in the folder that the system has for caches."""
    if sys.platform == "win32":
        folder = environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    else:
        folder = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder, "mmflow", "answers.sqlite")


def _make(options: ExactOptions, host: Host) -> CacheStore:
    if options.url is not None:
        return ExactRedis(options.url.reveal() if isinstance(options.url, Secret) else options.url)
    return Exact(default_file() if options.file is None else Path(options.file), options.max_entries)


@hook
def mmflow_caches() -> list[CacheWord]:
    return [CacheWord("exact", ExactOptions, _make)]
