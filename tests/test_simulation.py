"""The simulator: no seed breaks an invariant, the same seed does the same, and each planted fault is found."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli import Shell, mmflow
from msgspec.structs import replace

from mmflow import plan
from mmflow.plugin import CallError
from mmflow.registry import Registry
from mmflow.runtime import calls, executor
from mmflow.runtime.budget import Account
from mmflow.runtime.caches import Visit
from mmflow.runtime.cost import Purse
from mmflow.runtime.events import CallEnded, RequestEnded
from mmflow.runtime.guards import Guards
from mmflow.runtime.limits import Gate, Permit
from mmflow.runtime.state import Balance, MemoryStore
from mmflow.runtime.strategies import Lent
from mmflow.runtime.stream import StreamBroken
from mmflow.testing.simulate.__main__ import main
from mmflow.testing.simulate.check import INVARIANTS, log
from mmflow.testing.simulate.faults import KINDS
from mmflow.testing.simulate.plans import random_scene
from mmflow.testing.simulate.scenes import scene_of
from mmflow.testing.simulate.search import Finding, Tally, examine, search
from mmflow.testing.simulate.told import lines, replay
from mmflow.testing.simulate.world import Scene, Size, run

WORKFLOWS = sorted((Path(__file__).parents[1] / "workflows").glob("*.mmf"))
VOCABULARY = Registry.installed()
SIZE = Size(requests=30, concurrency=8, faults=tuple(KINDS))
COMMAND = ["python", "-m", "mmflow.testing.simulate"]

__all__ = ["mmflow"]


def scenes(seed: int) -> Scene:
    return random_scene(seed, VOCABULARY)


def told(findings: Iterator[Finding]) -> list[str]:
    """What is found, as somebody reads it who has to mend it."""
    return ["\n".join(lines(each, COMMAND)) for each in findings]


# ---- what holds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, 240, 40))
def test_random_workflows_keep_their_promises(first: int) -> None:
    assert told(search(scenes, range(first, first + 40), SIZE, Tally())) == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda each: each.stem)
def test_a_workflow_that_ships_keeps_its_promises(file: Path) -> None:
    scene, tally = scene_of(file, VOCABULARY), Tally()
    assert told(search(lambda seed: scene, range(12), SIZE, tally)) == []
    assert tally.outcomes["served"] > 0.2 * tally.requests, "most of it never ran"


def test_the_same_seed_does_the_same_byte_for_byte() -> None:
    one, again, other = (log(run(scenes(7), seed, SIZE)) for seed in (7, 7, 8))
    assert one == again
    assert one != other


def test_the_faults_are_there() -> None:
    tally, classes, outcomes = Tally(), set[str | None](), set[str]()
    for seed in range(40):
        _, world = examine(scenes(seed), seed, SIZE)
        tally.add(world)
        ended = [each for caller in world.callers for each in caller.events if isinstance(each, CallEnded)]
        classes |= {each.error_class for each in ended}
        outcomes |= {each.outcome for each in ended}
        classes |= {caller.result.ended.error_class for caller in world.callers if caller.result is not None}
    assert outcomes == {"answered", "failed", "uncertain", "cancelled"}
    assert {"429", "5xx", "timeout", "connect", "overloaded", "protocol", "auth", "budget", "blocked"} <= classes
    assert {"served", "failed", "rejected", "cancelled", "stream_broken"} <= set(tally.outcomes)


def test_without_faults_only_the_workflow_refuses() -> None:
    scene = scene_of(WORKFLOWS[0], VOCABULARY)
    for seed in range(5):
        found, world = examine(scene, seed, Size(30, 4, ()))
        assert found == ()
        ended = [each for caller in world.callers for each in caller.events if isinstance(each, RequestEnded)]
        assert {each.error_class for each in ended} <= {None, "context_overflow", "timeout", "budget"}


# ---- planted faults -----------------------------------------------------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def money_is_not_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Purse, "settle", lambda self, reserved, cost: None)


def a_budget_is_not_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Account, "settle", lambda self, promise, cost: None)


def a_store_looks_first_and_promises_later(patch: pytest.MonkeyPatch) -> None:
    async def reserve(self: MemoryStore, promise: Any, limit: int | None, now: float) -> Balance:
        before = await self.balance(promise.window, now)
        await asyncio.sleep(0.05)
        if limit is not None and before.spent_microusd + before.promised_microusd + promise.amount_microusd > limit:
            return Balance(before.spent_microusd, before.promised_microusd, granted=False)
        return await whole(self, promise, None, now)

    whole = MemoryStore.reserve
    patch.setattr(MemoryStore, "reserve", reserve)


def guards_are_skipped(patch: pytest.MonkeyPatch) -> None:
    async def check(self: Guards, *given: Any) -> None:
        pass

    patch.setattr(Guards, "check", check)


def the_deadline_is_late(patch: pytest.MonkeyPatch) -> None:
    class Late(calls.Timeout):
        def __init__(self, alarms: Any, at: float) -> None:
            super().__init__(alarms, at + 0.1)

    patch.setattr(calls, "Timeout", Late)


def nothing_times_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(calls.Timeout, "ring", lambda self: None)


def losers_are_not_stopped(patch: pytest.MonkeyPatch) -> None:
    async def stop(self: Lent, thinking: Any) -> None:
        self._over.set()

    patch.setattr(Lent, "_stop", stop)


def a_stream_begins_again(patch: pytest.MonkeyPatch) -> None:
    async def call(self: calls.Calls, *given: Any, **more: Any) -> Any:
        try:
            return await whole(self, *given, **more)
        except StreamBroken as broken:
            raise CallError("connect", broken.error.message) from None

    whole = calls.Calls.call
    patch.setattr(calls.Calls, "call", call)


def cancellation_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    async def call(self: calls.Calls, *given: Any, **more: Any) -> Any:
        try:
            return await whole(self, *given, **more)
        except asyncio.CancelledError:
            raise CallError("timeout", "somebody cancelled it") from None

    whole = calls.Calls.call
    patch.setattr(calls.Calls, "call", call)


def a_call_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    whole = calls.Calls._end
    skipped = lambda self, started, *given, **more: None if started.call == 2 else whole(self, started, *given, **more)  # noqa: E731
    patch.setattr(calls.Calls, "_end", skipped)


def prices_are_doubled(patch: pytest.MonkeyPatch) -> None:
    whole = calls.cost_microusd
    patch.setattr(calls, "cost_microusd", lambda usage, prices: None if (found := whole(usage, prices)) is None else 2 * found)


def answers_may_be_longer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(calls, "least", lambda *given: None)


def a_fallback_tries_once_more(patch: pytest.MonkeyPatch) -> None:
    def fallback(of: Any, step: plan.Fallback, at: Any) -> Any:
        return whole(of, replace(step, retry_times=step.retry_times + 1), at)

    whole = executor._METHODS[plan.Fallback]
    patch.setitem(executor._METHODS, plan.Fallback, fallback)


def limits_let_everybody_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gate, "opens_at", lambda self, tokens, now: (now, ""))


def a_place_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Permit, "leave", lambda self, tokens, *, was_sent: None)


def answers_go_to_somebody_else(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Visit, "_whose", "anybody")


def pauses_are_by_chance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(executor._Run, "_pause_s", lambda self, *given: os.urandom(1)[0] / 256)


PLANTED: dict[Patch, set[str]] = {
    money_is_not_given_back: {"within-money"},
    a_budget_is_not_settled: {"within-money", "budgets-hold"},
    a_store_looks_first_and_promises_later: {"budgets-hold"},
    guards_are_skipped: {"guarded"},
    the_deadline_is_late: {"in-time"},
    nothing_times_out: {"comes-to-an-end", "in-time"},
    losers_are_not_stopped: {"recorded", "accounted", "within-money"},
    a_stream_begins_again: {"heard-whole"},
    cancellation_is_swallowed: {"answered"},
    a_call_is_not_written_down: {"recorded"},
    prices_are_doubled: {"accounted"},
    answers_may_be_longer: {"within-size"},
    a_fallback_tries_once_more: {"bounded"},
    limits_let_everybody_pass: {"limits-hold"},
    a_place_is_kept: {"nothing-left"},
    answers_go_to_somebody_else: {"kept-apart"},
    pauses_are_by_chance: {"replays"},
}
"""Faults of the runtime, and the invariants one of which must show each."""


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: each.__name__)
def test_a_planted_fault_is_found(planted: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch)
    every = 1 if planted is pauses_are_by_chance else 1_000
    found = next(search(scenes, range(1, 200), SIZE, Tally(), twice_every=every), None)
    assert found is not None
    assert {each.invariant for each in found.violations} & PLANTED[planted], "\n".join(lines(found, COMMAND))
    assert found.size.requests <= SIZE.requests


def test_what_is_found_is_made_small_and_replays(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    guards_are_skipped(monkeypatch)
    found = next(search(scenes, range(1, 200), SIZE, Tally()))
    assert found.size.requests < SIZE.requests
    assert len(found.size.faults) < len(SIZE.faults)
    arguments = replay(found, COMMAND)[len(COMMAND) :]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"seed {found.seed} breaks an invariant\n  guarded: ")
    assert f"replay: python -m mmflow.testing.simulate --seed {found.seed}" in out


def test_every_invariant_has_a_name_of_its_own() -> None:
    assert len(set(INVARIANTS)) == len(INVARIANTS)
    assert set().union(*PLANTED.values()) <= set(INVARIANTS)


# ---- the command line --------------------------------------------------------------------------------------------------------


FILE = """mmflow 1
model small { provider = openai, id = "gpt-4o-mini" }
param longest = 200
flow main { max_input = longest, else -> small }
flow other { else -> small }
"""


def test_a_file_is_run_under_faults(mmflow: Shell) -> None:
    mmflow.write("w.mmf", FILE)
    done = mmflow("simulate", "w.mmf", "--seeds", "5")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("w.mmf: 5 seeds, 150 requests, ")
    assert ": every invariant held (" in done.out


def test_the_result_as_json(mmflow: Shell) -> None:
    mmflow.write("w.mmf", FILE)
    done = mmflow("simulate", "w.mmf", "--seeds", "4", "--requests", "3", "--flow", "other", "--jobs", "2", "--json")
    (found,) = json.loads(done.out)["runs"]
    assert done.code == 0
    assert (found["workflow"], found["seeds"], found["requests"], found["findings"]) == ("w.mmf", 4, 12, [])
    assert sum(found["outcomes"].values()) == 12


def test_a_param_is_set(mmflow: Shell) -> None:
    mmflow.write("w.mmf", FILE)
    strict = mmflow("simulate", "w.mmf", "--flow", "main", "--seeds", "2", "--set", "longest=1", "--json")
    assert json.loads(strict.out)["runs"][0]["outcomes"].keys() <= {"rejected", "cancelled"}


def test_a_broken_invariant_is_exit_code_1(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    prices_are_doubled(monkeypatch)
    mmflow.write("w.mmf", FILE)
    done = mmflow("simulate", "w.mmf", "--seeds", "20", "--json")
    (found,) = json.loads(done.out)["runs"]
    assert done.code == 1
    first = found["findings"][0]
    assert first["violations"][0]["invariant"] == "accounted"
    assert first["violations"][0]["events"][0]["type"] == "request_started"
    assert first["replay"][:5] == [*COMMAND, "w.mmf", "--seed"]


def test_a_file_with_errors_is_exit_code_1(mmflow: Shell) -> None:
    mmflow.write("w.mmf", "mmflow 1\nflow main { else -> nobody }\n")
    done = mmflow("simulate", "w.mmf")
    assert (done.code, done.out) == (1, "")
    assert "error[unknown-name]" in done.err or "nobody" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.mmf"], "`missing.mmf` cannot be read"),
        (["w.mmf", "--flow", "othr"], "did you mean `other`?"),
        (["w.mmf", "--faults", "rain"], "there is no fault `rain`"),
        (["w.mmf", "--set", "longest"], "expected `param=value`"),
        (["--flow", "main"], "`--flow` and `--set` are for a file"),
    ],
)
def test_wrong_use_is_exit_code_2(mmflow: Shell, arguments: list[str], says: str) -> None:
    mmflow.write("w.mmf", FILE)
    done = mmflow("simulate", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_the_module_command_tells_wrong_use_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faults", "rain"]) == 2
    assert "there is no fault `rain`" in capsys.readouterr().err
