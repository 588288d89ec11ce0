"""Limits of providers and models: requests and tokens in a period, calls at a time, in the order in which they came."""

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import Says, classifier, executor_of, model, of_type, plan_of, words

from mmflow import plan
from mmflow.plan import Limits, Plan, Rate
from mmflow.plugin import Call, Emit, Guess, Message, Reply, Request, Usage
from mmflow.report import trace
from mmflow.runtime.events import CallEnded, CallStarted, MovedOn, Waited, Waiting
from mmflow.runtime.limits import Passing
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, fail, hang, reply, run_virtual


class Clocked(Scripted):
    """Scripted models that note when each call came, and how many were under way at most."""

    def __init__(self, scripts: Any = None) -> None:
        super().__init__(scripts)
        self.came: list[tuple[float, str]] = []
        self.under_way = self.most = 0

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        self.came.append((asyncio.get_running_loop().time(), call.model.name))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await super().complete(call, emit)
        finally:
            self.under_way -= 1

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.came]


def limited(provider: Limits | None = None, *steps: plan.Step, models: Any = ("small",), of: Any = None, **flow: Any) -> Plan:
    made = plan_of(*steps, models=models, providers=[plan.Provider(name="lab", word="lab", limits=provider or Limits())], **flow)
    return plan.Plan(**{each: getattr(made, each) for each in made.__struct_fields__} | {"model_limits": of or {}})


def at_once(of: Plan, lab: Scripted, count: int, *, apart_s: float = 0.0, cancel: dict[int, float] | None = None) -> list[Any]:
    """So many requests, each `apart_s` after the one before; some cancelled at a time."""
    executor = executor_of(of, lab)

    async def one(number: int) -> Result:
        await asyncio.sleep(number * apart_s)
        return await executor.run("main", Request.of(f"request {number}"))

    async def everyone() -> list[Any]:
        tasks = [asyncio.create_task(one(number)) for number in range(count)]
        for number, at_s in (cancel or {}).items():
            asyncio.get_running_loop().call_later(at_s, tasks[number].cancel)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return run_virtual(everyone())


def order_of(lab: Scripted) -> list[int]:
    return [int(call.messages[0].text.split()[-1]) for call in lab.calls]


# ---- requests ---------------------------------------------------------------------------------------------------------------


def test_no_more_requests_begin_in_a_period_than_the_limit_and_none_earlier_than_it_came() -> None:
    lab = Clocked()
    at_once(limited(Limits(requests=Rate(2, 1))), lab, 7)
    assert lab.times == [0, 0, 1, 1, 2, 2, 3]
    assert order_of(lab) == list(range(7))


def test_the_period_slides_so_that_the_turn_of_a_minute_lets_no_burst_through() -> None:
    lab = Clocked()
    at_once(limited(Limits(requests=Rate(2, 1))), lab, 6, apart_s=0.3)
    assert lab.times == [0, pytest.approx(0.3), 1, pytest.approx(1.3), 2, pytest.approx(2.3)]


def test_a_call_that_was_never_sent_does_not_count() -> None:
    lab = Clocked({"small": [fail("connect"), reply("yes")]})
    at_once(limited(Limits(requests=Rate(1, 10))), lab, 2)
    assert lab.times == [0, 0]


def test_a_refusal_of_the_provider_counts() -> None:
    lab = Clocked({"small": [fail(429), reply("yes")]})
    at_once(limited(Limits(requests=Rate(1, 10))), lab, 2)
    assert lab.times == [0, 10]


# ---- calls at a time --------------------------------------------------------------------------------------------------------


def test_no_more_calls_are_under_way_than_the_concurrency() -> None:
    lab = Clocked({"small": [reply("yes", 1.0)]})
    at_once(limited(Limits(concurrency=2)), lab, 6)
    assert lab.most == 2
    assert lab.times == [0, 0, 1, 1, 2, 2]
    assert order_of(lab) == list(range(6))


@pytest.mark.parametrize("turn", [fail(500, 1.0), fail("timeout", 1.0), reply("yes", 1.0)])
def test_a_call_gives_its_place_back_however_it_ends(turn: Turn) -> None:
    lab = Clocked({"small": [turn]})
    at_once(limited(Limits(concurrency=1)), lab, 3)
    assert lab.times == [0, 1, 2]


def test_a_cancelled_call_gives_its_place_back_and_a_cancelled_wait_its_place_in_line() -> None:
    lab = Clocked({"small": [hang(), reply("yes", 1.0)]})
    results = at_once(limited(Limits(concurrency=1)), lab, 4, cancel={0: 2.0, 2: 1.0})
    assert isinstance(results[0], asyncio.CancelledError)
    assert isinstance(results[2], asyncio.CancelledError)
    assert order_of(lab) == [0, 1, 3]
    assert lab.times == [0, 2, 3]


def test_a_turn_that_comes_with_the_cancellation_goes_to_the_next() -> None:
    lab = Clocked({"small": [reply("yes", 1.0)]})
    at_once(limited(Limits(concurrency=1)), lab, 3, cancel={1: 1.0})
    assert order_of(lab)[-1] == 2
    assert lab.times[-1] <= 2.0


# ---- tokens -----------------------------------------------------------------------------------------------------------------


def test_tokens_are_taken_by_estimate_and_corrected_by_what_was_used() -> None:
    lab = Clocked({"small": [reply("yes", 1.0, usage=Usage(10, output_tokens=10))]})
    # Each is taken for 8 in and 100 out: the second has to wait until the first turns out to be small.
    at_once(limited(Limits(tokens=Rate(200, 60)), max_output_tokens=100), lab, 3)
    assert lab.times == [0, 1, 2]


def test_tokens_that_were_used_hold_the_next_back_for_a_period() -> None:
    lab = Clocked({"small": [reply("yes", 1.0, usage=Usage(10, output_tokens=150))]})
    at_once(limited(Limits(tokens=Rate(200, 60)), max_output_tokens=100, deadline_s=600.0), lab, 3)
    assert lab.times == [0, 60, 120]


def test_an_estimate_above_the_limit_passes_alone_and_a_text_above_it_never() -> None:
    lab = Clocked()
    (result,) = at_once(limited(Limits(tokens=Rate(200, 60)), max_output_tokens=4_000), lab, 1)
    assert result.ended.outcome == "served"
    executor = executor_of(limited(Limits(tokens=Rate(200, 60))), lab)
    ended = run_virtual(executor.run("main", Request.of("word " * 1_000))).ended
    assert (ended.error_class, ended.cost_microusd) == ("429", 0)
    assert "more than tokens = 200/min of provider `lab` lets pass" in (ended.message or "")


def test_tokens_do_not_let_a_small_request_pass_a_large_one_that_came_before() -> None:
    lab = Clocked({"small": [reply("yes", 5.0, usage=Usage(100, output_tokens=50))]})
    executor = executor_of(limited(Limits(tokens=Rate(300, 60)), deadline_s=600.0), lab)

    async def ask(text: str, output: int) -> Result:
        return await executor.run("main", Request(messages=(Message("user", text),), max_output_tokens=output))

    async def everyone() -> None:
        await asyncio.gather(ask("request 0", 200), ask("request 1", 250), ask("request 2", 10))

    run_virtual(everyone())
    assert order_of(lab) == [0, 1, 2]


# ---- providers and models ---------------------------------------------------------------------------------------------------


def test_a_model_that_waits_for_its_own_limit_holds_back_no_other_model_of_its_provider() -> None:
    lab = Clocked({"small": [reply("yes", 1.0)], "large": [reply("yes", 1.0)]})
    arm = plan.Arm(plan.TextMatches("[13]$"), "large", "odd")
    of = limited(
        Limits(concurrency=3),
        plan.Route("main", (arm,), "small"),
        models=("small", "large"),
        of={"small": Limits(concurrency=1)},
    )
    at_once(of, lab, 5)
    assert sorted(lab.came) == [(0, "large"), (0, "large"), (0, "small"), (1, "small"), (2, "small")]


def test_the_limit_of_a_provider_holds_for_all_its_models_together() -> None:
    lab = Clocked()
    arm = plan.Arm(plan.TextMatches("[13]$"), "large", "odd")
    at_once(limited(Limits(requests=Rate(2, 1)), plan.Route("main", (arm,), "small"), models=("small", "large")), lab, 4)
    assert lab.times == [0, 0, 1, 1]


def test_a_model_may_be_limited_without_its_provider() -> None:
    lab = Clocked()
    at_once(limited(of={"small": Limits(requests=Rate(1, 1))}), lab, 2)
    assert lab.times == [0, 1]


# ---- the deadline -----------------------------------------------------------------------------------------------------------


def test_a_request_whose_turn_comes_too_late_fails_at_once_so_that_the_next_target_is_asked() -> None:
    lab = Clocked()
    step = plan.Fallback(name="main", steps=("small", "other"), on=("429",))
    of = limited(None, step, models=("small", "other"), of={"small": Limits(requests=Rate(1, 60))}, deadline_s=10.0)
    _, second = at_once(of, lab, 2)
    assert lab.came == [(0, "small"), (0, "other")]
    assert [(each.target, each.reason) for each in of_type(second, MovedOn)] == [("small", "429")]
    assert second.ended.model == "other"
    failed = of_type(second, CallEnded)[0]
    assert (failed.outcome, failed.cost_microusd) == ("failed", 0)
    assert failed.message == (
        "`small` would have its turn in 1m, and the deadline of 10s is sooner: requests = 1/min of model `small`"
    )


def test_the_line_ahead_counts_for_when_a_turn_comes() -> None:
    lab = Clocked()
    results = at_once(limited(Limits(requests=Rate(2, 4)), deadline_s=10.0), lab, 9)
    assert [each.ended.error_class for each in results] == [None] * 6 + ["429"] * 3
    assert [each.ended.at_s for each in results[6:]] == [0, 0, 0]


def test_a_member_of_a_tier_that_has_no_turn_in_time_is_passed_over() -> None:
    lab = Clocked()
    of = limited(
        None, plan.Tier("main", ("small", "other")), models=("small", "other"), of={"small": Limits(requests=Rate(1, 60))},
        deadline_s=10.0,
    )  # fmt: skip
    assert [each.ended.model for each in at_once(of, lab, 2)] == ["small", "other"]


def test_who_waits_for_a_place_gives_up_at_the_deadline_and_leaves_the_line_as_it_was() -> None:
    lab = Clocked({"small": [reply("yes", 8.0)]})
    results = at_once(limited(Limits(concurrency=1), deadline_s=10.0), lab, 3)
    assert [each.ended.error_class for each in results] == [None, "timeout", "429"]
    assert results[2].ended.at_s == 10.0
    assert "did not have its turn" in (results[2].ended.message or "")
    assert "concurrency = 1 of provider `lab`" in (results[2].ended.message or "")
    assert of_type(results[2], CallStarted)[0].at_s == 10.0


# ---- what shows -------------------------------------------------------------------------------------------------------------


def test_waiting_shows_and_is_no_part_of_the_calls_own_time() -> None:
    lab = Clocked({"small": [reply("yes", 0.5)]})
    _, second = at_once(limited(Limits(requests=Rate(1, 2))), lab, 2)
    (waiting,), (waited,) = of_type(second, Waiting), of_type(second, Waited)
    assert (waiting.at_s, waiting.limit) == (0, "requests = 1/2s of provider `lab`")
    assert (waited.at_s, waited.wait_s) == (2, 2)
    (call,) = of_type(second, CallEnded)
    assert (call.started_at_s, call.at_s) == (2, 2.5)
    assert [line.split()[1] for line in trace(second.events)] == ["request", "waits", "waited", "asked", "answered", "served"]


def test_who_need_not_wait_says_nothing() -> None:
    (result,) = at_once(limited(Limits(requests=Rate(1, 2))), Clocked(), 1)
    assert of_type(result, Waiting, Waited) == []


def test_an_executor_may_go_from_loop_to_loop() -> None:
    lab = Clocked()
    executor = executor_of(limited(Limits(requests=Rate(1, 60), concurrency=1)), lab)

    async def late() -> Result:
        await asyncio.sleep(1)
        return await executor.run("main", Request.of("hi"))

    assert run_virtual(late()).ended.outcome == "served"
    assert run_virtual(executor.run("main", Request.of("hi"))).ended.outcome == "served", "another clock, which is not there yet"


# ---- in general -------------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(1, 50),
    calls=st.lists(st.tuples(st.sampled_from([0.0, 0.0, 0.3, 1.0, 7.0]), st.integers(1, 60)), max_size=40),
)
def test_whatever_comes_no_stretch_of_a_period_has_more_than_the_limit(limit: int, calls: list[tuple[float, int]]) -> None:
    passing, now, passed = Passing(Rate(limit, 10)), 0.0, []
    for after_s, amount in calls:
        now, amount = now + after_s, min(amount, limit)
        now = max(now, passing.free_at(amount, 0, now))
        assert passing.free_at(amount, 0, now) == now
        passing.add(amount, now)
        passed.append((now, amount))
    for start, _ in passed:
        assert sum(amount for at, amount in passed if start <= at < start + 10) <= limit


def test_a_limit_of_millions_takes_no_memory_to_speak_of() -> None:
    passing = Passing(Rate(10_000_000, 60))
    for number in range(100_000):
        passing.add(1, number / 1_000)
    assert len(passing._entries) <= 1_001


@pytest.mark.parametrize("seed", range(1, 41))
def test_in_any_order_of_things_limits_hold_and_every_place_comes_back(seed: int) -> None:
    random = Random(seed)
    turns = [reply("yes", 0.3), reply("yes", 1.0), fail(429, 0.1), fail("connect"), fail(500, 0.2), hang()]
    lab = Clocked({name: random.choices(turns, k=30) for name in ("small", "large")})
    arm = plan.Arm(plan.TextMatches("[13579]$"), "large", "odd")
    of = limited(
        Limits(concurrency=4, requests=Rate(6, 1)),
        plan.Route("main", (arm,), "small"),
        models=(model("small"), model("large")),
        of={"large": Limits(concurrency=2)},
        deadline_s=4.0,
    )
    cancel = {number: random.choice([0.1, 0.5, 1.0]) for number in random.sample(range(25), 6)}
    executor = executor_of(of, lab)

    async def everyone() -> list[Any]:
        async def one(number: int) -> Result:
            await asyncio.sleep(random.choice([0, 0, 0.3, 1.0]))
            return await executor.run("main", Request.of(f"request {number}"))

        tasks = [asyncio.create_task(one(number)) for number in range(25)]
        for number, at_s in cancel.items():
            asyncio.get_running_loop().call_later(at_s, tasks[number].cancel)
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = run_virtual(everyone(), seed=seed)
    assert lab.most <= 4
    assert all(each.ended.at_s <= 4.0 + 1e-6 for each in results if isinstance(each, Result))
    limits: Any = executor._shared.limits
    for way in limits._ways.values():
        assert [gate.under_way for gate in way.gates] == [0] * len(way.gates)
        assert [gate.requests.waiting for gate in way.gates if gate.requests] == [0] * (way.gates[0].requests is not None)
        assert not way.line._waiting


def test_a_call_that_comes_to_a_full_gate_at_the_very_deadline_fails_as_one_that_is_late() -> None:
    async def guessed(text: str) -> Guess:
        if text == "request 0":
            await asyncio.Event().wait()
        return Guess("low", 0.9)

    route = plan.Route("main", (plan.Arm(plan.LabelIs("complexity", ("low",)), "small", "complexity == low"),), "small")
    of = limited(Limits(concurrency=1), route, classifiers=[classifier("complexity", timeout_s=5.0)], deadline_s=1.0)
    executor = executor_of(of, Clocked({"small": [hang()]}), words(classifiers={"complexity": Says(guessed)}))

    async def main() -> Result:
        late = asyncio.create_task(executor.run("main", Request.of("request 0")))
        await asyncio.sleep(0.5)
        holder = asyncio.create_task(executor.run("main", Request.of("request 1")))
        result = await late
        await holder
        return result

    ended = run_virtual(main()).ended
    assert (ended.at_s, ended.outcome, ended.error_class) == (1.0, "failed", "429")
