"""Guards at run time: what a rule forbids is never called, whatever else fails, and nothing catches the refusal."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import Says, classifier, executor_of, model, of_type, plan_of, run, words

from mmflow import plan
from mmflow.plan import Guard, LabelIs, Plan, Rule, TargetIs
from mmflow.plugin import Guess, Model, Request
from mmflow.report import trace
from mmflow.runtime.events import CallStarted, Guarded, Scored, SignalRead
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, fail, reply, run_virtual

HOME, ABROAD = model("home", zone="own"), model("abroad")
RULE = Rule(LabelIs("data", ("secret",)), ((TargetIs("zone", "==", "own"),),), "when data == secret -> target.zone == own")


def guarded(*steps: plan.Step, models: Sequence[Model] = (HOME, ABROAD), rule: Rule = RULE, **more: Any) -> Plan:
    """A plan whose flow has a guard: while `data` is secret, every callee stands in our own zone."""
    classifiers = more.pop("classifiers", [classifier("data", ("public", "secret"))])
    made = plan_of(*steps, models=models, classifiers=classifiers, guards=("residency",), **more)
    return msgspec.structs.replace(made, guards={"residency": Guard("residency", (rule,))})


def says(label: str) -> Any:
    return words(classifiers={"data": Says(lambda text: Guess(label, 0.9))})


def asked(result: Result) -> list[str]:
    return [each.model for each in of_type(result, CallStarted)]


def test_a_model_that_the_guard_forbids_is_not_called() -> None:
    result = run(guarded(plan.Ask("abroad", "abroad")), vocabulary=says("secret"))
    assert (asked(result), result.ended.outcome, result.ended.error_class) == ([], "failed", "blocked")
    assert "residency" in (result.ended.message or "")
    assert any("refused   abroad" in line for line in trace(result.events))


def test_a_rule_that_does_not_apply_forbids_nothing() -> None:
    assert asked(run(guarded(plan.Ask("abroad", "abroad")), vocabulary=says("public"))) == ["abroad"]


def test_a_tier_goes_on_without_the_members_that_are_forbidden() -> None:
    result = run(guarded(plan.Tier("tier", ("abroad", "home"))), vocabulary=says("secret"))
    assert (asked(result), result.ended.outcome) == (["home"], "served")
    assert [each.model for each in of_type(result, Guarded)] == ["abroad"]


def test_a_tier_without_members_is_blocked() -> None:
    result = run(guarded(plan.Tier("tier", ("abroad",))), vocabulary=says("secret"))
    assert (asked(result), result.ended.error_class) == ([], "blocked")


def test_no_fallback_catches_the_refusal() -> None:
    step = plan.Fallback("safe", ("abroad", "home"), ("429", "5xx", "4xx", "blocked"))
    result = run(guarded(step), vocabulary=says("secret"))
    assert (asked(result), result.ended.error_class) == ([], "blocked")


def test_a_failure_at_home_leads_nowhere_else() -> None:
    step = plan.Tier("tier", ("home", "abroad"))
    result = run(guarded(step), {"home": [fail("5xx")]}, vocabulary=says("secret"))
    assert asked(result) == ["home"]


def test_a_judge_that_the_guard_forbids_does_not_see_the_answer() -> None:
    step = plan.Cascade("both", ("home", "spare"), plan.ScoreIs("quality", ">=", 0.5), "quality >= 0.5")
    judge = plan.Scorer(name="quality", word="judge", options={"model": "abroad"})
    made = guarded(step, models=(HOME, model("spare", zone="own"), ABROAD), scorers=[judge])
    result = run(made, vocabulary=says("secret"))
    assert asked(result) == ["home", "spare"]
    assert [each.score for each in of_type(result, Scored)] == [None]


def test_a_classifier_that_asks_a_model_asks_none_that_the_guard_may_forbid() -> None:
    """Its own answer is what would tell, so until then the request counts as guarded."""
    sorter = classifier("data", ("public", "secret"), word="sorter", options={"model": "abroad"})
    result = run(guarded(plan.Ask("home", "home"), plan.Ask("abroad", "abroad"), classifiers=[sorter]))
    assert asked(result) == ["home"]
    result = run(guarded(plan.Ask("abroad", "abroad"), classifiers=[sorter]))
    assert asked(result) == []
    (read,) = of_type(result, SignalRead)
    assert (read.label, "guard" in read.unsure) == ("secret", True)


def test_a_dry_run_meets_the_guard_too() -> None:
    executor = executor_of(guarded(plan.Ask("abroad", "abroad")), vocabulary=says("secret"))
    result = run_virtual(executor.decide("main", Request.of("hello")))
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "blocked")


def test_an_opinion_asks_a_model_once() -> None:
    class Twice:
        async def score(self, request: Any, answer: Any, ask: Any) -> float:
            await ask("home", request.messages, max_output_tokens=10_000)
            await ask("home", request.messages, max_output_tokens=10_000)
            return 1.0

    class Words:
        def __init__(self) -> None:
            self.others = words(scorers={"quality": Says(lambda text: 1.0)})

        def find(self, kind: Any, word: str) -> Any:
            found = self.others.find(kind, word)
            if kind != "scorer":
                return found
            return type(found)(word, found.options, lambda given, host: Twice())

        def known(self, kind: Any) -> tuple[str, ...]:
            return ()

    step = plan.Cascade("both", ("home", "home"), plan.ScoreIs("quality", ">=", 0.5), "quality >= 0.5")
    made = plan_of(step, models=[HOME], scorers=["quality"])
    lab = Scripted({"home": [reply("a"), reply("b"), reply("c")]})
    result = run_virtual(executor_of(made, lab, Words()).run("main", Request.of("hello")))  # type: ignore[arg-type]
    (scored,) = of_type(result, Scored)
    assert scored.score is None
    assert "a second time" in scored.message
    assert [each.purpose for each in of_type(result, CallStarted)] == ["answer", "judge", "answer"]


STEPS = st.recursive(
    st.sampled_from(("home", "abroad")).map(lambda name: plan.Ask(name, name)),
    lambda inner: st.tuples(st.sampled_from(("fallback", "cascade", "tier")), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=6,
)


def flat(shape: Any, into: dict[str, plan.Step]) -> str:
    """The name of a step made of a shape, which is entered with all below it."""
    if isinstance(shape, plan.Ask):
        into[shape.name] = shape
        return shape.name
    kind, inner = shape
    name = f"s{len(into)}"
    into[name] = plan.Ask("home", "home")
    names = tuple(flat(each, into) for each in inner)
    match kind:
        case "fallback":
            into[name] = plan.Fallback(name, names, ("5xx",))
        case "cascade":
            into[name] = plan.Cascade(name, names, plan.ScoreIs("quality", ">=", 0.5), "quality >= 0.5")
        case _:
            into[name] = plan.Tier(name, tuple(each for each in names if each in ("home", "abroad")) or ("abroad", "home"))
    return name


@pytest.mark.parametrize("label", ["secret", "public"])
@given(shape=STEPS, script=st.lists(st.sampled_from([reply("yes"), fail("5xx")]), max_size=6))
def test_no_plan_and_no_fault_leads_a_guarded_request_abroad(label: str, shape: Any, script: list[Any]) -> None:
    steps: dict[str, plan.Step] = {"home": plan.Ask("home", "home"), "abroad": plan.Ask("abroad", "abroad")}
    first = flat(shape, steps)
    made = guarded(scorers=[plan.Scorer(name="quality", word="judge", options={"model": "abroad"})])
    flows = {"main": msgspec.structs.replace(made.flows["main"], step=first)}
    made = msgspec.structs.replace(made, steps=steps, flows=flows)
    result = run(made, {"home": script, "abroad": list(script)}, vocabulary=says(label))
    if label == "secret":
        assert set(asked(result)) <= {"home"}
    else:
        assert not of_type(result, Guarded)
