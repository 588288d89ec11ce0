"""Time and models for tests: an event loop whose clock jumps to the next timer, and models that follow a script."""

import asyncio
import re
import selectors
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Literal, TypeVar

import attrs

from mmflow.plugin import Call, CallError, Delta, Emit, ErrorClass, Reply, Usage, error_of_status
from mmflow.tokens import estimate_tokens

_T = TypeVar("_T")


# ---- time -------------------------------------------------------------------------------------------------------------------


class Deadlock(RuntimeError):
    """Everything waits, and for nothing that could happen: no callback is ready and no timer is set."""


class Livelock(RuntimeError):
    """Something goes round in circles: callbacks follow one another, and no time passes."""


MOST_TURNS = 100_000
"""So many turns of a loop at one instant are taken for endless."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: when nothing is ready, its clock jumps to the next timer.

    The same coroutine runs the same way every time. Callbacks run in the order in which they became ready; with a `seed` other
    than 0, those that are ready together run in an order drawn from it, so that each seed is another legal schedule. The
    network does not exist here.
    """

    def __init__(self, seed: int = 0) -> None:
        self._jumping = _JumpingSelector(self._before_callbacks)
        super().__init__(self._jumping)
        self._order = Random(seed) if seed else None

    def time(self) -> float:
        """Seconds since the loop was made, without a rounding error that a test could see."""
        return self._jumping.now_s

    def _before_callbacks(self) -> None:
        if self._order is not None:
            ready: Any = self._ready  # type: ignore[attr-defined]
            handles = list(ready)
            self._order.shuffle(handles)
            ready.clear()
            ready.extend(handles)


class _JumpingSelector(selectors.BaseSelector):
    """Nothing is ever ready to read; waiting moves the clock instead."""

    def __init__(self, before_callbacks: Callable[[], None]) -> None:
        self.now_s = 0.0
        self._turns = 0
        self._before_callbacks = before_callbacks
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[number] = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("everything waits: no callback is ready and no timer is set")
        if timeout > 0:
            # Nanoseconds are what the loop takes as the resolution of a clock, and one passes at least.
            self.now_s = round(self.now_s + max(timeout, 1e-9), 9)
            self._turns = 0
        self._turns += 1
        if self._turns > MOST_TURNS:
            self._turns = 0
            raise Livelock(f"the loop turned {MOST_TURNS} times, and no time passed")
        self._before_callbacks()
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


def run_virtual(main: Coroutine[Any, Any, _T], seed: int = 0) -> _T:
    """Run a coroutine on a virtual clock that starts at 0, and return what it returns.

    Raises `Deadlock` or `Livelock` where it never ends.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(seed)) as runner:
        return runner.run(main)


# ---- models -----------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Turn:
    """What a scripted model does when it is called; made by `reply`, `fail`, `hang` and `stream`."""

    text: str = ""
    after_s: float = 0.0
    error: CallError | None = None
    pieces: tuple[str, ...] = ()
    broken_after: int | None = None
    usage: Usage | bool | None = True
    served_model: str | None = None


def reply(text: str, after_s: float = 0.0, *, usage: Usage | bool | None = True, served_model: str | None = None) -> Turn:
    """Answer after a while. `usage` is reported as it is; True counts it from the texts, None reports none."""
    return Turn(text, after_s, usage=usage, served_model=served_model)


def fail(what: int | ErrorClass, after_s: float = 0.0, *, retry_after_s: float | None = None, message: str = "scripted") -> Turn:
    """Fail after a while: a status is what a provider answers, a class is what happened to the call."""
    if isinstance(what, int):
        return Turn(after_s=after_s, error=error_of_status(what, message, retry_after_s=retry_after_s))
    dispatched: Literal["no", "yes"] = "no" if what in ("connect", "auth") else "yes"
    return Turn(after_s=after_s, error=CallError(what, message, retry_after_s=retry_after_s, dispatched=dispatched))


def hang() -> Turn:
    """Never answer."""
    return Turn(after_s=float("inf"))


def stream(pieces: Iterable[str], after_s: float = 0.0, *, broken_after: int | None = None) -> Turn:
    """Answer piece by piece, the last one `after_s` after the call; with `broken_after`, break off after so many pieces."""
    pieces = tuple(pieces)
    return Turn("".join(pieces), after_s, pieces=pieces, broken_after=broken_after)


class Scripted:
    """A provider whose models follow a script by name, one turn a call, the last one again and again.

    A model without a script answers as it is declared: after its p95, with a text that names it. `calls` keeps what was asked.
    """

    def __init__(self, scripts: Mapping[str, Sequence[Turn]] | None = None) -> None:
        self._scripts = {name: list(turns) for name, turns in (scripts or {}).items()}
        self.calls: list[Call] = []

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        self.calls.append(call)
        turn = self._next(call)
        if turn.after_s == float("inf"):
            await asyncio.get_running_loop().create_future()
        if turn.error is not None:
            await asyncio.sleep(turn.after_s)
            raise _again(turn.error)
        pieces = turn.pieces or re.findall(r"\S+\s*|\s+", turn.text) or [""]
        for piece in pieces[: turn.broken_after]:
            await asyncio.sleep(turn.after_s / len(pieces))
            if emit is not None:
                await emit(Delta(piece))
        if turn.broken_after is not None:
            raise CallError("connect", "the stream broke off", dispatched="yes")
        return Reply(text=turn.text, usage=_usage(turn, call), served_model=turn.served_model)

    def _next(self, call: Call) -> Turn:
        turns = self._scripts.get(call.model.name)
        if not turns:
            return reply(f"an answer of {call.model.name}", call.model.p95_s or 0.0)
        return turns.pop(0) if len(turns) > 1 else turns[0]


def _usage(turn: Turn, call: Call) -> Usage | None:
    if isinstance(turn.usage, Usage):
        return turn.usage
    if not turn.usage:
        return None
    asked = sum(estimate_tokens(message.text) for message in call.messages)
    return Usage(input_tokens=asked, output_tokens=estimate_tokens(turn.text))


def _again(error: CallError) -> CallError:
    """A fresh error each time: an exception that is raised twice drags its first traceback along."""
    return CallError(
        error.error_class,
        error.message,
        status=error.status,
        retry_after_s=error.retry_after_s,
        dispatched=error.dispatched,
        help=error.help,
    )
