"""The limits of providers and models in Redis: what all processes let pass together, by the clock of Redis.

A call first has its turn in its own process and then here. Calls that come while a message is under way go with the next one, so
that a busy process does not send one for each. What passes is kept by hundredths of the period, and counts until the end of its
hundredth is a period ago: a little too careful, never too bold. How many calls a process has under way stands in a field of its
own, which ends with its lease.
"""

import asyncio
import os
import time
from collections import deque
from itertools import islice

import attrs

from mmflow.plan import Limits as Declared
from mmflow.runtime.redis_link import RedisLink
from mmflow.runtime.state import StateError

LEASE_S = 60.0
"""How long past its deadline a call counts as under way, once its process was killed."""

LONGEST_PAUSE_S = 0.25
"""How long to wait at most before asking again: another process may have ended its calls sooner than it seemed."""

SHORTEST_PAUSE_S = 0.005

MOST_ASKED = 100
"""So many calls go with one message; the others are behind them anyway."""

_TURN = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local me, lease, at = 'p:' .. ARGV[1], tonumber(ARGV[2]), 2
local function word() at = at + 1 return ARGV[at] end
local function number() return tonumber(word()) end

local gates, peers = {}, 0
for i, key in ipairs(KEYS) do
  local gate = {key = key, own = number(), calls = number(), r = {limit = number(), period = number()},
                t = {limit = number(), period = number()}, others = 0}
  gates[i] = gate
  for _, kind in ipairs({'r', 't'}) do
    local of = gate[kind]
    of.grain, of.used, of.ends = of.period / 100, 0, {}
    of.now = kind .. ':' .. string.format('%.0f', math.floor(now / math.max(of.grain, 0.001)))
  end
end
for _ = 1, number() do
  local key, field, by = KEYS[number()], word(), number()
  if redis.call('HEXISTS', key, field) == 1 then redis.call('HINCRBY', key, field, by) end
end
for _, gate in ipairs(gates) do
  local all, seen = redis.call('HGETALL', gate.key), 0
  for i = 1, #all, 2 do
    local field, value, kind = all[i], all[i + 1], string.sub(all[i], 1, 1)
    if kind == 'p' then
      local holds, till = string.match(value, '^(%d+) ([%d%.]+)$')
      if tonumber(till) <= now then
        redis.call('HDEL', gate.key, field)
      elseif field ~= me then
        gate.others, seen = gate.others + tonumber(holds), seen + 1
      end
    else
      local of = gate[kind]
      local ends = (tonumber(string.sub(field, 3)) + 1) * of.grain + of.period
      if ends <= now then
        redis.call('HDEL', gate.key, field)
      else
        of.used = of.used + tonumber(value)
        of.ends[#of.ends + 1] = {ends, tonumber(value)}
      end
    end
  end
  peers = math.max(peers, seen)
end

local granted, wait = 0, 0
local function needs(gate, kind, tokens)
  local of = gate[kind]
  if kind == 'r' then return 1 end
  return math.min(tokens, of.limit)
end
for _ = 1, number() do
  local tokens, fits = number(), true
  for _, gate in ipairs(gates) do
    if gate.calls >= 0 and gate.others + gate.own + granted >= gate.calls then fits = false end
    for _, kind in ipairs({'r', 't'}) do
      local of = gate[kind]
      if of.limit >= 0 and of.used + needs(gate, kind, tokens) > of.limit then
        fits = false
        local short = of.used + needs(gate, kind, tokens) - of.limit
        table.sort(of.ends, function(a, b) return a[1] < b[1] end)
        for _, each in ipairs(of.ends) do
          short = short - each[2]
          if short <= 0 then wait = math.max(wait, each[1] - now) break end
        end
      end
    end
  end
  if not fits then break end
  granted = granted + 1
  for _, gate in ipairs(gates) do
    for _, kind in ipairs({'r', 't'}) do
      local of = gate[kind]
      if of.limit >= 0 then
        of.used = of.used + needs(gate, kind, tokens)
        redis.call('HINCRBY', gate.key, of.now, needs(gate, kind, tokens))
      end
    end
  end
end
local reply = {t[1], t[2], peers, granted, string.format('%.0f', wait * 1000000)}
for _, gate in ipairs(gates) do
  local till = string.format('%.3f', now + lease)
  redis.call('HSET', gate.key, me, string.format('%.0f ', gate.own + granted) .. till)
  local kept = math.max(gate.r.period, gate.t.period) * 1.02 + lease
  redis.call('PEXPIRE', gate.key, string.format('%.0f', kept * 1000))
  reply[#reply + 1] = gate.r.now
  reply[#reply + 1] = gate.t.now
end
return reply
"""


@attrs.define(eq=False)
class SharedGate:
    """The limits of one provider or model, as all processes have them; `under_way` is of this one."""

    key: bytes
    declared: Declared
    under_way: int = 0

    @property
    def words(self) -> tuple[object, ...]:
        """As the script reads them: -1 is no limit."""
        limits = self.declared
        calls = -1 if limits.concurrency is None else limits.concurrency
        rates = ((-1, 1) if each is None else (each.count, each.period_s) for each in (limits.requests, limits.tokens))
        return (self.under_way, calls, *(word for rate in rates for word in rate))

    def fitted(self, tokens: int) -> int:
        """An estimate may be above what can ever pass at once."""
        return tokens if self.declared.tokens is None else min(tokens, self.declared.tokens.count)


@attrs.define(eq=False)
class Ticket:
    """A call that may be sent, until it ends. `fields` say where in Redis it counts, by gate; None where it counts nowhere."""

    way: "SharedWay"
    tokens: int
    fields: list[tuple[str, str]] | None
    ends_at: float

    @property
    def known(self) -> bool:
        """Whether it passed the limits that all processes have in common."""
        return self.fields is not None

    def leave(self, tokens: int, *, was_sent: bool) -> None:
        """The call is over, and used so many tokens. One that was never sent counts for nothing."""
        self.way.left(self, tokens, was_sent=was_sent)


class TooLate(Exception):
    """A turn would come after the deadline: in `wait_s`, as far as one can tell."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


@attrs.define(eq=False)
class _Asked:
    tokens: int
    ends_at: float
    answer: "asyncio.Future[Ticket]"


@attrs.define(eq=False)
class SharedLine:
    """The messages of one provider, one at a time: each has the whole of what this process has under way."""

    link: RedisLink
    id: str = attrs.field(factory=lambda: os.urandom(8).hex())
    peers: int = 0
    """How many other processes pass here."""
    _lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def lock(self) -> asyncio.Lock:
        """The lock of the running loop."""
        if (loop := asyncio.get_running_loop()) is not self._loop:
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock


class SharedWay:
    """Where the calls of one model pass the limits that all processes have in common."""

    def __init__(self, line: SharedLine, gates: tuple[SharedGate, ...]) -> None:
        self._line, self._gates = line, gates
        self._asked: deque[_Asked] = deque()
        self._corrections: list[object] = []
        self._tickets: set[Ticket] = set()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._moved = asyncio.Event()

    @property
    def peers(self) -> int:
        """How many other processes pass here, as far as is known."""
        return self._line.peers

    async def enter(self, tokens: int, left_s: float) -> Ticket:
        """Wait for a turn, first come, first served. At once while Redis is away, and then the ticket is not `known` there.

        `TooLate`, at once, where the turn would come later than in `left_s`.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._task, self._moved = loop, None, asyncio.Event()
            self._asked.clear()
        asked = _Asked(tokens, time.monotonic() + left_s, loop.create_future())
        self._asked.append(asked)
        self._move()
        try:
            return await asked.answer
        except asyncio.CancelledError:
            if asked in self._asked:
                self._asked.remove(asked)
            elif asked.answer.done() and not asked.answer.cancelled() and asked.answer.exception() is None:
                asked.answer.result().leave(0, was_sent=False)
            raise

    def left(self, ticket: Ticket, tokens: int, *, was_sent: bool) -> None:
        """A call is over: what it took too much is given back with the next message."""
        if ticket not in self._tickets:
            return
        self._tickets.discard(ticket)
        for number, gate in enumerate(self._gates, 1):
            gate.under_way -= 1
            if ticket.fields is None:
                continue
            requests, of_tokens = ticket.fields[number - 1]
            if gate.declared.tokens is not None and (by := tokens - gate.fitted(ticket.tokens)):
                self._corrections += [number, of_tokens, by]
            if gate.declared.requests is not None and not was_sent:
                self._corrections += [number, requests, -1]
        self._moved.set()
        if self._corrections or self._asked or any(gate.declared.concurrency is not None for gate in self._gates):
            self._move()

    async def close(self) -> None:
        """Wait until it is said what ended."""
        if (task := self._task) is not None and self._loop is asyncio.get_running_loop():
            await asyncio.gather(task, return_exceptions=True)

    def _move(self) -> None:
        if self._task is None and self._loop is asyncio.get_running_loop():
            self._task = self._loop.create_task(self._ask())

    async def _ask(self) -> None:
        """Say what ended and ask for those in line, until nobody is left there."""
        try:
            while True:
                self._moved.clear()
                try:
                    pause_s = await self._say()
                except StateError:
                    for each in self._taken(len(self._asked)):
                        # Counted here all the same, for when Redis is back.
                        each.answer.set_result(self._ticket(each, None))
                    return
                if not self._asked and not self._moved.is_set():
                    break
                if pause_s > 0:
                    await _either(self._moved, pause_s)
        except BaseException:
            # Its loop ends: nobody is left waiting.
            for each in self._taken(len(self._asked)):
                each.answer.cancel()
            raise
        finally:
            self._task = None

    async def _say(self) -> float:
        """One message. How long to wait before the next one."""
        async with self._line.lock:
            wanted = list(islice(self._asked, MOST_ASKED))
            corrections, self._corrections = self._corrections, []
            now = time.monotonic()
            ends_at = max([now, *(each.ends_at for each in self._tickets), *(each.ends_at for each in wanted)])
            args = [
                self._line.id,
                f"{ends_at - now + LEASE_S:.3f}",
                *(word for gate in self._gates for word in gate.words),
                len(corrections) // 3,
                *corrections,
                len(wanted),
                *(each.tokens for each in wanted),
            ]
            peers, granted, wait_us, *fields = await self._line.link.run(_TURN, [gate.key for gate in self._gates], args)
            self._line.peers = int(peers)
            names = [each.decode() for each in fields]
            pairs = list(zip(names[::2], names[1::2], strict=True))
            for each in wanted[: int(granted)]:
                ticket = self._ticket(each, pairs)
                if each in self._asked:
                    self._asked.remove(each)
                if each.answer.done():
                    # Cancelled meanwhile.
                    ticket.leave(0, was_sent=False)
                else:
                    each.answer.set_result(ticket)
            if int(granted) == len(wanted):
                return 0.0
            first, wait_s = wanted[int(granted)], int(wait_us) / 1e6
            if time.monotonic() + wait_s >= first.ends_at:
                if first in self._asked:
                    self._asked.remove(first)
                if not first.answer.done():
                    first.answer.set_exception(TooLate(wait_s))
                return 0.0
            return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, wait_s or LONGEST_PAUSE_S / 5))

    def _ticket(self, asked: _Asked, fields: list[tuple[str, str]] | None) -> Ticket:
        ticket = Ticket(self, asked.tokens, fields, asked.ends_at)
        self._tickets.add(ticket)
        for gate in self._gates:
            gate.under_way += 1
        return ticket

    def _taken(self, count: int) -> list[_Asked]:
        taken = [self._asked.popleft() for _ in range(count)]
        return [each for each in taken if not each.answer.done()]


class SharedLimits:
    """The limits of a plan that all processes have in common. `namespace` tells workflows apart that share the Redis."""

    def __init__(self, link: RedisLink, namespace: str) -> None:
        self.link = link
        self._namespace = namespace
        self._ways: list[SharedWay] = []

    def gate(self, name: str, declared: Declared) -> SharedGate:
        """The limits of a provider or a model; `name` is what messages call it."""
        # The braces keep the gates of a call together in a cluster.
        return SharedGate(f"mmflow:1:limit:{{{self._namespace}}}#{name}".encode("utf-8", "surrogatepass"), declared)

    def way(self, line: SharedLine, gates: tuple[SharedGate, ...]) -> SharedWay:
        """The way of one model's calls through the gates of its line."""
        way = SharedWay(line, gates)
        self._ways.append(way)
        return way

    async def close(self) -> None:
        """Wait until it is said what ended."""
        for way in self._ways:
            await way.close()


async def _either(event: asyncio.Event, pause_s: float) -> None:
    try:
        async with asyncio.timeout(pause_s):
            await event.wait()
    except TimeoutError:
        pass
