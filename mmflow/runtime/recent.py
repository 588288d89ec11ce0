"""How many of each kind there were of late."""

from collections import deque


class Recent:
    """Counts pairs (all, those that matter) over the last `window_s` seconds, in tenths of it. `now` is on the loop's clock."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._slots: deque[list[float]] = deque()

    def add(self, now: float, *, all: int = 0, those: int = 0) -> None:
        """Count some."""
        if not self._slots or not 0 <= now - self._slots[-1][0] < self._window_s / 10:
            self._slots.append([now, 0, 0])
        self._slots[-1][1] += all
        self._slots[-1][2] += those

    def counts(self, now: float) -> tuple[int, int]:
        """How many there were: all, and those that matter."""
        # A time to come is of another loop's clock.
        while self._slots and not 0 <= now - self._slots[0][0] < self._window_s:
            self._slots.popleft()
        return int(sum(each[1] for each in self._slots)), int(sum(each[2] for each in self._slots))

    def clear(self) -> None:
        """Forget all of them."""
        self._slots.clear()
