"""Images and tools go to models that take them: one that is known not to is left out before anything is sent."""

from typing import Any

import msgspec
import pytest
from plans import Says, executor_of, model, of_type, plan_of, run, words

from mmflow import plan
from mmflow.plugin import Message, Request
from mmflow.report import trace
from mmflow.runtime.capabilities import needed
from mmflow.runtime.events import CallStarted, Incapable
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, fail, run_virtual

TEXT, EYES, UNKNOWN = (
    model("text", capabilities=("json",)),
    model("eyes", capabilities=("images", "tools")),
    model("unknown"),
)
PICTURE = ({"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}})
IMAGE = Request(messages=(Message("user", PICTURE),))
TOOLS = Request(messages=(Message("user", "hi"),), tools=({"type": "function", "function": {"name": "look"}},))
ON = ("429", "5xx", "timeout", "connect", "overloaded")


def asked(result: Result) -> list[str]:
    return [each.model for each in of_type(result, CallStarted)]


def made(*steps: plan.Step, **more: Any) -> plan.Plan:
    return plan_of(*steps, models=(TEXT, EYES, UNKNOWN), **more)


@pytest.mark.parametrize(("request_", "lacks"), [(IMAGE, "images"), (TOOLS, "tools")])
def test_a_model_that_is_known_not_to_take_the_request_is_not_asked(request_: Request, lacks: str) -> None:
    result = run(made(plan.Ask("text", "text")), request=request_)
    assert (asked(result), result.ended.outcome, result.ended.error_class) == ([], "failed", "4xx")
    assert result.ended.message == f"the request has {lacks}, which `text` does not take"
    assert result.ended.cost_microusd == 0
    assert any(f"it takes no {lacks}" in line for line in trace(result.events))


@pytest.mark.parametrize("name", ["eyes", "unknown"])
def test_a_model_that_takes_it_or_of_which_nothing_is_known_is_asked(name: str) -> None:
    assert asked(run(made(plan.Ask(name, name)), request=IMAGE)) == [name]


def test_a_request_without_images_and_tools_needs_nothing() -> None:
    assert needed(Request.of("hi")) == ()
    assert asked(run(made(plan.Ask("text", "text")))) == ["text"]


STEPS: dict[str, plan.Step] = {
    "tier": plan.Tier("it", ("text", "eyes")),
    "fallback": plan.Fallback("it", ("text", "eyes"), ON),
    "cascade": plan.Cascade("it", ("text", "eyes"), plan.ScoreIs("quality", ">=", 0.5), "quality >= 0.5"),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_step_goes_on_without_the_targets_that_do_not_take_it(step: plan.Step) -> None:
    result = run(made(step, scorers=["quality"]), request=IMAGE)
    assert (asked(result), result.ended.outcome) == (["eyes"], "served")
    assert [(each.target, each.lacks) for each in of_type(result, Incapable)] == [("text", "images")]


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_every_target_is_there_for_a_request_that_needs_nothing(step: plan.Step) -> None:
    unsatisfied = words(scorers={"quality": Says(lambda text: 0.0)})
    result = run(made(step, scorers=["quality"]), vocabulary=unsatisfied)
    assert not of_type(result, Incapable)
    assert asked(result)[0] == "text"


def test_a_step_whose_targets_all_lack_it_says_so() -> None:
    result = run(made(plan.Tier("it", ("text",))), request=IMAGE)
    assert (asked(result), result.ended.message) == ([], "the request has images, which `text` does not take")


def test_a_target_is_left_out_only_where_all_its_models_lack_it() -> None:
    steps = (plan.Fallback("it", ("some", "unknown"), ON), plan.Tier("some", ("text", "eyes")))
    result = run(made(*steps), {"eyes": [fail(500)]}, request=IMAGE)
    assert asked(result) == ["eyes", "unknown"]


def test_a_dry_run_names_the_model_that_takes_it() -> None:
    async def decided() -> Result:
        executor = executor_of(made(STEPS["fallback"]), Scripted())
        return await executor.decide("main", IMAGE)

    assert run_virtual(decided()).ended.model == "eyes"


def test_what_a_request_needs_is_the_same_however_its_images_are_written() -> None:
    for kind in ("image_url", "image", "input_image"):
        assert needed(msgspec.structs.replace(IMAGE, messages=(Message("user", ({"type": kind},)),))) == ("images",)
