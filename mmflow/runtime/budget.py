"""Budgets while they run: what a call may cost is promised before it is sent, and what it did cost is spent afterwards."""

import os
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from hashlib import blake2b
from math import floor
from typing import Any, TypeVar

import attrs

from mmflow.plan import Budget, Flow, Plan, Threshold
from mmflow.plugin import CallError, Model, Request
from mmflow.runtime.alarms import Alarms, Timeout
from mmflow.runtime.at_once import Begun
from mmflow.runtime.conditions import field_of
from mmflow.runtime.cost import dollars, worst_of
from mmflow.runtime.events import Alerted, BudgetDegraded, StateChanged
from mmflow.runtime.record import Record
from mmflow.runtime.state import Balance, MemoryStore, Promise, StateError, Store, Window, window_at
from mmflow.units import Budget as Amount
from mmflow.units import text_of

_T = TypeVar("_T")

LEASE_S = 60.0
"""How long past its deadline a call may hold money: after that its process is taken for dead, and the money is free again."""

LONGEST_VALUE = 64
"""Longer values of the field `per` are kept as their hash."""

MOST_TOLD = 10_000
"""So many alerts are remembered here, to spare the store a question; the store remembers them all."""


NOTHING = Balance(0, 0)


class BudgetSpent(CallError):
    """A budget refuses. Nothing was sent, and no other target may make up for it."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__("budget", message, dispatched="no", help=help)


class Budgets:
    """The budgets of a plan, over a store. `namespace` tells workflows apart that share the store.

    What is simulated for want of a key costs nothing: it counts here as if it did, and the store never hears of it.
    """

    def __init__(self, plan: Plan, store: Store, namespace: str, wall: Callable[[], float] = time.time) -> None:
        self.store = store
        self._plan = plan
        self._namespace = namespace
        self._wall = wall
        self._made_up = MemoryStore()
        self._told: set[tuple[Window, str, bool]] = set()

    def account(self, flow: Flow, request: Request, record: Record, alarms: Alarms) -> "Account | None":
        """The account that pays for a request; None where its flow has no budget."""
        if flow.budget is None:
            return None
        budget = self._plan.budgets[flow.budget]
        key = f"{self._namespace}#{budget.name}"
        value = field_of(request, budget.per) if budget.per is not None else None
        if value is not None:
            key += f"[{budget.per}={_short(str(value))}]"
        window = window_at(key, budget.period_s, self._wall())
        ends_at = record.began_at + flow.deadline_s
        return Account(budget, self.store, self._made_up, window, self._wall, record, alarms, ends_at, self._is_first)

    async def _is_first(self, store: Store, window: Window, name: str) -> bool:
        """Whether nobody was told of this in this window before, here or elsewhere."""
        known = window, name, store is self.store
        if known in self._told:
            return False
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        is_first = await store.mark(window, name)
        self._told.add(known)
        return is_first


@attrs.define
class Account:
    """The budget of one request, in the period in which it came in.

    Up to the limit its money is hard: no call is sent that could pass it, unless it is a call of a step that a threshold at the
    limit or above puts in the place of the flow's own (`degrade`). Such a call counts all the same.
    """

    budget: Budget
    _store: Store
    _made_up: MemoryStore
    """Keeps what is simulated for want of a key."""
    window: Window
    _wall: Callable[[], float]
    _record: Record
    _alarms: Alarms
    _ends_at: float
    """The request's deadline: no store is waited for any longer."""
    _is_first: Callable[[Store, Window, str], Coroutine[Any, Any, bool]]
    """Whether an alert is the first of its kind."""
    _balance: Balance = NOTHING
    _made_up_balance: Balance = NOTHING
    _reached: float = 0.0
    """The share that counts as reached for this request: its limit, once a call did not fit below."""
    _at: Threshold | None = None
    """The threshold that holds for this request."""

    async def enter(self, *, alerts: bool = True) -> str | None:
        """The step that a threshold puts in the place of the flow's own. `BudgetSpent` where the budget refuses the request."""
        now = await self._asked(self._store.clock(self._wall()))
        if not self.window.starts_at <= now < self.window.ends_at:
            self.window = window_at(self.window.key, self.budget.period_s, now)
        await self._look()
        if alerts:
            await self._alert()
        share = self._share()
        arm = self._arm(share)
        if share >= 1.0 if arm is None else arm.action == "reject":
            raise self._refusal()
        return self._take(arm)

    @property
    def has_refused(self) -> bool:
        """Whether a call of this request did not fit."""
        return self._reached > 0

    def instead(self) -> str | None:
        """The step to go on with after a call was refused; None where the refusal is final."""
        arm = self._arm(max(self._reached, self._share()))
        if arm is None or arm.action == "reject" or arm is self._at:
            return None
        return self._take(arm)

    async def reserve(
        self, model: Model, input_tokens: int, max_output_tokens: int | None, left_s: float, *, simulated: bool = False
    ) -> Promise:
        """Set aside the worst that a call may cost, for `left_s` seconds and a grace; in this process alone if it is `simulated`.

        `BudgetSpent` where it does not fit, and a `CallError` of the same class where there is no worst.
        """
        worst_microusd = worst_of(model, input_tokens, max_output_tokens, f"budget `{self.budget.name}`")
        now = self._wall()
        promise = Promise(os.urandom(8).hex(), self.window, worst_microusd, now + left_s + LEASE_S, simulated)
        share = self._limit()
        # What is free passes no limit, not even one that was passed.
        limit = None if share is None or not worst_microusd else floor(share * self.budget.limit_microusd + 1e-6)
        granted = await self._granted(promise, limit, now)
        if share is not None and not granted:
            self._reached = share
            await self._alert()
            raise self._refusal(f"`{model.name}` may cost up to {dollars(worst_microusd)}, and ")
        return promise

    def settle(self, promise: Promise, cost_microusd: int) -> None:
        """A call is over: `cost_microusd` of its promise is spent, the rest is free again."""
        (self._made_up if promise.simulated else self._store).settle(promise, cost_microusd)

    async def leave(self) -> None:
        """Tell of the thresholds that this request passed."""
        for each in self.budget.thresholds:
            if each.action == "alert":
                break
        else:
            return
        try:
            await self._look()
            await self._alert()
        except (StateError, BudgetSpent):
            # The answer stands. Whoever comes next tells of it.
            return

    # ---- the stores -----------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        now = self._wall()
        if self._made_up:
            self._made_up_balance = await self._made_up.balance(self.window, now)
        self._balance = await self._asked(self._store.balance(self.window, now))

    async def _granted(self, promise: Promise, limit_microusd: int | None, now: float) -> bool:
        """Whether a promise fits beside what is in the other store."""
        other = NOTHING
        if promise.simulated:
            other = self._balance
        elif self._made_up:
            other = await self._made_up.balance(self.window, now)
        left = None if limit_microusd is None else limit_microusd - other.spent_microusd - other.promised_microusd
        if promise.simulated:
            self._made_up_balance = found = await self._made_up.reserve(promise, left, now)
        else:
            # The store takes no limit below nothing.
            left = None if left is None else max(0, left)
            self._balance = found = await self._asked(self._store.reserve(promise, left, now))
            self._made_up_balance = other
        return found.granted

    @property
    def _spent_microusd(self) -> int:
        return self._balance.spent_microusd + self._made_up_balance.spent_microusd

    @property
    def _promised_microusd(self) -> int:
        return self._balance.promised_microusd + self._made_up_balance.promised_microusd

    def _share(self, *, with_promises: bool = False) -> float:
        return self._share_of(self._spent_microusd + (self._promised_microusd if with_promises else 0))

    def _share_of(self, microusd: int) -> float:
        return microusd / self.budget.limit_microusd if self.budget.limit_microusd else 1.0

    # ---- thresholds -----------------------------------------------------------------------------------------------------

    def _arm(self, share: float) -> Threshold | None:
        """What holds at a share: `reject` goes before `degrade`, and of several the last that is reached."""
        reached = [each for each in self.budget.thresholds if each.share <= share and each.action != "alert"]
        return max(reached, key=lambda each: (each.action == "reject", each.share), default=None)

    def _take(self, arm: Threshold | None) -> str | None:
        if arm is None:
            return None
        assert arm.target is not None, "a threshold that degrades names a step"
        self._at = arm
        self._record.write(
            BudgetDegraded(
                at_s=self._record.now(),
                budget=self.budget.name,
                share=arm.share,
                target=arm.target,
                spent_microusd=self._spent_microusd,
                simulated_microusd=self._made_up_balance.spent_microusd,
                limit_microusd=self.budget.limit_microusd,
            )
        )
        return arm.target

    def _limit(self) -> float | None:
        """The share that may be spent and promised together with the next call; None is no limit."""
        shares = [each.share for each in self.budget.thresholds if each.action == "reject"]
        # A cheaper step from 80% on is no leave to pass 100%.
        if self._at is None or self._at.share < 1.0:
            shares.append(1.0)
        return min(shares, default=None)

    async def _alert(self) -> None:
        # What is promised counts where it keeps others from being served, and the limit is reached by what does not fit.
        share = self._share(with_promises=self._reached > 0)
        for each in self.budget.thresholds:
            if each.action != "alert" or (each.share > share and each.share != self._reached):
                continue
            # Money that nobody spent must not keep the alert of what is spent from being told.
            is_real = not self._made_up_balance.spent_microusd or self._share_of(self._balance.spent_microusd) >= each.share
            store = self._store if is_real else self._made_up
            if await self._asked(self._is_first(store, self.window, f"alert {each.target} {each.share:g}")):
                alerted = Alerted(
                    at_s=self._record.now(),
                    budget=self.budget.name,
                    channel=each.target or "",
                    share=each.share,
                    spent_microusd=self._spent_microusd,
                    simulated_microusd=self._made_up_balance.spent_microusd,
                    limit_microusd=self.budget.limit_microusd,
                    key=self.window.key.partition("#")[2],
                    renews_at_unix_s=self.window.ends_at,
                )
                self._record.write(alerted)

    # ---- what it says ---------------------------------------------------------------------------------------------------

    async def _asked(self, answer: Coroutine[Any, Any, _T]) -> _T:
        try:
            # Most stores mostly know it already: only what has to be waited for pays for a time-out.
            try:
                first = answer.send(None)
            except StopIteration as done:
                found: _T = done.value
                return found
            with Timeout(self._alarms, self._ends_at):
                return await Begun(answer, first)
        except StateError as error:
            raise BudgetSpent(f"budget `{self.budget.name}` cannot be asked: {error.message}", error.help) from error
        except TimeoutError:
            message = f"budget `{self.budget.name}` could not be asked within the deadline"
            raise BudgetSpent(message, "raise `deadline`, or bring the store of budgets nearer") from None
        finally:
            while (news := self._store.news()) is not None:
                self._record.write(StateChanged(at_s=self._record.now(), message=news))

    def _refusal(self, why: str = "") -> BudgetSpent:
        budget = self.budget
        limit = text_of(Amount(budget.limit_microusd, budget.period_s))
        spent = f"{dollars(self._spent_microusd)} of {limit} is spent"
        if self._made_up_balance.spent_microusd:
            spent += f", {dollars(self._made_up_balance.spent_microusd)} of it by simulated answers"
        if self._promised_microusd:
            spent += f", {dollars(self._promised_microusd)} promised to calls under way"
        renews = f"{datetime.fromtimestamp(self.window.ends_at, UTC):%Y-%m-%d %H:%M} UTC"
        message = f"budget `{budget.name}`: {why}{spent}; it renews at {renews}"
        return BudgetSpent(message, f"wait until it renews, raise `limit` of `{budget.name}`, or let a threshold `degrade`")


def _short(value: str) -> str:
    if len(value) <= LONGEST_VALUE:
        return value
    return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
