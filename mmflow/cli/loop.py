"""One coroutine on an event loop, stopped cleanly by Ctrl-C and by a polite kill."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from mmflow.cli.failure import Terminated

_T = TypeVar("_T")


def run_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """The result of a coroutine. Raises `KeyboardInterrupt` and `Terminated` once it has cleaned up after itself."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(_until_terminated(work))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop

        return uvloop.new_event_loop()
    except (ImportError, OSError, RuntimeError):  # not on this platform, or not allowed in this sandbox
        return asyncio.new_event_loop()


async def _until_terminated(work: Coroutine[Any, Any, _T]) -> _T:
    task = asyncio.current_task()
    assert task is not None
    terminated = False

    def stop() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        return await work
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        raise
