"""Runs a strategy: lends a plugin its targets, holds it to the calls that it declared, and leaves nothing under way."""

import asyncio
from asyncio import CancelledError, Task
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import attrs
from msgspec.structs import replace

from mmflow import plan
from mmflow.plugin import Answered, CallError, Choice, Delta, Emit, Reply, Request, Strategy
from mmflow.runtime.alarms import Alarms, Timeout, is_cancelled
from mmflow.runtime.answer import Answer
from mmflow.runtime.deadline import Bounds
from mmflow.runtime.plugins import ASK_AUTHOR, Plugins
from mmflow.runtime.stream import StreamBroken

Ask = Callable[[str, Emit | None], Awaitable[Answer]]
"""Runs a target by its name; with an `Emit` where its answer may be heard as it comes."""

Score = Callable[[str, str, Reply], Awaitable[float | None]]
"""A scorer's score of a target's answer."""

Tell = Callable[[str, tuple[str, ...]], None]
"""Writes down whose answer is taken, and who is stopped."""

LATE_TURNS = 100
"""How many turns of the loop a strategy has at the deadline, once its calls have ended: no time passes in them."""


def names_of(steps: Sequence[str], named: Callable[[str], str]) -> dict[str, str]:
    """The steps of a strategy by what its plugin calls them: a name that stands there again is numbered, `mini`, `mini 2`."""
    found: dict[str, str] = {}
    for step in steps:
        name, count = named(step), 1
        while (unique := name if count == 1 else f"{name} {count}") in found:
            count += 1
        found[unique] = step
    return found


@attrs.frozen
class _Given:
    """An answer as the plugin has it, what stands behind it, and the call that gave it."""

    answered: Answered
    answer: Answer
    task: "Task[Answered] | None"


class Lent:
    """A plugin's `Run` for one request.

    With `emit`, the first target to begin its answer is heard as it goes on: from then on no other can win, and the others are
    stopped.
    """

    def __init__(
        self,
        step: plan.Strategy,
        choices: Sequence[Choice],
        plugins: Plugins,
        ask: Ask,
        score: Score,
        tell: Tell,
        emit: Emit | None = None,
    ) -> None:
        self._step = step
        self._choices = choices
        self._plugins = plugins
        self._ask = ask
        self._score = score
        self._tell = tell
        self._emit = emit
        self._times = dict.fromkeys((each.name for each in choices), 0)
        self._calls: dict[Task[Answered], str] = {}
        self._scores: list[tuple[str, _Given, Task[float | None]]] = []
        self._given: list[_Given] = []
        self._failures: list[CallError] = []
        self._heard: Task[Any] | None = None
        self._over = asyncio.Event()
        # What is not the plugin's to handle: the end of a dry run, a stream that broke.
        self._through: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    # ---- what the plugin calls ------------------------------------------------------------------------------------------------

    async def call(self, target: str) -> Answered:
        """Ask a target. Raises `CallError`."""
        name = next((each for each in self._times if each == target), None)
        if name is None:
            raise self._broke(f"asks `{target}`, which is not among its targets")
        target = name
        if self._heard is None:
            await self._has_room(target)
        if self._over.is_set() or self._heard is not None:
            await self._over.wait()
            raise CancelledError
        self._times[target] += 1
        task = asyncio.create_task(self._asked(target))
        self._calls[task] = target
        try:
            return await task
        except CancelledError:
            if not is_cancelled():
                # It was stopped from here, so all is over soon; the plugin need not know.
                await self._over.wait()
            raise

    async def score(self, scorer: str, answered: Answered) -> float | None:
        """The score of an answer, made once however often it is asked for."""
        name = next((each for each in self._step.scorers if each == scorer), None)
        if name is None:
            raise self._broke(f"asks the scorer `{scorer}`, which its options do not name")
        if (given := self._found(answered)) is None:
            raise self._broke("wants a score for what no target answered")
        if self._over.is_set():
            raise CancelledError
        task = next((task for of, by, task in self._scores if of == name and by is given), None)
        if task is None:
            task = asyncio.create_task(self._scored(name, given))
            self._scores.append((name, given, task))
        await asyncio.wait([task])
        if task.cancelled():
            await self._over.wait()
            raise CancelledError
        return task.result()

    # ---- the calls -------------------------------------------------------------------------------------------------------------

    async def _has_room(self, target: str) -> None:
        """Raises `CallError` of class `budget` where one more call is more than the plugin declared."""
        declared = self._step.calls
        if declared is None:
            return
        while not declared.parallel and (running := _running(self._calls)):
            if not all(task.cancelling() for task in running):
                raise self._refused("asks two targets at a time, and declares one")
            await asyncio.wait(running)
        if sum(self._times.values()) >= declared.most:
            raise self._refused(f"makes more calls than the {declared.most} that it declares")
        # The worst case that `check` shows rests on it.
        if self._times[target] >= -(-declared.most // len(self._step.steps)):
            raise self._refused(
                f"asks `{target}` {self._times[target] + 1} times: {declared.most} calls are for all targets evenly"
            )

    async def _asked(self, target: str) -> Answered:
        task = asyncio.current_task()
        try:
            answer = await self._ask(target, None if self._emit is None else self._heard_from(target, task, self._emit))
        except CallError as error:
            self._failures.append(error)
            raise
        except (Exception, CancelledError) as error:
            # A dry run is over, a stream broke, the caller is gone: it ends the strategy, and no plugin may swallow it.
            if isinstance(error, CancelledError) and is_cancelled():
                raise
            if not self._through.done():
                self._through.set_result(error)
            await self._over.wait()
            raise CancelledError from None
        given = _Given(Answered(target, answer.reply), answer, task)
        self._given.append(given)
        return given.answered

    async def _scored(self, scorer: str, given: _Given) -> float | None:
        return await self._score(scorer, given.answered.target, given.answered.reply)

    def _heard_from(self, target: str, task: "Task[Answered] | None", emit: Emit) -> Emit:
        async def hear(delta: Delta) -> None:
            if self._heard is None:
                self._heard = task
                self._take(target, task)
            elif self._heard is not task:
                await self._over.wait()
                raise CancelledError
            await emit(delta)

        return hear

    def _take(self, target: str, task: "Task[Answered] | None") -> None:
        """Say whose answer it is, and stop the others."""
        others = [each for each in _running(self._calls) if each is not task]
        self._tell(target, tuple(self._calls[each] for each in others))
        for each in others:
            each.cancel()

    # ---- the strategy ----------------------------------------------------------------------------------------------------------

    async def answer(self, strategy: Strategy, request: Request, alarms: Alarms, bounds: Bounds) -> Answer:
        """The strategy's answer, with every call of it over.

        Raises `CallError`, `StreamBroken` where the caller has heard a part of an answer, and whatever else a target raised.
        """
        thinking: Task[Any] = asyncio.create_task(self._thought(strategy, request))
        try:
            try:
                with Timeout(alarms, bounds.ends_at):
                    await asyncio.wait([thinking, self._through], return_when=asyncio.FIRST_COMPLETED)
            except TimeoutError:
                await self._late(thinking)
            if self._through.done():
                raise self._through.result()
            if not thinking.done():
                message = f"strategy `{self._step.name}` did not answer within the deadline"
                raise CallError("timeout", message, dispatched="maybe")
            given, answer = self._chosen(thinking.result())
            if self._heard is None:
                self._take(given.answered.target, given.task)
            return answer
        except CallError as error:
            if self._heard is not None:
                raise StreamBroken(error) from error
            raise
        finally:
            await self._stop(thinking)

    async def _thought(self, strategy: Strategy, request: Request) -> object:
        """What the plugin returns; whatever it raises is a `CallError`."""
        try:
            return await strategy.answer(self._choices, request, self)
        except CallError as error:
            raise self._masked(error) from error
        except (Exception, SystemExit, CancelledError) as error:
            # A plugin may raise anything: its user gets an error of the language.
            if isinstance(error, CancelledError) and is_cancelled():
                raise
            if (failure := _only_failure(error)) is not None:
                raise self._masked(failure) from error
            raise self._plugins.crashed(self._step.word, error) from error
        finally:
            # A task that it left behind begins no call any more.
            self._over.set()

    async def _late(self, thinking: "Task[Any]") -> None:
        """The deadline is here. The calls end by themselves, and what the plugin makes of them at once still counts."""
        for _ in range(LATE_TURNS):
            if thinking.done() or self._through.done():
                return
            if running := [*_running(self._calls), *_running(task for *_, task in self._scores)]:
                await asyncio.wait([thinking, self._through, *running], return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(0)

    def _chosen(self, found: object) -> tuple[_Given, Answer]:
        """The answer that a plugin chose, with the text that it made of it."""
        if not isinstance(found, Answered):
            raise self._broke(f"answered with {type(found).__name__}, not with an Answered")
        given = self._found(found) or next((each for each in self._given[::-1] if each.answered.target == found.target), None)
        if given is None:
            raise self._broke(f"answered for `{found.target}`, which gave it no answer")
        if self._heard is not None and given.task is not self._heard:
            raise self._broke(f"answered for `{found.target}`, while another was heard")
        own = given.answer.reply
        if self._heard is not None or found.reply is own:
            return given, given.answer
        reply = self._plugins.sound(self._step.word, found.reply)
        # Whose words they were stays as it was.
        reply = replace(reply, served_model=own.served_model, request_id=own.request_id, simulated=own.simulated)
        return given, replace(given.answer, reply=reply)

    def _found(self, answered: Answered) -> _Given | None:
        for each in self._given:
            if each.answered.reply is answered.reply and each.answered.target == answered.target:
                return each
        return None

    async def _stop(self, thinking: "Task[Any]") -> None:
        """Cancel what is under way and wait for its end, however often this task itself is cancelled meanwhile."""
        self._over.set()
        tasks: list[Task[Any]] = [thinking, *self._calls, *(task for *_, task in self._scores)]
        for task in tasks:
            task.cancel()
        is_wanted = False
        while running := _running(tasks):
            try:
                await asyncio.wait(running)
            except CancelledError:
                is_wanted = True
        for task in tasks:
            if not task.cancelled():
                task.exception()  # what nobody asks for is reported by asyncio as lost
        if is_wanted:
            raise CancelledError

    def _masked(self, error: CallError) -> CallError:
        """An error without secrets: one that a call gave has none, and may mean more than its class says."""
        return error if any(each is error for each in self._failures) else self._plugins.masked_error(error)

    def _broke(self, how: str) -> CallError:
        return self._plugins.broke(self._step.word, how, dispatched="no")

    def _refused(self, how: str) -> CallError:
        return CallError("budget", f"the plugin `{self._step.word}` {how}", dispatched="no", help=ASK_AUTHOR)


def _running(tasks: Iterable["Task[Any]"]) -> list["Task[Any]"]:
    return [task for task in tasks if not task.done()]


def _only_failure(error: BaseException) -> CallError | None:
    """The first of the calls' failures in a group that holds nothing else, as a `TaskGroup` raises it."""
    while isinstance(error, BaseExceptionGroup) and error.split(CallError)[1] is None:
        error = error.exceptions[0]
    return error if isinstance(error, CallError) else None
