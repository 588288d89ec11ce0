"""The bundled strategies on a virtual clock: who is asked when, whose answer is taken, and what is left of the others."""

import asyncio
import gc
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mmflow_plugins.strategies import bandit, best_of, hedge, race, vote
from mmflow_plugins.strategies.vote import meaning
from plans import Says, Words, executor_of, model, of_type, plan_of, run, words

from mmflow import plan
from mmflow.options import Surroundings, build
from mmflow.plugin import Delta, Function, Reply, Request, StrategyWord, ToolCall
from mmflow.runtime.events import CallEnded, CallStarted, Chosen
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, fail, hang, reply, run_virtual, stream

WORDS: dict[str, StrategyWord] = {
    word.name: word for module in (bandit, best_of, hedge, race, vote) for word in module.mmflow_strategies()
}


def vocabulary(**scorers: Says) -> Words:
    given = words(scorers=scorers).words
    return Words({**given, **{("strategy", name): word for name, word in WORDS.items()}})


def step(word: str, *targets: str, scorers: tuple[str, ...] = (), **options: Any) -> plan.Strategy:
    found = WORDS[word]
    assert found.calls is not None
    calls = found.calls(build(found.options, options, Surroundings(Path())), len(targets))
    summary = plan.CallSummary(calls.most, calls.parallel)
    return plan.Strategy("main", word, targets, options=options, calls=summary, scorers=scorers)


def answered(
    by: plan.Strategy,
    script: Mapping[str, list[Turn]],
    *,
    emit: Any = None,
    scorers: Mapping[str, Says] | None = None,
    **flow: Any,
) -> Result:
    models = [model(each, p95_s=1.0 if each == "one" else None) for each in ("one", "two", "three")]
    of = plan_of(by, models=models, scorers=list(scorers or {}), **flow)
    return run(of, script, vocabulary=vocabulary(**(scorers or {})), emit=emit)


def begun(result: Result) -> dict[str, float]:
    return {each.model: each.at_s for each in of_type(result, CallStarted)}


def outcomes(result: Result) -> dict[str, str]:
    return {each.model: each.outcome for each in of_type(result, CallEnded)}


def text(result: Result) -> str | None:
    return result.reply.text if result.reply else None


ALL = ("one", "two", "three")
EVERY = {
    "race": step("race", *ALL),
    "hedge": step("hedge", *ALL, after=[0, 0.5]),
    "vote": step("vote", *ALL),
    "best_of": step("best_of", *ALL, scorer="fine", scorers=("fine",)),
    "best_of in turn": step("best_of", *ALL, scorer="fine", sequential=True, scorers=("fine",)),
    "bandit": step("bandit", *ALL, reward="fine", explore=0.0, scorers=("fine",)),
}


# ---- every strategy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", EVERY.values(), ids=EVERY)
def test_nothing_is_left_under_way_and_one_answer_is_taken(by: plan.Strategy) -> None:
    script = {"one": [reply("a", 0.7)], "two": [reply("a", 1.2)], "three": [reply("a", 0.1)]}
    result = answered(by, script, scorers={"fine": Says(lambda text: 0.5)})
    assert result.ended.outcome == "served"
    assert len(of_type(result, CallStarted)) == len(of_type(result, CallEnded))
    assert [each.target for each in of_type(result, Chosen)] == [result.ended.model]


@pytest.mark.parametrize("by", EVERY.values(), ids=EVERY)
def test_where_all_targets_fail_the_error_is_that_of_the_last(by: plan.Strategy) -> None:
    script = {"one": [fail(500, 0.1)], "two": [fail(429, 2)], "three": [fail("connect", 0.3)]}
    result = answered(by, script, scorers={"fine": Says(lambda text: 0.5)})
    last = of_type(result, CallEnded)[-1]
    assert (result.ended.outcome, result.ended.error_class) == ("failed", last.error_class)
    assert len(of_type(result, CallStarted)) == (1 if by.word == "bandit" else 3)


@pytest.mark.parametrize("by", EVERY.values(), ids=EVERY)
def test_the_deadline_ends_every_strategy(by: plan.Strategy) -> None:
    script = {"one": [hang()], "two": [hang()], "three": [hang()]}
    result = answered(by, script, scorers={"fine": Says(lambda text: 0.5)}, deadline_s=3.0)
    assert (result.ended.outcome, result.ended.error_class, result.ended.at_s) == ("failed", "timeout", 3.0)


# ---- race and hedge -----------------------------------------------------------------------------------------------------------


def test_a_race_is_won_by_the_first_that_succeeds() -> None:
    result = answered(step("race", *ALL), {"one": [hang()], "two": [fail(500, 0.1)], "three": [reply("third", 0.4)]})
    assert (text(result), result.ended.at_s) == ("third", 0.4)
    assert outcomes(result) == {"one": "cancelled", "two": "uncertain", "three": "answered"}


def test_a_hedge_asks_the_next_target_when_the_first_takes_too_long() -> None:
    result = answered(step("hedge", *ALL, after=[0, 0.5]), {"one": [hang()], "two": [reply("second", 0.3)]})
    assert begun(result) == {"one": 0.0, "two": 0.5}
    assert (text(result), result.ended.at_s) == ("second", 0.8)


def test_a_hedge_takes_a_late_answer_of_the_first_target() -> None:
    result = answered(step("hedge", "one", "two", after=[0, 0.5]), {"one": [reply("first", 0.6)], "two": [reply("second", 1)]})
    assert (text(result), result.ended.at_s) == ("first", 0.6)
    assert outcomes(result) == {"one": "answered", "two": "cancelled"}


def test_a_hedge_that_is_answered_in_time_asks_nobody_else() -> None:
    result = answered(step("hedge", *ALL, after=[0, 0.5]), {"one": [reply("first", 0.4)]})
    assert begun(result) == {"one": 0.0}


def test_a_hedge_goes_on_at_once_after_a_failure_that_another_may_not_have() -> None:
    result = answered(step("hedge", *ALL, after=[0, 5]), {"one": [fail(500, 0.1)], "two": [reply("second", 0.2)]})
    assert begun(result) == {"one": 0.0, "two": 0.1}


def test_a_hedge_ends_with_a_failure_for_good_where_nobody_else_is_asked() -> None:
    result = answered(step("hedge", *ALL, after=[0, 5]), {"one": [fail(401, 0.1)]})
    assert (result.ended.error_class, begun(result)) == ("auth", {"one": 0.0})


def test_a_hedge_waits_for_the_p95_of_its_first_target_and_without_one_for_a_failure() -> None:
    script = {"one": [reply("first", 3)], "two": [reply("second", 3)], "three": [reply("third", 0.1)]}
    assert begun(answered(step("hedge", "one", "three"), script)) == {"one": 0.0, "three": 1.0}
    assert begun(answered(step("hedge", "two", "three"), script)) == {"two": 0.0}


@pytest.mark.parametrize("word", ["race", "hedge"])
def test_a_caller_that_streams_hears_the_first_target_to_begin(word: str) -> None:
    heard: list[tuple[float, str]] = []

    async def emit(delta: Delta) -> None:
        heard.append((asyncio.get_running_loop().time(), delta.text))

    options = {"after": [0, 0.5]} if word == "hedge" else {}
    script = {"one": [stream(["x", "y"], 10)], "two": [stream(["a", "b"], 2)]}
    result = answered(step(word, "one", "two", **options), script, emit=emit)
    late_s = 0.5 if word == "hedge" else 0.0
    assert heard == [(1.0 + late_s, "a"), (2.0 + late_s, "b")]
    assert outcomes(result) == {"one": "cancelled", "two": "answered"}


# ---- vote ---------------------------------------------------------------------------------------------------------------------


def test_a_vote_takes_what_most_agree_on_as_soon_as_that_is_certain() -> None:
    script = {"one": [reply("41", 0.1)], "two": [reply(" 42.", 0.2)], "three": [reply("**42.0**", 0.3)]}
    result = answered(step("vote", *ALL), script)
    assert (text(result), result.ended.model) == (" 42.", "two")
    script = {"one": [reply("yes", 0.1)], "two": [hang()], "three": [reply("Yes.", 0.3)]}
    result = answered(step("vote", *ALL), script)
    assert (text(result), result.ended.at_s) == ("yes", 0.3)
    assert outcomes(result)["two"] == "cancelled"


def test_a_vote_without_a_majority_takes_the_first_in_the_list() -> None:
    script = {"one": [reply("a", 0.3)], "two": [reply("b", 0.1)], "three": [fail(500, 0.2)]}
    assert text(answered(step("vote", *ALL), script)) == "a"


def test_a_vote_without_its_quorum_fails_and_says_so_at_once() -> None:
    script = {"one": [reply("a", 0.1)], "two": [reply("b", 0.2)], "three": [hang()]}
    result = answered(step("vote", *ALL, quorum=3), script)
    assert (result.ended.error_class, result.ended.at_s) == ("invalid_output", 0.2)
    assert "quorum is 3" in (result.ended.message or "")
    assert text(answered(step("vote", *ALL, quorum=2), {**script, "three": [reply("A", 3)]})) == "a"


SAME = [
    ("42", "42.0"),
    ("1,000", "1000"),
    ("Paris", " paris. "),
    ("a\n b", "A  B"),
    ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
    ("**Yes!**", "yes"),
]
OTHER = [("42", "43"), ("1.5", "15"), ("Paris", "Lyon"), ('{"a": 1}', '{"a": 2}'), ("1,5", "15"), ("no", "not")]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_answers_that_mean_the_same_are_equal(one: str, two: str) -> None:
    assert meaning(Reply(text=one)) == meaning(Reply(text=two))


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_answers_that_differ_are_not(one: str, two: str) -> None:
    assert meaning(Reply(text=one)) != meaning(Reply(text=two))


def test_calls_of_tools_are_part_of_an_answer() -> None:
    def called(arguments: str) -> object:
        return meaning(Reply(text="", tool_calls=(ToolCall("id", Function("find", arguments)),)))

    assert called('{"q": 1}') == called('{ "q": 1 }')
    assert called('{"q": 1}') != called('{"q": 2}')
    assert called("{}") != meaning(Reply(text=""))


# ---- best_of ------------------------------------------------------------------------------------------------------------------


def by_text() -> dict[str, Says]:
    return {"fine": Says(float)}


@pytest.mark.parametrize("sequential", [False, True])
def test_the_best_answer_has_the_highest_score_and_of_equals_the_first(sequential: bool) -> None:
    by = step("best_of", *ALL, scorer="fine", sequential=sequential, scorers=("fine",))
    script = {"one": [reply("0.3", 0.1)], "two": [reply("0.9", 0.3)], "three": [reply("0.90", 0.2)]}
    result = answered(by, script, scorers=by_text())
    assert (text(result), result.ended.at_s) == ("0.9", 0.6 if sequential else 0.3)
    script["two"] = [fail(500)]
    assert text(answered(by, script, scorers=by_text())) == "0.90"


def test_an_answer_without_a_score_is_better_than_none_and_worse_than_any() -> None:
    by = step("best_of", "one", "two", scorer="fine", scorers=("fine",))
    assert text(answered(by, {"one": [reply("?")], "two": [reply("0.0", 1)]}, scorers=by_text())) == "0.0"
    assert text(answered(by, {"one": [reply("?")], "two": [fail(500)]}, scorers=by_text())) == "?"


def test_a_score_that_is_enough_ends_the_search() -> None:
    by = step("best_of", *ALL, scorer="fine", sequential=True, enough=0.8, scorers=("fine",))
    result = answered(by, {"one": [reply("0.3")], "two": [reply("0.8")]}, scorers=by_text())
    assert (text(result), list(begun(result))) == ("0.8", ["one", "two"])


def test_at_the_deadline_the_best_answer_so_far_is_taken() -> None:
    by = step("best_of", *ALL, scorer="fine", scorers=("fine",))
    script = {"one": [reply("0.3", 1)], "two": [reply("0.9", 2)], "three": [hang()]}
    result = answered(by, script, scorers=by_text(), deadline_s=5.0)
    assert (text(result), result.ended.at_s) == ("0.9", 5.0)


# ---- bandit -------------------------------------------------------------------------------------------------------------------


def pulled(rounds: int, rewards: Mapping[str, str], **options: Any) -> list[str]:
    """The model of each of many requests to one executor."""
    by = step("bandit", *ALL, reward="fine", scorers=("fine",), **options)
    script = {name: [fail(500)] if text == "fail" else [reply(text)] for name, text in rewards.items()}

    async def main() -> list[str]:
        executor = executor_of(plan_of(by, models=ALL, scorers=["fine"]), Scripted(script), vocabulary(**by_text()))
        found = []
        for _ in range(rounds):
            result = await executor.run("main", Request.of("hi"))
            found.append(of_type(result, CallStarted)[0].model)
        return found

    return run_virtual(main())


def test_a_bandit_tries_each_target_and_stays_with_the_best() -> None:
    assert pulled(6, {"one": "0.2", "two": "0.7", "three": "0.5"}, explore=0.0) == ["one", "two", "three", "two", "two", "two"]


def test_a_bandit_leaves_a_target_that_fails_or_has_no_score() -> None:
    assert pulled(5, {"one": "fail", "two": "?", "three": "0.1"}, explore=0.0) == ["one", "two", "three", "three", "three"]


def test_a_bandit_explores_with_its_share() -> None:
    counts = Counter(pulled(1_000, {"one": "0.9", "two": "0.1", "three": "0.1"}, explore=0.3))
    assert 70 <= counts["two"] <= 130
    assert 70 <= counts["three"] <= 130


def test_a_bandit_follows_a_target_that_gets_worse() -> None:
    arm = bandit._Arm()
    for _ in range(1_000):
        arm.learn(1.0)
    for _ in range(bandit.MEMORY):
        arm.learn(0.0)
    assert arm.mean < 0.4


def test_a_failure_that_nobody_waits_for_any_more_is_not_reported_as_lost() -> None:
    lost: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: lost.append(context))
        of = plan_of(step("vote", *ALL, quorum=3), models=ALL)
        script = {"one": [fail(500)], "two": [fail(500)], "three": [fail(500)]}
        await executor_of(of, Scripted(script), vocabulary()).run("main", Request.of("hi"))
        gc.collect()

    run_virtual(main())
    assert lost == []
