"""The state in Redis: several processes and machines share it, by the clock of Redis.

Each window is one hash, and each process says in a field of its own how much it has spent there in all and holds promised now. So
a message that is lost or comes twice changes nothing; a process that dies lets go of its promises when its lease ends; and where
Redis loses what it had, the processes that live bring back the most that they saw. All that is to be asked of a window while a
message is under way goes with the next one.
"""

import asyncio
import os
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

import attrs

from mmflow.runtime.redis_link import COOLING_S, RedisAddress, RedisLink
from mmflow.runtime.state import Balance, Promise, StateError, Window

KEPT_S = 86_400
"""How long a window is kept after its end."""

IDLE_S = 60.0
"""How long a process is known after its last message, unless it holds promises for longer."""

MOST_WINDOWS = 1_000

_SYNC = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local me, own, acked, seen = 'p:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local promised, lease, ends_at, kept = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local all = redis.call('HGETALL', KEYS[1])
local spent, others, peers, mine = 0, 0, 0, nil
for i = 1, #all, 2 do
  local field, value = all[i], all[i + 1]
  if field == 'spent' then
    spent = tonumber(value)
  elseif string.sub(field, 1, 2) == 'p:' then
    local its, holds, till = string.match(value, '^(%d+) (%d+) ([%d%.]+)$')
    if field == me then
      mine = tonumber(its)
    elseif tonumber(till) <= now then
      redis.call('HDEL', KEYS[1], field)
    else
      others, peers = others + tonumber(holds), peers + 1
    end
  end
end
if not mine then
  if acked > 0 then spent = math.max(spent, seen) end
  mine = acked
end
spent = spent + own - mine
local reply = {t[1], t[2], '', '', peers}
for i = 9, #ARGV, 2 do
  local amount, limit = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  if limit < 0 or spent + others + promised + amount <= limit then
    promised = promised + amount
    reply[#reply + 1] = 1
  else
    reply[#reply + 1] = 0
  end
end
if own > 0 or promised > 0 or redis.call('HEXISTS', KEYS[1], me) == 1 then
  local till = string.format('%.3f', now + lease)
  redis.call('HSET', KEYS[1], 'spent', string.format('%.0f', spent), me, string.format('%.0f %.0f ', own, promised) .. till)
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (math.max(ends_at - now, lease) + kept) * 1000))
end
reply[3], reply[4] = string.format('%.0f', spent), string.format('%.0f', others + promised)
return reply
"""
_MARK = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local first = redis.call('HSETNX', KEYS[1], 'm:' .. ARGV[1], 1)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (math.max(ARGV[2] - now, 0) + ARGV[3]) * 1000))
return {t[1], t[2], first}
"""
_LEAVE = """
local t = redis.call('TIME')
redis.call('HDEL', KEYS[1], 'p:' .. ARGV[1])
return {t[1], t[2]}
"""
_TIME = "local t = redis.call('TIME') return {t[1], t[2]}"


@attrs.define(eq=False)
class _Asked:
    """A question on its way: for a promise, or only for the balance."""

    promise: Promise | None
    limit_microusd: int | None
    ends_at: float
    """Of the promise's lease, on the monotonic clock: a caller's wall clock means nothing to others."""
    answer: "asyncio.Future[Balance]"


@attrs.define(eq=False)
class _Account:
    """One window as this process knows it."""

    window: Window
    spent_microusd: int = 0
    """By this process, in all."""
    acked_microusd: int = 0
    """How much of that Redis knows."""
    seen_microusd: int = 0
    """The most that Redis said is spent."""
    others_microusd: int = 0
    """What others held promised then."""
    peers: int | None = None
    """How many others there were then; None where Redis was never asked of this window."""
    asked_at: float = -inf
    """When Redis last answered, on the monotonic clock."""
    open: dict[str, _Asked] = attrs.field(factory=dict)
    """The promises that are granted, by id."""
    asked: list[_Asked] = attrs.field(factory=list)
    is_stale: bool = False
    """Whether there is something that Redis does not know."""
    task: "asyncio.Task[None] | None" = None

    @property
    def promised_microusd(self) -> int:
        return sum(each.promise.amount_microusd for each in self.open.values() if each.promise is not None)

    @property
    def unsaid_microusd(self) -> int:
        return self.spent_microusd - self.acked_microusd

    def balance(self, *, granted: bool = True) -> Balance:
        """As far as one can tell here."""
        spent = self.seen_microusd + self.unsaid_microusd
        return Balance(spent, self.others_microusd + self.promised_microusd, granted)


class RedisStore:
    """A store in Redis. `away` of its address says what holds while Redis cannot be asked.

    `refuse`: nothing is granted. `local`: this process goes on with its share of what was left when it last asked, as many shares
    as there were processes then; one that did not ask in the minute before is granted nothing. Together they pass the limit by no
    more than what was spent between that question and the failure.
    """

    def __init__(self, address: RedisAddress, wall: Callable[[], float] = time.time) -> None:
        self.address, self.link = address, RedisLink(address, wall)
        self._id = os.urandom(8).hex()
        self._accounts: dict[Window, _Account] = {}
        self._peers: int | None = None
        self._asked_at = -inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def name_of(self, file: Path) -> str:
        return self.address.namespace or file.name

    def news(self) -> str | None:
        return self.link.news()

    async def clock(self, now: float) -> float:
        if not self.link.knows_the_time:
            try:
                await self.link.run(_TIME, (), ())
            except StateError:
                if self.address.away == "refuse":
                    raise
        return now + self.link.ahead_s

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        account = self._account(promise.window)
        ends_at = time.monotonic() + promise.until - now
        asked = _Asked(promise, limit_microusd, ends_at, asyncio.get_running_loop().create_future())
        account.asked.append(asked)
        self._move(account)
        try:
            return await asked.answer
        except asyncio.CancelledError:
            if asked in account.asked:
                account.asked.remove(asked)
            elif asked.answer.done() and not asked.answer.cancelled() and asked.answer.exception() is None:
                self.settle(promise, 0)
            raise

    def settle(self, promise: Promise, cost_microusd: int) -> None:
        account = self._account(promise.window)
        account.open.pop(promise.id, None)
        account.spent_microusd += cost_microusd
        account.is_stale = True
        self._move(account)

    async def balance(self, window: Window, now: float) -> Balance:
        account = self._account(window)
        asked = _Asked(None, None, 0.0, asyncio.get_running_loop().create_future())
        account.asked.append(asked)
        self._move(account)
        return await asked.answer

    async def mark(self, window: Window, name: str) -> bool:
        try:
            (first,) = await self.link.run(_MARK, (_key(window),), (_bytes(name), window.ends_at, KEPT_S))
        except StateError:
            if self.address.away == "refuse":
                raise
            return True
        return bool(first)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = [each.task for each in self._accounts.values() if each.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        for account in self._accounts.values():
            try:
                if account.is_stale:
                    await self._say(account, [])
                if account.peers is not None and not account.open:
                    await self.link.run(_LEAVE, (_key(account.window),), (self._id,))
            except StateError:
                # What cannot be said now is lost with this process; what it held ends with its lease.
                break
        await self.link.close()

    # ---- messages -------------------------------------------------------------------------------------------------------

    def _account(self, window: Window) -> _Account:
        if (loop := asyncio.get_running_loop()) is not self._loop:
            # What another loop left behind is not under way any more.
            self._loop, self._timer = loop, None
            for each in self._accounts.values():
                each.task = None
                each.asked.clear()
        if (account := self._accounts.get(window)) is None:
            if len(self._accounts) >= MOST_WINDOWS:
                now = self.link.now()
                self._accounts = {
                    key: each
                    for key, each in self._accounts.items()
                    if key.ends_at > now or each.open or each.asked or each.is_stale or each.task
                }
            account = self._accounts[window] = _Account(window)
        return account

    def _move(self, account: _Account) -> None:
        if account.task is None and (account.asked or account.is_stale):
            account.task = asyncio.get_running_loop().create_task(self._said(account))

    async def _said(self, account: _Account) -> None:
        """Say and ask all that there is; what Redis could not be told is said when it is back."""
        try:
            while account.asked or account.is_stale:
                batch, account.asked = account.asked, []
                if not batch and self.link.is_away and self.link.retry_in_s > 0:
                    break
                try:
                    await self._say(account, batch)
                except StateError as error:
                    self._without(account, batch, error)
                    break
                finally:
                    for each in batch:
                        # Only where this task is cancelled with its loop: nobody is left waiting.
                        each.answer.cancel()
        finally:
            account.task = None
        if account.asked:
            self._move(account)
        elif account.is_stale and self._timer is None and self._loop is not None:
            self._timer = self._loop.call_later(max(self.link.retry_in_s, COOLING_S), self._again)

    def _again(self) -> None:
        self._timer = None
        for account in list(self._accounts.values()):
            if account.is_stale:
                self._move(account)

    async def _say(self, account: _Account, batch: list[_Asked]) -> None:
        wanted = [each for each in batch if each.promise is not None and not each.answer.done()]
        now = time.monotonic()
        for lapsed in [id for id, each in account.open.items() if each.ends_at <= now]:
            del account.open[lapsed]
        own, held = account.spent_microusd, account.promised_microusd
        lease_s = max([IDLE_S, *(each.ends_at - now for each in (*account.open.values(), *wanted))])
        args: list[object] = [
            self._id, own, account.acked_microusd, account.seen_microusd, held, f"{lease_s:.3f}", account.window.ends_at, KEPT_S,
        ]  # fmt: skip
        for each in wanted:
            assert each.promise is not None
            args += [each.promise.amount_microusd, -1 if each.limit_microusd is None else each.limit_microusd]
        was_stale, account.is_stale = account.is_stale, False
        try:
            spent, promised, peers, *answers = await self.link.run(_SYNC, (_key(account.window),), args)
        except BaseException:
            # It may have come or not: the next message has the whole of it anyway.
            account.is_stale |= was_stale or bool(wanted)
            raise
        account.acked_microusd, account.others_microusd = own, int(promised) - held
        account.seen_microusd = max(account.seen_microusd, int(spent))
        account.peers = self._peers = int(peers)
        account.asked_at, self._asked_at = time.monotonic(), self.link.now()
        refused = {id(each) for each, granted in zip(wanted, answers, strict=True) if not granted}
        for each in wanted:
            if id(each) in refused or each.promise is None:
                continue
            account.others_microusd -= each.promise.amount_microusd
            if each.answer.done():
                # Cancelled meanwhile: the next message takes it back.
                account.is_stale = True
            else:
                account.open[each.promise.id] = each
        for each in batch:
            if not each.answer.done():
                each.answer.set_result(Balance(int(spent), int(promised), id(each) not in refused))

    # ---- while Redis is away --------------------------------------------------------------------------------------------

    def _without(self, account: _Account, batch: list[_Asked], error: StateError) -> None:
        for each in batch:
            if each.answer.done():
                continue
            if self.address.away == "refuse" or not self._is_known(account):
                each.answer.set_exception(error)
            elif each.promise is None:
                each.answer.set_result(account.balance())
            else:
                granted = each.limit_microusd is None or self._fits(account, each.promise, each.limit_microusd)
                if granted:
                    account.open[each.promise.id] = each
                each.answer.set_result(account.balance(granted=granted))

    def _is_known(self, account: _Account) -> bool:
        """Whether this process knows what its own share is: it asked just before Redis went away, or the window began since."""
        if account.asked_at >= self.link.away_since - IDLE_S:
            return True
        return self._peers is not None and account.window.starts_at >= self._asked_at

    def _fits(self, account: _Account, promise: Promise, limit_microusd: int) -> bool:
        peers = account.peers if account.peers is not None else self._peers or 0
        left = limit_microusd - account.seen_microusd - account.others_microusd
        taken = account.unsaid_microusd + account.promised_microusd + promise.amount_microusd
        return taken <= left // (peers + 1)


def _key(window: Window) -> bytes:
    return _bytes(f"mmflow:1:budget:{window.key}:{window.starts_at}-{window.ends_at}")


def _bytes(text: str) -> bytes:
    # Half of a surrogate pair may come from a program.
    return text.encode("utf-8", "surrogatepass")
