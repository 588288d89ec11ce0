"""One request of a run: who sends it, what they do meanwhile, and all that is known of it afterwards."""

import asyncio
from contextvars import ContextVar

import attrs

from mmflow.plan import Flow
from mmflow.plugin import Call, Delta, Request, Usage
from mmflow.runtime.alarms import Alarms
from mmflow.runtime.calls import Calls, Shared
from mmflow.runtime.events import CallStarted, Event
from mmflow.runtime.executor import Executor
from mmflow.runtime.record import Record
from mmflow.runtime.result import Result


class CallerBroke(Exception):
    """What a caller's own end raises."""


@attrs.frozen
class Manners:
    """How a caller behaves. `leaves_after_s` is when it disconnects, again after `again_s`; None: it stays."""

    streams: bool = False
    leaves_after_s: float | None = None
    again_s: float | None = None
    reads_s: float = 0.0
    """How long it takes to read a piece."""
    breaks_at: int | None = None
    """The piece at which it raises."""


@attrs.define(eq=False)
class Asked:
    """A call that came to a provider: what it was, what was said to it, and whether the provider kept to its contract."""

    call: Call
    number: int
    """That of the `CallStarted` that announced it; 0 where none did."""
    at: float
    text: str = ""
    usage: Usage | None = None
    is_honest: bool = True
    is_answered: bool = False
    stopped_at: float | None = None
    """When it was cancelled, where it went on all the same."""
    is_counted: bool = True
    """Whether it counts for a rate: a connection that was refused does not."""


@attrs.define(eq=False)
class Caller:
    """One request. Times are on the loop's clock."""

    number: int
    flow: Flow
    request: Request
    input_tokens: int
    manners: Manners
    events: list[Event] = attrs.field(factory=list)
    asked: list[Asked] = attrs.field(factory=list)
    heard: list[str] = attrs.field(factory=list)
    heard_late: bool = False
    result: Result | None = None
    error: BaseException | None = None
    calls: "Watched | None" = None
    settled_microusd: int = 0
    """What its calls took from budgets."""
    began_at: float = 0.0
    left_at: float | None = None
    ended_at: float | None = None
    delayed_s: float = 0.0
    """How much longer than the deadline it may take: callers who read slowly, providers that do not let themselves be stopped."""
    started: int = 0

    @property
    def is_honest(self) -> bool:
        """Whether every provider that it came to kept to its contract."""
        return all(each.is_honest for each in self.asked)

    @property
    def is_held_up(self) -> bool:
        """Whether a provider went on after it was cancelled, or the caller itself took its time."""
        return bool(self.delayed_s) or any(each.stopped_at is not None for each in self.asked)

    def observe(self, event: Event) -> None:
        self.events.append(event)
        if type(event) is CallStarted:
            self.started = event.call

    async def emit(self, delta: Delta) -> None:
        if self.ended_at is not None:
            self.heard_late = True
        self.heard.append(delta.text)
        manners = self.manners
        if manners.breaks_at is not None and len(self.heard) > manners.breaks_at:
            raise CallerBroke(f"the caller breaks at piece {manners.breaks_at}")
        if manners.reads_s:
            self.delayed_s += manners.reads_s
            await asyncio.sleep(manners.reads_s)

    async def send(self, executor: Executor) -> None:
        """Send the request, and see it through."""
        loop = asyncio.get_running_loop()
        here.set(self)
        self.began_at = loop.time()
        emit = self.emit if self.manners.streams else None
        task = asyncio.create_task(executor.run(self.flow.name, self.request, emit, observe=self.observe))
        if (after_s := self.manners.leaves_after_s) is not None:
            loop.call_later(after_s, self._leave, task)
        await asyncio.wait([task])
        self.ended_at = loop.time()
        if task.cancelled():
            self.error = asyncio.CancelledError()
        elif (error := task.exception()) is not None:
            self.error = error
        else:
            self.result = task.result()

    def _leave(self, task: "asyncio.Task[Result]") -> None:
        if task.done():
            return
        loop = asyncio.get_running_loop()
        self.left_at = loop.time() if self.left_at is None else self.left_at
        task.cancel()
        if self.manners.again_s is not None:
            loop.call_later(self.manners.again_s, task.cancel)


here: ContextVar[Caller] = ContextVar("here")
"""The caller whose request runs."""


class Watched(Calls):
    """The calls of a request, known to its caller."""

    def __init__(self, shared: Shared, flow: Flow, request: Request, record: Record, alarms: Alarms) -> None:
        super().__init__(shared, flow, request, record, alarms)
        self.shared = shared
        here.get().calls = self

    @property
    def taken_microusd(self) -> int | None:
        """What `max_cost` has spent and set aside; None where there is none."""
        return None if self._purse is None else self._purse.taken_microusd
