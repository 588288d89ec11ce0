"""The executor on a virtual clock: each kind of step, the deadline, money, streams, and faults of plugins."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from plans import (
    NoFields,
    Says,
    Words,
    classifier,
    executor_of,
    model,
    of_type,
    plan_of,
    run,
    words,
)

from mmflow import plan
from mmflow.options import Secret, option, options
from mmflow.plan import Plan
from mmflow.plugin import (
    Call,
    CallError,
    Delta,
    Emit,
    Guess,
    Host,
    Message,
    PickWord,
    Prices,
    ProviderWord,
    Reply,
    Request,
    Timeouts,
    Usage,
)
from mmflow.runtime.deadline import least_s
from mmflow.runtime.events import (
    ArmTested,
    CallEnded,
    CallStarted,
    Degraded,
    Event,
    Judged,
    MovedOn,
    Ordered,
    RequestEnded,
    Retrying,
    Scored,
    SignalRead,
    SplitDrawn,
)
from mmflow.runtime.executor import Executor, bucket_of
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, fail, hang, reply, run_virtual, stream

ONE_AND_TWO = Usage(input_tokens=10, output_tokens=5)
"""Costs 20 micro-dollars at the prices of the tests."""


def asked(result: Result) -> list[str]:
    return [each.model for each in of_type(result, CallStarted)]


def outcomes(result: Result) -> list[str]:
    return [each.outcome for each in of_type(result, CallEnded)]


def text_of(result: Result) -> str | None:
    return result.reply.text if result.reply else None


class Heard:
    """A caller that keeps what it is given."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    async def __call__(self, delta: Delta) -> None:
        self.pieces.append(delta.text)


# ---- one model --------------------------------------------------------------------------------------------------------------


def test_a_model_answers_and_every_event_of_it_is_there() -> None:
    result = run(plan_of(models=["small"]), {"small": [reply("Yes.", 0.8, usage=ONE_AND_TWO)]})
    assert text_of(result) == "Yes."
    (ended,) = of_type(result, CallEnded)
    assert (ended.path, ended.outcome, ended.at_s, ended.cost_microusd, ended.estimated) == (
        "main/small",
        "answered",
        0.8,
        20,
        False,
    )
    assert result.ended == RequestEnded(at_s=0.8, outcome="served", model="small", path="main/small", cost_microusd=20)


def test_a_failure_upstream_is_in_the_result_and_is_not_raised() -> None:
    result = run(plan_of(models=["small"]), {"small": [fail(401)]})
    assert result.reply is None
    assert (result.ended.outcome, result.ended.error_class, result.ended.cost_microusd) == ("failed", "auth", 0)
    assert result.ended.help


def test_an_unknown_flow_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        run_virtual(executor_of(plan_of(models=["small"])).run("other", Request.of("hello")))


def test_the_output_is_bounded_by_the_least_of_request_flow_with_and_model() -> None:
    lab = Scripted()
    step = plan.With(name="main", step="small", max_output_tokens=300)
    of = plan_of(step, models=[model("small", max_output_tokens=400)], max_output_tokens=500)
    run_virtual(executor_of(of, lab).run("main", Request(messages=(Message("user", "hi"),), max_output_tokens=600)))
    run_virtual(executor_of(of, lab).run("main", Request(messages=(Message("user", "hi"),), max_output_tokens=200)))
    assert [each.max_output_tokens for each in lab.calls] == [300, 200]


def test_with_lowers_the_temperature_and_never_raises_it() -> None:
    lab = Scripted()
    of = plan_of(plan.With(name="main", step="small", temperature=0.5), models=["small"])
    for temperature in (None, 0.9, 0.1):
        run_virtual(executor_of(of, lab).run("main", Request(messages=(Message("user", "hi"),), temperature=temperature)))
    assert [each.request.temperature for each in lab.calls] == [0.5, 0.5, 0.1]


def test_a_request_above_max_input_is_rejected_before_any_call() -> None:
    result = run(plan_of(models=["small"], max_input_tokens=10), request="word " * 100)
    assert (result.ended.outcome, result.ended.error_class) == ("rejected", "context_overflow")
    assert asked(result) == []


@pytest.mark.parametrize(
    "usage",
    [
        None,
        Usage(),
        Usage(input_tokens=-5, output_tokens=5),
        Usage(input_tokens=5, output_tokens=0),
        Usage(input_tokens=5, output_tokens=10**12),
        Usage(input_tokens="many", output_tokens=5),  # type: ignore[arg-type]
    ],
)
def test_usage_that_is_missing_or_cannot_be_is_estimated_and_says_so(usage: Usage | None) -> None:
    (ended,) = of_type(run(plan_of(models=["small"]), {"small": [reply("Yes, of course.", usage=usage)]}), CallEnded)
    assert ended.estimated
    assert ended.usage.input_tokens > 0
    assert ended.usage.output_tokens > 0
    assert ended.cost_microusd > 0


def test_every_kind_of_token_has_its_price() -> None:
    prices = Prices(input=1_000_000, output=2_000_000, cached_input=100_000, cache_write=1_500_000, reasoning=3_000_000)
    usage = Usage(input_tokens=10, cached_input_tokens=20, cache_write_tokens=30, output_tokens=40, reasoning_tokens=50)
    result = run(plan_of(models=[model("small", prices=prices)]), {"small": [reply("Yes.", usage=usage)]})
    assert result.ended.cost_microusd == 10 + 2 + 45 + 80 + 150


@pytest.mark.parametrize(("prices", "cost"), [(None, None), (Prices(0, 0), 0)])
def test_an_unknown_price_is_none_and_a_free_one_is_zero(prices: Prices | None, cost: int | None) -> None:
    assert run(plan_of(models=[model("small", prices=prices)])).ended.cost_microusd == cost


def test_the_model_that_the_provider_says_answered_is_recorded() -> None:
    (ended,) = of_type(run(plan_of(models=["small"]), {"small": [reply("Yes.", served_model="small-2026")]}), CallEnded)
    assert ended.served_model == "small-2026"


# ---- deadline ---------------------------------------------------------------------------------------------------------------


def test_a_model_that_hangs_is_stopped_at_the_deadline_and_charged_as_an_estimate() -> None:
    result = run(plan_of(models=["small"], deadline_s=2.0), {"small": [hang()]})
    (ended,) = of_type(result, CallEnded)
    assert (ended.outcome, ended.error_class, ended.at_s, ended.estimated) == ("uncertain", "timeout", 2.0, True)
    assert ended.cost_microusd > 0
    assert "deadline of 2s" in ended.message


@pytest.mark.parametrize(("of_model", "of_provider"), [(0.5, 1.0), (1.0, 0.5), (None, 0.5), (0.5, None)])
def test_the_least_time_out_of_model_and_provider_holds_before_the_deadline(of_model: float, of_provider: float) -> None:
    lab = plan.Provider(name="lab", word="lab", timeouts=Timeouts(total_s=of_provider))
    of = plan_of(models=[model("small", timeouts=Timeouts(total_s=of_model))], providers=[lab], deadline_s=2.0)
    (ended,) = of_type(run(of, {"small": [hang()]}), CallEnded)
    assert ended.at_s == 0.5
    assert "time-out of 500ms" in ended.message


def test_with_narrows_the_deadline_and_leaves_time_for_the_next() -> None:
    of = plan_of(
        plan.Fallback("main", ("quick", "large"), ("timeout",)),
        plan.With(name="quick", step="small", deadline_s=1.0),
        models=["small", "large"],
        deadline_s=5.0,
    )
    result = run(of, {"small": [hang()], "large": [reply("Yes.", 2.0)]})
    assert (text_of(result), result.ended.at_s) == ("Yes.", 3.0)
    assert [(each.target, each.next) for each in of_type(result, MovedOn)] == [("small", "large")]


def test_nothing_is_tried_after_the_deadline() -> None:
    of = plan_of(plan.Fallback("main", ("small", "large"), ("timeout",), 3), models=["small", "large"], deadline_s=1.0)
    result = run(of, {"small": [hang()]})
    assert asked(result) == ["small"]
    assert (result.ended.error_class, result.ended.at_s) == ("timeout", 1.0)


# ---- money ------------------------------------------------------------------------------------------------------------------


def test_a_call_that_may_cost_too_much_is_refused_before_dispatch() -> None:
    lab = Scripted()
    of = plan_of(models=["small"], max_cost_microusd=100, max_output_tokens=100)
    result = run_virtual(executor_of(of, lab).run("main", Request.of("hello")))
    assert lab.calls == []
    assert (result.ended.error_class, result.ended.cost_microusd, outcomes(result)) == ("budget", 0, ["failed"])


def test_what_was_reserved_and_not_used_is_there_for_the_next_call() -> None:
    of = plan_of(
        plan.Fallback("main", ("small", "large"), ("429",)),
        models=["small", "large"],
        max_cost_microusd=260,
        max_output_tokens=100,
    )
    assert run(of, {"small": [fail(429)]}).ended.outcome == "served"


def test_what_an_uncertain_call_may_have_cost_stays_reserved() -> None:
    of = plan_of(
        plan.Fallback("main", ("small", "large"), ("5xx",)),
        models=["small", "large"],
        max_cost_microusd=260,
        max_output_tokens=100,
    )
    result = run(of, {"small": [fail(503)]})
    assert (result.ended.error_class, outcomes(result)) == ("budget", ["uncertain", "failed"])


def test_under_max_cost_an_unknown_price_and_an_unbounded_answer_are_refused() -> None:
    unknown = run(plan_of(models=[model("small", prices=None)], max_cost_microusd=10**9, max_output_tokens=10))
    unbounded = run(plan_of(models=["small"], max_cost_microusd=10**9))
    window = run(plan_of(models=[model("small", context_tokens=1000)], max_cost_microusd=10**9))
    free = run(plan_of(models=[model("small", prices=Prices(0, 0))], max_cost_microusd=0))
    assert [each.ended.error_class for each in (unknown, unbounded, window, free)] == ["budget", "budget", None, None]


def test_a_refusal_for_money_is_caught_by_no_fallback_and_no_tier() -> None:
    for step in (plan.Fallback("main", ("small", "large"), ("budget", "4xx")), plan.Tier("main", ("small", "large"))):
        result = run(plan_of(step, models=["small", "large"], max_cost_microusd=1, max_output_tokens=100))
        assert asked(result) == ["small"]
        assert result.ended.error_class == "budget"


# ---- failures before and after dispatch -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (CallError("connect", "refused", dispatched="no"), "failed"),
        (CallError("connect", "reset", dispatched="maybe"), "uncertain"),
        (CallError("connect", "cut", dispatched="yes"), "uncertain"),
        (CallError("timeout", "slow", dispatched="yes"), "uncertain"),
        (CallError("timeout", "no time to connect", dispatched="no"), "failed"),
        (CallError("5xx", "broken", dispatched="yes", status=500), "uncertain"),
        (CallError("protocol", "not JSON", dispatched="yes", status=200), "uncertain"),
        (CallError("429", "too many", dispatched="yes", status=429), "failed"),
        (CallError("4xx", "bad", dispatched="yes", status=400), "failed"),
        (CallError("overloaded", "busy", dispatched="yes", status=529), "failed"),
    ],
)
def test_only_what_a_provider_may_bill_is_charged(error: CallError, outcome: str) -> None:
    class Failing:
        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            raise error

    result = run_virtual(executor_of(plan_of(models=["small"]), Failing()).run("main", Request.of("hello")))
    (ended,) = of_type(result, CallEnded)
    assert ended.outcome == outcome
    assert (ended.cost_microusd > 0) is (outcome == "uncertain")
    assert result.ended.cost_microusd == ended.cost_microusd


# ---- tier -------------------------------------------------------------------------------------------------------------------


def test_a_tier_asks_its_members_in_the_order_of_its_strategy() -> None:
    of = plan_of(plan.Tier("main", ("large", "small"), "cheapest"), models=["small", model("large", prices=Prices(10**7, 10**7))])
    result = run(of)
    assert [each.models for each in of_type(result, Ordered)] == [("small", "large")]
    assert result.ended.path == "main/small"


@pytest.mark.parametrize(
    ("what", "answers"),
    [
        (429, True),
        (500, True),
        (529, True),
        ("connect", True),
        ("timeout", True),
        ("protocol", True),
        (400, False),
        (401, False),
    ],
)
def test_the_next_member_of_a_tier_answers_where_it_may_do_better(what: Any, answers: bool) -> None:
    result = run(plan_of(plan.Tier("main", ("small", "large")), models=["small", "large"]), {"small": [fail(what)]})
    assert asked(result) == (["small", "large"] if answers else ["small"])
    assert (result.ended.outcome == "served") is answers


@pytest.mark.parametrize("answer", [[], None, ["alien"]])
def test_a_strategy_that_breaks_its_contract_is_named(answer: Any) -> None:
    vocabulary = Words({("pick", "odd"): PickWord("odd", lambda candidates, random: answer, "odd")})
    result = run(plan_of(plan.Tier("main", ("small",), "odd"), models=["small"]), vocabulary=vocabulary)
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "protocol")
    assert "the plugin `odd`" in str(result.ended.message)


def test_a_strategy_sees_how_many_calls_of_a_model_are_under_way() -> None:
    seen: list[list[int]] = []

    def watch(candidates: Any, random: Any) -> Any:
        seen.append([each.in_flight for each in candidates])
        return candidates

    executor = executor_of(
        plan_of(plan.Tier("main", ("small", "large"), "watch"), models=["small", "large"]),
        Scripted({"small": [reply("Yes.", 1.0)]}),
        Words({("pick", "watch"): PickWord("watch", watch, "as written")}),
    )

    async def three() -> None:
        await asyncio.gather(*(executor.run("main", Request.of("hello")) for _ in range(3)))
        await executor.run("main", Request.of("hello"))

    run_virtual(three())
    assert seen == [[0, 0], [1, 0], [2, 0], [0, 0]]


def test_a_step_needs_the_time_of_the_quickest_model_that_may_answer_it() -> None:
    quick, slow, unknown = model("quick", p95_s=1.0), model("slow", p95_s=3.0), model("unknown")
    arm = plan.Arm(plan.RequestIs("user", "==", "ada"), "slow", "ada")
    steps: dict[plan.Step, float] = {
        plan.Ask("main", "slow"): 3.0,
        plan.Tier("main", ("slow", "quick")): 1.0,
        plan.Tier("main", ("slow", "unknown")): 0.0,
        plan.Route("main", (arm,), "quick"): 1.0,
        plan.Route("main", (arm,), None): 3.0,
        plan.Split("main", (plan.Slice(1, "slow"), plan.Slice(9999, "quick"))): 1.0,
        plan.Cascade("main", ("slow", "quick"), plan.All(()), ""): 3.0,
        plan.Fallback("main", ("slow", "quick"), ()): 3.0,
        plan.With(name="main", step="slow"): 3.0,
    }
    assert {step: least_s(plan_of(step, models=[quick, slow, unknown]), "main") for step in steps} == steps


# ---- fallback ---------------------------------------------------------------------------------------------------------------


def test_a_fallback_goes_on_only_after_a_listed_class() -> None:
    of = plan_of(plan.Fallback("main", ("small", "large"), ("429",)), models=["small", "large"])
    assert asked(run(of, {"small": [fail(429)]})) == ["small", "large"]
    assert asked(run(of, {"small": [fail(500)]})) == ["small"]


@pytest.mark.parametrize(("status", "listed"), [(529, "5xx"), (500, "5xx"), (429, "4xx"), (401, "4xx"), (404, "4xx")])
def test_a_class_of_statuses_covers_every_status_in_it(status: int, listed: str) -> None:
    of = plan_of(plan.Fallback("main", ("small", "large"), (listed,)), models=["small", "large"])
    assert run(of, {"small": [fail(status)]}).ended.model == "large"


def test_the_last_error_is_told_where_every_target_fails() -> None:
    of = plan_of(plan.Fallback("main", ("small", "large"), ("429", "5xx")), models=["small", "large"])
    assert run(of, {"small": [fail(429)], "large": [fail(500)]}).ended.error_class == "5xx"


def test_a_retry_asks_the_same_target_again_after_a_pause_below_a_doubling_bound() -> None:
    of = plan_of(plan.Fallback("main", ("small",), ("5xx",), retry_times=3, backoff_s=1.0), models=["small"])
    result = run(of, {"small": [fail(500), fail(500), fail(500), reply("Yes.")]})
    assert [each.attempt for each in of_type(result, CallStarted)] == [1, 2, 3, 4]
    pauses = [each.wait_s for each in of_type(result, Retrying)]
    assert all(0 <= pause <= bound for pause, bound in zip(pauses, (1, 2, 4), strict=True))
    assert result.ended.at_s == pytest.approx(sum(pauses))


@pytest.mark.parametrize(
    ("retry_after_s", "waits"), [(3.0, True), (float("nan"), False), (-1.0, False), (1e9, False), (float("inf"), False)]
)
def test_retry_after_is_honoured_unless_it_is_absurd(retry_after_s: float, waits: bool) -> None:
    of = plan_of(plan.Fallback("main", ("small",), ("429",), retry_times=1, backoff_s=0.1), models=["small"], deadline_s=10.0)
    result = run(of, {"small": [fail(429, retry_after_s=retry_after_s), reply("Yes.")]})
    assert text_of(result) == "Yes."
    assert (result.ended.at_s == 3.0) is waits
    assert waits or result.ended.at_s <= 0.1


def test_a_retry_after_past_the_deadline_goes_to_the_next_target_at_once() -> None:
    of = plan_of(plan.Fallback("main", ("small", "large"), ("429",), retry_times=5), models=["small", "large"], deadline_s=10.0)
    result = run(of, {"small": [fail(429, retry_after_s=60)], "large": [reply("Yes.")]})
    assert (result.ended.model, result.ended.at_s) == ("large", 0.0)


@pytest.mark.parametrize(("p95_s", "answers", "at_s"), [(4.0, "large", 4.0), (3.0, "small", 6.0), (None, "small", 6.0)])
def test_a_pause_leaves_the_next_target_the_time_that_it_needs(p95_s: float | None, answers: str, at_s: float) -> None:
    models = [model("small"), model("large", p95_s=p95_s)]
    of = plan_of(plan.Fallback("main", ("small", "large"), ("429",), retry_times=5), models=models, deadline_s=9.5)
    result = run(of, {"small": [fail(429, retry_after_s=6), reply("Yes.")], "large": [reply("Yes.", after_s=4)]})
    assert (result.ended.model, result.ended.at_s) == (answers, at_s)


# ---- cascade ----------------------------------------------------------------------------------------------------------------

ANSWERED = plan.Cascade("main", ("small", "medium", "large"), plan.ScoreIs("fine", ">=", 0.5), "fine >= 0.5")


def fine(text: str) -> float:
    return float(text)


def cascade(script: Any, *, deadline_s: float = 60.0, what: Any = fine, emit: Any = None, **of_models: Any) -> Result:
    models = [model(name, **of_models.get(name, {})) for name in ANSWERED.steps]
    of = plan_of(ANSWERED, models=models, scorers=["fine"], deadline_s=deadline_s)
    return run(of, script, vocabulary=words(scorers={"fine": Says(what)}), emit=emit)


def test_a_cascade_stops_at_the_first_accepted_answer() -> None:
    result = cascade({"small": [reply("0.2")], "medium": [reply("0.6")]})
    assert (asked(result), text_of(result), result.ended.path) == (["small", "medium"], "0.6", "main/step 2/medium")
    assert [(each.path, each.accepted) for each in of_type(result, Judged)] == [("main/step 1", False), ("main/step 2", True)]


def test_the_cost_of_rejected_answers_counts() -> None:
    result = cascade({name: [reply("0.1", usage=ONE_AND_TWO)] for name in ANSWERED.steps})
    assert result.ended.cost_microusd == 60


def test_the_last_step_of_a_cascade_is_not_judged() -> None:
    result = cascade({name: [reply("0.1")] for name in ANSWERED.steps})
    assert (result.ended.model, len(of_type(result, Scored))) == ("large", 2)


def test_a_step_that_fails_is_a_step_that_is_not_accepted() -> None:
    result = cascade({"small": [fail(400)], "medium": [reply("0.9")]})
    assert (result.ended.outcome, result.ended.model) == ("served", "medium")


@pytest.mark.parametrize("what", [lambda text: 1 / 0, lambda text: 7.0, lambda text: float("nan"), lambda text: None])
def test_a_scorer_that_fails_accepts_nothing(what: Any) -> None:
    result = cascade({}, what=what)
    assert result.ended.model == "large"
    assert all(each.score is None and each.message for each in of_type(result, Scored))


NO_SCORE = plan.ScoreIs("broken", "<", 0.5)


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        (NO_SCORE, False),
        (plan.Not(NO_SCORE), False),
        (plan.Not(plan.All((NO_SCORE, plan.ScoreIs("fine", "<", 0.5)))), False),
        (plan.Not(plan.Any_((plan.ScoreIs("fine", "<", 0.5), NO_SCORE))), False),
        (plan.Any_((NO_SCORE, plan.ScoreIs("fine", ">=", 0.5))), True),
        (plan.Not(plan.ScoreIs("fine", "<", 0.5)), True),
    ],
)
def test_neither_a_missing_score_nor_its_opposite_accepts_an_answer(accept: plan.Test, accepted: bool) -> None:
    of = plan_of(plan.Cascade("main", ("small", "large"), accept, "…"), models=["small", "large"], scorers=["fine", "broken"])
    vocabulary = words(scorers={"fine": Says(fine), "broken": Says(lambda text: 1 / 0)})
    assert (run(of, {"small": [reply("0.9")]}, vocabulary=vocabulary).ended.model == "small") is accepted


def test_the_best_answer_so_far_is_given_where_the_next_step_needs_more_time_than_is_left() -> None:
    result = cascade(
        {"small": [reply("0.4", 1.0)], "medium": [reply("0.3", 1.0)]}, deadline_s=4.0, medium={"p95_s": 1.0}, large={"p95_s": 2.5}
    )
    assert (asked(result), text_of(result), result.ended.at_s) == (["small", "medium"], "0.4", 2.0)
    assert (result.ended.degraded, result.ended.path) == ("deadline", "main/step 1/small")
    assert [each.step for each in of_type(result, Degraded)] == ["main/step 1/small"]


def test_a_step_that_runs_into_the_deadline_leaves_the_best_answer_so_far() -> None:
    result = cascade({"small": [reply("0.4", 1.0)], "medium": [hang()]}, deadline_s=4.0)
    assert (text_of(result), result.ended.at_s, result.ended.degraded) == ("0.4", 4.0, "deadline")


def test_an_earlier_answer_is_given_where_the_last_steps_fail() -> None:
    result = cascade({"small": [reply("0.4")], "medium": [fail(500)], "large": [fail(500)]})
    assert (text_of(result), result.ended.outcome, result.ended.degraded) == ("0.4", "served", "failed")


def test_a_cascade_without_any_answer_fails_with_its_last_error() -> None:
    result = cascade({"small": [fail(500)], "medium": [fail(500)], "large": [fail(429)]})
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "429")


def test_a_scorer_that_never_comes_back_is_stopped_at_the_deadline() -> None:
    async def never(text: str) -> float:
        await asyncio.sleep(10**6)
        return 1.0

    result = cascade({"small": [reply("0.4")]}, what=never, deadline_s=3.0)
    assert (text_of(result), result.ended.at_s, result.ended.degraded) == ("0.4", 3.0, "deadline")


def test_a_judge_is_a_call_that_counts() -> None:
    step = plan.Cascade("main", ("small", "large"), plan.ScoreIs("rating", ">=", 0.5), "rating >= 0.5")
    rating = plan.Scorer(name="rating", word="judge", options={"model": "rater"})
    of = plan_of(step, models=["small", "large", "rater"], scorers=[rating])
    result = run(of, {"rater": [reply("0.9", 0.3, usage=ONE_AND_TWO)], "small": [reply("Yes.", usage=ONE_AND_TWO)]})
    judge = of_type(result, CallEnded)[1]
    assert (judge.purpose, judge.path, judge.at_s) == ("judge", "main/step 1/rating/rater", 0.3)
    assert (text_of(result), result.ended.cost_microusd) == ("Yes.", 40)


def test_money_that_runs_out_for_the_next_step_leaves_the_best_answer_so_far() -> None:
    of = plan_of(ANSWERED, models=ANSWERED.steps, scorers=["fine"], max_cost_microusd=150, max_output_tokens=50)
    script = {"small": [reply("0.3", usage=Usage(40, output_tokens=10))]}
    result = run(of, script, vocabulary=words(scorers={"fine": Says(fine)}))
    assert (text_of(result), result.ended.degraded, outcomes(result)) == ("0.3", "failed", ["answered", "failed"])


# ---- route and signals ------------------------------------------------------------------------------------------------------


def routed(says: Says, *tests: plan.Test, request: Request | str = "hello", declared: Any = None, **more: Any) -> Result:
    """Two arms (`small`, then `medium`) over `complexity`, else `large`."""
    tests = tests or (plan.LabelIs("complexity", ("low",)), plan.LabelIs("complexity", ("medium",)))
    arms = tuple(plan.Arm(test, step, f"arm {step}") for test, step in zip(tests, ("small", "medium"), strict=False))
    of = plan_of(
        plan.Route("main", arms, "large"), models=["small", "medium", "large"], classifiers=[declared or classifier("complexity")]
    )
    return run(of, request=request, vocabulary=words(classifiers={"complexity": says}), **more)


@pytest.mark.parametrize(("label", "target"), [("low", "small"), ("medium", "medium"), ("high", "large")])
def test_the_first_arm_that_holds_is_taken(label: str, target: str) -> None:
    says = Says(lambda text: Guess(label, 0.9))
    result = routed(says)
    assert (result.ended.model, result.ended.path) == (target, f"main/{target}")
    assert says.asked == 1


def test_an_arm_tells_the_facts_that_decided_it() -> None:
    arms = of_type(routed(Says(lambda text: Guess("medium", 0.92))), ArmTested)
    assert [(each.holds, each.because) for each in arms] == [
        (False, ("complexity = medium (0.92)",)),
        (True, ("complexity = medium (0.92)",)),
    ]


@pytest.mark.parametrize(
    ("says", "label", "why"),
    [
        (lambda text: Guess("low", 0.55), "medium", "confidence 0.55 < 0.80"),
        (lambda text: Guess("high", 0.1), "high", "confidence 0.10 < 0.80"),
        (lambda text: Guess("low", float("nan")), "medium", "confidence nan < 0.80"),
        (lambda text: 1 / 0, "high", "failed: ZeroDivisionError: division by zero"),
        (lambda text: Guess("other", 0.9), "high", "failed: answered `other`, which is not among the labels"),
        (lambda text: "low", "high", "failed: answered with str, not with a guess"),
        (lambda text: asyncio.sleep(3), "high", "timed out"),
    ],
)
def test_whatever_is_wrong_with_a_classifier_means_unsure_and_up(says: Any, label: str, why: str) -> None:
    (read,) = of_type(routed(Says(says)), SignalRead)
    assert (read.label, read.unsure) == (label, why)


@pytest.mark.parametrize(("unsure", "label"), [("none", "unsure"), ("low", "low")])
def test_unsure_may_be_a_label_of_its_own_or_a_given_one(unsure: str, label: str) -> None:
    declared = classifier("complexity", unsure=unsure)
    (read,) = of_type(routed(Says(lambda text: Guess("high", 0.3)), declared=declared), SignalRead)
    assert (read.label, read.guess, read.confidence) == (label, "high", 0.3)


def test_a_classifier_has_no_longer_than_the_deadline() -> None:
    of = classifier("complexity", timeout_s=100.0)
    route = plan.Route("main", (plan.Arm(plan.LabelIs("complexity", ("low",)), "small", "low"),), "small")
    slow = words(classifiers={"complexity": Says(lambda text: asyncio.sleep(50))})
    result = run(plan_of(route, models=["small"], classifiers=[of], deadline_s=3.0), vocabulary=slow)
    assert (of_type(result, SignalRead)[0].unsure, result.ended.at_s, result.ended.error_class) == ("timed out", 3.0, "timeout")


def test_no_classifier_is_asked_that_no_condition_needs() -> None:
    says = Says(lambda text: Guess("low", 0.9))
    test = plan.Any_((plan.RequestIs("tokens", "<=", 1000), plan.LabelIs("complexity", ("low",))))
    assert routed(says, test).ended.model == "small"
    assert says.asked == 0


def test_a_classifier_that_asks_a_model_makes_a_call_that_counts() -> None:
    declared = classifier("complexity", word="sorter", options={"model": "large"})
    result = routed(Says(fine), declared=declared, script={"large": [reply("medium", 0.2, usage=ONE_AND_TWO)]})
    call = of_type(result, CallEnded)[0]
    assert (call.purpose, call.path, call.cost_microusd) == ("classify", "main/complexity/large", 20)
    assert result.ended.model == "medium"


@pytest.mark.parametrize(
    ("kind", "turns", "text"),
    [
        ("last_user", 2, "two\nthree"),
        ("last_user", 1, "three"),
        ("all_user", 0, "one\ntwo\nthree"),
        ("all", 0, "be kind\none\ntwo\nyes\nthree"),
    ],
)
def test_a_classifier_reads_what_its_input_says(kind: Any, turns: int, text: str) -> None:
    seen: list[str] = []
    messages = (("system", "be kind"), ("user", "one"), ("user", "two"), ("assistant", "yes"), ("user", "three"))
    request = Request(messages=tuple(Message(role, said) for role, said in messages))  # type: ignore[arg-type]
    routed(
        Says(lambda heard: seen.append(heard) or Guess("low", 0.9)),
        request=request,
        declared=classifier("complexity", input=kind, input_turns=turns),
    )
    assert seen == [text]


IMAGE = Message("user", ({"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": "data:"}}))
FULL = Request(messages=(IMAGE,), user="ada", language="de", meta={"team": "ops"}, tools=({"type": "function"},))


@pytest.mark.parametrize(
    ("test", "full", "bare"),
    [
        (plan.RequestIs("user", "==", "ada"), True, False),
        (plan.RequestIs("user", "!=", "ada"), False, True),
        (plan.RequestIs("language", "==", "de"), True, False),
        (plan.RequestIs("meta.team", "==", "ops"), True, False),
        (plan.RequestIs("has_images", "==", True), True, False),
        (plan.RequestIs("has_tools", "==", True), True, False),
        (plan.RequestIs("tokens", ">", 500), True, False),
        (plan.RequestIs("user", "<", 5), False, False),
        (plan.TextMatches("what (is|was) it"), True, False),
        (plan.Not(plan.TextMatches("what is it")), False, True),
        (plan.All((plan.RequestIs("user", "==", "ada"), plan.RequestIs("language", "==", "de"))), True, False),
        (plan.Any_((plan.RequestIs("user", "==", "bob"), plan.RequestIs("language", "!=", "de"))), False, True),
        (plan.ScoreIs("fine", ">=", 0.0), False, False),
    ],
)
def test_conditions_see_the_request(test: plan.Test, full: bool, bare: bool) -> None:
    says = Says(lambda text: Guess("low", 0.9))
    for request, holds in ((FULL, full), (Request.of("hello"), bare)):
        arm = of_type(routed(says, test, request=request), ArmTested)[0]
        assert arm.holds is holds
        assert arm.because


def test_a_route_without_a_target_for_the_request_is_blocked_and_says_so() -> None:
    of = plan_of(plan.Route("main", (plan.Arm(plan.RequestIs("user", "==", "ada"), "small", "ada"),), None), models=["small"])
    result = run(of)
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "blocked")


# ---- split ------------------------------------------------------------------------------------------------------------------


def drawn(user: str | None, share: int = 1000) -> SplitDrawn:
    step = plan.Split("main", (plan.Slice(share, "small"), plan.Slice(10_000 - share, "large")))
    result = run(plan_of(step, models=["small", "large"]), request=Request(messages=(Message("user", "hi"),), user=user))
    (event,) = of_type(result, SplitDrawn)
    return event  # type: ignore[no-any-return]


def test_a_split_sends_the_same_user_to_the_same_arm() -> None:
    assert {drawn("ada").bucket for _ in range(3)} == {bucket_of("main", "main", "ada")}


def test_raising_a_share_keeps_everybody_who_was_in_it() -> None:
    users = [f"user {number}" for number in range(200)]
    before = {user for user in users if drawn(user, 1000).target == "small"}
    after = {user for user in users if drawn(user, 2000).target == "small"}
    assert before < after


def test_buckets_are_spread_evenly_and_never_change() -> None:
    share = sum(bucket_of("main", "trial", f"user {number}") < 1000 for number in range(20_000)) / 20_000
    assert share == pytest.approx(0.1, abs=0.01)
    assert [bucket_of("main", "trial", each) for each in ("ada", "bob", "")] == [9970, 1788, 8204]


def test_a_request_without_the_sticky_field_is_drawn_by_its_own_id() -> None:
    step = plan.Split("main", (plan.Slice(5000, "small"), plan.Slice(5000, "large")))
    executor = executor_of(plan_of(step, models=["small", "large"]))

    async def many() -> set[str | None]:
        return {(await executor.run("main", Request.of("hi"))).ended.model for _ in range(40)}

    assert run_virtual(many()) == {"small", "large"}


# ---- streams ----------------------------------------------------------------------------------------------------------------


def test_pieces_reach_the_caller_as_they_come() -> None:
    heard = Heard()
    result = run(plan_of(models=["small"]), {"small": [stream(["one ", "two ", "three"], 3.0)]}, emit=heard)
    assert heard.pieces == ["one ", "two ", "three"]
    assert of_type(result, CallEnded)[0].first_token_at_s == 1.0


def test_an_accepted_answer_of_a_judged_step_is_handed_over_whole() -> None:
    heard = Heard()
    cascade({"small": [stream(["0.", "9"], 1.0)]}, emit=heard)
    assert heard.pieces == ["0.9"]


def test_the_last_step_of_a_cascade_streams() -> None:
    heard = Heard()
    cascade({"small": [reply("0.1")], "medium": [reply("0.1")], "large": [stream(["a", "b"])]}, emit=heard)
    assert heard.pieces == ["a", "b"]


@pytest.mark.parametrize("step", [plan.Fallback("main", ("small", "large"), ("connect",)), plan.Tier("main", ("small", "large"))])
def test_a_stream_that_breaks_before_its_first_piece_moves_on(step: plan.Step) -> None:
    heard = Heard()
    result = run(
        plan_of(step, models=["small", "large"]),
        {"small": [stream(["one"], broken_after=0)], "large": [reply("Yes.")]},
        emit=heard,
    )
    assert (heard.pieces, result.ended.model) == (["Yes."], "large")


@pytest.mark.parametrize(
    "step", [plan.Fallback("main", ("small", "large"), ("connect",), 3), plan.Tier("main", ("small", "large"))]
)
def test_a_stream_that_breaks_after_its_first_piece_is_broken_for_good(step: plan.Step) -> None:
    heard = Heard()
    result = run(plan_of(step, models=["small", "large"]), {"small": [stream(["one ", "two"], broken_after=1)]}, emit=heard)
    assert (heard.pieces, result.reply, result.ended.outcome, result.ended.error_class) == (
        ["one "],
        None,
        "stream_broken",
        "connect",
    )
    assert outcomes(result) == ["uncertain"]
    assert of_type(result, CallEnded)[0].usage.output_tokens > 0


def test_a_deadline_in_the_middle_of_a_stream_breaks_it() -> None:
    result = run(plan_of(models=["small"], deadline_s=2.0), {"small": [stream(["a", "b", "c"], 3.0)]}, emit=Heard())
    assert (result.ended.outcome, result.ended.error_class, result.ended.at_s) == ("stream_broken", "timeout", 2.0)


def test_a_caller_that_goes_away_cancels_the_call_and_what_was_used_counts() -> None:
    async def gone(delta: Delta) -> None:
        raise ConnectionResetError("the caller is gone")

    events: list[Event] = []
    of = plan_of(plan.Fallback("main", ("small", "large"), ("connect", "protocol")), models=["small", "large"])
    with pytest.raises(ConnectionResetError):
        run(of, {"small": [stream(["one ", "two"])]}, emit=gone, observe=events.append)
    (ended,) = of_type(events, CallEnded)
    assert (ended.outcome, ended.cost_microusd > 0, events[-1].outcome) == ("cancelled", True, "cancelled")  # type: ignore[union-attr]


def test_a_piece_that_comes_after_the_reply_does_not_reach_the_caller() -> None:
    class Late:
        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            assert emit is not None
            self.emit = emit
            return Reply(text="Yes.")

    late, heard = Late(), Heard()

    async def main() -> None:
        await executor_of(plan_of(models=["small"]), late).run("main", Request.of("hi"), heard)
        await late.emit(Delta("too late"))

    run_virtual(main())
    assert heard.pieces == ["Yes."]


def test_cancelling_a_run_writes_its_end_and_passes_through() -> None:
    events: list[Event] = []
    executor = executor_of(plan_of(models=["small"]), Scripted({"small": [hang()]}))

    async def main() -> None:
        task = asyncio.create_task(executor.run("main", Request.of("hi"), observe=events.append))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    assert [type(each) for each in events[-2:]] == [CallEnded, RequestEnded]
    assert (of_type(events, CallEnded)[0].outcome, events[-1].at_s) == ("cancelled", 1.0)


# ---- plugins ----------------------------------------------------------------------------------------------------------------


@options
class Keyed:
    """A provider with a key."""

    key: Secret = option(doc="the key", env="LAB_KEY")
    url: str = option("http://lab", doc="where")


class Telling:
    """A provider that tells its key in its error."""

    def __init__(self, given: Keyed, host: Host) -> None:
        self.key = given.key.reveal()

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        raise CallError("auth", f"the key {self.key} is wrong", status=401, help=f"not {self.key}")


def keyed(environ: dict[str, str], make: Any = Telling, **declared: Any) -> Result:
    vocabulary = Words(
        {
            ("provider", "keyed"): ProviderWord("keyed", Keyed, make),
            ("provider", "sim"): ProviderWord("sim", NoFields, lambda given, host: Scripted({"small": [reply("simulated")]})),
        }
    )
    of = plan_of(models=["small"], providers=[plan.Provider(name="lab", word="keyed", **declared)])
    return run_virtual(Executor(of, vocabulary, folder=Path(), environ=environ).run("main", Request.of("hi")))


def test_a_missing_key_is_told_with_what_to_do() -> None:
    ended = keyed({}).ended
    assert (ended.outcome, ended.error_class) == ("failed", "auth")
    assert ended.message == "the environment variable LAB_KEY is not set, which provider `lab` needs"
    assert "`without_key = simulate`" in str(ended.help)


def test_without_key_simulate_answers_from_sim() -> None:
    result = keyed({}, without_key="simulate")
    assert text_of(result) == "simulated"


def test_no_secret_is_in_any_event() -> None:
    result = keyed({"LAB_KEY": "sk-canary-1234"})
    assert result.ended.message == "the key *** is wrong"
    assert "canary" not in repr(result)


def test_a_key_that_a_server_sends_back_as_its_ids_is_masked() -> None:
    class Echoing(Telling):
        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            return Reply(text="Yes.", request_id=f"req-{self.key}", served_model=self.key)

    result = keyed({"LAB_KEY": "sk-canary-1234"}, Echoing)
    assert (text_of(result), result.reply and result.reply.request_id) == ("Yes.", "req-***")
    assert "canary" not in repr(result)


class Mute(Exception):
    """An error that cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "how", [lambda given, host: 1 / 0, lambda given, host: host.provider("lab"), lambda given, host: host.provider("none")]
)
def test_a_provider_that_cannot_be_made_is_named(how: Any) -> None:
    ended = keyed({"LAB_KEY": "sk-canary-1234"}, how).ended
    assert (ended.outcome, ended.error_class, ended.cost_microusd) == ("failed", "protocol", 0)
    assert "`" in str(ended.message)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (ValueError("bad sk-canary-1234"), "broke: ValueError: bad ***"),
        ({"text": "Yes."}, "answered with dict"),
        (None, "answered with NoneType"),
        (TimeoutError(), "broke: TimeoutError"),
        (asyncio.CancelledError(), "broke: CancelledError"),
        (SystemExit(3), "broke: SystemExit: 3"),
        (Mute(), "broke: Mute"),
        (Reply(text="Yes.", tool_calls=None), "answered with `tool_calls` that are not"),  # type: ignore[arg-type]
        (Reply(text="Yes.", tool_calls=({"id": "1"},)), "answered with `tool_calls` that are not"),  # type: ignore[arg-type]
    ],
)
def test_a_provider_that_breaks_its_contract_is_named(result: Any, said: str) -> None:
    class Odd:
        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            if isinstance(result, BaseException):
                raise result
            return result  # type: ignore[no-any-return]

    ended = keyed({"LAB_KEY": "sk-canary-1234"}, lambda given, host: Odd()).ended
    assert ended.error_class == "protocol"
    assert f"the plugin `keyed` {said}" in str(ended.message)


def test_an_error_with_fields_of_the_wrong_types_is_an_error_all_the_same() -> None:
    class Odd:
        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            raise CallError("429", ValueError("slow down"), retry_after_s="5", status="429")  # type: ignore[arg-type]

    step = plan.Fallback(name="main", steps=("small",), on=("429",), retry_times=1)
    result = run_virtual(executor_of(plan_of(step, models=["small"]), Odd()).run("main", Request.of("hi")))
    assert (len(asked(result)), result.ended.error_class, result.ended.message) == (2, "429", "slow down")


def test_a_piece_that_is_no_text_is_a_fault_of_the_plugin_and_reaches_nobody() -> None:
    class Odd:
        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            assert emit is not None
            await emit(Delta("Yes", None))  # type: ignore[arg-type]
            return Reply(text="Yes")

    heard = Heard()
    result = run_virtual(executor_of(plan_of(models=["small"]), Odd()).run("main", Request.of("hi"), heard))
    assert (result.ended.outcome, result.ended.error_class, heard.pieces) == ("failed", "protocol", [])


def test_a_caller_whose_end_is_cancelled_is_not_taken_for_a_broken_plugin() -> None:
    async def gone(delta: Delta) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_virtual(executor_of(plan_of(models=["small"])).run("main", Request.of("hi"), gone))


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3)])
def test_a_classifier_or_a_scorer_that_gives_up_in_an_odd_way_is_unsure(error: BaseException) -> None:
    def gives_up(text: str) -> None:
        raise error

    step = plan.Cascade(name="main", steps=("small", "big"), accept=plan.ScoreIs("good", ">=", 0.5), text="good >= 0.5")
    result = run(plan_of(step, models=["small", "big"], scorers=["good"]), vocabulary=words(scorers={"good": Says(gives_up)}))
    assert (result.ended.model, of_type(result, Scored)[0].score) == ("big", None)
    arm = plan.Arm(test=plan.LabelIs("sort", ("low",)), step="small", text="sort == low")
    of = plan_of(plan.Route("main", (arm,), "big"), models=["small", "big"], classifiers=[classifier("sort")])
    result = run(of, vocabulary=words(classifiers={"sort": Says(gives_up)}))
    assert (result.ended.model, of_type(result, SignalRead)[0].guess) == ("big", None)


def test_a_word_that_is_not_installed_fails_the_call_and_not_the_program() -> None:
    ended = run_virtual(Executor(plan_of(models=["small"]), Words(), folder=Path()).run("main", Request.of("hi"))).ended
    assert (ended.error_class, ended.message) == ("protocol", "there is no provider `lab`")


def test_a_provider_is_made_once_for_many_requests() -> None:
    made: list[int] = []
    vocabulary = Words({("provider", "lab"): ProviderWord("lab", NoFields, lambda given, host: made.append(1) or Scripted())})
    executor = Executor(plan_of(models=["small"]), vocabulary, folder=Path())

    async def two() -> None:
        await executor.run("main", Request.of("hi"))
        await executor.run("main", Request.of("hi"))
        await executor.close()

    run_virtual(two())
    assert made == [1]


def test_a_run_that_stays_off_the_network_imports_no_aiohttp() -> None:
    program = "import sys, mmflow.report, mmflow.runtime.executor, mmflow.runtime.simulate; print('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"


# ---- dry runs ---------------------------------------------------------------------------------------------------------------


def decided(of: Plan, vocabulary: Words | None = None) -> Result:
    lab = Scripted()
    result = run_virtual(executor_of(of, lab, vocabulary).decide("main", Request.of("hello")))
    assert lab.calls == []
    return result


@pytest.mark.parametrize(
    ("step", "path"),
    [
        (plan.Tier("main", ("large", "small"), "cheapest"), "main/small"),
        (plan.Fallback("main", ("small", "large"), ("429",)), "main/small"),
        (plan.Cascade("main", ("small", "large"), plan.ScoreIs("fine", ">=", 0.5), "fine >= 0.5"), "main/step 1/small"),
        (plan.With(name="main", step="small", deadline_s=1.0), "main/small"),
        (plan.Split("main", (plan.Slice(10_000, "small"),)), "main/small"),
        (plan.Route("main", (), "small"), "main/small"),
    ],
)
def test_a_dry_run_stops_at_the_first_model(step: plan.Step, path: str) -> None:
    result = decided(plan_of(step, models=["small", model("large", prices=Prices(10**7, 10**7))]))
    assert (result.reply, result.ended.outcome, result.ended.model, result.ended.path) == (None, "decided", "small", path)
    assert not of_type(result, CallStarted, CallEnded)


def test_a_dry_run_asks_classifiers_that_need_no_model_and_no_others() -> None:
    route = plan.Route("main", (plan.Arm(plan.LabelIs("complexity", ("low",)), "small", "low"),), "large")
    plain = decided(
        plan_of(route, models=["small", "large"], classifiers=[classifier("complexity")]),
        words(classifiers={"complexity": Says(lambda text: Guess("low", 0.9))}),
    )
    asking = decided(
        plan_of(
            route, models=["small", "large"], classifiers=[classifier("complexity", word="sorter", options={"model": "small"})]
        )
    )
    assert (plain.ended.model, asking.ended.model) == ("small", "large")
    assert [each.unsure for each in of_type(asking, SignalRead)] == ["needs a model call"]


def test_a_provider_that_keeps_what_another_says_keeps_no_secret_of_it() -> None:
    @options
    class Keyed:
        key: Secret = option(doc="the key")

    class Leaky:
        def __init__(self, given: Keyed, host: Host) -> None:
            self.key = given.key

        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            if call.messages[-1].text == "fail":
                raise CallError("4xx", f"bad key {self.key.reveal()}")
            return Reply(text="Yes.", request_id=self.key.reveal(), served_model=self.key.reveal())

    kept: list[str] = []

    class Keeper:
        def __init__(self, given: NoFields, host: Host) -> None:
            self.host = host

        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            assert self.host.provider("lab") is self  # type: ignore[arg-type]
            try:
                reply = await self.host.provider("leaky").complete(call, emit)  # type: ignore[arg-type]
            except CallError as error:
                kept.append(error.message)
                raise
            kept.append(f"{reply.request_id} {reply.served_model}")
            return reply

    vocabulary = Words(
        {("provider", "leaky"): ProviderWord("leaky", Keyed, Leaky), ("provider", "lab"): ProviderWord("lab", NoFields, Keeper)}
    )
    leaky = plan.Provider(name="leaky", word="leaky", options={"key": "LEAKY_KEY"})
    made = plan_of(models=["small"], providers=[leaky])
    executor = Executor(made, vocabulary, folder=Path(), environ={"LEAKY_KEY": "sk-canary-123"})
    run_virtual(executor.run("main", Request.of("hello")))
    run_virtual(executor.run("main", Request.of("fail")))
    assert kept == ["*** ***", "bad key ***"]


def test_a_plugin_that_crashes_is_named_with_the_line() -> None:
    class Crashing:
        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            raise KeyError("x")

    result = run_virtual(executor_of(plan_of(models=["small"]), Crashing()).run("main", Request.of("hello")))  # type: ignore[arg-type]
    assert "`lab` broke: KeyError: 'x' (test_executor.py:" in (result.ended.message or "")
