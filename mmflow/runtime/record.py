"""The record of one run: its events, in the order in which they happened, on its own clock."""

import asyncio
from collections.abc import Callable

from mmflow.runtime.events import Event

Observe = Callable[[Event], None]


class Record:
    """Collects events, and hands each to `observe` as it happens. Times are seconds since the record was begun."""

    def __init__(self, observe: Observe | None) -> None:
        self.events: list[Event] = []
        self.clock = asyncio.get_running_loop().time
        self.began_at = self.clock()
        self._observe = observe

    def now(self) -> float:
        return self.clock() - self.began_at

    def write(self, event: Event) -> None:
        self.events.append(event)
        if self._observe is not None:
            self._observe(event)
