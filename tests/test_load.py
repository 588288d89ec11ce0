"""Load: a call costs no more for what it does not use, and memory does not grow with the calls."""

import asyncio
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from mmflow_plugins.providers import sim
from mmflow_plugins.strategies import cheapest, fastest, least_busy, listed, weighted
from plans import Words, executor_of, model, of_type, plan_of, words

from mmflow import plan
from mmflow.build import build
from mmflow.plan import Limits, Plan, Rate
from mmflow.plugin import Candidate, Model, Request
from mmflow.registry import Registry
from mmflow.runtime.candidates import Candidates, members_of
from mmflow.runtime.events import Ordered
from mmflow.runtime.executor import Executor
from mmflow.runtime.simulate import Scripted, fail, reply, run_virtual
from mmflow.source import Source

OURS = Request.of("hello")
MODULES = (listed, cheapest, fastest, least_busy, weighted)
PICKS = Words({("pick", each.name): each for module in MODULES for each in module.mmflow_strategies()})


def tier_of(size: int, pick: str) -> Plan:
    names = tuple(f"m{number}" for number in range(size))
    return plan_of(plan.Tier("all", names, pick), models=names)


def work_of(of: Plan, vocabulary: Words | None = None) -> int:
    """How many functions of Python one call takes, once all is warm."""
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    async def main() -> None:
        executor = executor_of(of, Scripted({"m0": [reply("hi")]}), vocabulary or words())
        for _ in range(3):
            await executor.run("main", OURS)
        sys.setprofile(count)
        try:
            await executor.run("main", OURS)
        finally:
            sys.setprofile(None)

    run_virtual(main())
    return counted


def test_a_call_takes_the_same_work_however_many_models_the_file_declares() -> None:
    many = [f"m{number}" for number in range(1_000)]
    assert work_of(plan_of(models=many)) == work_of(plan_of(models=many[:1]))


def test_a_tier_in_the_order_of_the_file_takes_the_same_work_however_many_members_it_has() -> None:
    assert work_of(tier_of(1_000, "listed"), PICKS) == work_of(tier_of(1, "listed"), PICKS)


@pytest.mark.parametrize("pick", ["cheapest", "fastest", "least_busy"])
def test_other_picks_take_a_little_work_for_each_member(pick: str) -> None:
    assert work_of(tier_of(1_000, pick), PICKS) < work_of(tier_of(1, pick), PICKS) + 8 * 1_000


def test_a_model_without_limits_pays_nothing_for_those_of_another() -> None:
    of = plan_of(models=["m0", "other"])
    limited = Plan(
        providers=of.providers, models=of.models, steps=of.steps, flows=of.flows, classifiers=of.classifiers, scorers=of.scorers,
        model_limits={"other": Limits(requests=Rate(1, 60))},
    )  # fmt: skip
    # One look at whether it has limits.
    assert work_of(limited) <= work_of(of) + 1


# ---- candidates ---------------------------------------------------------------------------------------------------------------


def candidates(size: int) -> Candidates:
    return Candidates([model(f"m{number}") for number in range(size)], lambda each: Candidate(each, None, None))


def test_candidates_are_a_sequence_as_a_pick_expects_it() -> None:
    found = candidates(4)
    name: Callable[[Candidate], str] = lambda each: each.model.name  # noqa: E731
    assert len(found) == 4
    assert list(map(name, found)) == ["m0", "m1", "m2", "m3"]
    assert [name(found[0]), name(found[-1])] == ["m0", "m3"]
    assert list(map(name, found[1:3])) == ["m1", "m2"]
    assert list(map(name, reversed(found))) == ["m3", "m2", "m1", "m0"]
    assert sorted(map(name, Random(1).sample(found, 4))) == ["m0", "m1", "m2", "m3"]
    assert found[2] in found
    with pytest.raises(IndexError):
        found[4]


def test_only_the_candidates_that_a_pick_looks_at_are_made() -> None:
    made: list[str] = []

    def known(each: Model) -> Candidate:
        made.append(each.name)
        return Candidate(each, None, None)

    found = Candidates([model(f"m{number}") for number in range(1_000)], known)
    assert found[7].model.name == "m7"
    assert made == ["m7"]


def test_a_model_that_stands_in_a_tier_twice_is_a_member_once() -> None:
    of = plan_of(plan.Tier("all", ("a", "b", "a")), models=["a", "b"])
    assert members_of(of, ("a", "b", "a")).names == ("a", "b")


def test_a_listed_tier_says_its_whole_order_and_keeps_to_it() -> None:
    of = tier_of(3, "listed")
    lab = Scripted({"m0": [fail(503)], "m1": [fail(503)]})
    done = run_virtual(executor_of(of, lab, PICKS).run("main", OURS))
    assert [each.models for each in of_type(done, Ordered)] == [("m0", "m1", "m2")]
    assert [call.model.name for call in lab.calls] == ["m0", "m1", "m2"]


# ---- memory -------------------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim, "REMEMBERED", 50)
    vocabulary = Registry.installed()
    text = 'mmflow 1\nprovider p using sim {}\nmodel m { provider = p, id = "m" }\nflow main { else -> m }\n'
    of = build(Source("load.mmf", text), vocabulary).plan
    assert of is not None

    async def made(executor: Executor, numbers: range) -> int:
        """Python's blocks of memory after so many calls, 50 at a time."""
        for first in numbers[::50]:
            await asyncio.gather(*(executor.run("main", Request.of(f"call {first + each}")) for each in range(50)))
        gc.collect()
        return sys.getallocatedblocks()

    async def main() -> int:
        executor = Executor(of, vocabulary, folder=Path(), random=Random(1))
        # What is kept of late is full by then: latencies, and what `sim` remembers.
        before = await made(executor, range(300))
        return await made(executor, range(300, 1_300)) - before

    # Not one block for each of a thousand calls.
    assert run_virtual(main()) < 500
