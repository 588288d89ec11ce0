"""What holds of every run: random small plans, random faults, random cancellation, on the virtual clock."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from plans import Says, all_of, classifier, executor_of, model, of_type, plan_of, words

from mmflow import plan
from mmflow.plugin import Delta, Guess, Request, Usage
from mmflow.runtime.events import CallEnded, CallStarted, Event, RequestEnded, RequestStarted
from mmflow.runtime.simulate import Scripted, Turn, fail, hang, reply, run_virtual, stream

MODELS = ("one", "two", "three")
TICK_S = 1e-6

times = st.sampled_from([0.0, 0.25, 1.0, 3.0])
texts = st.sampled_from(["0.1", "0.9", "not a score", "0.5 " * 10])
usages = st.one_of(st.none(), st.just(True), st.builds(Usage, st.integers(1, 8), output_tokens=st.integers(10, 20)))
turns = st.one_of(
    st.builds(lambda text, after_s, usage: reply(text, after_s, usage=usage), texts, times, usages),
    st.builds(fail, st.sampled_from([400, 401, 429, 500, 529, "connect", "timeout", "protocol"]), times),
    st.builds(lambda after_s: fail(429, retry_after_s=after_s), st.sampled_from([0.5, 2.0, 1e9, -1.0])),
    st.just(hang()),
    st.builds(
        lambda after_s, pieces: stream(["a ", "b ", "c"], after_s, broken_after=pieces), times, st.sampled_from([None, 0, 1, 2])
    ),
)
scripts = st.fixed_dictionaries({name: st.lists(turns, min_size=1, max_size=3) for name in MODELS})


@st.composite
def plans(draw: st.DrawFn) -> plan.Plan:
    """A plan of a few steps, each over those below it."""
    names = list(MODELS)
    steps: list[plan.Step] = []
    for number in range(draw(st.integers(1, 4))):
        targets = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)))
        name = f"step{number}"
        steps.insert(0, draw(st.sampled_from(_kinds(name, targets, draw))))
        names.append(name)
    steps.insert(0, plan.With(name="main", step=steps[0].name))
    return plan_of(
        *steps,
        models=[model(each, p95_s=draw(st.sampled_from([None, 1.0]))) for each in MODELS],
        classifiers=[classifier("complexity", timeout_s=1.0)],
        scorers=["fine", plan.Scorer(name="rating", word="judge", options={"model": "three"})],
        deadline_s=draw(st.sampled_from([0.6, 2.0, 10.0])),
        max_output_tokens=draw(st.sampled_from([20, 50])),
        max_cost_microusd=draw(st.sampled_from([None, None, 0, 70, 120, 400])),
    )


def _kinds(name: str, targets: tuple[str, ...], draw: st.DrawFn) -> list[plan.Step]:
    tests: list[plan.Test] = [plan.LabelIs("complexity", ("low",)), plan.RequestIs("user", "==", "ada")]
    arms = tuple(plan.Arm(test, step, "an arm") for test, step in zip(tests, targets, strict=False))
    models = tuple(each for each in dict.fromkeys(targets) if each in MODELS) or MODELS
    scorer = draw(st.sampled_from(["fine", "rating"]))
    return [
        plan.Cascade(name, targets, plan.ScoreIs(scorer, ">=", 0.5), f"{scorer} >= 0.5"),
        plan.Fallback(name, targets, ("429", "5xx", "timeout", "connect"), draw(st.integers(0, 2)), 0.5),
        plan.Route(name, arms, targets[-1]),
        plan.Tier(name, models, "cheapest"),
        plan.Split(name, tuple(plan.Slice(10_000 // len(targets) + 1, each) for each in targets)),
        plan.With(name=name, step=targets[0], deadline_s=1.0),
        all_of(name, targets, parallel=draw(st.booleans()), scorer=scorer),
    ]


async def judged(text: str) -> Any:
    await asyncio.sleep(0.1)
    return float(text)


async def guessed(text: str) -> Guess:
    await asyncio.sleep(0.5)
    return Guess("low", 0.9)


def check(events: list[Event], of: plan.Plan) -> None:
    flow = of.flows["main"]
    assert isinstance(events[0], RequestStarted)
    assert isinstance(events[-1], RequestEnded)
    assert [each.at_s for each in events] == sorted(each.at_s for each in events)
    assert all(each.at_s <= flow.deadline_s + TICK_S for each in events)
    began, ended = of_type(events, CallStarted), of_type(events, CallEnded)
    assert sorted(each.call for each in began) == sorted(each.call for each in ended) == list(range(1, len(began) + 1))
    assert events[-1].cost_microusd == sum(each.cost_microusd for each in ended)
    if flow.max_cost_microusd is not None:
        assert events[-1].cost_microusd <= flow.max_cost_microusd
    assert events[-1].outcome in ("served", "failed", "stream_broken", "cancelled")
    if events[-1].outcome == "served":
        assert (events[-1].path, "answered") in [(each.path, each.outcome) for each in ended]


@settings(max_examples=500, deadline=None)
@given(
    of=plans(),
    script=scripts,
    streams=st.booleans(),
    cancel_at_s=st.one_of(st.none(), st.none(), st.none(), st.floats(0, 5)),
    seed=st.integers(0, 1000),
)
def test_every_run_keeps_its_promises(
    of: plan.Plan, script: dict[str, list[Turn]], streams: bool, cancel_at_s: float | None, seed: int
) -> None:
    events: list[Event] = []
    heard: list[str] = []

    async def emit(delta: Delta) -> None:
        heard.append(delta.text)

    async def main() -> None:
        vocabulary = words(scorers={"fine": Says(judged)}, classifiers={"complexity": Says(guessed)})
        executor = executor_of(of, Scripted(script), vocabulary)
        running = asyncio.create_task(executor.run("main", Request.of("hi"), emit if streams else None, observe=events.append))
        if cancel_at_s is not None:
            await asyncio.sleep(cancel_at_s)
            running.cancel()
        await asyncio.wait([running])
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if running.cancelled():
            # One that is cancelled before it began has no record.
            assert not events or events[-1].outcome == "cancelled"  # type: ignore[union-attr]
            return
        result = running.result()
        assert (result.reply is not None) == (result.ended.outcome == "served")
        if streams and result.reply is not None:
            assert "".join(heard) == result.reply.text

    run_virtual(main(), seed)
    if events:
        check(events, of)
