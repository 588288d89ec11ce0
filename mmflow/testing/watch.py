"""Sees what blocks the event loop or reads a clock while a plugin runs, without a clock of its own."""

import asyncio
import gc
import os
import random
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from types import FrameType, TracebackType
from typing import Any, TypeVar

_T = TypeVar("_T")

MOST_STEPS = 2_000_000
"""So many function calls in one turn of the loop are taken for a computation that blocks it."""

_BLOCKING = {
    (module, name)
    for module, names in {
        "time": ("sleep",),
        "_socket": ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo"),
        "_posixsubprocess": ("fork_exec",),
        "posix": ("system", "waitpid", "wait"),
        "nt": ("system", "waitpid"),
        "_winapi": ("CreateProcess",),
        "builtins": ("input",),
        "select": ("select",),
    }.items()
    for name in names
}
_ON_SOCKETS = {"connect", "connect_ex", "accept", "recv", "recv_into", "recvfrom", "send", "sendall", "sendto"}
_CLOCKS = {
    ("time", each) for each in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime")
}
_DRAWS = {("posix", "urandom"), ("nt", "urandom"), ("posix", "getrandom")}
_TURN = asyncio.base_events.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
_OURS = ("asyncio", "selectors", "mmflow.runtime.simulate", "mmflow.testing", "logging", "warnings")
_ELSEWHERE = ("asyncio", "logging", "warnings")


class Watch:
    """A context in which this thread is watched: `blocked` and `impure` say the first thing that was seen.

    Deterministic: it counts calls and knows functions by name. Another profiler is put aside meanwhile, and so is the
    collection of garbage: it comes when it likes, and runs code that is not the plugin's.
    """

    def __init__(self) -> None:
        self.blocked: str | None = None
        self.impure: str | None = None
        self._steps = 0
        self._before: Any = None
        self._collected = False

    def __enter__(self) -> "Watch":
        self._collected = gc.isenabled()
        gc.disable()
        self._before = sys.getprofile()
        sys.setprofile(self._see)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sys.setprofile(self._before)
        if self._collected:
            gc.enable()

    def _see(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            self._steps += 1
            self._called(frame, argument)
        elif event == "call":
            self._steps = 0 if frame.f_code is _TURN else self._steps + 1
        if self._steps > MOST_STEPS:
            self._steps = 0
            self._stop(f"it computes for more than {MOST_STEPS:,} calls without an `await`", frame)

    def _called(self, frame: FrameType, function: Any) -> None:
        own = getattr(function, "__self__", None)
        name = getattr(function, "__name__", "")
        known = getattr(function, "__module__", None), name
        if known in _BLOCKING and not str(frame.f_globals.get("__name__", "")).startswith(_ELSEWHERE[0]):
            self._stop(f"it calls `{_shown(known)}`", frame)
        elif name in _ON_SOCKETS and isinstance(own, socket.SocketType) and own.gettimeout() != 0:
            self._stop(f"it waits for a socket (`{name}`)", frame)
        elif self.impure is None and self._is_impure(known, name, own) and not _is_of(frame, _OURS):
            self.impure = f"it calls `{_shown(known) if known[0] else _of_class(own, name)}` in {_where(frame)}"

    @staticmethod
    def _is_impure(known: tuple[Any, str], name: str, own: object) -> bool:
        if known in _CLOCKS or known in _DRAWS:
            return True
        if name in ("now", "utcnow", "today"):
            return isinstance(own, type) and issubclass(own, date)
        # The generator that `random.random()` and its like share.
        return name in ("random", "getrandbits") and own is getattr(random, "_inst", None)

    def _stop(self, how: str, frame: FrameType) -> None:
        if self.blocked is None:
            self.blocked = f"{how} in {_where(frame)}"
        # Python stops profiling after this; what was seen is kept, even from a plugin that catches it.
        raise Blocked(self.blocked)


class Blocked(Exception):
    """Raised in the place of a call that would block."""


class Inline(ThreadPoolExecutor):
    """Runs what a plugin hands to a thread at once, unwatched: a virtual clock knows no threads."""

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> "Future[_T]":
        done: Future[_T] = Future()
        watching = sys.getprofile()
        sys.setprofile(None)
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the thread
            done.set_exception(error)
        finally:
            sys.setprofile(watching)
        return done


def _is_of(frame: FrameType, modules: tuple[str, ...]) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return any(name == each or name.startswith(f"{each}.") for each in modules)


def _where(frame: FrameType) -> str:
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def _shown(known: tuple[Any, str]) -> str:
    module = {"posix": "os", "nt": "os", "_socket": "socket", "_posixsubprocess": "subprocess", "_winapi": "subprocess"}
    return f"{module.get(known[0], known[0])}.{known[1]}"


def _of_class(own: Any, name: str) -> str:
    return f"{own.__name__ if isinstance(own, type) else 'random'}.{name}"
