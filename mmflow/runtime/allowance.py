"""Allowances: a process holds a block of a shared budget, and grants most of its own calls from it by arithmetic.

What is held counts as promised for everybody else, so that no limit is passed, however many hold some.
"""

from math import inf

import attrs

from mmflow.runtime.state import Balance, Promise, Window

TIMES = 16
"""So many times what a call may cost is taken at once, and twice as much each time that this does not last for `BUSY_S`."""

LARGEST_SHARE = 0.02
"""Of a limit, in one block."""

FREE_SHARE = 0.1
"""So much of a limit is never taken in blocks: near it every call is asked for by itself."""

BUSY_S = 1.0
"""Only who asks again within such a time takes a block, and a block that nobody uses for so long goes back."""

FRESH_S = 0.1
"""What the store said is believed for so long: what others did since then is not seen yet."""

GRAIN_S = 1.0
"""A call may hold its money for so much longer than the block that it is paid from, which is prolonged soon after."""


@attrs.define(eq=False)
class Holding:
    """One window of a budget as this process knows it, and what it holds of it. `now` is on the monotonic clock."""

    window: Window
    spent_microusd: int = 0
    """As the store last said, like what is promised."""
    promised_microusd: int = 0
    seen_at: float = -inf
    unsaid_microusd: int = 0
    """Spent here, and not yet in the store."""
    freed: dict[str, int] = attrs.field(factory=dict)
    """What promises of their own had, that are over and not yet out of the store."""
    lease: str | None = None
    """The id of the block, while it grants anything."""
    held_microusd: int = 0
    """Of the block, as the store has it."""
    limit_microusd: int = 0
    """The block was granted under."""
    until: float = -inf
    """When the store lets go of the block, on the wall clock, unless it is prolonged to `wanted_until`."""
    wanted_until: float = -inf
    open: dict[str, Promise] = attrs.field(factory=dict)
    """The calls under way that the block pays for."""
    open_microusd: int = 0
    unsaid_of_block_microusd: int = 0
    """How much of what is unsaid comes out of the block."""
    block_microusd: int = 0
    """How much was last taken at once, and when."""
    taken_at: float = -inf
    used_at: float = -inf
    """When money was last asked for here."""
    is_wanted: bool = False
    """Whether somebody else needs what is not used."""
    is_tight: bool = False
    """Whether so little is left that others may wait for what a call gives back."""
    returning: list[tuple[str, list[Promise]]] = attrs.field(factory=list)
    """Blocks on their way back, with the calls under way that need promises of their own now."""

    @property
    def is_stale(self) -> bool:
        """Whether the store is to be told something."""
        return bool(self.unsaid_microusd or self.freed or self.returning)

    @property
    def taken_microusd(self) -> int:
        """How much of the block is used."""
        return self.open_microusd + self.unsaid_of_block_microusd

    def is_fresh(self, now: float) -> bool:
        """Whether what the store said is still believed."""
        return now - self.seen_at <= FRESH_S

    def balance(self, *, granted: bool = True) -> Balance:
        """What is spent, and promised to calls under way; of what others hold all counts, of what is held here what is used."""
        promised = self.promised_microusd - self.held_microusd + self.open_microusd - sum(self.freed.values())
        return Balance(self.spent_microusd + self.unsaid_microusd, max(0, promised), granted)

    def grants(self, promise: Promise, limit_microusd: int | None, now: float) -> bool:
        """Pay for a call from the block, if it can."""
        if (
            self.lease is None
            or self.taken_microusd + promise.amount_microusd > self.held_microusd
            or promise.until > self.until + GRAIN_S
            or (limit_microusd is not None and limit_microusd < self.limit_microusd)
        ):
            return False
        self.used_at = now
        self.open[promise.id] = promise
        self.open_microusd += promise.amount_microusd
        if promise.until > self.wanted_until:
            self.wanted_until = promise.until
        return True

    def settle(self, promise: Promise, cost_microusd: int) -> None:
        """A call is over."""
        self.unsaid_microusd += cost_microusd
        if self.open.pop(promise.id, None) is None:
            self.freed[promise.id] = promise.amount_microusd
        else:
            self.open_microusd -= promise.amount_microusd
            self.unsaid_of_block_microusd += cost_microusd

    def block(self, amount_microusd: int, limit_microusd: int, now: float) -> int:
        """How much to take beside what a call needs; 0 where the limit is small for such calls."""
        grown = 2 * self.block_microusd if now - self.taken_at <= BUSY_S else 0
        block = min(max(TIMES * amount_microusd, grown), int(LARGEST_SHARE * limit_microusd))
        return block if block >= amount_microusd else 0

    def give_back(self) -> None:
        """Grant nothing from the block any more, and let go of what is not used."""
        if self.lease is None:
            return
        self.returning.append((self.lease, list(self.open.values())))
        self.is_wanted = False
        # What is promised says the same until the store has it.
        self.promised_microusd += self.open_microusd
        self.ended()

    def ended(self) -> None:
        """The block is none any more, and pays for nothing."""
        self.lease, self.until, self.wanted_until, self.block_microusd = None, -inf, -inf, 0
        self.open.clear()
        self.open_microusd = self.unsaid_of_block_microusd = 0
