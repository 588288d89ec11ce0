"""Experiments and strategies as written: what they take, what they refuse, and what the plan has of them."""

import pytest
from vocabulary import Extended

from mmflow import plan
from mmflow.build import build
from mmflow.diagnostics import Diagnostic
from mmflow.plan import CallSummary, Experiment, Slice, Strategy, With
from mmflow.source import Source

HEAD = """mmflow 1
use acme.choice as choice
model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
scorer long using length { min = 3 }
"""
TAIL = "\nflow f { when request.has_tools -> x, when request.has_images -> cheap, else -> strong }"


def found(text: str) -> list[Diagnostic]:
    return list(build(Source("test.mmf", text), Extended()).diagnostics)


def errors(text: str) -> list[str]:
    return [each.code for each in found(text) if each.severity == "error"]


def plan_of(text: str) -> plan.Plan:
    built = build(Source("test.mmf", text), Extended())
    assert built.plan is not None, built.diagnostics
    assert plan.decode(plan.encode(built.plan)) == built.plan
    return built.plan


# ---- experiments --------------------------------------------------------------------------------------------------------------

TRIAL = "experiment x { 10% -> strong with { deadline = 5s }, else -> cheap, metric = long"


def test_an_experiment_is_a_split_with_a_metric_and_a_rule() -> None:
    compiled = plan_of(
        HEAD.replace("use acme.choice as choice\n", "")
        + TRIAL
        + ', sticky = request.meta("team"), sample = 25%'
        + ", promote = { min_samples = 400, confidence = 99%, not_worse_than = 0.02 } }"
        + TAIL
    )
    assert compiled.steps["x"] == Experiment(
        name="x",
        slices=(Slice(1_000, "x/arm 1"), Slice(9_000, "cheap")),
        sticky="meta.team",
        metric="long",
        sample=0.25,
        min_samples=400,
        confidence=0.99,
        not_worse_than=0.02,
    )
    assert compiled.steps["x/arm 1"] == With("x/arm 1", "strong", deadline_s=5.0)


def test_a_scorer_that_only_an_experiment_names_is_used() -> None:
    text = HEAD.replace("use acme.choice as choice\n", "") + TRIAL + " }" + TAIL
    assert "unused" not in [each.code for each in found(text)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("10% -> cheap, else -> strong", "missing-field"),
        ("10% -> cheap, else -> strong, metric = cheap", "wrong-type"),
        ("else -> strong, metric = long", "out-of-range"),
        ("10% -> cheap, 20% -> strong, metric = long", "shares"),
        ("when request.has_tools -> cheap, else -> strong, metric = long", "wrong-type"),
        ("10% -> cheap, else -> strong, metric = long, sample = 0.5", "wrong-type"),
        ("10% -> cheap, else -> strong, metric = long, promote = { confidence = 30% }", "out-of-range"),
        ("10% -> x, else -> strong, metric = long", "cycle"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused(body: str, code: str) -> None:
    assert errors(HEAD + f"experiment x {{ {body} }}" + TAIL) == [code]


# ---- strategies ---------------------------------------------------------------------------------------------------------------


def strategy(body: str, word: str = "choice.best") -> str:
    return HEAD + f"strategy x using {word} {{ {body} }}" + TAIL


def test_a_strategy_has_its_targets_its_scorers_and_its_calls() -> None:
    compiled = plan_of(strategy("of = [cheap, strong with { max_output = 50 }], scorer = long, after = 800ms"))
    assert compiled.steps["x"] == Strategy(
        name="x",
        word="acme.choice.best",
        steps=("cheap", "x/of 2"),
        options={"scorer": "long", "after": 0.8},
        calls=CallSummary(2, False),
        scorers=("long",),
    )
    assert compiled.steps["x/of 2"] == With("x/of 2", "strong", max_output_tokens=50)


@pytest.mark.parametrize("word", ["choice.opaque", "choice.broken"])
def test_a_strategy_that_cannot_tell_its_calls_has_no_summary(word: str) -> None:
    step = plan_of(strategy("of = [cheap, strong], scorer = long", word)).steps["x"]
    assert isinstance(step, Strategy)
    assert step.calls is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("scorer = long", "missing-field"),
        ("of = [], scorer = long", "out-of-range"),
        ("of = [cheap, long], scorer = long", "wrong-type"),
        ("of = [cheap, strong], scorer = lon", "unknown-name"),
        ("of = [cheap, x], scorer = long", "cycle"),
        ("of = [cheap, strong], scorer = long, else -> cheap", "wrong-type"),
    ],
)
def test_a_strategy_that_cannot_be_is_refused(body: str, code: str) -> None:
    assert errors(strategy(body)) == [code]


def test_a_strategy_needs_a_word_that_is_installed() -> None:
    assert errors(HEAD + "strategy x { of = [cheap, strong] }" + TAIL) == ["missing-field"]
    assert errors(strategy("of = [cheap, strong]", "choice.worst")) == ["unknown-word"]
