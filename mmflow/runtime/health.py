"""How models have been doing of late in this process: the measured p95 of the time that their answers took."""

from bisect import bisect_left, insort
from collections import deque
from math import ceil

import attrs

SAMPLES = 100
"""The latest answers of a model that count."""

FEWEST = 20
"""Fewer say nothing of a 95th percentile."""

FRESH_S = 900.0
"""Older ones no longer count, so that a model that was slow is tried again."""


@attrs.define
class _Window:
    taken: deque[tuple[float, float]] = attrs.field(factory=deque)
    """When an answer was whole, and how long it took; the oldest first."""
    ordered_s: list[float] = attrs.field(factory=list)

    def forget(self) -> None:
        _, took_s = self.taken.popleft()
        del self.ordered_s[bisect_left(self.ordered_s, took_s)]


class Latencies:
    """The time that answers took, by model. `now` is an instant on the loop's clock."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def add(self, model: str, took_s: float, now: float) -> None:
        """A call was answered."""
        if (window := self._windows.get(model)) is None:
            window = self._windows[model] = _Window()
        if len(window.taken) == SAMPLES:
            window.forget()
        window.taken.append((now, took_s))
        insort(window.ordered_s, took_s)

    def p95_s(self, model: str, now: float) -> float | None:
        """The 95th percentile by nearest rank; None where too few answers are known."""
        if (window := self._windows.get(model)) is None:
            return None
        while window.taken and window.taken[0][0] < now - FRESH_S:
            window.forget()
        count = len(window.ordered_s)
        return window.ordered_s[ceil(count * 0.95) - 1] if count >= FEWEST else None
