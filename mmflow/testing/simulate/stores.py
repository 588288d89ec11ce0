"""Stores of a simulation: what budgets and caches keep, slow or away at times, and a second ledger beside the first."""

import asyncio
from collections.abc import Mapping
from math import floor
from random import Random

import attrs

from mmflow.plan import Budget
from mmflow.plugin import Request
from mmflow.runtime.state import Balance, MemoryStore, Promise, StateError, Window
from mmflow.testing.simulate.caller import Caller, here


@attrs.define
class _Granted:
    promise: Promise
    caller: Caller
    cost_microusd: int | None = None


class Ledger(MemoryStore):
    """What budgets keep. `wrong` has what broke their promises, each with the caller."""

    def __init__(self, random: Random, level: float, budgets: Mapping[str, Budget]) -> None:
        super().__init__()
        self.wrong: list[tuple[str, Caller]] = []
        self.granted: dict[str, _Granted] = {}
        self._taken: dict[Window, int] = {}
        self._random, self._level, self._budgets = random, level, budgets

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        await self._weather()
        found = await super().reserve(promise, limit_microusd, now)
        if found.granted:
            self._grant(promise, limit_microusd)
        if not self._level:
            return found
        try:
            await self._take_time()
        except asyncio.CancelledError:
            if found.granted:
                self.settle(promise, 0)
            raise
        return found

    def settle(self, promise: Promise, cost_microusd: int) -> None:
        super().settle(promise, cost_microusd)
        caller, granted = here.get(), self.granted.get(promise.id)
        if granted is None or granted.cost_microusd is not None:
            self.wrong.append(("money is given back that was not promised, or a second time", caller))
            return
        granted.cost_microusd = cost_microusd
        granted.caller.settled_microusd += cost_microusd
        self._taken[promise.window] += cost_microusd - promise.amount_microusd
        if cost_microusd > promise.amount_microusd and granted.caller.is_honest:
            what = f"a call cost {cost_microusd} micro-dollars, and {promise.amount_microusd} were set aside for the worst of it"
            self.wrong.append((what, granted.caller))

    async def balance(self, window: Window, now: float) -> Balance:
        await self._weather()
        return await super().balance(window, now)

    async def mark(self, window: Window, name: str) -> bool:
        await self._weather()
        return await super().mark(window, name)

    def _grant(self, promise: Promise, limit_microusd: int | None) -> None:
        caller = here.get()
        self.granted[promise.id] = _Granted(promise, caller)
        taken = self._taken[promise.window] = self._taken.get(promise.window, 0) + promise.amount_microusd
        name = caller.flow.budget or ""
        most = most_of(self._budgets[name])
        if not promise.amount_microusd:
            return
        if most is not None and (limit_microusd is None or limit_microusd > most):
            self.wrong.append((f"a call is sent under budget `{name}` that may pass its limit of {most} micro-dollars", caller))
        elif limit_microusd is not None and taken > limit_microusd:
            what = f"budget `{name}` has {taken} micro-dollars spent and promised, and its limit is {limit_microusd}"
            self.wrong.append((what, caller))

    async def _weather(self) -> None:
        if not self._level:
            return
        if self._random.random() < self._level * 0.3:
            raise StateError("the store of budgets is away", "bring it back")
        await self._take_time()

    async def _take_time(self) -> None:
        await asyncio.sleep(self._random.choice((0.0, 0.0, 0.001, 0.05)))


def most_of(budget: Budget) -> int | None:
    """What may be spent in a period, in micro-dollars; None where a threshold at the limit lets requests go on."""
    rejects = [each.share for each in budget.thresholds if each.action == "reject"]
    if any(each.action == "degrade" and each.share >= 1.0 for each in budget.thresholds):
        return None if not rejects else floor(min(rejects) * budget.limit_microusd + 1e-6)
    return floor(min([1.0, *rejects]) * budget.limit_microusd + 1e-6)


class Shelf:
    """A store of a cache, on the loop's clock."""

    def __init__(self, random: Random, level: float) -> None:
        self._random, self._level = random, level
        self._kept: dict[str, tuple[float, bytes]] = {}

    async def get(self, key: str, request: Request) -> bytes | None:
        ends_at, value = self._kept.get(key, (0.0, None))
        if await self._is_odd():
            return self._random.choice((None, b"", b"{", b"[]", (value or b"")[:-3]))
        return value if asyncio.get_running_loop().time() < ends_at else None

    async def put(self, key: str, request: Request, value: bytes, ttl_s: float) -> None:
        if not await self._is_odd():
            self._kept[key] = asyncio.get_running_loop().time() + ttl_s, value

    async def _is_odd(self) -> bool:
        if not self._level or self._random.random() >= self._level:
            return False
        await asyncio.sleep(self._random.choice((0.0, 0.1, 3.0, 3600.0)))
        if self._random.random() < 0.5:
            raise OSError("the store of the cache is away")
        return True
