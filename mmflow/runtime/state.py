"""Where budgets keep what is spent and what is promised: the protocol of stores, and the one in this process."""

from math import inf
from pathlib import Path
from typing import Protocol

import attrs
import msgspec


class StateError(Exception):
    """The state cannot be read or written. `message` is for people, `help` says what to do."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.message, self.help = message, help


class Window(msgspec.Struct, frozen=True):
    """One period of one budget: `starts_at` and `ends_at` in seconds of the wall clock since 1970, in UTC."""

    key: str
    starts_at: int
    ends_at: int


def window_at(key: str, period_s: int, now: float) -> Window:
    """The period that an instant falls into: periods follow one another without a gap since 1970-01-01 00:00 UTC."""
    starts_at = int(now // period_s) * period_s
    return Window(key, starts_at, starts_at + period_s)


class Promise(msgspec.Struct, frozen=True):
    """Money set aside under an `id` of its own. One that nobody settles ends at `until`: its process was killed."""

    id: str
    window: Window
    amount_microusd: int
    until: float
    simulated: bool = False
    """Of an answer that is made up for want of a key: it is promised in this process alone."""


class Balance(msgspec.Struct, frozen=True):
    """What is spent in a window, and promised to calls under way. `granted`: whether the promise asked for is among them."""

    spent_microusd: int
    promised_microusd: int
    granted: bool = True


class Store(Protocol):
    """Keeps the money of budgets, for one process or for many. `now` is the caller's wall clock.

    What fails is a `StateError`, and then nothing was promised.
    """

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        """Grant a promise, unless it brings what is spent and promised above the limit; at once with looking, atomically.

        One whose caller is cancelled meanwhile is taken back.
        """
        ...

    def settle(self, promise: Promise, cost_microusd: int) -> None:
        """Turn a promise into what was spent, 0 gives it all back. It takes effect soon, whatever becomes of the caller."""
        ...

    async def balance(self, window: Window, now: float) -> Balance:
        """What is spent and promised."""
        ...

    async def mark(self, window: Window, name: str) -> bool:
        """Whether this is the first time that this name is marked in this window."""
        ...

    def name_of(self, file: Path) -> str:
        """What a workflow file is called here, to tell its budgets from those of others that share the store."""
        ...

    async def clock(self, now: float) -> float:
        """The caller's wall clock put right by that of the store, where the store has one that all go by."""
        ...

    def news(self) -> str | None:
        """That the store went away or came back, told once; None where there is nothing new."""
        ...

    async def close(self) -> None:
        """Wait until everything is settled, and free what is open. The store can be used again."""
        ...


@attrs.define
class _Account:
    """One window in this process."""

    window: Window
    spent_microusd: int = 0
    promised_microusd: int = 0
    promises: dict[str, Promise] = attrs.field(factory=dict)
    marks: set[str] = attrs.field(factory=set)
    lapses_at: float = inf


class MemoryStore:
    """The store of one process: it forgets with it. Nothing in it waits, so that nothing comes between look and promise."""

    def __init__(self) -> None:
        self._accounts: dict[Window, _Account] = {}
        self._sweep_above = 1_000

    def __bool__(self) -> bool:
        """Whether anybody asked for money here."""
        return bool(self._accounts)

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        account = self._account(promise.window, now)
        taken = account.spent_microusd + account.promised_microusd
        granted = limit_microusd is None or taken + promise.amount_microusd <= limit_microusd
        if granted:
            account.promises[promise.id] = promise
            account.promised_microusd += promise.amount_microusd
            account.lapses_at = min(account.lapses_at, promise.until)
        return Balance(account.spent_microusd, account.promised_microusd, granted)

    def settle(self, promise: Promise, cost_microusd: int) -> None:
        if (account := self._accounts.get(promise.window)) is None:
            account = self._accounts[promise.window] = _Account(promise.window)
        if account.promises.pop(promise.id, None) is not None:
            account.promised_microusd -= promise.amount_microusd
        account.spent_microusd += cost_microusd

    async def balance(self, window: Window, now: float) -> Balance:
        account = self._account(window, now)
        return Balance(account.spent_microusd, account.promised_microusd)

    async def mark(self, window: Window, name: str) -> bool:
        marks = self._accounts.setdefault(window, _Account(window)).marks
        is_first = name not in marks
        marks.add(name)
        return is_first

    def name_of(self, file: Path) -> str:
        return str(file.absolute())

    async def clock(self, now: float) -> float:
        return now

    def news(self) -> str | None:
        return None

    async def close(self) -> None:
        pass

    def _account(self, window: Window, now: float) -> _Account:
        if (account := self._accounts.get(window)) is None:
            if len(self._accounts) >= self._sweep_above:
                # Users come and go with each period; only those of periods that last are kept.
                self._accounts = {key: each for key, each in self._accounts.items() if key.ends_at > now or each.promises}
                self._sweep_above = max(1_000, 2 * len(self._accounts))
            account = self._accounts[window] = _Account(window)
        if account.lapses_at <= now:
            for each in [each for each in account.promises.values() if each.until <= now]:
                del account.promises[each.id]
                account.promised_microusd -= each.amount_microusd
            account.lapses_at = min((each.until for each in account.promises.values()), default=inf)
        return account
