"""Several targets asked at a time. What is still under way when a strategy returns is stopped by the runtime."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from mmflow.plugin import Answered, CallError, Choice, Run

Asked = asyncio.Task[Answered]


def asked(target: Choice, run: Run) -> Asked:
    """A target that is being asked."""
    task = asyncio.create_task(run.call(target.name))
    # Whoever has an answer looks no further, and a failure that nobody looks at is reported by asyncio as lost.
    task.add_done_callback(_seen)
    return task


def _seen(task: Asked) -> None:
    if not task.cancelled():
        task.exception()


def result(task: Asked) -> Answered | CallError:
    """What a target that was asked came to."""
    try:
        return task.result()
    except CallError as error:
        return error


async def next_of(tasks: Sequence[Asked], timeout_s: float | None = None) -> list[Asked]:
    """The tasks that are done, once there is one, in the order given; none once the time is over."""
    done, _ = await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    return [task for task in tasks if task in done]


async def as_they_come(targets: Iterable[Choice], run: Run) -> AsyncIterator[tuple[int, Answered | CallError]]:
    """Ask all at once: the position of each target and what it came to, the quickest first."""
    tasks = [asked(target, run) for target in targets]
    waiting = tasks
    while waiting:
        done = await next_of(waiting)
        waiting = [task for task in waiting if task not in done]
        for task in done:
            yield tasks.index(task), result(task)


def failure(error: CallError | None) -> CallError:
    """The error of a strategy whose targets all failed: that of the last one."""
    return error or CallError("protocol", "there is no target to ask", dispatched="no")
