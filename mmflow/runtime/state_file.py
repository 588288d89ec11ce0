"""The state in a SQLite file: a restart forgets nothing, and the processes of one machine share it."""

import asyncio
import os
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import attrs

from mmflow.runtime.state import Balance, Promise, StateError, Window
from mmflow.wording import clause

_T = TypeVar("_T")

SCHEMA = 1

BUSY_S = 5.0
"""How long to wait for another process that writes."""

KEPT_S = 7 * 86_400
"""How long a window is kept after its end."""

_TABLES = """
CREATE TABLE IF NOT EXISTS spent (
  key TEXT, starts_at INTEGER, ends_at INTEGER, microusd INTEGER NOT NULL, PRIMARY KEY (key, starts_at, ends_at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS promised (
  id TEXT PRIMARY KEY, key TEXT, starts_at INTEGER, ends_at INTEGER, microusd INTEGER NOT NULL, until REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS promised_by_window ON promised (key, starts_at, ends_at, until, microusd);
CREATE INDEX IF NOT EXISTS promised_by_end ON promised (until);
CREATE INDEX IF NOT EXISTS spent_by_end ON spent (ends_at);
CREATE TABLE IF NOT EXISTS marked (
  key TEXT, starts_at INTEGER, ends_at INTEGER, name TEXT, PRIMARY KEY (key, starts_at, ends_at, name)
) WITHOUT ROWID;
"""

_SPENT = "SELECT microusd FROM spent WHERE key = ? AND starts_at = ? AND ends_at = ?"
_PROMISED = "SELECT sum(microusd) FROM promised WHERE key = ? AND starts_at = ? AND ends_at = ? AND until > ?"
_PROMISE = "INSERT INTO promised VALUES (?, ?, ?, ?, ?, ?)"
_SPEND = "INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET microusd = microusd + excluded.microusd"
_MARK = "INSERT OR IGNORE INTO marked VALUES (?, ?, ?, ?)"


def state_file(named: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The file that is named, else by `MMFLOW_STATE`, else `mmflow/state.sqlite` in the user's folder for state.

    Raises `StateError` where there is no such folder.
    """
    environ = os.environ if environ is None else environ
    try:
        if named := named or environ.get("MMFLOW_STATE"):
            return Path(named).expanduser()
        if sys.platform == "win32":
            folder = environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        else:
            folder = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise StateError("budgets need a state file, and there is no home folder", "name a file by MMFLOW_STATE") from error
    return Path(folder, "mmflow", "state.sqlite")


class StateFile:
    """A store in a SQLite file, made when it is first needed, by one thread of its own: the event loop never waits for a disk.

    What could not be written is tried again before whatever comes next, and by `close`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._unsettled: deque[tuple[Promise, int]] = deque()

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        try:
            return await self._done(lambda connection: _reserve(connection, promise, limit_microusd, now))
        except asyncio.CancelledError:
            self.settle(promise, 0)
            raise

    def settle(self, promise: Promise, cost_microusd: int) -> None:
        self._unsettled.append((promise, cost_microusd))
        self._submit(lambda: None)

    async def balance(self, window: Window, now: float) -> Balance:
        return await self._done(lambda connection: _balance(connection, window, now))

    async def mark(self, window: Window, name: str) -> bool:
        return await self._done(lambda connection: _mark(connection, window, name))

    def name_of(self, file: Path) -> str:
        return str(file.absolute())

    async def clock(self, now: float) -> float:
        return now

    def news(self) -> str | None:
        return None

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                await asyncio.wrap_future(thread.submit(self._finish))
            finally:
                thread.shutdown(wait=False)

    # ---- in the thread --------------------------------------------------------------------------------------------------

    def _submit(self, work: Callable[[], _T]) -> "Future[_T]":
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="mmflow-state")
        return self._thread.submit(self._after_settling, work)

    async def _done(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return await asyncio.wrap_future(self._submit(lambda: work(self._open())))

    def _after_settling(self, work: Callable[[], _T]) -> _T:
        try:
            while self._unsettled:
                promise, cost_microusd = self._unsettled[0]
                _settle(self._open(), promise, cost_microusd)
                self._unsettled.popleft()
            return work()
        except (sqlite3.Error, OSError) as error:
            reason = clause(getattr(error, "strerror", None) or str(error))
            help = "name another file by `--state` or MMFLOW_STATE, or look who holds this one"
            raise StateError(f"the state file {self.path} cannot be used: {reason}", help) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection)
            except BaseException:  # whatever it is, it is raised again, and the file is not left open
                connection.close()
                raise
            with suppress(OSError):  # not every file system knows owners, and the folder is closed to others anyway
                self.path.chmod(0o600)
            self._connection = connection
        return self._connection

    def _finish(self) -> None:
        with suppress(StateError):  # what cannot be written now ends with its lease
            self._after_settling(lambda: None)
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA):
        raise sqlite3.DatabaseError("it is of another version of mmflow")
    connection.execute("PRAGMA journal_mode = WAL")
    # Each commit outlives the process; only a power cut may cost the last moments.
    connection.execute("PRAGMA synchronous = NORMAL")
    if version != SCHEMA:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")


@attrs.frozen
class _Transaction:
    """`with` it: begun at once for writing, committed at the end, rolled back where something fails."""

    connection: sqlite3.Connection

    def __enter__(self) -> sqlite3.Connection:
        self.connection.execute("BEGIN IMMEDIATE")
        return self.connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")


def _of(window: Window) -> tuple[str, int, int]:
    return window.key, window.starts_at, window.ends_at


def _taken(connection: sqlite3.Connection, window: Window, now: float) -> tuple[int, int]:
    spent = connection.execute(_SPENT, _of(window)).fetchone()
    (promised,) = connection.execute(_PROMISED, (*_of(window), now)).fetchone()
    return spent[0] if spent else 0, promised or 0


def _reserve(connection: sqlite3.Connection, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
    with _Transaction(connection):
        connection.execute("DELETE FROM promised WHERE until <= ?", (now,))
        spent, promised = _taken(connection, promise.window, now)
        if limit_microusd is not None and spent + promised + promise.amount_microusd > limit_microusd:
            return Balance(spent, promised, granted=False)
        if spent == promised == 0:
            ended = (now - KEPT_S,)
            connection.execute("DELETE FROM spent WHERE ends_at < ?", ended)
            connection.execute("DELETE FROM marked WHERE ends_at < ?", ended)
        connection.execute(_PROMISE, (promise.id, *_of(promise.window), promise.amount_microusd, promise.until))
        return Balance(spent, promised + promise.amount_microusd)


def _settle(connection: sqlite3.Connection, promise: Promise, cost_microusd: int) -> None:
    with _Transaction(connection):
        connection.execute("DELETE FROM promised WHERE id = ?", (promise.id,))
        if cost_microusd:
            connection.execute(_SPEND, (*_of(promise.window), cost_microusd))


def _balance(connection: sqlite3.Connection, window: Window, now: float) -> Balance:
    return Balance(*_taken(connection, window, now))


def _mark(connection: sqlite3.Connection, window: Window, name: str) -> bool:
    return connection.execute(_MARK, (*_of(window), name)).rowcount == 1
