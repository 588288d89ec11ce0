"""The state in a SQLite file: a restart forgets nothing, and the processes of one machine share it."""

import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from math import inf
from pathlib import Path
from threading import Event, Lock
from typing import Any, cast

import attrs

from mmflow.runtime.allowance import BUSY_S as IDLE_S
from mmflow.runtime.allowance import FREE_SHARE, Holding
from mmflow.runtime.state import Balance, Promise, StateError, Window
from mmflow.wording import clause

SCHEMA = 1

COMMIT_S = 0.05
"""What calls cost is written so long after the last time; nobody waits for it."""

TRIES = 4
"""So often, `COMMIT_S` apart, money is asked for that others hold and do not use: they are told, and give it back."""

WANTED_S = 1.0

MOST_HOLDINGS = 1_000

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
_LEASE = f"{_PROMISE} ON CONFLICT DO UPDATE SET microusd = microusd + excluded.microusd, until = max(until, excluded.until)"
_WANT = "INSERT OR REPLACE INTO promised VALUES (?, ?, ?, ?, 0, ?)"
_USE = "UPDATE promised SET microusd = max(0, microusd - ?), until = max(until, ?) WHERE id = ?"
_WANTED = "SELECT key, starts_at, ends_at FROM promised WHERE id GLOB 'wanted *' AND until > ? AND id NOT GLOB ?"
_HELD = """
SELECT 1 FROM promised WHERE key = ? AND starts_at = ? AND ends_at = ? AND until > ? AND id GLOB 'lease *' AND id NOT GLOB ?
"""
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


@attrs.define(eq=False)
class _Asked:
    """A question on its way: for a promise, for a mark, or only for the balance."""

    loop: asyncio.AbstractEventLoop
    window: Window
    promise: Promise | None = None
    limit_microusd: int | None = None
    mark: str | None = None
    tries: int = 0
    answer: "asyncio.Future[Any]" = attrs.field(init=False)
    found: "bool | _Again | None" = None
    """Whether it is granted, or the first of its name."""
    is_from_block: bool = False
    is_granted: bool = False
    """Whether the money is set aside by now, for whoever is left to use it."""
    is_left: bool = False

    def __attrs_post_init__(self) -> None:
        self.answer = self.loop.create_future()

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody is left to be told."""
        return not (self.answer.cancelled() or self.loop.is_closed())


class _Again:
    """Others hold what is asked for, and have been told."""


@attrs.define(eq=False)
class _Work:
    """What is to be written and asked of one window, as it was when the transaction began; and what comes of it."""

    holding: Holding
    said_microusd: int
    of_block_microusd: int
    freed: list[str]
    returning: list[tuple[str, list[Promise]]]
    lease: str | None
    held_microusd: int
    taken_microusd: int
    limit_microusd: int
    until: float
    is_prolonged: bool
    asked: list[_Asked]
    new_lease: str
    is_busy: bool
    """Whether the next to ask takes a block."""
    block_microusd: int = 0
    is_wanted: bool = False
    is_tight: bool = False
    is_seen: bool = False
    """Whether the file was asked for what follows."""
    spent_microusd: int = 0
    promised_microusd: int = 0

    @property
    def writes(self) -> bool:
        questions = any(each.promise is not None or each.mark is not None for each in self.asked)
        return bool(questions or self.said_microusd or self.freed or self.returning or self.is_prolonged)


class StateFile:
    """A store in a SQLite file, made when it is first needed, by one thread of its own: the event loop never waits for a disk.

    Who has many calls holds an allowance and grants them from it; what they cost is written in one go, `COMMIT_S` after the last
    time. What could not be written is tried again before whatever comes next, and by `close`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._id = os.urandom(8).hex()
        self._leases = 0
        self._lock = Lock()
        """Of what follows, which the thread changes too."""
        self._holdings: dict[Window, Holding] = {}
        self._watched: dict[Window, Holding] = {}
        """Those that have something to write, or a block."""
        self._asked: list[_Asked] = []
        self._is_working = self._is_closing = False
        self._urgent = Event()
        """Somebody waits."""
        self._written_at = -inf
        self._now, self._now_at = 0.0, 0.0
        """The wall clock as it was last told, and when."""

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        with self._lock:
            holding = self._holding(promise.window)
            if holding.grants(promise, limit_microusd, time.monotonic()):
                return holding.balance()
        asked = _Asked(asyncio.get_running_loop(), promise.window, promise, limit_microusd)
        try:
            return cast(Balance, await self._answer(asked, now))
        except asyncio.CancelledError:
            with self._lock:
                asked.is_left, was_granted = True, asked.is_granted
            if was_granted:
                self.settle(promise, 0)
            raise

    def settle(self, promise: Promise, cost_microusd: int) -> None:
        with self._lock:
            holding = self._holding(promise.window)
            holding.settle(promise, cost_microusd)
            self._watched[promise.window] = holding
            if holding.is_tight:
                self._urgent.set()
            if self._is_working:
                return
        self._work()

    async def balance(self, window: Window, now: float) -> Balance:
        with self._lock:
            holding = self._holdings.get(window)
            if holding is not None and holding.is_fresh(time.monotonic()) and window.ends_at > self._now:
                return holding.balance()
        return cast(Balance, await self._answer(_Asked(asyncio.get_running_loop(), window), now))

    async def mark(self, window: Window, name: str) -> bool:
        return cast(bool, await self._answer(_Asked(asyncio.get_running_loop(), window, mark=name)))

    def name_of(self, file: Path) -> str:
        return str(file.absolute())

    async def clock(self, now: float) -> float:
        return now

    def news(self) -> str | None:
        return None

    async def close(self) -> None:
        with self._lock:
            thread, self._thread, self._is_closing = self._thread, None, True
        self._urgent.set()
        is_written = True
        try:
            if thread is not None:
                is_written = await asyncio.wrap_future(thread.submit(self._finish))
        finally:
            with self._lock:
                self._is_closing = False
                goes_on = bool(self._asked or (self._watched and is_written))
            if thread is not None:
                thread.shutdown(wait=False)
            if goes_on:
                # Somebody used it meanwhile.
                self._work()

    def _holding(self, window: Window) -> Holding:
        if (holding := self._holdings.get(window)) is None:
            holding = self._holdings[window] = Holding(window)
        return holding

    def _answer(self, asked: _Asked, now: float | None = None) -> "asyncio.Future[Any]":
        with self._lock:
            self._asked.append(asked)
            if now is not None:
                self._now, self._now_at = now, time.monotonic()
            self._urgent.set()
        self._work()
        return asked.answer

    def _work(self) -> None:
        """See to it that the thread works."""
        with self._lock:
            if self._is_working or self._is_closing:
                return
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="mmflow-state")
            self._is_working = True
            self._thread.submit(self._worked)

    # ---- in the thread --------------------------------------------------------------------------------------------------

    def _worked(self) -> None:
        """Write and answer, until there is nothing to do and no block to look after."""
        is_well = True
        while True:
            self._urgent.wait(self._written_at + COMMIT_S - time.monotonic())
            with self._lock:
                self._urgent.clear()
                if self._is_closing or not (self._asked or (self._watched and is_well)):
                    self._is_working = False
                    return
                works = self._composed()
            is_well = self._done(works)

    def _finish(self) -> bool:
        with self._lock:
            for holding in self._watched.values():
                holding.give_back()
            works = self._composed()
        is_written = self._done(works)  # what cannot be written now ends with its lease
        with self._lock:
            # Whoever comes next looks into the file.
            self._holdings = dict(self._watched)
            for holding in self._holdings.values():
                holding.seen_at = -inf
        self._written_at = -inf
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        return is_written

    def _composed(self) -> list[_Work]:
        """What there is to write and to ask."""
        asked, self._asked = [each for each in self._asked if not each.answer.cancelled()], []
        now, by_window = time.monotonic(), dict[Window, list[_Asked]]()
        for each in asked:
            by_window.setdefault(each.window, []).append(each)
            limit, holding = each.limit_microusd, self._holding(each.window)
            if each.promise is not None and limit is not None and limit < holding.limit_microusd:
                # What was granted under a higher limit is in the way of this one.
                holding.give_back()
        works = []
        for holding in {**self._watched, **{each: self._holding(each) for each in by_window}}.values():
            if holding.is_wanted or now - holding.used_at > IDLE_S:
                holding.give_back()
            works.append(self._work_of(holding, by_window.get(holding.window, []), now))
        return works

    def _work_of(self, holding: Holding, asked: list[_Asked], now: float) -> _Work:
        promises = sum(each.promise is not None for each in asked)
        is_busy = promises > 1 or now - holding.used_at <= IDLE_S
        if promises:
            holding.used_at = now
        self._leases += 1
        return _Work(
            holding=holding,
            said_microusd=holding.unsaid_microusd,
            of_block_microusd=holding.unsaid_of_block_microusd,
            freed=list(holding.freed),
            returning=list(holding.returning),
            lease=holding.lease,
            held_microusd=holding.held_microusd if holding.lease else 0,
            taken_microusd=holding.taken_microusd,
            limit_microusd=holding.limit_microusd if holding.lease else 0,
            until=max(holding.until, holding.wanted_until),
            is_prolonged=holding.wanted_until > holding.until,
            asked=asked,
            new_lease=f"lease {self._id} {self._leases}",
            is_busy=is_busy and not self._is_closing,
            is_tight=holding.is_tight and not promises,
        )

    def _done(self, works: list[_Work]) -> bool:
        """Whether all was written. Whoever asked has an answer then, or is told why there is none."""
        asked = [each for work in works for each in work.asked]
        try:
            connection = self._open()
            now = self._now + time.monotonic() - self._now_at
            with _Transaction(connection) if any(each.writes for each in works) else nullcontext():
                _settle(connection, works)
                wanted = set(connection.execute(_WANTED, (now, f"wanted {self._id}*")))
                for work in works:
                    work.is_wanted = _of(work.holding.window) in wanted
                    _asked(connection, work, now, self._id)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must be told
            problem = self._unusable(error) if isinstance(error, sqlite3.Error | OSError) else error
            _tell(asked, lambda each: _fails(each, problem))
            with self._lock:
                for work in works:
                    work.holding.seen_at = -inf
            return False
        finally:
            self._written_at = time.monotonic()
        with self._lock:
            answers = {id(each): answer for work in works for each, answer in self._applied(work)}
            if len(self._holdings) > MOST_HOLDINGS:
                self._holdings = dict(self._watched)
        _tell([each for each in asked if id(each) in answers], lambda each: _says(each, answers[id(each)]))
        return True

    def _applied(self, work: _Work) -> list[tuple[_Asked, Any]]:
        """What the file knows now is not said again. The answers; who is to wait longer has none."""
        holding, now = work.holding, time.monotonic()
        holding.unsaid_microusd -= work.said_microusd
        for id_ in work.freed:
            holding.freed.pop(id_, None)
        del holding.returning[: len(work.returning)]
        if holding.lease is not None and work.lease == holding.lease:
            holding.unsaid_of_block_microusd -= work.of_block_microusd
        elif holding.lease is not None:
            holding.ended()
        holding.lease, holding.held_microusd, holding.limit_microusd = work.lease, work.held_microusd, work.limit_microusd
        if work.lease is not None:
            holding.until = work.until
            holding.wanted_until = max(holding.wanted_until, work.until)
        if work.block_microusd:
            holding.block_microusd, holding.taken_at = work.block_microusd, now
        holding.is_wanted, holding.is_tight = work.is_wanted, work.is_tight
        if work.is_seen:
            holding.spent_microusd, holding.promised_microusd, holding.seen_at = work.spent_microusd, work.promised_microusd, now
        answers: list[tuple[_Asked, Any]] = []
        for each in work.asked:
            if each.promise is None:
                answers.append((each, each.found if each.mark is not None else holding.balance()))
            elif isinstance(each.found, _Again) or (
                # Others of this process may have been quicker.
                each.is_from_block and not holding.grants(each.promise, each.limit_microusd, now)
            ):
                each.found, each.is_from_block = None, False
                self._asked.append(each)
            elif each.is_left and each.found is True:
                holding.settle(each.promise, 0)
            else:
                each.is_granted = each.found is True
                answers.append((each, holding.balance(granted=each.is_granted)))
        if holding.lease is None and not holding.is_stale:
            self._watched.pop(holding.window, None)
        else:
            self._watched[holding.window] = holding
        if holding.is_wanted and holding.lease is not None:
            self._urgent.set()
        return answers

    def _unusable(self, error: sqlite3.Error | OSError) -> StateError:
        reason = clause(getattr(error, "strerror", None) or str(error))
        help = "name another file by `--state` or MMFLOW_STATE, or look who holds this one"
        problem = StateError(f"the state file {self.path} cannot be used: {reason}", help)
        problem.__cause__ = error
        return problem

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


def _tell(asked: list[_Asked], say: Callable[[_Asked], None]) -> None:
    """Each in its own loop, one that is closed excepted."""
    for loop in {each.loop for each in asked}:
        here = [each for each in asked if each.loop is loop]

        def tell(here: list[_Asked] = here) -> None:
            for each in here:
                say(each)

        try:
            loop.call_soon_threadsafe(tell)
        except RuntimeError:
            # It is closed.
            tell()


def _says(asked: _Asked, answer: Any) -> None:
    if asked.is_waited_for:
        asked.answer.set_result(answer)


def _fails(asked: _Asked, error: BaseException) -> None:
    if asked.is_waited_for:
        asked.answer.set_exception(error)


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA):
        raise sqlite3.DatabaseError("it is of another version of mmflow")
    _in_wal(connection)
    # Each commit outlives the process; only a power cut may cost the last moments.
    connection.execute("PRAGMA synchronous = NORMAL")
    if version != SCHEMA:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")


def _in_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait where several processes make the file at once: the first of them changes its mode."""
    ends_at = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= ends_at:
                raise
        time.sleep(0.005)


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


def _settle(connection: sqlite3.Connection, works: list[_Work]) -> None:
    """Write what calls cost, and what blocks are."""
    for work in works:
        window = _of(work.holding.window)
        for lease, promises in work.returning:
            connection.execute("DELETE FROM promised WHERE id = ?", (lease,))
            connection.executemany(_PROMISE, [(each.id, *window, each.amount_microusd, each.until) for each in promises])
        if work.freed:
            connection.executemany("DELETE FROM promised WHERE id = ?", [(each,) for each in work.freed])
        if work.said_microusd:
            connection.execute(_SPEND, (*window, work.said_microusd))
        if work.lease is None:
            continue
        if work.of_block_microusd or work.is_prolonged:
            is_there = connection.execute(_USE, (work.of_block_microusd, work.until, work.lease)).rowcount == 1
            work.held_microusd = max(0, work.held_microusd - work.of_block_microusd)
            work.taken_microusd -= work.of_block_microusd
            if not is_there:
                _lapses(work)


def _lapses(work: _Work) -> None:
    """The block was taken for that of a dead process: it is free again, and so is what it paid for."""
    work.lease, work.held_microusd, work.taken_microusd, work.limit_microusd, work.until = None, 0, 0, 0, -inf


def _asked(connection: sqlite3.Connection, work: _Work, now: float, me: str) -> None:
    """Answer what is asked of one window."""
    window = work.holding.window
    for each in work.asked:
        if each.mark is not None:
            each.found = connection.execute(_MARK, (*_of(window), each.mark)).rowcount == 1
        elif each.promise is not None:
            _reserve(connection, work, each, each.promise, now, me)
    if work.writes or work.asked:
        # A block that rests is looked after without a question.
        work.is_seen = True
        work.spent_microusd, work.promised_microusd = _taken(connection, window, now)


def _reserve(connection: sqlite3.Connection, work: _Work, asked: _Asked, promise: Promise, now: float, me: str) -> None:
    """Set aside what the block lacks for a call, or all that it may cost, and a new block with it where many calls come."""
    limit, amount, window = asked.limit_microusd, promise.amount_microusd, promise.window
    connection.execute("DELETE FROM promised WHERE until <= ?", (now,))
    if work.lease is not None and not connection.execute("SELECT 1 FROM promised WHERE id = ?", (work.lease,)).fetchone():
        _lapses(work)
    spent, promised = _taken(connection, window, now)
    # Without a limit, nothing comes into a block that may be used under one.
    is_from_block = work.lease is not None and limit is not None and limit >= work.limit_microusd
    lacks = max(0, work.taken_microusd + amount - work.held_microusd) if is_from_block else amount
    work.is_tight = limit is not None and spent + promised + lacks > (1 - FREE_SHARE) * limit
    if limit is not None and spent + promised + lacks > limit:
        asked.found = False
        asked.tries += 1
        if asked.tries < TRIES and spent + amount <= limit and _others_hold(connection, window, now, me):
            asked.found = _Again()
            connection.execute(_WANT, (f"wanted {me} {window.key}", *_of(window), now + WANTED_S))
        return
    if spent == promised == 0:
        ended = (now - KEPT_S,)
        connection.execute("DELETE FROM spent WHERE ends_at < ?", ended)
        connection.execute("DELETE FROM marked WHERE ends_at < ?", ended)
    asked.found = True
    block = 0
    if limit is not None and work.is_busy and lacks and (is_from_block or work.lease is None):
        block = work.holding.block(amount, limit, time.monotonic())
        if spent + promised + lacks + block > (1 - FREE_SHARE) * limit or work.is_wanted:
            block = 0
        elif block:
            work.block_microusd, is_from_block = block, True
            work.lease = work.lease or work.new_lease
    if not is_from_block or limit is None:
        connection.execute(_PROMISE, (promise.id, *_of(window), amount, promise.until))
        return
    asked.is_from_block = True
    more = lacks + block
    work.held_microusd += more
    work.taken_microusd += amount
    work.limit_microusd = max(work.limit_microusd, limit)
    work.until = max(work.until, promise.until)
    connection.execute(_LEASE, (work.lease, *_of(window), more, work.until))


def _others_hold(connection: sqlite3.Connection, window: Window, now: float, me: str) -> bool:
    return connection.execute(_HELD, (*_of(window), now, f"lease {me}*")).fetchone() is not None
