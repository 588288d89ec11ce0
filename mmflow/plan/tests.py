"""Tests in the language: a situation, what models do in it, and what must come of it."""

from typing import Literal

import msgspec

from mmflow.plan.conditions import LabelIs, Operator
from mmflow.plan.guards import TargetIs
from mmflow.plugin import ErrorClass

TEST_INPUT = "A request of a test."
"""What the user says in a test that does not tell."""


class Guessed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a test has a classifier say; without a label it says nothing and is unsure."""

    label: str | None
    confidence: float = 1.0


class Turn(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a scripted target does when it is asked: it answers, or fails with `error_class`.

    What is None is taken from the model's numbers. `pieces` are streamed; after `broken_after` of them the stream breaks off.
    `scores` are what the scorers say of the answer.
    """

    text: str | None = None
    pieces: tuple[str, ...] = ()
    broken_after: int | None = None
    scores: dict[str, float] = {}
    input_tokens: int | None = None
    output_tokens: int | None = None
    served_model: str | None = None
    error_class: ErrorClass | None = None
    status: int | None = None
    retry_after_s: float | None = None
    after_s: float | None = None


class Script(msgspec.Struct, frozen=True):
    """What a model does, or whichever model of another target is asked: one turn a call, the last one again and again."""

    target: str
    turns: tuple[Turn, ...]


class ExpectAll(msgspec.Struct, frozen=True, tag="expect_all"):
    """Every one holds."""

    tests: tuple["Expected", ...]


class ExpectAny(msgspec.Struct, frozen=True, tag="expect_any"):
    """At least one holds."""

    tests: tuple["Expected", ...]


class ExpectNot(msgspec.Struct, frozen=True, tag="expect_not"):
    """It does not hold."""

    test: "Expected"


class ServedBy(msgspec.Struct, frozen=True, tag="served_by"):
    """The answer is of the target, or of a model inside it."""

    target: str


class CallsAre(msgspec.Struct, frozen=True, tag="calls"):
    """These were asked for an answer, in this order. What is no model stands for all calls in a row within it."""

    targets: tuple[str, ...]


class NeverCalled(msgspec.Struct, frozen=True, tag="never_called"):
    """The target, or any model with all of these facts, was not asked for anything: not as a judge either."""

    target: str | None = None
    facts: tuple[TargetIs, ...] = ()


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """A number compared: micro-dollars of `cost`, seconds of `latency`, how often the `target` was asked."""

    what: Literal["cost", "latency", "attempts"]
    operator: Operator
    value: int | float
    target: str | None = None


class Came(msgspec.Struct, frozen=True, tag="came"):
    """How the request ended, with which class of error, or what was answered (`output_matches`: a pattern) is this."""

    what: Literal["outcome", "error", "output", "output_matches"]
    value: str


class Happened(msgspec.Struct, frozen=True, tag="happened"):
    """The answer came from a cache, the answer was degraded, or a channel was alerted."""

    what: Literal["cached", "degraded", "alerted"]
    channel: str | None = None


Expected = ExpectAll | ExpectAny | ExpectNot | ServedBy | CallsAre | NeverCalled | Measured | Came | Happened | LabelIs


class Expectation(msgspec.Struct, frozen=True):
    """What must hold after a test, as written and where."""

    test: Expected
    text: str
    line: int


class TestCase(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A situation, what models do in it, and what must come of it. `line` is where it stands.

    Without `input` the classifiers that `given` does not name are unsure; with it they are asked.
    """

    name: str
    flow: str
    line: int
    given: dict[str, Guessed] = {}
    draws: dict[str, str] = {}
    """The target that a split or an experiment draws, by its name."""
    scores: dict[str, float] = {}
    """What a scorer says of every answer for which no script says it."""
    spent: dict[str, float] = {}
    """The share of a budget that is spent already, by its name."""
    warm: bool = False
    """Whether the same was asked before, so that a cache may have the answer."""
    tokens: int | None = None
    user: str | None = None
    language: str | None = None
    has_images: bool = False
    has_tools: bool = False
    meta: dict[str, str] = {}
    input: str | None = None
    scripts: tuple[Script, ...] = ()
    expects: tuple[Expectation, ...] = ()
