"""Tests in the language: a `test` block is run on a virtual clock with stand-ins for models, and what came is compared.

No network, key or model is needed. What chance decides is drawn from a fixed seed.
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from math import ceil, inf
from pathlib import Path
from random import Random
from typing import Any

import attrs
import msgspec

from mmflow.plan import Plan, TestCase
from mmflow.plugin import CallError, Delta, EventStream, Guess, HttpReply, Request, Timeouts
from mmflow.runtime.cast import Cast, StandIn, asked_by
from mmflow.runtime.described import CannotRehearse, request_of
from mmflow.runtime.events import ArmTested, Event, SignalRead
from mmflow.runtime.executor import Executor
from mmflow.runtime.expectations import Seen, Verdict, verdict
from mmflow.runtime.given import Given
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.result import Result
from mmflow.runtime.signals import UNSURE
from mmflow.runtime.simulate import run_virtual
from mmflow.runtime.state import Balance, MemoryStore, Promise, Window
from mmflow.runtime.unscripted import Unscripted
from mmflow.vocabulary import Vocabulary

WALL_S = 1_767_225_600.0
"""When every test begins, in seconds since 1970: the first instant of 2026."""


@attrs.frozen(repr=False)
class Rehearsed:
    """How a test went. `live`: a classifier was asked itself, because the test gives an input and not what it says of it."""

    case: TestCase
    result: Result | None
    verdicts: tuple[Verdict, ...]
    live: bool = False
    problem: str | None = None
    """Why it could not be run."""

    @property
    def passed(self) -> bool:
        return self.problem is None and all(each.holds for each in self.verdicts)

    @property
    def events(self) -> tuple[Event, ...]:
        return self.result.events if self.result is not None else ()

    @property
    def arms(self) -> set[tuple[str, str]]:
        """The arms that were taken: the table's name, and the condition as written, or `else`."""
        return {(each.path.rpartition("/")[2], each.text) for each in self.events if isinstance(each, ArmTested) and each.holds}


class Rehearsal:
    """Runs the tests of a plan. `folder` is that of the workflow: files that a classifier reads are looked for there."""

    def __init__(self, plan: Plan, vocabulary: Vocabulary, *, folder: Path) -> None:
        self._plan = msgspec.structs.replace(_hermetic(plan, folder), tests={})
        self._vocabulary = vocabulary
        self._surroundings: dict[str, Any] = {"folder": folder, "http": _NoNetwork(), "environ": {}}
        host = Plugins(self._plan, vocabulary, random=Random(1), **self._surroundings)
        self._unscripted = Unscripted(self._plan, vocabulary, host, folder)
        self._asked_by = {name: asked_by(plan, name, vocabulary) for name in plan.scorers}

    def run(self, case: TestCase) -> Rehearsed:
        """Run one test, on a clock of its own."""
        try:
            request = request_of(case)
        except CannotRehearse as problem:
            return Rehearsed(case, None, (), problem=str(problem))
        return run_virtual(self._run(case, request))

    async def _run(self, case: TestCase, request: Request) -> Rehearsed:
        plan, vocabulary = self._plan, self._vocabulary
        cast = Cast(case, partial(self._unscripted.text, case.flow))
        providers = dict.fromkeys(plan.providers, cast)
        real = Plugins(plan, vocabulary, random=Random(1), providers=providers, **self._surroundings)
        scorers = {name: StandIn(name, case, cast, models, partial(real.scorer, name)) for name, models in self._asked_by.items()}
        clock = asyncio.get_running_loop().time
        executor = Executor(
            plan, vocabulary, random=Random(1), providers=providers, scorers=scorers, state=Spent(plan, case.spent),
            wall=lambda: WALL_S + clock(), **self._surroundings,
        )  # fmt: skip
        given = _given(plan, case)
        pieces: list[str] = []

        async def emit(piece: Delta) -> None:
            pieces.append(piece.text)

        hears = emit if any(turn.pieces for script in case.scripts for turn in script.turns) else None
        try:
            if case.warm:
                await executor.run(case.flow, request, observe=cast.observe, given=given)
                cast.begin_again()
            result = await executor.run(case.flow, request, hears, observe=cast.observe, given=given)
        finally:
            await executor.close()
        said = result.reply.text if result.reply is not None else "".join(pieces) if pieces else None
        seen = Seen(plan, result, tuple(cast.asked), said)
        live = any(isinstance(each, SignalRead) and each.signal not in given.signals for each in result.events)
        return Rehearsed(case, result, tuple(verdict(each, seen) for each in case.expects), live)


def _given(plan: Plan, case: TestCase) -> Given:
    """What classifiers say: what the test gives; with an input the others are asked, without one they are unsure."""
    signals: dict[str, str | Guess] = {} if case.input is not None else dict.fromkeys(plan.classifiers, UNSURE)
    for name, said in case.given.items():
        signals[name] = UNSURE if said.label is None else Guess(said.label, said.confidence)
    return Given(signals, case.draws)


def _hermetic(plan: Plan, folder: Path) -> Plan:
    """The plan without what it would read from files that are not there: a test is about what the workflow decides."""
    outputs = {
        name: msgspec.structs.replace(each, schema_file=None) if _is_missing(each.schema_file, folder) else each
        for name, each in plan.outputs.items()
    }
    lost = {name for name, each in plan.scorecards.items() if _is_missing(each.file, folder)}
    steps = {
        name: msgspec.structs.replace(step, scorecard=None) if getattr(step, "scorecard", None) in lost else step
        for name, step in plan.steps.items()
    } if lost else plan.steps  # fmt: skip
    return msgspec.structs.replace(plan, outputs=outputs, steps=steps)


def _is_missing(file: str | None, folder: Path) -> bool:
    return file is not None and not os.path.exists(folder / file)


# ---- what stands in the place of the outside --------------------------------------------------------------------------------


class _NoNetwork:
    """What a plugin gets that reaches for the network in a test."""

    async def post(self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts) -> HttpReply:
        raise _refused()

    def stream(
        self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts
    ) -> AbstractAsyncContextManager[EventStream]:
        raise _refused()


def _refused() -> CallError:
    return CallError("connect", "a test does not reach the network", dispatched="no", help="give what it would say in the test")


class Spent(MemoryStore):
    """The money of budgets, of which some is spent already: shares of the limits, by the names of the budgets."""

    def __init__(self, plan: Plan, spent: Mapping[str, float]) -> None:
        super().__init__()
        self._given = {name: ceil(share * plan.budgets[name].limit_microusd) for name, share in spent.items()}
        self._begun: set[Window] = set()

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        self._begin(promise.window)
        return await super().reserve(promise, limit_microusd, now)

    async def balance(self, window: Window, now: float) -> Balance:
        self._begin(window)
        return await super().balance(window, now)

    def _begin(self, window: Window) -> None:
        if window not in self._begun:
            self._begun.add(window)
            for name, amount in self._given.items():
                if window.key.endswith(f"#{name}") or f"#{name}[" in window.key:
                    self.settle(Promise("given", window, 0, inf), amount)
