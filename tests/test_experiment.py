"""Experiments: drawn like a split, answered, and judged afterwards by the metric, which changes nothing of the answer."""

import asyncio
from typing import Any

import pytest
from plans import Says, executor_of, model, of_type, plan_of, run, words

from mmflow import plan
from mmflow.plan import Plan
from mmflow.plugin import Delta, Message, Request, Usage
from mmflow.report import summary, trace
from mmflow.runtime.events import CallEnded, ExperimentScored, Guarded, Scored, SplitDrawn
from mmflow.runtime.executor import bucket_of
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, fail, hang, reply, run_virtual, stream

SLICES = (plan.Slice(2_000, "new"), plan.Slice(8_000, "old"))


def experiment(metric: str = "fine", *, sample: float = 1.0, slices: tuple[plan.Slice, ...] = SLICES, **flow: Any) -> Plan:
    step = plan.Experiment(name="main", slices=slices, sticky="user", metric=metric, sample=sample)
    rating = plan.Scorer(name="rating", word="judge", options={"model": "judge"})
    return plan_of(step, models=["new", "old", "judge"], scorers=["fine", rating], **flow)


def fine(score: Any = 0.8) -> Any:
    return words(scorers={"fine": Says(lambda text: score)})


def of_user(user: str) -> Request:
    return Request(messages=(Message("user", "hello"),), user=user)


def test_it_draws_as_a_split_of_its_name_does() -> None:
    for user in map(str, range(60)):
        result = run(experiment(), request=of_user(user), vocabulary=fine())
        bucket = bucket_of("main", "main", user)
        (drawn,) = of_type(result, SplitDrawn)
        assert (drawn.bucket, drawn.target) == (bucket, "new" if bucket < 2_000 else "old")
        assert result.ended.model == drawn.target


def test_the_metric_judges_the_answer_and_the_arm_stands_in_the_event() -> None:
    result = run(experiment(), {"new": [reply("yes", 1.0)], "old": [reply("yes", 1.0)]}, of_user("ada"), fine())
    (scored,) = of_type(result, ExperimentScored)
    arm = of_type(result, SplitDrawn)[0].target
    assert (scored.experiment, scored.arm, scored.model, scored.scorer, scored.score) == ("main", arm, arm, "fine", 0.8)
    assert len(of_type(result, Scored)) == 1
    assert any(f"measured  main: {arm} has fine = 0.80" in line for line in trace(result.events))
    assert summary(result.reply, result.events).scores[0].score == 0.8


@pytest.mark.parametrize("said", [RuntimeError("no"), 7, "text", None, float("nan")])
def test_a_metric_that_fails_changes_nothing(said: Any) -> None:
    def say(text: str) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    result = run(experiment(), vocabulary=words(scorers={"fine": Says(say)}))
    assert result.ended.outcome == "served"
    assert result.ended.degraded is None
    assert [each.score for each in of_type(result, ExperimentScored)] == [None]


def test_the_judge_has_what_is_left_of_the_deadline() -> None:
    of = experiment("rating", deadline_s=5.0)
    result = run(of, {"new": [reply("yes", 2.0)], "old": [reply("yes", 2.0)], "judge": [hang()]})
    assert (result.ended.outcome, result.ended.at_s) == ("served", 5.0)
    assert [each.score for each in of_type(result, ExperimentScored)] == [None]


def test_the_judges_call_costs_and_its_model_is_under_the_guards() -> None:
    usage = Usage(input_tokens=10, output_tokens=5)
    answered = {"new": [reply("yes", usage=usage)], "old": [reply("yes", usage=usage)], "judge": [reply("0.9", usage=usage)]}
    result = run(experiment("rating"), answered)
    assert result.ended.cost_microusd == 40
    assert [each.purpose for each in of_type(result, CallEnded)] == ["answer", "judge"]
    assert of_type(result, CallEnded)[1].path == "main/rating/judge"
    rule = plan.Rule(plan.RequestIs("has_tools", "==", False), ((plan.TargetIs("name", "!=", "judge"),),), "no judge")
    of = experiment("rating", guards=("own",))
    of = plan.Plan(**{each: getattr(of, each) for each in of.__struct_fields__} | {"guards": {"own": plan.Guard("own", (rule,))}})
    guarded = run(of, answered)
    assert (guarded.ended.outcome, guarded.ended.cost_microusd) == ("served", 20)
    assert [each.model for each in of_type(guarded, Guarded)] == ["judge"]
    assert [each.score for each in of_type(guarded, ExperimentScored)] == [None]


def test_a_judge_that_max_cost_does_not_pay_is_not_asked_and_the_answer_stands() -> None:
    dear = reply("yes", usage=Usage(input_tokens=20, output_tokens=15))
    result = run(experiment("rating", max_cost_microusd=60, max_output_tokens=20), {"new": [dear], "old": [dear]})
    assert result.ended.outcome == "served"
    assert [each.score for each in of_type(result, ExperimentScored)] == [None]


@pytest.mark.parametrize("streams", [True, False])
def test_the_caller_has_the_whole_answer_before_it_is_judged(streams: bool) -> None:
    turn = stream(["one ", "two"], 1.0) if streams else reply("one two", 1.0)
    heard: list[tuple[float, str]] = []
    lab = Scripted({"new": [turn], "old": [turn], "judge": [reply("0.9", 2.0)]})
    if not streams:
        whole = lab.complete

        async def silent(call: Any, emit: Any) -> Any:
            return await whole(call, None)

        lab.complete = silent  # type: ignore[method-assign]

    async def ask() -> Result:
        async def emit(delta: Delta) -> None:
            heard.append((asyncio.get_running_loop().time(), delta.text))

        return await executor_of(experiment("rating"), lab).run("main", Request.of("hello"), emit)

    result = run_virtual(ask())
    assert "".join(text for _, text in heard) == "one two"
    assert heard[-1][0] == 1.0
    assert result.ended.at_s == 3.0
    assert [each.score for each in of_type(result, ExperimentScored)] == [0.9]


def test_about_a_sample_of_the_answers_is_judged_the_same_ones_each_time() -> None:
    def judged() -> list[bool]:
        executor = executor_of(experiment(sample=0.3), vocabulary=fine())

        async def all_of_them() -> list[bool]:
            results = [await executor.run("main", of_user("ada")) for _ in range(400)]
            return [bool(of_type(each, ExperimentScored)) for each in results]

        return run_virtual(all_of_them())

    once = judged()
    assert 0.2 < sum(once) / len(once) < 0.4
    assert judged() == once


def test_a_sample_of_nothing_judges_nothing() -> None:
    assert of_type(run(experiment(sample=0.0), vocabulary=fine()), ExperimentScored, Scored) == []


def test_an_arm_that_fails_is_not_judged_and_fails_as_it_does_alone() -> None:
    result = run(experiment(), {"new": [fail(429)], "old": [fail(429)]}, vocabulary=fine())
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "429")
    assert of_type(result, ExperimentScored) == []


def test_an_arm_may_be_a_step_of_its_own() -> None:
    step = plan.Experiment(name="main", slices=(plan.Slice(10_000, "pair"),), sticky="user", metric="fine")
    pair = plan.Fallback(name="pair", steps=("a", "b"), on=("429",))
    of = plan_of(step, pair, models=[model("a"), model("b")], scorers=["fine"])
    result = run(of, {"a": [fail(429)]}, vocabulary=fine())
    (scored,) = of_type(result, ExperimentScored)
    assert (scored.arm, scored.model) == ("pair", "b")


def test_a_dry_run_judges_nothing() -> None:
    result = run_virtual(executor_of(experiment(), vocabulary=fine()).decide("main", Request.of("hello")))
    assert result.ended.outcome == "decided"
    assert of_type(result, ExperimentScored) == []
