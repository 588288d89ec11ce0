"""Scorecards: a tier asks only members whose measured quality for the request's label reaches its bar."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from plans import Says, classifier, model, of_type, plan_of, words

from mmflow import plan
from mmflow.plan import Plan
from mmflow.plugin import Guess, Request
from mmflow.report import trace
from mmflow.runtime.events import Ordered, Qualified
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, fail, run_virtual

MEASURED = {
    "cheap": {"code": {"quality": 0.9, "n": 400, "low": 0.87, "high": 0.93}, "*": {"quality": 0.5}},
    "lab/strong-id": {"*": {"quality": 0.8, "n": 90}},
}


def card(models: Any = MEASURED, **more: Any) -> str:
    return json.dumps({"schema": 1, "by": "task", "models": models, **more})


def tiered(min_quality: float = 0.7, models: Any = ("cheap", "strong"), **flow: Any) -> Plan:
    tier = plan.Tier(
        "main", tuple(each if isinstance(each, str) else each.name for each in models), "listed", min_quality, "quarter"
    )
    made = plan_of(tier, models=models, classifiers=[classifier("task", ("code", "math"), unsure="math")], **flow)
    cards = {"quarter": plan.Scorecard(name="quarter", file="cards/q.json", by="task")}
    return plan.Plan(**{each: getattr(made, each) for each in made.__struct_fields__} | {"scorecards": cards})


def asked(folder: Path, of: Plan, label: str = "code", content: str | None = None, lab: Scripted | None = None) -> Result:
    """Run a request that the classifier takes for `label`, with a scorecard of this content."""
    if content is not None:
        (folder / "cards").mkdir(exist_ok=True)
        (folder / "cards" / "q.json").write_text(content)
    vocabulary = words(classifiers={"task": Says(lambda text: Guess(label, 0.9))})
    executor = Executor(
        of, vocabulary, folder=folder, random=Random(1), providers={"lab": lab or Scripted()}, environ={}
    )  # fmt: skip
    return run_virtual(executor.run("main", Request.of("hello")))


def kept(result: Result) -> tuple[str, ...]:
    return of_type(result, Qualified)[0].models


def test_the_cheapest_that_reaches_the_bar_for_the_label_is_asked(tmp_path: Path) -> None:
    assert asked(tmp_path, tiered(), "code", card()).ended.model == "cheap"
    result = asked(tmp_path, tiered(), "math", card())
    assert result.ended.model == "strong"
    (found,) = of_type(result, Qualified)
    assert (found.label, found.models, found.left_out) == ("math", ("strong",), ("cheap",))
    assert found.quality == {"cheap": 0.5, "strong": 0.8}
    assert of_type(result, Ordered)[0].models == ("strong",)
    assert any(
        "main by quarter: strong (0.80) for at least 0.70 for math; not cheap (0.50)" in each for each in trace(result.events)
    )


def test_the_next_member_that_reaches_the_bar_is_asked_when_one_fails(tmp_path: Path) -> None:
    lab = Scripted({"cheap": [fail(429)]})
    assert asked(tmp_path, tiered(), "code", card(), lab).ended.model == "strong"


def test_what_was_not_measured_counts_as_declared_and_what_nobody_knows_is_kept(tmp_path: Path) -> None:
    models = (model("weak", quality=0.3), model("fine", quality=0.75), model("unknown"))
    result = asked(tmp_path, tiered(models=models), "code", card())
    assert kept(result) == ("fine", "unknown")
    assert any("fine (0.75), unknown (unknown)" in line for line in trace(result.events))


def test_a_measurement_goes_before_what_is_declared(tmp_path: Path) -> None:
    assert kept(asked(tmp_path, tiered(models=(model("cheap", quality=0.99), "strong")), "math", card())) == ("strong",)


def test_where_none_reaches_the_bar_the_best_for_the_label_is_asked_and_that_shows(tmp_path: Path) -> None:
    result = asked(tmp_path, tiered(0.95), "math", card())
    assert result.ended.outcome == "served"
    (found,) = of_type(result, Qualified)
    assert (found.models, found.best) == (("strong",), True)
    assert any("none reaches 0.95 for math, strong is the best (0.80)" in line for line in trace(result.events))


def test_a_quality_at_the_bar_reaches_it(tmp_path: Path) -> None:
    assert kept(asked(tmp_path, tiered(0.8), "math", card())) == ("strong",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "`cards/q.json` cannot be read"),
        ("not JSON", "is not a scorecard"),
        ("[1, 2]", "is not a scorecard"),
        (card(schema=2), "is of schema 2"),
        (card({"cheap": {"code": {"quality": 80}}}), "not from 0 to 1"),
        (card({"cheap": {"code": {"n": 80}}}), "is not a scorecard"),
        ('{"schema": 1, "by": "task"}', "is not a scorecard"),
    ],
)
def test_a_scorecard_that_is_missing_or_broken_leaves_what_is_declared_and_says_so(
    tmp_path: Path, content: str | None, why: str
) -> None:
    models = (model("cheap", quality=0.4), model("strong", quality=0.9))
    result = asked(tmp_path, tiered(models=models), "code", content)
    assert result.ended.model == "strong"
    (found,) = of_type(result, Qualified)
    assert why in (found.message or "")
    assert any(why in line and "what the models declare counts" in line for line in trace(result.events))


def test_guards_go_before_quality(tmp_path: Path) -> None:
    rule = plan.Rule(plan.LabelIs("task", ("code",)), ((plan.TargetIs("name", "!=", "cheap"),),), "not cheap")
    of = tiered(guards=("own",))
    of = plan.Plan(**{each: getattr(of, each) for each in of.__struct_fields__} | {"guards": {"own": plan.Guard("own", (rule,))}})
    assert kept(asked(tmp_path, of, "code", card())) == ("strong",)


def test_the_file_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "cards").mkdir()
    file = tmp_path / "cards" / "q.json"
    file.write_text(card())
    vocabulary = words(classifiers={"task": Says(lambda text: Guess("code", 0.9))})
    executor = Executor(tiered(), vocabulary, folder=tmp_path, random=Random(1), providers={"lab": Scripted()}, environ={})

    async def twice() -> list[str | None]:
        first = await executor.run("main", Request.of("hello"))
        file.unlink()
        return [first.ended.model, (await executor.run("main", Request.of("hello"))).ended.model]

    assert run_virtual(twice()) == ["cheap", "cheap"]
