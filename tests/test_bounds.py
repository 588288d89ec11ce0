"""Bounds: exact on small plans, sound on random ones under random faults, and quick on large ones."""

import asyncio
import time
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmflow_plugins.scorers.judge import DEFAULT_RUBRIC, MAX_OUTPUT_TOKENS, prompt
from plans import Says, classifier, executor_of, model, of_type, plan_of, words
from random_plans import MODELS, random_plans

from mmflow import plan
from mmflow.bounds import FlowBounds, PerToken, Row, bounds
from mmflow.bounds.prompts import SLOT_TOKENS
from mmflow.bounds.worst import OPINION_OUTPUT_TOKENS, OPINION_PROMPT_TOKENS
from mmflow.plugin import Call, CallError, Delta, Emit, Guess, Message, Prices, Reply, Request, Timeouts, Usage
from mmflow.runtime.cost import input_tokens, input_tokens_at_most
from mmflow.runtime.events import ArmTested, CallEnded, CallStarted
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, fail, hang, reply, run_virtual, stream

TICK_S = 1e-6


def of(found: plan.Plan) -> FlowBounds:
    return bounds(found, found.flows["main"])


def only(found: plan.Plan) -> Row:
    (row,) = of(found).rows
    return row


def counts(row: Row) -> dict[tuple[str, str], int]:
    return {(each.model, each.purpose): each.count for each in row.bound.calls_by_model}


# ---- calls and dollars --------------------------------------------------------------------------------------------------------


def test_one_model_costs_its_price_times_the_limits_of_the_flow() -> None:
    row = only(plan_of(models=["one"], max_input_tokens=1000, max_output_tokens=100))
    assert counts(row) == {("one", "answer"): 1}
    assert (row.bound.cost.worst_microusd, row.bound.cost.by) == (1000 * 1 + 100 * 2, "calls")
    assert row.bound.cost.per_token == PerToken(input=1_000_000, output=2_000_000)


def test_every_member_of_a_tier_may_be_asked_once() -> None:
    tier = plan.Tier("both", ("one", "two", "one"))
    row = only(plan_of(tier, models=["one", "two"], max_input_tokens=10, max_output_tokens=10))
    assert counts(row) == {("one", "answer"): 1, ("two", "answer"): 1}
    assert row.bound.cost.worst_microusd == 60


def test_retries_multiply_with_the_steps_of_a_fallback() -> None:
    inner = plan.Fallback("inner", ("one", "two"), ("5xx",), retry_times=1)
    outer = plan.Fallback("outer", ("inner", "three"), ("5xx",), retry_times=2)
    row = only(plan_of(outer, inner, models=["one", "two", "three"], max_input_tokens=1, max_output_tokens=0))
    assert counts(row) == {("one", "answer"): 6, ("two", "answer"): 6, ("three", "answer"): 3}
    assert (row.bound.calls, row.bound.cost.worst_microusd) == (15, 15)


def test_a_split_costs_what_its_dearest_slice_costs() -> None:
    split = plan.Split("half", (plan.Slice(5000, "one"), plan.Slice(5000, "pair")))
    found = plan_of(
        split, plan.Tier("pair", ("two", "three")), models=["one", "two", "three"], max_input_tokens=5, max_output_tokens=0
    )
    row = only(found)
    assert row.bound.calls == 2
    assert counts(row) == {("one", "answer"): 1, ("two", "answer"): 1, ("three", "answer"): 1}
    assert row.bound.cost.worst_microusd == 10


def test_a_judge_reads_the_question_and_the_answer_for_every_step_but_the_last() -> None:
    cascade = plan.Cascade("answer", ("one", "two", "three"), plan.ScoreIs("rating", ">=", 0.5), "rating >= 0.5")
    rating = plan.Scorer(name="rating", word="judge", options={"model": "judge"})
    found = plan_of(
        cascade, models=["one", "two", "three", "judge"], scorers=[rating], max_input_tokens=1000, max_output_tokens=100
    )
    row = only(found)
    assert counts(row) == {("one", "answer"): 1, ("two", "answer"): 1, ("three", "answer"): 1, ("judge", "judge"): 2}
    per_token = row.bound.cost.per_token
    assert per_token is not None
    assert (per_token.input, per_token.output) == (5_000_000, 8_000_000)
    assert row.bound.cost.worst_microusd == pytest.approx(per_token.at(1000, 100))
    assert per_token.fixed_microusd >= 2 * (OPINION_PROMPT_TOKENS + 2 * OPINION_OUTPUT_TOKENS)


def test_the_words_of_the_bundled_judge_are_within_what_is_allowed_for() -> None:
    asked = prompt(DEFAULT_RUBRIC, Request.of(""), Reply(text=""))
    assert input_tokens_at_most(asked, Request(messages=asked)) <= OPINION_PROMPT_TOKENS
    assert MAX_OUTPUT_TOKENS <= OPINION_OUTPUT_TOKENS


def test_a_classifier_that_asks_a_model_costs_once_however_often_it_is_read() -> None:
    low, high = (plan.LabelIs("mood", (label,)) for label in ("low", "high"))
    first = plan.Route("first", (plan.Arm(low, "second", "mood == low"),), "two")
    second = plan.Route("second", (plan.Arm(high, "two", "mood == high"),), "one")
    mood = classifier("mood", word="sorter", options={"model": "sorter"})
    found = plan_of(first, second, models=["one", "two", "sorter"], classifiers=[mood], max_input_tokens=10, max_output_tokens=10)
    rows = of(found).rows
    assert [(row.situations, row.target, counts(row).get(("sorter", "classify"))) for row in rows] == [
        (("mood = low",), "second -> one", 1),
        (("mood != low",), "two", 1),
    ]


def test_an_experiment_costs_its_dearest_arm_and_the_judge_of_its_metric() -> None:
    arms = (plan.Slice(1000, "one"), plan.Slice(9000, "pair"))
    rating = plan.Scorer(name="rating", word="judge", options={"model": "judge"})
    models = ["one", "two", "three", "judge"]
    pair = plan.Tier("pair", ("two", "three"))
    for sample, judged in ((0.1, 1), (0.0, None)):
        trial = plan.Experiment("trial", arms, "user", "rating", sample=sample)
        row = only(plan_of(trial, pair, models=models, scorers=[rating], max_input_tokens=10, max_output_tokens=10))
        assert counts(row).get(("judge", "judge")) == judged
        assert counts(row)["two", "answer"] == 1


def strategy_of(calls: plan.CallSummary | None, **more: Any) -> Row:
    together = plan.Strategy("together", "race", ("one", "two"), calls=calls, **more)
    models = [timed("one", 3), timed("two", 4, prices=Prices(5_000_000, 5_000_000))]
    return only(plan_of(together, models=models, scorers=["fine"], max_input_tokens=10, max_output_tokens=0, deadline_s=60))


@pytest.mark.parametrize(
    ("calls", "count", "microusd", "worst_s"),
    [
        (plan.CallSummary(1, False), 1, 50, 4),
        (plan.CallSummary(2, False), 2, 60, 7),
        (plan.CallSummary(2, True), 2, 60, 4),
        (plan.CallSummary(2, True, staggered=True), 2, 60, 7),
        (plan.CallSummary(3, False), 3, 110, 11),
        (plan.CallSummary(4, True), 4, 120, 4),
    ],
)
def test_a_strategy_calls_its_targets_as_its_summary_says(
    calls: plan.CallSummary, count: int, microusd: int, worst_s: float
) -> None:
    bound = strategy_of(calls).bound
    assert (bound.calls, bound.cost.worst_microusd, bound.time.worst_s) == (count, microusd, worst_s)


def test_nothing_bounds_a_strategy_without_a_summary() -> None:
    bound = strategy_of(None).bound
    assert (bound.cost.worst_microusd, bound.time.by) == (None, "deadline")
    assert bound.cost.unknown == ("strategy `together` does not say how many calls it makes",)


def test_every_answer_may_be_asked_for_again_for_its_contract() -> None:
    found = plan_of(
        plan.Tier("both", ("one", "two")), models=["one", "two"], max_input_tokens=10, max_output_tokens=10, output="r"
    )
    found = msgspec.structs.replace(found, outputs={"r": plan.Output(name="r", format="json", retry_times=2)})
    assert counts(only(found)) == {("one", "answer"): 3, ("two", "answer"): 3}
    assert only(found).bound.cost.worst_microusd == 6 * 30


def test_a_prompt_is_read_by_every_model_that_it_fits() -> None:
    fits = ((plan.TargetIs("name", "==", "one"),),)
    voice = plan.Prompt("voice", (plan.PromptArm(fits, ("Be brief. ", plan.Slot("request.user"))),))
    costs = []
    for name in ("one", "two"):
        found = plan_of(models=[name], max_input_tokens=10, max_output_tokens=0, prompt="voice")
        costs.append(only(msgspec.structs.replace(found, prompts={"voice": voice})).bound.cost)
    assert costs[1].worst_microusd == 10
    per_token = costs[0].per_token
    assert per_token is not None
    assert SLOT_TOKENS < per_token.fixed_microusd < SLOT_TOKENS + 50
    assert costs[0].worst_microusd == 10 + per_token.fixed_microusd


def test_what_a_budget_degrades_to_comes_on_top_of_what_was_asked_before() -> None:
    found = plan_of(
        plan.Route("main", (), "one"), models=["one", "two", "three"], max_input_tokens=10, max_output_tokens=0, budget="b"
    )
    steps = {**found.steps, "many": plan.Tier("many", ("two", "three"))}
    thresholds = (plan.Threshold(0.5, "alert", "ops"), plan.Threshold(0.9, "degrade", "many"))
    budget = plan.Budget(name="b", limit_microusd=10**6, period_s=60, thresholds=thresholds)
    found = of(msgspec.structs.replace(found, steps=steps, budgets={"b": budget}))
    assert (found.worst.calls, found.worst.cost.worst_microusd) == (3, 30)
    assert found.remarks[0].startswith("budget `b` may ask `many` in place")


def test_an_arm_above_the_first_look_at_a_classifier_does_not_pay_for_it() -> None:
    images = plan.Arm(plan.RequestIs("has_images", "==", True), "one", "request.has_images")
    arms = (images, plan.Arm(plan.LabelIs("mood", ("low",)), "one", "mood == low"))
    mood = classifier("mood", word="sorter", options={"model": "sorter"})
    found = plan_of(plan.Route("main", arms, "one"), models=["one", "sorter"], classifiers=[mood], max_output_tokens=1)
    assert [row.bound.calls for row in of(found).rows] == [1, 2, 2]


def test_a_guard_reads_its_classifiers_on_every_path() -> None:
    mood = classifier("mood", word="sorter", options={"model": "sorter"})
    found = plan_of(models=["one", "sorter"], classifiers=[mood], guards=("careful",))
    rule = plan.Rule(plan.LabelIs("mood", ("high",)), ((plan.TargetIs("zone", "==", "own"),),), "mood == high")
    found = msgspec.structs.replace(found, guards={"careful": plan.Guard("careful", (rule,))})
    assert counts(only(found)) == {("one", "answer"): 1, ("sorter", "classify"): 1}


@pytest.mark.parametrize(
    ("known", "limits", "worst"),
    [
        ({"prices": None}, {"max_input_tokens": 10, "max_output_tokens": 10}, None),
        ({}, {"max_output_tokens": 10}, None),
        ({}, {"max_input_tokens": 10}, None),
        ({"prices": Prices(0, 0)}, {}, 0),
        ({"max_output_tokens": 7}, {"max_input_tokens": 10}, 24),
        # The window is shared, and what is dearer takes it first.
        ({"context_tokens": 100}, {}, 200),
        ({"context_tokens": 100}, {"max_output_tokens": 30}, 130),
        ({"prices": Prices(2_000_000, 1_000_000), "context_tokens": 100}, {"max_output_tokens": 30}, 200),
        ({"prices": Prices(1, 1)}, {"max_input_tokens": 3, "max_output_tokens": 3}, 1),
        ({"prices": Prices(1_000_000, 1_000_000, 0, 3_000_000, 5_000_000)}, {"max_input_tokens": 2, "max_output_tokens": 2}, 16),
    ],
)  # fmt: skip
def test_what_is_unknown_has_no_bound_and_what_is_free_costs_nothing(known: Any, limits: Any, worst: int | None) -> None:
    found = only(plan_of(models=[model("one", **known)], **limits)).bound.cost
    assert found.worst_microusd == worst
    assert bool(found.unknown) == (worst is None)


def test_max_cost_is_the_bound_where_the_calls_could_cost_more() -> None:
    found = of(plan_of(models=["one"], max_input_tokens=100, max_output_tokens=100, max_cost_microusd=50))
    assert (found.worst.cost.worst_microusd, found.worst.cost.by, found.worst.cost.calls_microusd) == (50, "max_cost", 300)
    assert "`max_cost` refuses" in found.remarks[0]


def test_a_request_known_to_be_short_costs_little() -> None:
    arm = plan.Arm(plan.RequestIs("tokens", "<=", 200), "one", "request.tokens <= 200")
    further = plan.Arm(plan.RequestIs("tokens", ">", 5000), "one", "request.tokens > 5000")
    route = plan.Route("main", (arm, further), "one")
    found = plan_of(route, models=["one"], max_output_tokens=0, max_input_tokens=4000)
    assert [(row.situations, row.bound.cost.worst_microusd, row.share) for row in of(found).rows] == [
        (("request.tokens <= 200",), 200, 0.05),
        (("request.tokens >= 201",), 4000, 1.0),
    ]


# ---- time ---------------------------------------------------------------------------------------------------------------------


def timed(name: str, total_s: float, **known: Any) -> Any:
    return model(name, timeouts=Timeouts(total_s=total_s), **known)


def test_time_outs_add_up_below_the_deadline() -> None:
    row = only(plan_of(plan.Tier("both", ("one", "two")), models=[timed("one", 3), timed("two", 4)], deadline_s=20))
    assert (row.bound.time.worst_s, row.bound.time.by) == (7, "time-outs")


def test_the_deadline_is_never_exceeded_and_is_named() -> None:
    found = of(plan_of(plan.Tier("both", ("one", "two")), models=[timed("one", 3), timed("two", 4)], deadline_s=5))
    assert (found.worst.time.worst_s, found.worst.time.by, found.worst.time.calls_s) == (5, "deadline", 7)
    endless = of(plan_of(models=["one"], deadline_s=5)).worst.time
    assert (endless.worst_s, endless.by, endless.endless) == (5, "deadline", ("`one` has no time-out of its own",))


def test_a_retry_may_be_asked_to_wait_until_the_deadline() -> None:
    step = plan.Fallback("again", ("one", "two"), ("429",), retry_times=2, backoff_s=0.5)
    found = only(plan_of(step, models=[timed("one", 1), timed("two", 1)], deadline_s=60)).bound.time
    assert (found.worst_s, found.by) == (60, "deadline")
    assert found.calls_s == 6 * 1 + 2 * (0.5 + 1.0)
    assert found.endless == ("a server may ask `again` to wait (Retry-After)",)


def test_the_deadline_of_a_with_bounds_what_is_under_it() -> None:
    route = plan.Route("main", (plan.Arm(plan.LabelIs("mood", ("low",)), "soon", "mood == low"),), "one")
    limited = plan.With(name="soon", step="one", deadline_s=4, max_output_tokens=10)
    found = of(plan_of(route, limited, models=["one"], classifiers=[classifier("mood")], deadline_s=30, max_output_tokens=50))
    low, other = found.rows
    assert (low.bound.time.worst_s, low.bound.time.by) == (4 + 2, "with")
    assert (other.bound.time.worst_s, other.bound.time.by) == (30, "deadline")
    assert low.target == "one with { deadline = 4s, max_output = 10 }"


def test_the_estimate_adds_what_a_cascade_asks_and_holds_its_first_token_back() -> None:
    cascade = plan.Cascade("answer", ("one", "two"), plan.ScoreIs("rating", ">=", 0.5), "rating >= 0.5")
    rating = plan.Scorer(name="rating", word="judge", options={"model": "judge"})
    models = [model(name, p95_s=p95_s, first_token_s=0.25) for name, p95_s in (("one", 1.0), ("two", 2.0), ("judge", 0.5))]
    found = only(plan_of(cascade, models=models, scorers=[rating])).bound
    assert (found.estimated_p95_s, found.estimated_first_token_s) == (3.5, 1.75)
    unknown = only(plan_of(cascade, models=[*models[:2], model("judge")], scorers=[rating])).bound
    assert (unknown.estimated_p95_s, unknown.estimated_first_token_s) == (None, None)


# ---- situations ---------------------------------------------------------------------------------------------------------------


def test_tables_within_a_cascade_multiply_with_the_arms_above_them() -> None:
    low, ada = plan.LabelIs("mood", ("low",)), plan.RequestIs("user", "==", "ada")
    main = plan.Route("main", (plan.Arm(low, "answer", "mood == low"),), "two")
    by_user = plan.Route("by_user", (plan.Arm(ada, "one", 'request.user == "ada"'),), "two")
    answer = plan.Cascade("answer", ("by_user", "three"), plan.ScoreIs("fine", ">=", 0.5), "fine >= 0.5")
    found = plan_of(main, by_user, answer, models=["one", "two", "three"], classifiers=[classifier("mood")], scorers=["fine"])
    assert [(row.situations, row.arms, row.target) for row in of(found).rows] == [
        (("mood = low, request.user = ada",), ("mood == low", 'request.user == "ada"'), "answer (by_user -> one)"),
        (("mood = low, request.user = another",), ("mood == low", "else"), "answer (by_user -> two)"),
        (("mood != low",), ("else",), "two"),
    ]


def test_an_arm_that_no_situation_takes_has_no_row() -> None:
    low = plan.LabelIs("mood", ("low",))
    main = plan.Route("main", (plan.Arm(low, "one", "a"), plan.Arm(low, "two", "b")), "three")
    found = of(plan_of(main, models=["one", "two", "three"], classifiers=[classifier("mood")]))
    assert [row.target for row in found.rows] == ["one", "three"]
    assert [place.provider for place in found.worst.places] == ["lab"]


def test_an_unsure_label_is_a_situation_of_its_own() -> None:
    main = plan.Route("main", (plan.Arm(plan.LabelIs("mood", ("unsure",)), "one", "mood == unsure"),), "two")
    found = of(plan_of(main, models=["one", "two"], classifiers=[classifier("mood", unsure="none")]))
    assert [row.situations for row in found.rows] == [("mood = unsure",), ("mood != unsure",)]


def test_too_many_situations_leave_a_row_for_each_arm() -> None:
    names = [f"c{number}" for number in range(15)]
    tables = [plan.Route(f"t{name}", (plan.Arm(plan.LabelIs(name, ("high",)), "pair", name),), "one") for name in names]
    every = plan.Fallback("every", tuple(table.name for table in tables), ("5xx",))
    main = plan.Route("main", (plan.Arm(plan.RequestIs("has_tools", "==", True), "one", "request.has_tools"),), "every")
    pair = plan.Tier("pair", ("one", "two"))
    began = time.process_time()
    found = of(plan_of(main, every, pair, *tables, models=["one", "two"], classifiers=[classifier(name) for name in names]))
    assert time.process_time() - began < 20
    assert found.remarks[0].startswith("there are too many situations")
    assert [(row.situations, row.arms, row.target) for row in found.rows] == [
        (None, ("request.has_tools",), "one"),
        (None, ("else",), "every"),
    ]
    assert [row.bound.calls for row in found.rows] == [1, 30]


def test_a_long_chain_of_steps_is_no_problem() -> None:
    chain = [plan.Fallback(f"step{number}", (f"step{number + 1}", "one"), ("5xx",)) for number in range(3000)]
    routes = [plan.Route("step3000", (), "step3001"), plan.Route("step3001", (), "one")]
    found = only(plan_of(*chain, *routes, models=["one"], max_input_tokens=1, max_output_tokens=0))
    assert (found.bound.calls, found.bound.cost.worst_microusd) == (3001, 3001)


def test_shared_steps_are_counted_and_not_walked_again() -> None:
    chain = [plan.Fallback(f"step{number}", (f"step{number + 1}",) * 2, ("5xx",)) for number in range(100)]
    assert only(plan_of(*chain, plan.Tier("step100", ("one",)), models=["one"])).bound.calls == 2**100


# ---- soundness ----------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Obedient:
    """A provider that follows its script within what a real one keeps to: `max_output`, the window, and what it was sent."""

    scripted: Scripted

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        read = input_tokens(call.messages)
        window = call.model.context_tokens
        if window is not None and read > window:
            raise CallError("context_overflow", "too long", dispatched="no")
        most = 10_000 if call.max_output_tokens is None else call.max_output_tokens
        if window is not None:
            most = min(most, window - read)
        said = await self.scripted.complete(call, emit)
        if (usage := said.usage) is None:
            return said
        kept = []
        for left, counts in (
            (read, (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens)),
            (most, (usage.output_tokens, usage.reasoning_tokens)),
        ):
            for count in counts:
                kept.append(min(count, left))
                left -= kept[-1]
        return Reply(text=said.text, usage=Usage(*kept))


seconds = st.sampled_from([0.0, 0.25, 1.0, 3.0])
texts = st.sampled_from(["0.1", "0.9", "no score", "low", "high"])
big = st.sampled_from([0, 1, 30, 100_000])
usages = st.one_of(st.none(), st.just(True), st.builds(Usage, big, big, big, big, big))
turns = st.one_of(
    st.builds(lambda text, after_s, usage: reply(text, after_s, usage=usage), texts, seconds, usages),
    st.builds(fail, st.sampled_from([400, 401, 429, 500, 529, "connect", "timeout", "protocol"]), seconds),
    st.builds(lambda after_s: fail(429, retry_after_s=after_s), st.sampled_from([0.5, 2.0, 1e9])),
    st.just(hang()),
    st.builds(lambda after_s, broken: stream(["a ", "b "], after_s, broken_after=broken), seconds, st.sampled_from([None, 0, 1])),
)
one_way = st.sampled_from(
    [
        reply("0.1", usage=Usage(100_000, output_tokens=100_000)),
        reply("0.9", usage=Usage(100_000, output_tokens=100_000)),
        reply("0.1", 0.5, usage=Usage(cache_write_tokens=100_000, reasoning_tokens=100_000)),
        fail(500, 0.5),
        fail(429, 0.25, retry_after_s=20.0),
        hang(),
    ]
)
"""What every model does at every call: the worst of one kind, which a mixture hardly ever comes to."""
scripts = st.one_of(
    st.fixed_dictionaries({name: st.lists(turns, min_size=1, max_size=4) for name in MODELS}),
    one_way.map(lambda turn: {name: [turn] for name in MODELS}),
)


async def judged(text: str) -> Any:
    await asyncio.sleep(0.1)
    return float(text)


async def guessed(text: str) -> Guess:
    await asyncio.sleep(0.5)
    return Guess("low" if "x" in text else "high", 0.9)


def taken(result: Result) -> dict[str, int]:
    """The arms that a run took, by table."""
    arms: dict[str, int] = {}
    tested: dict[str, int] = {}
    for event in of_type(result, ArmTested):
        number = tested.get(event.path, 0)
        tested[event.path] = 0 if event.holds else number + 1
        if event.holds:
            arms[event.path.rpartition("/")[2]] = number
    return arms


def covers(row: Row, result: Result) -> bool:
    """Whether a run stayed within the bounds of a row, and took its arms."""
    bound, calls = row.bound, of_type(result, CallStarted)
    allowed = counts(row)
    asked = [(each.model, each.purpose) for each in calls]
    spent = sum(each.cost_microusd or 0 for each in of_type(result, CallEnded))
    return (
        all(row.choices.get(name) == arm for name, arm in taken(result).items())
        and len(calls) <= bound.calls
        and all(asked.count(key) <= allowed.get(key, 0) for key in asked)
        and (bound.cost.worst_microusd is None or spent <= bound.cost.worst_microusd)
        and (bound.cost.calls_microusd is None or spent <= bound.cost.calls_microusd)
        and result.ended.at_s <= bound.time.worst_s + TICK_S
        and {each.provider for each in calls} <= {place.provider for place in bound.places}
    )


@settings(max_examples=500, deadline=None)
@given(
    found=random_plans(),
    script=scripts,
    text=st.sampled_from(["hi", "x marks the spot", "one two three four five six seven eight nine", "word " * 30]),
    user=st.sampled_from([None, "ada"]),
    limit=st.sampled_from([None, 5]),
    streams=st.booleans(),
    seed=st.integers(0, 100),
)
def test_no_run_goes_beyond_its_bounds(
    found: plan.Plan, script: dict[str, list[Turn]], text: str, user: str | None, limit: int | None, streams: bool, seed: int
) -> None:
    async def emit(delta: Delta) -> None:
        return None

    vocabulary = words(scorers={"fine": Says(judged)}, classifiers={"mood": Says(guessed)})
    executor = executor_of(found, Obedient(Scripted(script)), vocabulary)
    request = Request(messages=(Message("user", text),), user=user, max_output_tokens=limit)
    result = run_virtual(executor.run("main", request, emit if streams else None), seed)
    if result.ended.outcome == "rejected":
        return
    assert any(covers(row, result) for row in of(found).rows)


# ---- what the simulator found -------------------------------------------------------------------------------------------------


def sorted_by(one: str) -> plan.Classifier:
    return classifier("sorted", word="sorter", options={"model": one})


def test_a_classifier_that_a_prompt_shows_is_asked_too() -> None:
    voice = plan.Prompt("voice", (plan.PromptArm(None, ("Be ", plan.Slot("sorted"))),))
    found = plan_of(
        models=["one", "two"], classifiers=[sorted_by("two")], max_input_tokens=10, max_output_tokens=0, prompt="voice"
    )
    row = only(msgspec.structs.replace(found, prompts={"voice": voice}))
    assert counts(row) == {("one", "answer"): 1, ("two", "classify"): 1}


def test_a_classifier_that_keeps_a_cache_off_is_asked_too() -> None:
    kept = plan.Cache(name="kept", off=(plan.LabelIs("sorted", ("high",)),))
    found = plan_of(models=["one", "two"], classifiers=[sorted_by("two")], max_input_tokens=10, max_output_tokens=0, cache="kept")
    row = only(msgspec.structs.replace(found, caches={"kept": kept}))
    assert counts(row) == {("one", "answer"): 1, ("two", "classify"): 1}


def test_the_classifier_of_a_scorecard_is_asked_too() -> None:
    tier = plan.Tier("both", ("one",), min_quality=0.5, scorecard="card")
    found = plan_of(tier, models=["one", "two"], classifiers=[sorted_by("two")], max_input_tokens=10, max_output_tokens=0)
    card = plan.Scorecard(name="card", file="card.json", by="sorted")
    row = only(msgspec.structs.replace(found, scorecards={"card": card}))
    assert counts(row) == {("one", "answer"): 1, ("two", "classify"): 1}
