"""The breaker and the retry budget: an outage is asked less and passed over, and never stops what can still answer."""

import asyncio
from random import Random
from typing import Any

import pytest
from plans import executor_of, of_type, plan_of

from mmflow import plan
from mmflow.plan import Plan
from mmflow.plugin import Call, CallError, Emit, Reply, Request
from mmflow.report import trace
from mmflow.runtime.breaker import COOLING_S, FEWEST_CALLS, Breakers
from mmflow.runtime.events import CallStarted, CoolingDown, RetryRefused
from mmflow.runtime.recent import Recent
from mmflow.runtime.result import Result
from mmflow.runtime.retries import FLOOR, WINDOW_S, Retries
from mmflow.runtime.simulate import Scripted, fail, run_virtual


class Outage(Scripted):
    """Models that fail until an instant of the clock."""

    def __init__(self, until: dict[str, float], what: Any = 500) -> None:
        super().__init__()
        self.until, self.what = until, what

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        if asyncio.get_running_loop().time() < self.until.get(call.model.name, 0.0):
            self.calls.append(call)
            error = fail(self.what).error
            assert error is not None
            raise error
        return await super().complete(call, emit)

    def asked(self, name: str) -> int:
        return sum(call.model.name == name for call in self.calls)


def requests(of: Plan, lab: Scripted, count: int, *, apart_s: float = 0.1) -> list[Result]:
    """So many requests one after another."""
    executor = executor_of(of, lab)

    async def all_of_them() -> list[Result]:
        results = []
        for _ in range(count):
            results.append(await executor.run("main", Request.of("hello")))
            await asyncio.sleep(apart_s)
        return results

    return run_virtual(all_of_them())


TIER = plan.Tier("main", ("one", "two"))
PAIR = plan.Fallback(name="main", steps=("one", "two"), on=("5xx",))


# ---- the breaker ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [TIER, PAIR])
def test_a_model_that_mostly_fails_is_passed_over_and_probed_by_one_call_at_a_time(step: plan.Step) -> None:
    lab = Outage({"one": 1e9})
    results = requests(plan_of(step, models=["one", "two"]), lab, 200)
    assert {each.ended.model for each in results} == {"two"}
    # Ten until it opens, then a probe after 5, 10, … seconds: twenty seconds have room for two.
    assert FEWEST_CALLS < lab.asked("one") <= FEWEST_CALLS + 3
    cooling = of_type(results[FEWEST_CALLS], CoolingDown)
    assert [(each.target, each.reason) for each in cooling] == [("one", "5xx")]
    assert [each.model for each in of_type(results[FEWEST_CALLS], CallStarted)] == ["two"]
    assert any(
        "cooling   main: one goes last, it mostly failed of late (5xx)" in each for each in trace(results[FEWEST_CALLS].events)
    )


def test_it_comes_back_once_a_probe_is_answered() -> None:
    lab = Outage({"one": 3.0})
    results = requests(plan_of(TIER, models=["one", "two"]), lab, 200)
    assert {each.ended.model for each in results[:30]} == {"two"}
    assert {each.ended.model for each in results[100:]} == {"one"}


def test_the_last_that_could_answer_is_never_passed_over() -> None:
    lab = Outage({"one": 1e9, "two": 1e9})
    results = requests(plan_of(TIER, models=["one", "two"]), lab, 60)
    assert all(len(of_type(each, CallStarted)) == 2 for each in results)
    lab = Outage({"one": 2.0})
    results = requests(plan_of(models=["one"]), lab, 60)
    assert {each.ended.outcome for each in results[21:]} == {"served"}


def test_one_that_cools_down_is_still_asked_where_the_others_fail() -> None:
    lab = Outage({"one": 1.05, "two": 0.0})
    executor = executor_of(plan_of(TIER, models=["one", "two"]), lab)

    async def play() -> Result:
        for _ in range(12):
            await executor.run("main", Request.of("hello"))
            await asyncio.sleep(0.1)
        lab.until["two"] = 1e9
        return await executor.run("main", Request.of("hello"))

    result = run_virtual(play())
    assert [each.model for each in of_type(result, CallStarted)] == ["two", "one"]
    assert result.ended.model == "one"


def test_a_fallback_keeps_its_order_for_failures_that_it_does_not_catch() -> None:
    lab = Outage({"one": 1e9}, "connect")
    results = requests(plan_of(PAIR, models=["one", "two"]), lab, 30)
    assert lab.asked("one") == 30
    assert {each.ended.error_class for each in results} == {"connect"}


@pytest.mark.parametrize("what", [400, 401, "content_filter"])
def test_failures_of_the_request_or_the_key_open_no_breaker(what: Any) -> None:
    lab = Outage({"one": 1e9}, what)
    requests(plan_of(TIER, models=["one", "two"]), lab, 30)
    assert lab.asked("one") == 30


def test_a_few_failures_among_many_answers_open_no_breaker() -> None:
    breakers, now = Breakers(Random(1)), 0.0
    for number in range(200):
        now += 0.1
        error = CallError("5xx", "down") if number % 3 == 0 else None
        breakers.ended("one", error, now, was_probe=breakers.begins("one", now))
        assert breakers.cooling("one", now) is None


def opened(now: float = 0.0, seed: int = 1) -> Breakers:
    breakers = Breakers(Random(seed))
    for _ in range(FEWEST_CALLS):
        breakers.ended("one", CallError("5xx", "down"), now, was_probe=False)
    assert breakers.cooling("one", now) is not None
    return breakers


def test_of_calls_that_come_together_after_the_cooling_one_is_the_probe() -> None:
    breakers = opened()
    later = 2 * COOLING_S
    assert breakers.cooling("one", later) is None
    assert [breakers.begins("one", later) for _ in range(3)] == [True, False, False]
    assert breakers.cooling("one", later) is not None
    breakers.ended("one", None, later, was_probe=True)
    assert breakers.cooling("one", later) is None
    assert not breakers


def test_a_probe_that_fails_cools_longer_and_one_that_is_cancelled_leaves_it_to_the_next() -> None:
    breakers = opened()
    later = 2 * COOLING_S
    assert breakers.begins("one", later)
    breakers.gave_up("one")
    assert breakers.begins("one", later)
    breakers.ended("one", CallError("5xx", "down"), later, was_probe=True)
    assert breakers.cooling("one", later + 1.4 * COOLING_S) is not None
    assert breakers.cooling("one", later + 2.6 * COOLING_S) is None


def test_breakers_do_not_open_again_all_at_once() -> None:
    ends = {next(t / 10 for t in range(200) if opened(seed=seed).cooling("one", t / 10) is None) for seed in range(8)}
    assert len(ends) > 4
    assert all(0.7 * COOLING_S < end < 1.3 * COOLING_S for end in ends)


# ---- the retry budget --------------------------------------------------------------------------------------------------------


def test_an_outage_is_not_multiplied_by_retries() -> None:
    step = plan.Fallback(name="main", steps=("one",), on=("5xx",), retry_times=3, backoff_s=0.01)
    lab = Outage({"one": 1e9})
    results = requests(plan_of(step, models=["one"]), lab, 1_000, apart_s=0.02)
    assert 1_000 < lab.asked("one") <= 1_250
    refused = [each for each in results if of_type(each, RetryRefused)]
    assert len(refused) > 700
    assert any("no retry  main: one had too many of late" in line for line in trace(refused[0].events))


def test_requests_of_a_quiet_target_are_tried_again_as_often_as_the_file_says() -> None:
    step = plan.Fallback(name="main", steps=("one",), on=("5xx",), retry_times=FLOOR, backoff_s=0.01)
    lab = Outage({"one": 1e9})
    requests(plan_of(step, models=["one"]), lab, 1)
    assert lab.asked("one") == 1 + FLOOR


def test_a_refused_retry_moves_on_to_the_next_target() -> None:
    step = plan.Fallback(name="main", steps=("one", "two"), on=("429",), retry_times=1, backoff_s=0.01)
    lab = Outage({"one": 1e9}, 429)
    results = requests(plan_of(step, models=["one", "two"]), lab, 60, apart_s=0.01)
    assert {each.ended.model for each in results} == {"two"}


def test_retries_are_a_fifth_of_the_first_tries_of_late() -> None:
    retries = Retries()
    for _ in range(200):
        retries.began("one", 0.0)
    assert sum(retries.allows("one", 1.0) for _ in range(100)) == 40
    retries.began("one", 2 * WINDOW_S)
    assert sum(retries.allows("one", 2 * WINDOW_S) for _ in range(100)) == FLOOR


def test_what_is_older_than_the_window_or_of_another_clock_is_forgotten() -> None:
    recent = Recent(10.0)
    recent.add(0.0, all=3, those=1)
    recent.add(9.0, all=2)
    assert recent.counts(9.5) == (5, 1)
    assert recent.counts(12.0) == (2, 0)
    assert recent.counts(1.0) == (0, 0)
