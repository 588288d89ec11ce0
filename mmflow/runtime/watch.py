"""Bounds the time of one call with one alarm: moving a bound is an assignment, and the alarm catches up when it rings."""

import asyncio
from math import inf
from typing import Any

from mmflow.plugin import Duration, Timeouts
from mmflow.runtime.alarms import Alarm, Alarms
from mmflow.units import text_of


class NoWatch:
    """The watch of a call without bounds."""

    __slots__ = ()

    has_begun = False

    def start(self) -> None:
        pass

    expect_first = began = said_nothing = wait = rest = start

    def stop(self, error: BaseException | None = None) -> str | None:
        return None


class Watch(Alarm):
    """Cancels the task that started it when a bound passes, and then says which.

    The phases follow one another: connecting, waiting for the first token, streaming. While the call waits for nobody but
    its own caller (`rest`), only the bound on the whole holds.
    """

    __slots__ = (
        "_alarms", "_armed_at", "_began", "_bound", "_cancelling", "_due_at", "_expired", "_first_at", "_idle_at", "_task",
        "_timeouts", "_total_at", "_were",
    )  # fmt: skip

    def __init__(self, timeouts: Timeouts, alarms: Alarms) -> None:
        super().__init__()
        self._timeouts = timeouts
        self._alarms = alarms
        self._armed_at = inf
        self._bound = "total"
        self._began = False
        self._idle_at: float | None = None
        """When it is too quiet; None where that is counted from the next wait on."""
        self._were: tuple[bool, float | None] = (False, None)
        self._expired: str | None = None

    def start(self) -> None:
        """Connecting: the bounds on connecting, on the first token and on the whole hold."""
        loop = self._alarms.loop
        task = asyncio.current_task(loop)
        assert task is not None
        self._task: asyncio.Task[Any] = task
        self._cancelling = task.cancelling()
        timeouts, now = self._timeouts, loop.time()
        self._total_at = inf if timeouts.total_s is None else now + timeouts.total_s
        self._first_at = inf if timeouts.first_token_s is None else now + timeouts.first_token_s
        connected_at = inf if timeouts.connect_s is None else now + timeouts.connect_s
        if connected_at < self._first_at:
            self._hold(connected_at, "connect")
        else:
            self._hold(self._first_at, "first token")

    def expect_first(self) -> None:
        """Connected and sent: the bounds on the first token and on the whole hold."""
        self._hold(self._first_at, "first token")

    def began(self) -> None:
        """A piece of the answer is there: from now on silence is bounded by `idle_s`."""
        self._were = self._began, self._idle_at
        self._began, self._idle_at = True, None

    def said_nothing(self) -> None:
        """What was taken for a piece of the answer is none: the bounds that held before it go on."""
        self._began, self._idle_at = self._were

    @property
    def has_begun(self) -> bool:
        """Whether a piece of the answer is there."""
        return self._began

    def wait(self) -> None:
        """The call waits for the provider."""
        if not self._began:
            self._hold(self._first_at, "first token")
        elif self._timeouts.idle_s is not None:
            if self._idle_at is None:
                self._idle_at = self._alarms.loop.time() + self._timeouts.idle_s
            self._hold(self._idle_at, "idle")

    def rest(self) -> None:
        """The provider has delivered; what follows is the caller's time."""
        self._due_at, self._bound = self._total_at, "total"

    def stop(self, error: BaseException | None = None) -> str | None:
        """Stop watching. What to say where `error` is the cancellation that a bound caused."""
        self._alarms.drop(self)
        expired, self._expired = self._expired, None
        if expired is None:
            return None
        # A cancellation from outside that came at the same time goes first: it is not ours to swallow.
        if self._task.uncancel() > self._cancelling or not isinstance(error, asyncio.CancelledError):
            return None
        return self._message(expired)

    def _hold(self, at: float, bound: str) -> None:
        if at >= self._total_at:
            at, bound = self._total_at, "total"
        self._due_at, self._bound = at, bound
        if at < self._armed_at:
            self._arm(at)

    def _arm(self, at: float) -> None:
        self._alarms.set(self, at)
        self._armed_at = at

    def ring(self) -> None:
        now, self._armed_at = max(self._armed_at, self._alarms.loop.time()), inf
        if now >= self._due_at:
            self._expired = self._bound
            self._task.cancel()
        elif self._due_at < inf:
            self._arm(self._due_at)

    def _message(self, bound: str) -> str:
        timeouts = self._timeouts
        match bound:
            case "connect":
                return f"no connection within {_text(timeouts.connect_s)}"
            case "first token":
                return f"no first token within {_text(timeouts.first_token_s)}"
            case "idle":
                return f"nothing more came for {_text(timeouts.idle_s)}"
            case _:
                return f"no whole answer within {_text(timeouts.total_s)}"


def watch_of(timeouts: Timeouts, alarms: Alarms) -> Watch | NoWatch:
    """What bounds a call by these time-outs."""
    return _NO_WATCH if timeouts == _NO_BOUNDS else Watch(timeouts, alarms)


_NO_WATCH = NoWatch()
_NO_BOUNDS = Timeouts()


def _text(seconds: float | None) -> str:
    return text_of(Duration(seconds or 0))
