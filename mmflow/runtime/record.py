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
        self.write: Observe = self.events.append if observe is None else self._write_and_tell(observe)

    def now(self) -> float:
        return self.clock() - self.began_at

    def _write_and_tell(self, observe: Observe) -> Observe:
        def write(event: Event) -> None:
            self.events.append(event)
            observe(event)

        return write
