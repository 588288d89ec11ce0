"""Strategies while they run: what their plugins are lent, what they are held to, and that nothing is left under way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from plans import NoFields, Says, Words, classifier, executor_of, model, of_type, plan_of, run, words

from mmflow import plan
from mmflow.plugin import (
    Answered,
    CallError,
    Choice,
    Delta,
    Guess,
    Reply,
    Request,
    Run,
    StrategyWord,
)
from mmflow.runtime.events import CallEnded, CallStarted, Chosen, Event, Guarded, RequestEnded, Scored
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, fail, hang, reply, run_virtual, stream

Think = Callable[[Sequence[Choice], Request, Run], Awaitable[Any]]


class Thinks:
    """A strategy that does what a function does."""

    def __init__(self, think: Think) -> None:
        self.answer = think


def vocabulary(think: Think, *, first_wins: bool = False, **scorers: Says) -> Words:
    word = StrategyWord("odd", NoFields, lambda options, host: Thinks(think), first_wins=first_wins)  # type: ignore[arg-type]
    return Words({**words(scorers=scorers).words, ("strategy", "odd"): word})


def odd(*targets: str, most: int | None = None, parallel: bool = True, scorers: tuple[str, ...] = ()) -> plan.Strategy:
    """The strategy step `main` of the word `odd`; as many calls as targets where nothing is said, none declared for -1."""
    calls = None if most == -1 else plan.CallSummary(len(targets) if most is None else most, parallel)
    return plan.Strategy("main", "odd", targets, calls=calls, scorers=scorers)


def thought(
    think: Think,
    script: dict[str, list[Turn]] | None = None,
    *,
    step: plan.Strategy | None = None,
    models: Sequence[Any] = ("one", "two"),
    first_wins: bool = False,
    scorers: dict[str, Says] | None = None,
    emit: Any = None,
    **flow: Any,
) -> Result:
    of = plan_of(step or odd("one", "two"), models=models, scorers=list(scorers or {}), **flow)
    given = vocabulary(think, first_wins=first_wins, **(scorers or {}))
    return run(of, script, vocabulary=given, emit=emit)


def outcomes(result: Result) -> dict[str, str]:
    return {each.model: each.outcome for each in of_type(result, CallEnded)}


async def race(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    tasks = [asyncio.create_task(run.call(each.name)) for each in targets]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return next(task for task in tasks if task in done).result()


async def first(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    return await run.call(targets[0].name)


# ---- losers -----------------------------------------------------------------------------------------------------------------


def test_the_losers_are_cancelled_and_what_they_used_is_counted() -> None:
    result = thought(race, {"one": [hang()], "two": [reply("Me.", 0.5)]})
    assert result.reply is not None
    assert result.reply.text == "Me."
    assert outcomes(result) == {"one": "cancelled", "two": "answered"}
    assert result.ended.at_s == 0.5
    lost = next(each for each in of_type(result, CallEnded) if each.model == "one")
    assert lost.estimated
    assert lost.cost_microusd
    assert result.ended.cost_microusd == sum(each.cost_microusd for each in of_type(result, CallEnded))
    assert of_type(result, Chosen) == [Chosen(at_s=0.5, path="main", strategy="odd", target="two", stopped=("one",))]


def test_a_call_that_the_plugin_cancels_is_settled_and_the_strategy_goes_on() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        task = asyncio.create_task(run.call("one"))
        await asyncio.sleep(1)
        task.cancel()
        return await run.call("two")

    result = thought(think, {"one": [hang()], "two": [reply("Me.")]}, step=odd("one", "two", parallel=False))
    assert result.ended.outcome == "served"
    assert [(each.model, each.outcome) for each in of_type(result, CallEnded)] == [("one", "cancelled"), ("two", "answered")]


def test_a_plugin_that_leaves_a_task_behind_which_has_not_begun_asks_nobody() -> None:
    left: list[asyncio.Task[Answered]] = []

    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        answered = await run.call("one")
        left.append(asyncio.create_task(run.call("two")))
        return answered

    result = thought(think)
    assert result.ended.outcome == "served"
    assert [each.model for each in of_type(result, CallStarted)] == ["one"]
    assert left[0].cancelled()


def test_cancellation_from_outside_ends_every_call_before_the_run_is_over() -> None:
    events: list[Event] = []

    async def main() -> None:
        of = plan_of(odd("one", "two"), models=["one", "two"])
        executor = executor_of(of, Scripted({"one": [hang()], "two": [hang()]}), vocabulary(race))
        running = asyncio.create_task(executor.run("main", Request.of("hi"), observe=events.append))
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()

    run_virtual(main())
    assert [each.outcome for each in of_type(events, CallEnded)] == ["cancelled", "cancelled"]
    assert isinstance(events[-1], RequestEnded)
    assert events[-1].outcome == "cancelled"


# ---- what a plugin is held to -----------------------------------------------------------------------------------------------


async def ask_twice(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    await run.call("one")
    return await run.call("two")


def refused(result: Result, error_class: str, *said: str) -> None:
    assert (result.ended.outcome, result.ended.error_class) == ("failed", error_class)
    assert all(each in (result.ended.message or "") for each in said), result.ended.message
    assert "the plugin `odd`" in (result.ended.message or "")
    assert "author" in (result.ended.help or "")


def test_a_call_past_the_declared_ones_is_not_sent() -> None:
    result = thought(ask_twice, step=odd("one", "two", most=1))
    refused(result, "budget", "more calls than the 1 that it declares")
    assert [each.model for each in of_type(result, CallStarted)] == ["one"]


def test_a_second_call_at_a_time_is_not_sent_where_one_is_declared() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        return (await asyncio.gather(run.call("one"), run.call("two")))[0]

    result = thought(think, {"one": [reply("a", 1)], "two": [reply("b", 1)]}, step=odd("one", "two", parallel=False))
    refused(result, "budget", "two targets at a time")
    assert outcomes(result) == {"one": "cancelled"}


def test_no_target_takes_the_calls_of_the_others() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        await run.call("two")
        return await run.call("two")

    result = thought(think)
    refused(result, "budget", "asks `two` 2 times", "evenly")
    assert [each.model for each in of_type(result, CallStarted)] == ["two"]


def test_a_strategy_without_a_summary_may_ask_as_often_as_its_deadline_allows() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        while True:
            await run.call("one")

    result = thought(think, {"one": [reply("a", 1)]}, step=odd("one", "two", most=-1), deadline_s=3.5)
    assert result.ended.error_class == "timeout"
    assert [each.outcome for each in of_type(result, CallEnded)] == ["answered"] * 3 + ["uncertain"]


BROKEN: dict[str, tuple[Think, str]] = {}


def broken(said: str) -> Callable[[Think], Think]:
    def keep(think: Think) -> Think:
        BROKEN[think.__name__] = think, said
        return think

    return keep


@broken("asks `three`, which is not among its targets")
async def asks_a_stranger(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    return await run.call("three")


@broken("answered with Reply, not with an Answered")
async def answers_with_a_reply(targets: Sequence[Choice], request: Request, run: Run) -> Any:
    return (await run.call("one")).reply


@broken("answered for `two`, which gave it no answer")
async def answers_for_another(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    return Answered("two", (await run.call("one")).reply)


@broken("answered with NoneType, not with a Reply")
async def answers_nothing(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    await run.call("one")
    return Answered("one", None)  # type: ignore[arg-type]


@broken("broke: ZeroDivisionError: division by zero (test_strategies_run.py:")
async def divides(targets: Sequence[Choice], request: Request, run: Run) -> Any:
    return 1 / 0


@broken("broke: SystemExit")
async def leaves(targets: Sequence[Choice], request: Request, run: Run) -> Any:
    raise SystemExit(3)


@broken("broke: CancelledError")
async def cancels_itself(targets: Sequence[Choice], request: Request, run: Run) -> Any:
    raise asyncio.CancelledError


@broken("asks the scorer `fine`, which its options do not name")
async def scores_with_what_it_did_not_name(targets: Sequence[Choice], request: Request, run: Run) -> Any:
    return await run.score("fine", await run.call("one"))  # type: ignore[arg-type]


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_contract_is_told_as_the_plugins_fault(case: str) -> None:
    think, said = BROKEN[case]
    refused(thought(think, scorers={"fine": Says(lambda text: 1.0)}), "protocol", said)


def test_a_made_up_answer_gets_no_score() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        answered = await run.call("one")
        await run.score("fine", Answered("one", Reply(text="better")))  # type: ignore[arg-type]
        return answered

    fine = Says(lambda text: 1.0)
    result = thought(think, scorers={"fine": fine}, step=odd("one", "two", scorers=("fine",)))
    refused(result, "protocol", "wants a score for what no target answered")
    assert fine.asked == 0


def test_an_answer_may_be_made_from_one_that_was_given() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        answered = await run.call("two")
        return Answered("two", Reply(text=answered.reply.text.upper(), served_model="me", request_id="x"))

    result = thought(think, {"two": [reply("yes", served_model="two-v3")]})
    assert result.reply is not None
    assert (result.reply.text, result.reply.served_model, result.reply.request_id) == ("YES", "two-v3", None)
    assert (result.ended.model, result.ended.path) == ("two", "main/two")


def test_an_answer_is_scored_once_however_often_that_is_asked() -> None:
    seen: list[float | None] = []

    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        answered = await run.call("one")
        seen.extend(await asyncio.gather(*(run.score("fine", answered) for _ in range(3))))  # type: ignore[arg-type]
        return answered

    async def slowly(text: str) -> float:
        await asyncio.sleep(0.5)
        return 0.25

    fine = Says(slowly)
    result = thought(think, scorers={"fine": fine}, step=odd("one", "two", scorers=("fine",)))
    assert (seen, fine.asked) == ([0.25] * 3, 1)
    assert [(each.path, each.score) for each in of_type(result, Scored)] == [("main/one", 0.25)]


def test_a_scorer_that_fails_gives_no_score_and_ends_nothing() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        answered = await run.call("one")
        assert await run.score("fine", answered) is None  # type: ignore[arg-type]
        return answered

    result = thought(think, scorers={"fine": Says(lambda text: 1 / 0)}, step=odd("one", "two", scorers=("fine",)))
    assert result.ended.outcome == "served"


def test_a_task_group_that_fails_by_its_calls_fails_with_their_error() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run.call(each.name)) for each in targets]
        return tasks[0].result()

    result = thought(think, {"one": [fail(429)], "two": [hang()]})
    assert (result.ended.error_class, outcomes(result)) == ("429", {"one": "failed", "two": "cancelled"})


# ---- time, money, guards ----------------------------------------------------------------------------------------------------


def test_at_the_deadline_the_calls_time_out_and_the_best_answer_so_far_still_counts() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        tasks = [asyncio.create_task(run.call(each.name)) for each in targets]
        await asyncio.wait(tasks)
        return next(task.result() for task in tasks if task.exception() is None)

    result = thought(think, {"one": [hang()], "two": [reply("Me.", 1)]}, deadline_s=2.0)
    assert (result.ended.outcome, result.ended.model, result.ended.at_s) == ("served", "two", 2.0)
    assert outcomes(result) == {"one": "uncertain", "two": "answered"}


def test_a_strategy_that_does_not_end_is_stopped_at_the_deadline() -> None:
    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        await run.call("one")
        return await asyncio.sleep(1e9)  # type: ignore[return-value]

    result = thought(think, deadline_s=2.0)
    assert (result.ended.error_class, result.ended.at_s) == ("timeout", 2.0)
    assert "strategy `main` did not answer within the deadline" in (result.ended.message or "")


def test_money_holds_for_calls_at_the_same_time() -> None:
    script = {"one": [reply("a", 1)], "two": [reply("b", 2)]}
    (needed,) = of_type(thought(first, script, max_output_tokens=10), CallEnded)
    result = thought(race, script, max_output_tokens=10, max_cost_microusd=70)
    assert needed.cost_microusd < 70
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "budget")
    assert [(each.model, each.error_class) for each in of_type(result, CallEnded)] == [("two", "budget"), ("one", None)]


GUARD = plan.Guard(
    "home",
    (plan.Rule(plan.LabelIs("kind", ("high",)), ((plan.TargetIs("zone", "==", "own"),),), "when kind == high -> zone == own"),),
)


def guarded(*targets: str) -> Result:
    of = plan_of(
        odd(*targets),
        models=[model("far"), model("near", zone="own"), model("off")],
        classifiers=[classifier("kind")],
        guards=("home",),
    )
    of = msgspec.structs.replace(of, guards={"home": GUARD})
    says = words(classifiers={"kind": Says(lambda text: Guess("high", 0.95))}).words
    return run(of, vocabulary=Words({**vocabulary(race).words, **says}))


def test_a_target_that_the_guards_forbid_is_not_even_offered() -> None:
    result = guarded("far", "near")
    assert (result.ended.outcome, result.ended.model) == ("served", "near")
    assert [each.model for each in of_type(result, CallStarted)] == ["near"]
    assert [each.model for each in of_type(result, Guarded)] == ["far"]


def test_where_the_guards_forbid_all_targets_the_request_is_blocked() -> None:
    result = guarded("far", "off")
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "blocked")
    assert of_type(result, CallStarted) == []


# ---- what a plugin is told --------------------------------------------------------------------------------------------------


def test_choices_have_unique_names_their_p95_and_their_cost() -> None:
    seen: list[Choice] = []

    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        seen.extend(targets)
        return await run.call(targets[1].name)

    steps = (odd("one", "one", "tight", "both"), plan.With(name="tight", step="one", temperature=0.1))
    of = plan_of(
        *steps,
        plan.Tier("both", ("one", "two")),
        models=[model("one", p95_s=3.0), model("two", prices=None)],
        max_output_tokens=10,
    )
    result = run(of, vocabulary=vocabulary(think))
    assert [(each.name, each.p95_s, each.cost_microusd) for each in seen] == [
        ("one", 3.0, 26),
        ("one 2", 3.0, 26),
        ("one 3", 3.0, 26),
        ("both", None, None),
    ]
    assert result.ended.path == "main/one 2/one"


def test_the_p95_is_measured_where_there_are_enough_answers() -> None:
    seen: list[float | None] = []

    async def think(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        seen.append(targets[0].p95_s)
        return await run.call("one")

    async def main() -> None:
        of = plan_of(odd("one", "two"), models=[model("one", p95_s=9.0), "two"])
        turns = [reply("a", 0.5)] * 19 + [reply("b", 2.0), reply("c", 0.5)]
        executor = executor_of(of, Scripted({"one": turns}), vocabulary(think))
        for _ in range(21):
            await executor.run("main", Request.of("hi"))

    run_virtual(main())
    assert seen == [9.0] * 20 + [0.5]


def test_a_dry_run_names_the_first_target_that_the_strategy_would_ask() -> None:
    async def swallow(targets: Sequence[Choice], request: Request, run: Run) -> Any:
        try:
            return await run.call("two")
        except Exception:  # noqa: BLE001  # as a careless plugin does
            return None

    executor = executor_of(plan_of(odd("one", "two"), models=["one", "two"]), vocabulary=vocabulary(swallow))
    result = run_virtual(executor.decide("main", Request.of("hi")))
    assert (result.ended.outcome, result.ended.model, result.ended.path) == ("decided", "two", "main/two")


# ---- streams ----------------------------------------------------------------------------------------------------------------


class Heard:
    def __init__(self) -> None:
        self.pieces: list[tuple[float, str]] = []

    async def __call__(self, delta: Delta) -> None:
        self.pieces.append((asyncio.get_running_loop().time(), delta.text))


def test_a_caller_that_streams_gets_the_answer_whole_at_the_end() -> None:
    heard = Heard()
    thought(race, {"one": [stream(["a", "b"], 2)], "two": [stream(["c", "d"], 1)]}, emit=heard)
    assert heard.pieces == [(1.0, "cd")]


def test_where_the_first_wins_the_first_to_begin_is_heard_and_the_others_are_stopped() -> None:
    heard = Heard()
    script = {"one": [stream(["a", "b", "c"], 6)], "two": [stream(["d", "e"], 5)]}
    result = thought(race, script, first_wins=True, emit=heard)
    assert heard.pieces == [(2.0, "a"), (4.0, "b"), (6.0, "c")]
    assert outcomes(result) == {"one": "answered", "two": "cancelled"}
    assert [(each.at_s, each.target, each.stopped) for each in of_type(result, Chosen)] == [(2.0, "one", ("two",))]


def test_once_the_caller_hears_an_answer_no_further_target_is_asked() -> None:
    async def later(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        tasks = [asyncio.create_task(run.call("one"))]
        await asyncio.wait(tasks, timeout=1)
        tasks.append(asyncio.create_task(run.call("two")))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()

    heard = Heard()
    result = thought(later, {"one": [stream(["a", "b", "c", "d"], 2)]}, first_wins=True, emit=heard)
    assert "".join(text for _, text in heard.pieces) == "abcd"
    assert [each.model for each in of_type(result, CallStarted)] == ["one"]


def test_a_stream_that_breaks_once_it_is_heard_is_broken_whatever_the_plugin_does() -> None:
    async def again(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        try:
            return await run.call("one")
        except Exception:  # noqa: BLE001  # as a careless plugin does
            return await run.call("two")

    heard = Heard()
    result = thought(again, {"one": [stream(["a", "b"], 2, broken_after=1)]}, first_wins=True, emit=heard)
    assert (result.ended.outcome, [text for _, text in heard.pieces]) == ("stream_broken", ["a"])


def test_a_plugin_that_fails_once_an_answer_is_heard_breaks_the_stream() -> None:
    async def fails(targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        await run.call("one")
        raise CallError("protocol", "no")

    result = thought(fails, {"one": [stream(["a", "b"], 2)]}, first_wins=True, emit=Heard())
    assert result.ended.outcome == "stream_broken"


def test_what_the_caller_raises_while_it_hears_is_raised() -> None:
    async def full(delta: Delta) -> None:
        raise ValueError("the caller's own")

    with pytest.raises(ValueError, match="the caller's own"):
        thought(race, {"one": [hang()], "two": [stream(["a", "b"], 2)]}, first_wins=True, emit=full)


def test_a_strategy_inside_a_strategy_streams_too() -> None:
    of = plan_of(
        plan.Strategy("main", "odd", ("inner", "three"), calls=plan.CallSummary(2, True)),
        plan.Strategy("inner", "odd", ("one", "two"), calls=plan.CallSummary(2, True)),
        models=["one", "two", "three"],
    )
    heard = Heard()
    script = {"one": [hang()], "two": [stream(["a", "b"], 2)], "three": [hang()]}
    result = run(of, script, vocabulary=vocabulary(race, first_wins=True), emit=heard)
    assert heard.pieces == [(1.0, "a"), (2.0, "b")]
    assert outcomes(result) == {"one": "cancelled", "two": "answered", "three": "cancelled"}
    assert result.ended.path == "main/inner/two"


def test_one_plugin_object_serves_every_request() -> None:
    made: list[object] = []

    def make(options: object, host: object) -> Any:
        made.append(options)
        return Thinks(first)

    given = Words({**words().words, ("strategy", "odd"): StrategyWord("odd", NoFields, make)})

    async def main() -> None:
        executor = Executor(
            plan_of(odd("one", "two"), models=["one", "two"]),
            given,
            folder=Path(),
            random=Random(1),
            providers={"lab": Scripted()},
            environ={},
        )
        await asyncio.gather(*(executor.run("main", Request.of("hi")) for _ in range(3)))

    run_virtual(main())
    assert len(made) == 1
