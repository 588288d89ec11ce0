"""One word on trial: its actions run on a virtual clock, watched, and what they leave behind is seen."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from random import Random
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import attrs
import msgspec

from mmflow.options import Either, ListOf, MapOf, RecordOf, Reference, Scalar, Secret, fields_of, fits
from mmflow.plugin import EventStream, Http, HttpReply, Provider, ProviderName, Timeouts
from mmflow.runtime.simulate import Deadlock, Livelock, run_virtual
from mmflow.testing.broken import BrokenPromise
from mmflow.testing.watch import Inline, Watch

_T = TypeVar("_T")

A_DAY_S = 86_400.0
A_WHILE_S = 60.0
TURNS = 25
"""Turns of the loop that cleaning up may take, and the most after which a cancellation is tried."""
MOMENTS = 16
"""Moments of an action at which a cancellation is tried, spread over the time that it takes."""


@attrs.frozen
class Ended:
    """How an action came out: its value, or what it raised."""

    value: Any = None
    error: BaseException | None = None
    took_s: float = 0.0

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


@attrs.frozen
class Trial:
    """What is on trial, by the words that name it in an error."""

    who: str

    def broken(self, promise: str, how: str) -> BrokenPromise:
        return BrokenPromise(self.who, promise, how)

    def run(self, main: Callable[[Watch], Coroutine[Any, Any, _T]], *, seed: int = 0, pure: bool = False) -> _T:
        """What a coroutine returns on a virtual clock. Raises `BrokenPromise` for whatever was seen meanwhile.

        The coroutine enters the watch when the plugin is made.
        """
        watch = Watch()

        async def virtual() -> _T:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(Inline())
            loop.set_task_factory(_owned)
            return await main(watch)

        try:
            found = run_virtual(virtual(), seed)
        except (Deadlock, Livelock) as error:
            self._seen(watch, pure)
            raise self.broken("never ends", str(error)) from None
        except BaseException:
            # Whatever the author's plugin raised: that it blocked the loop comes before what followed from it.
            self._seen(watch, pure)
            raise
        self._seen(watch, pure)
        return found

    def _seen(self, watch: Watch, pure: bool) -> None:
        if watch.blocked:
            raise self.broken("blocks the loop", watch.blocked) from None
        if pure and watch.impure:
            raise self.broken("impure", watch.impure) from None

    async def ended(self, action: Callable[[], Awaitable[Any]], stop: Callable[[], None] = lambda: None) -> Ended:
        """The end of an action and of all that it began; `stop` ends what the runtime ends for it."""
        owner, began_at = object(), _now()
        task = asyncio.ensure_future(_of(action, owner))
        await asyncio.wait({task}, timeout=A_DAY_S)
        if not task.done():
            task.cancel()
            raise self.broken("never ends", "nothing came of it within a day")
        took_s = _now() - began_at
        stop()
        await self._nothing_left(owner)
        if task.cancelled():
            return Ended(error=asyncio.CancelledError(), took_s=took_s)
        error = task.exception()
        return Ended(None if error else task.result(), error, took_s)

    async def _nothing_left(self, owner: object) -> None:
        """Raises `BrokenPromise` where tasks that an action began outlive it."""
        for _ in range(TURNS):
            if not (left := [each for each in asyncio.all_tasks() if _owners.get(each) is owner]):
                return
            await asyncio.sleep(0)
        names = ", ".join(sorted(getattr(each.get_coro(), "__qualname__", each.get_name()) for each in left))
        for each in left:
            each.cancel()
        raise self.broken("leaves tasks", f"it is over, and {names} still runs")

    async def is_cancellable(self, action: Callable[[], Awaitable[Any]], stop: Callable[[], None] = lambda: None) -> None:
        """Cancel an action at each turn of its beginning, and at moments of all the time that it takes."""
        took_s = (await self.ended(action, stop)).took_s
        # One that is cancelled before its first turn never learns of it.
        for turns in range(1, TURNS):
            if not await self._cancelled(action, stop, turns, 0.0):
                break
        for moment in range(1, MOMENTS if took_s else 0):
            await self._cancelled(action, stop, 1, took_s * moment / MOMENTS)

    async def _cancelled(
        self, action: Callable[[], Awaitable[Any]], stop: Callable[[], None], turns: int, after_s: float
    ) -> bool:
        """Whether it still ran when it was cancelled."""
        owner = object()
        task = asyncio.ensure_future(_of(action, owner))
        for _ in range(turns):
            await asyncio.sleep(0)
        if after_s:
            await asyncio.sleep(after_s)
        if task.done():
            _ = task.cancelled() or task.exception()
            stop()
            return False
        task.cancel()
        await asyncio.wait({task}, timeout=A_WHILE_S)
        if not task.done():
            task.cancel()
            raise self.broken("swallows cancellation", f"a minute after it was cancelled, at {after_s:g} s, it still runs")
        if not task.cancelled():
            error = task.exception()
            did = f"raised {type(error).__name__}" if error else f"returned {type(task.result()).__name__}"
            raise self.broken("swallows cancellation", f"it was cancelled at {after_s:g} s and {did}") from error
        stop()
        await self._nothing_left(owner)
        return True


_owner: ContextVar[object] = ContextVar("owner", default=None)
_owners: "WeakKeyDictionary[asyncio.Task[Any], object]" = WeakKeyDictionary()


def _owned(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> "asyncio.Task[Any]":
    """A task that knows which action began it."""
    task = asyncio.Task(coro, loop=loop, **more)
    _owners[task] = _owner.get()
    return task


async def _of(action: Callable[[], Awaitable[_T]], owner: object) -> _T:
    _owner.set(owner)
    return await action()


def _now() -> float:
    return asyncio.get_running_loop().time()


@attrs.frozen
class LentHost:
    """The host of a word on trial: a network that is scripted, and randomness from a seed."""

    http: Http
    random: Random = attrs.field(factory=lambda: Random(1))
    providers: dict[str, Provider] = attrs.field(factory=dict)

    def provider(self, name: ProviderName) -> Provider:
        return self.providers[name]


class NoHttp:
    """No network: for words that promise to use none."""

    async def post(self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts) -> HttpReply:
        raise RuntimeError("this word is tried without a network")

    def stream(
        self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts
    ) -> AbstractAsyncContextManager[EventStream]:
        raise RuntimeError("this word is tried without a network")


def options_of(cls: type, given: object) -> Any:
    """The options to try a word with: those given, else all defaults."""
    if given is None:
        return cls()
    if not isinstance(given, cls):
        raise TypeError(f"the word takes {cls.__name__}, not {type(given).__name__}")
    return given


def secrets_of(options: object) -> tuple[str, ...]:
    """The secrets that an options object holds."""
    return tuple(each.reveal() for _, each in _values(options) if isinstance(each, Secret))


def names_of(options: object, reference: type[Reference]) -> tuple[str, ...]:
    """The declarations of a kind that an options object names."""
    return tuple(str(each) for type_, each in _values(options) if issubclass(type_, reference))


def _values(options: Any) -> Iterator[tuple[type, Any]]:
    cls: type = type(options)
    attributes = [each.name for each in getattr(cls, "__attrs_attrs__", ())]
    for attribute, field in zip(attributes, fields_of(cls), strict=True):
        yield from _within(field.type, getattr(options, attribute))


def _within(type_: Any, value: Any) -> Iterator[tuple[type, Any]]:
    match type_:
        case _ if value is None:
            return
        case Scalar(type=scalar):
            yield scalar, value
        case ListOf(item=item):
            for each in value:
                yield from _within(item, each)
        case MapOf(value=of):
            for each in value.values():
                yield from _within(of, each)
        case RecordOf():
            yield from _values(value)
        case Either(types=types):
            fitting = next((each for each in types if fits(each, value)), None)
            if fitting is not None:
                yield from _within(fitting, value)


def copy_of(value: Any) -> Any:
    """What a struct holds, to see later whether it still does."""
    return msgspec.json.encode(value, order="sorted")
