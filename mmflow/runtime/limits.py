"""The limits of providers and models while they run: requests and tokens in a period, and calls at a time.

In no stretch of a period's length do more than the limit's requests begin, nor more than its tokens pass: not only per minute on
the clock, and without a burst at the turn of one. Calls that have to wait go first come, first served.
"""

import asyncio
from collections import deque
from math import ceil, inf

import attrs
import msgspec

from mmflow.plan import Limits as Declared
from mmflow.plan import Plan, Rate
from mmflow.plugin import Call, CallError, Duration
from mmflow.runtime.alarms import Alarm, Alarms, Timeout
from mmflow.runtime.deadline import Bounds
from mmflow.runtime.events import StateChanged, Waited, Waiting
from mmflow.runtime.limits_redis import SharedGate, SharedLimits, SharedLine, SharedWay, Ticket, TooLate
from mmflow.runtime.record import Record
from mmflow.units import Rate as WrittenRate
from mmflow.units import text_of

TYPICAL_OUTPUT_TOKENS = 500
"""How long an answer is taken to be beforehand where nothing bounds it."""

TOLD_S = 0.01
"""Shorter waits for what other processes pass are not told."""

GRAINS = 1_000
"""What passes within a thousandth of a period is kept as one entry, so that a limit of millions takes no more memory."""


@attrs.define
class Entry:
    """What passed at about one instant; it counts until `ends_at`. `open` of it is a guess that may still come down."""

    begins_at: float
    ends_at: float
    amount: int = 0
    open: int = 0


class Passing:
    """So many in any stretch of a period. An amount may be corrected while its entry lasts."""

    def __init__(self, rate: Rate) -> None:
        self.limit, self.period_s = rate.count, float(rate.period_s)
        self.waiting = 0
        """What those in line ask for, without guesses."""
        self._entries: deque[Entry] = deque()
        self._used = self._open = 0

    def add(self, amount: int, now: float, *, open: int = 0) -> Entry:
        """Let an amount pass, of which `open` is a guess."""
        self._expire(now)
        self._used += amount
        self._open += open
        last = self._entries[-1] if self._entries else None
        if last is None or now - last.begins_at >= self.period_s / GRAINS:
            last = Entry(now, now + self.period_s)
            self._entries.append(last)
        last.amount += amount
        last.open += open
        # The later end: a little too careful, never too bold.
        last.ends_at = now + self.period_s
        return last

    def correct(self, entry: Entry, by: int, now: float, *, open: int = 0) -> None:
        """What passed was more or less than it was taken for, and `open` of it is a guess no more."""
        self._expire(now)
        if entry.ends_at > now:
            entry.amount += by
            entry.open -= open
            self._used += by
            self._open -= open

    def free_at(self, amount: int, ahead: int, now: float, *, at_best: bool = False) -> float:
        """The instant from which an amount may pass after what is ahead of it, as far as one can tell; `now` is at once.

        `at_best`: were nothing of what is a guess so far used in the end.
        """
        self._expire(now)
        short = self._used - (self._open if at_best else 0) + ahead + amount - self.limit
        if short <= 0:
            return now
        # What passes in the meantime ends a period later, in the same order: the line moves in rounds of a period.
        rounds = (short - 1) // self.limit
        short -= rounds * self.limit
        for each in self._entries:
            short -= each.amount - (each.open if at_best else 0)
            if short <= 0:
                return each.ends_at + rounds * self.period_s
        return now + (rounds + 1) * self.period_s

    def _expire(self, now: float) -> None:
        entries = self._entries
        if entries and entries[-1].begins_at > now:
            # Another loop with a clock of its own, as in a test: nothing here is of its time.
            for each in entries:
                each.ends_at = -inf
            entries.clear()
            self._used = self._open = 0
        while entries and entries[0].ends_at <= now:
            ended = entries.popleft()
            self._used -= ended.amount
            self._open -= ended.open


class Need(msgspec.Struct, frozen=True):
    """The tokens that a call asks for: what it reads, and that together with what it may write."""

    input_tokens: int
    tokens: int


class Gate:
    """The limits of one provider or model; `name` is how messages call it."""

    def __init__(self, name: str, declared: Declared) -> None:
        self.name = name
        self.requests = None if declared.requests is None else Passing(declared.requests)
        self.tokens = None if declared.tokens is None else Passing(declared.tokens)
        self.concurrency = inf if declared.concurrency is None else declared.concurrency
        self.under_way = 0
        self.declared = declared

    def take_share(self, of: int) -> None:
        """Let pass what is one process' share where there are so many; 1 is all of it."""
        declared = self.declared
        for passing, rate in ((self.requests, declared.requests), (self.tokens, declared.tokens)):
            if passing is not None and rate is not None:
                passing.limit = max(1, rate.count // of)
        if declared.concurrency is not None:
            self.concurrency = max(1, declared.concurrency // of)

    def takes(self, input_tokens: int) -> bool:
        """Whether a call that reads so many tokens can ever pass."""
        return self.declared.tokens is None or input_tokens <= self.declared.tokens.count

    def opens_at(self, tokens: int, now: float) -> tuple[float, str]:
        """When the first in line may pass, and the limit that holds it back; infinity where that is another call's end."""
        if self.under_way >= self.concurrency:
            return inf, "concurrency"
        at, why = now, ""
        if self.requests is not None and (free := self.requests.free_at(1, 0, now)) > at:
            at, why = free, "requests"
        if self.tokens is not None and (free := self.tokens.free_at(self.fitted(tokens), 0, now)) > at:
            at, why = free, "tokens"
        return at, why

    def turn_at(self, tokens: int, now: float) -> tuple[float, str]:
        """When the last in line may pass by the rates at best, and the limit that holds it back."""
        at, why = now, ""
        if self.requests is not None and (free := self.requests.free_at(1, self.requests.waiting, now)) > at:
            at, why = free, "requests"
        if self.tokens is not None:
            free = self.tokens.free_at(self.fitted(tokens), self.tokens.waiting, now, at_best=True)
            at, why = (free, "tokens") if free > at else (at, why)
        return at, why

    def fitted(self, tokens: int) -> int:
        """An estimate may be above what can ever pass at once; it is the estimate that is wrong then."""
        return tokens if self.tokens is None else min(tokens, self.tokens.limit)

    def expect(self, need: Need, sign: int) -> None:
        """A call joins the line (1) or leaves it (-1)."""
        if self.requests is not None:
            self.requests.waiting += sign
        if self.tokens is not None:
            self.tokens.waiting += sign * need.input_tokens

    def text(self, why: str) -> str:
        """A limit as the file has it: `requests = 500/min of provider openai`."""
        value = getattr(self.declared, why)
        shown = text_of(WrittenRate(value.count, value.period_s)) if isinstance(value, Rate) else str(value)
        return f"{why} = {shown} of {self.name}"


class _Passed(msgspec.Struct):
    """An entry of a call, what it took it for, and how much of that is a guess."""

    passing: Passing
    entry: Entry
    amount: int
    open: int = 0


class Permit:
    """A call that passed its gates, until it ends."""

    def __init__(self, line: "Line", gates: tuple[Gate, ...], need: Need, now: float) -> None:
        assert line.alarms is not None, "a line is entered in a loop"
        self.ticket: Ticket | None = None
        """Where it passed the limits of all processes too."""
        self._line, self._gates, self._now = line, gates, line.alarms.loop.time
        self._requests: list[_Passed] = []
        self._tokens: list[_Passed] = []
        for gate in gates:
            gate.under_way += 1
            if gate.requests is not None:
                self._requests.append(_Passed(gate.requests, gate.requests.add(1, now), 1))
            if gate.tokens is not None:
                amount = gate.fitted(need.tokens)
                open = max(0, amount - need.input_tokens)
                self._tokens.append(_Passed(gate.tokens, gate.tokens.add(amount, now, open=open), amount, open))

    def leave(self, tokens: int, *, was_sent: bool) -> None:
        """The call is over, and used so many tokens. One that was never sent counts for nothing."""
        now = self._now()
        if self.ticket is not None:
            self.ticket.leave(tokens, was_sent=was_sent)
        for gate in self._gates:
            gate.under_way -= 1
        for each in self._tokens:
            each.passing.correct(each.entry, tokens - each.amount, now, open=each.open)
        for each in self._requests if not was_sent else ():
            each.passing.correct(each.entry, -1, now)
        self._line.move()


@attrs.define(eq=False)
class Waiter:
    """A call in line."""

    number: int
    model: str
    gates: tuple[Gate, ...]
    need: Need
    turn: "asyncio.Future[Permit]"
    is_in_line: bool = True


class Line(Alarm):
    """The calls that wait for one provider, whose gate is `shared`, or for one model where only it has limits."""

    def __init__(self, shared: Gate | None) -> None:
        super().__init__()
        self.alarms: Alarms | None = None
        self._shared = shared
        self._waiting: dict[str, deque[Waiter]] = {}
        self._number = 0

    async def enter(
        self, gates: tuple[Gate, ...], model: str, need: Need, path: str, bounds: Bounds, alarms: Alarms, record: Record
    ) -> Permit:
        """Wait for a turn. `CallError` of class 429, at once where it would come after the deadline, else at the deadline."""
        if self.alarms is not alarms:
            self.alarms, self.number = alarms, 0
        now = record.clock()
        if not self._waiting:
            for gate in gates:
                if gate.opens_at(need.tokens, now)[0] > now:
                    break
            else:
                return Permit(self, gates, need, now)
        for gate in gates:
            at, why = gate.turn_at(need.tokens, now)
            if why and at >= bounds.ends_at:
                raise _late(model, f"would have its turn in {_text(at - now)}", gate.text(why), bounds, at - now)
        waiter = self._join(gates, model, need, alarms.loop.create_future())
        self.move()
        if not waiter.turn.done():
            record.write(Waiting(at_s=record.now(), path=path, model=model, limit=self._why(waiter)))
        try:
            with Timeout(alarms, bounds.ends_at):
                permit = await waiter.turn
        except TimeoutError:
            why = self._why(waiter)
            self._drop(waiter)
            raise _late(model, "did not have its turn", why, bounds) from None
        except BaseException:
            # Cancelled: the place in line goes, or the turn that came at the same moment.
            self._drop(waiter)
            raise
        if (waited_s := record.clock() - now) > 0:
            record.write(Waited(at_s=record.now(), path=path, model=model, wait_s=waited_s))
        return permit

    def move(self) -> None:
        """Let pass who may, in the order of the line; a model that is held back by its own limits holds back no other."""
        if self.alarms is None or not self._waiting:
            return
        now, next_at = self.alarms.loop.time(), inf
        held: set[str] = set()
        while heads := [line[0] for model, line in self._waiting.items() if model not in held]:
            first = min(heads, key=lambda each: each.number)
            if first.turn.done():
                # It was cancelled, and has not heard of it yet.
                self._leave(first)
                continue
            at = max(gate.opens_at(first.need.tokens, now)[0] for gate in first.gates)
            if at <= now:
                self._leave(first)
                first.turn.set_result(Permit(self, first.gates, first.need, now))
                continue
            next_at = min(next_at, at)
            if self._shared is not None and self._shared.opens_at(first.need.tokens, now)[0] > now:
                break
            held.add(first.model)
        if next_at < inf:
            self.alarms.set(self, next_at)

    def ring(self) -> None:
        self.move()

    @property
    def waiting(self) -> int:
        """How many calls are in line."""
        return sum(map(len, self._waiting.values()))

    def _join(self, gates: tuple[Gate, ...], model: str, need: Need, turn: "asyncio.Future[Permit]") -> Waiter:
        self._number += 1
        waiter = Waiter(self._number, model, gates, need, turn)
        self._waiting.setdefault(model, deque()).append(waiter)
        for gate in gates:
            gate.expect(need, 1)
        return waiter

    def _leave(self, waiter: Waiter) -> None:
        waiter.is_in_line = False
        line = self._waiting[waiter.model]
        line.remove(waiter)
        if not line:
            del self._waiting[waiter.model]
        for gate in waiter.gates:
            gate.expect(waiter.need, -1)

    def _drop(self, waiter: Waiter) -> None:
        if waiter.turn.done() and not waiter.turn.cancelled():
            waiter.turn.result().leave(0, was_sent=False)
        elif waiter.is_in_line:
            self._leave(waiter)
            self.move()

    def _why(self, waiter: Waiter) -> str:
        """The limit that holds a call back: one of its own, or that of the calls ahead of it."""
        assert self.alarms is not None, "a line is entered in a loop"
        now = self.alarms.loop.time()
        for gate in waiter.gates:
            _, why = gate.opens_at(waiter.need.tokens, now)
            if why or (why := gate.turn_at(0, now)[1]):
                return gate.text(why)
        return "the calls ahead"


@attrs.frozen
class _Way:
    """Where a model's calls wait, and what they pass."""

    line: Line
    gates: tuple[Gate, ...]
    shared: SharedWay | None = None
    """What other processes pass too."""


class Limits:
    """The limits of a plan, by model; `common` has those that other processes pass too.

    Where these cannot be asked, this process goes on with its share of the limits, as many as there were processes.
    """

    def __init__(self, plan: Plan, common: SharedLimits | None = None) -> None:
        shared = {each.name: _gate(f"provider `{each.name}`", each.limits) for each in plan.providers.values()}
        lines = {name: Line(gate) for name, gate in shared.items() if gate is not None}
        self._ways: dict[str, _Way] = {}
        self._common = common
        self._shares: set[Gate] = set()
        """Those of which this process takes its share only."""
        common_gates: dict[Gate, SharedGate] = {}
        common_lines: dict[Line, SharedLine] = {}
        for model in plan.models.values():
            limits = plan.model_limits.get(model.name, Declared())
            own = _gate(f"model `{model.name}`", limits)
            gates = tuple(gate for gate in (shared.get(model.provider), own) if gate is not None)
            if not gates:
                continue
            line, way = lines.get(model.provider) or Line(None), None
            if common is not None:
                for gate in gates:
                    if gate not in common_gates:
                        common_gates[gate] = common.gate(gate.name, gate.declared)
                common_line = common_lines.setdefault(line, SharedLine(common.link))
                way = common.way(common_line, tuple(common_gates[gate] for gate in gates))
            self._ways[model.name] = _Way(line, gates, way)

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return bool(self._ways)

    def __contains__(self, model: str) -> bool:
        """Whether this model's calls are."""
        return model in self._ways

    @property
    def held(self) -> int:
        """How many calls hold a place at a gate, or wait for one; 0 when none is under way."""
        gates = {gate for way in self._ways.values() for gate in way.gates}
        lines = {way.line for way in self._ways.values()}
        return sum(gate.under_way for gate in gates) + sum(line.waiting for line in lines)

    async def enter(
        self, call: Call, input_tokens: int, path: str, bounds: Bounds, alarms: Alarms, record: Record
    ) -> Permit | None:
        """Wait until a call may be sent; None where nothing limits its model. `CallError` of class 429 where it comes too late.

        The tokens of its answer are taken for as many as it may have, and corrected when it ends.
        """
        if (way := self._ways.get(call.model.name)) is None:
            return None
        for gate in way.gates:
            if not gate.takes(input_tokens):
                raise _refused(
                    f"`{call.model.name}` would read about {input_tokens} tokens, more than {gate.text('tokens')} lets pass"
                )
        expected = TYPICAL_OUTPUT_TOKENS if call.max_output_tokens is None else call.max_output_tokens
        need = Need(input_tokens, input_tokens + expected)
        while True:
            permit = await way.line.enter(way.gates, call.model.name, need, path, bounds, alarms, record)
            if way.shared is None or await self._passes(way, way.shared, permit, call.model.name, need, path, bounds, record):
                return permit

    async def close(self) -> None:
        """Wait until other processes know what ended."""
        if self._common is not None:
            await self._common.close()

    async def _passes(
        self, way: _Way, shared: SharedWay, permit: Permit, model: str, need: Need, path: str, bounds: Bounds, record: Record
    ) -> bool:
        """Whether a call passes what other processes pass too; where that cannot be asked, it goes in line for its share."""
        assert way.line.alarms is not None, "a line is entered in a loop"
        assert self._common is not None, "ways are shared where there is something in common"
        is_share = not self._shares.isdisjoint(way.gates)
        began_at = record.clock()
        try:
            with Timeout(way.line.alarms, bounds.ends_at):
                ticket = await shared.enter(need.tokens, bounds.left_s(began_at))
        except BaseException as error:  # whatever it is, cancellation included, it is raised again, and nothing was sent
            permit.leave(0, was_sent=False)
            if isinstance(error, TooLate):
                what = f"would have its turn among all processes in {_text(error.wait_s)}"
                raise _late(model, what, "the limits they share", bounds, error.wait_s) from None
            if isinstance(error, TimeoutError):
                raise _late(model, "did not have its turn among all processes", "the limits they share", bounds) from None
            raise
        while (message := self._common.link.news()) is not None:
            record.write(StateChanged(at_s=record.now(), message=message))
        permit.ticket = ticket
        if ticket.known:
            if is_share:
                self._take_share(way, None)
            if (waited_s := record.clock() - began_at) >= TOLD_S:
                record.write(Waited(at_s=record.now(), path=path, model=model, wait_s=waited_s))
            return True
        if is_share:
            return True
        self._take_share(way, shared.peers + 1)
        permit.leave(0, was_sent=False)
        return False

    def _take_share(self, way: _Way, of: int | None) -> None:
        """Go on with this process's share, of so many; None is the whole again, shared with all."""
        for gate in way.gates:
            gate.take_share(of or 1)
        if of is None:
            self._shares.difference_update(way.gates)
        else:
            self._shares.update(way.gates)
        way.line.move()


def _gate(name: str, declared: Declared) -> Gate | None:
    return None if declared == Declared() else Gate(name, declared)


def _late(model: str, what: str, why: str, bounds: Bounds, wait_s: float | None = None) -> CallError:
    return _refused(f"`{model}` {what}, and the deadline of {_text(bounds.deadline_s)} is sooner: {why}", wait_s)


def _refused(message: str, wait_s: float | None = None) -> CallError:
    help = "raise the limit where the provider allows it, or add a fallback on `429`"
    return CallError("429", message, retry_after_s=wait_s, dispatched="no", help=help)


def _text(seconds: float) -> str:
    return text_of(Duration(ceil(seconds * 1_000) / 1_000))
