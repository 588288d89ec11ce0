"""What bounds a step: the instant it must end by, and what a model may be asked for. Bounds only ever narrow."""

from typing import TypeVar

import attrs

from mmflow.plugin import Timeouts

_Number = TypeVar("_Number", int, float)


@attrs.frozen
class Bounds:
    """`ends_at` is an instant on the loop's clock, `deadline_s` the time that was declared for it."""

    ends_at: float
    deadline_s: float
    max_output_tokens: int | None = None
    temperature: float | None = None

    def left_s(self, now: float) -> float:
        """Seconds until the deadline; 0 once it is over."""
        return max(0.0, self.ends_at - now)

    def narrowed(
        self, now: float, deadline_s: float | None, max_output_tokens: int | None, temperature: float | None
    ) -> "Bounds":
        """These bounds and those given, whichever are tighter."""
        sooner = deadline_s is not None and now + deadline_s < self.ends_at
        return Bounds(
            now + deadline_s if sooner and deadline_s is not None else self.ends_at,
            deadline_s if sooner and deadline_s is not None else self.deadline_s,
            least(self.max_output_tokens, max_output_tokens),
            least(self.temperature, temperature),
        )


def least(*values: _Number | None) -> _Number | None:
    """The smallest of the values that are given; None where none is."""
    return min((value for value in values if value is not None), default=None)


def tightest(one: Timeouts, other: Timeouts) -> Timeouts:
    """The smaller of each pair of time-outs."""
    return Timeouts(
        connect_s=least(one.connect_s, other.connect_s),
        first_token_s=least(one.first_token_s, other.first_token_s),
        idle_s=least(one.idle_s, other.idle_s),
        total_s=least(one.total_s, other.total_s),
    )
