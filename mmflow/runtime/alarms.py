"""Alarms that cost next to nothing when nothing happens: one timer of the loop, moved late, serves all of them."""

import asyncio
from contextvars import Context
from heapq import heapify, heappop, heappush
from math import inf
from types import TracebackType
from typing import Any

_FEW = 64
"""So many alarms that were dropped may lie in the heap beside as many as are set."""


class Alarm:
    """Something to be told of an instant. It may be set again, earlier or later: only the last time counts."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    def ring(self) -> None:
        """The instant has come."""
        raise NotImplementedError


class Alarms:
    """The alarms of one loop.

    A timer of the loop is dear, above all on uvloop, and almost none ever fires. So there is one: a new alarm touches it only
    where it is the next to ring, one that is dropped leaves it as it is, and when it fires it moves on to the next.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._heap: list[tuple[float, int, Alarm]] = []
        self._count = 0
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = inf
        # The timer outlives the request that armed it, whose own context it must not keep alive.
        self._context = Context()

    def __len__(self) -> int:
        """How many alarms are set."""
        return self._count

    def set(self, alarm: Alarm, at: float) -> None:
        """Ring at an instant of the loop's clock, on the loop's next turn where that is over."""
        if alarm.number:
            self.drop(alarm)
        self._number += 1
        self._count += 1
        alarm.number = self._number
        heappush(self._heap, (at, self._number, alarm))
        if at < self._armed_at:
            self._arm(at)

    def drop(self, alarm: Alarm) -> None:
        """Do not ring, where it is set at all."""
        if not alarm.number:
            return
        alarm.number = 0
        self._count -= 1
        heap = self._heap
        while heap and heap[0][2].number != heap[0][1]:
            heappop(heap)
        if len(heap) > 2 * self._count + _FEW:
            heap[:] = [each for each in heap if each[2].number == each[1]]
            heapify(heap)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._armed_at = self.loop.call_at(at, self._fire, context=self._context), at

    def _fire(self) -> None:
        # A loop may be early by the resolution of its clock: what it was armed for is due all the same.
        due_at = max(self._armed_at, self.loop.time())
        self._timer, self._armed_at = None, inf
        heap, last, again = self._heap, self._number, []
        while heap and heap[0][0] <= due_at:
            due = heappop(heap)
            _, number, alarm = due
            if alarm.number != number:
                continue
            if number > last:
                # Set by one that rang just now and finds the clock a little early: its turn is the next, or this would not end.
                again.append(due)
                continue
            alarm.number = 0
            self._count -= 1
            alarm.ring()
        for due in again:
            heappush(heap, due)
        if heap and heap[0][0] < self._armed_at:
            self._arm(heap[0][0])


def alarms_here(known: Alarms | None) -> Alarms:
    """The alarms of the running loop: those that are known where they are of this loop, else new ones."""
    loop = asyncio.get_running_loop()
    return known if known is not None and known.loop is loop else Alarms(loop)


def is_cancelled() -> bool:
    """Whether somebody wants the current task to end. A `CancelledError` without that is a fault of what was awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class Timeout(Alarm):
    """What `asyncio.timeout_at` gives, by an alarm: `with` it, the task is cancelled at an instant, and `TimeoutError` is raised.

    A cancellation from outside that comes at the same time goes first. `expired` says whether the instant came.
    """

    __slots__ = ("_alarms", "_at", "_cancelling", "_task", "expired")

    def __init__(self, alarms: Alarms, at: float) -> None:
        self.number = 0
        self.expired = False
        self._alarms = alarms
        self._at = at

    def __enter__(self) -> "Timeout":
        task = asyncio.current_task(self._alarms.loop)
        assert task is not None, "a timeout is used inside a task"
        self._task: asyncio.Task[Any] | None = task
        self._cancelling = task.cancelling()
        self._alarms.set(self, self._at)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        # What was dropped may lie in the heap for a while, and must not keep the task alive.
        task, self._task = self._task, None
        self._alarms.drop(self)
        if self.expired and task is not None and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def ring(self) -> None:
        self.expired = True
        if self._task is not None:
            self._task.cancel()
