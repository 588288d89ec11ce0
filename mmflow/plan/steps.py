"""Steps: the ways to an answer, which refer to one another by name in `Plan.steps`."""

from typing import Any

import msgspec

from mmflow.plan.conditions import Test


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Ask one model."""

    name: str
    model: str


class Tier(msgspec.Struct, frozen=True, tag="tier"):
    """The first of the members, in the order of `pick`, that answers."""

    name: str
    models: tuple[str, ...]
    """Steps of kind `Ask`."""
    pick: str = "listed"
    min_quality: float | None = None
    scorecard: str | None = None
    """Where there is one, only members that reach `min_quality` for the request's label are asked."""


class Arm(msgspec.Struct, frozen=True):
    """`when test -> step`; `text` is the condition as written."""

    test: Test
    step: str
    text: str


class Route(msgspec.Struct, frozen=True, tag="route"):
    """The step of the first arm that holds, else `otherwise` (None where the arms cover every situation)."""

    name: str
    arms: tuple[Arm, ...]
    otherwise: str | None


class Cascade(msgspec.Struct, frozen=True, tag="cascade"):
    """Each step in turn until `accept` holds of its answer; the last is not judged. `text` is `accept` as written."""

    name: str
    steps: tuple[str, ...]
    accept: Test
    text: str


class Fallback(msgspec.Struct, frozen=True, tag="fallback"):
    """Each step in turn while it fails with a class in `on`, each tried `1 + retry_times` times."""

    name: str
    steps: tuple[str, ...]
    on: tuple[str, ...]
    retry_times: int = 0
    backoff_s: float = 0.2


class Slice(msgspec.Struct, frozen=True):
    """An arm of a split: `buckets` of its 10,000."""

    buckets: int
    step: str


class Split(msgspec.Struct, frozen=True, tag="split"):
    """One of the slices by a hash of the flow, the split and the sticky key; slices own ranges in file order."""

    name: str
    slices: tuple[Slice, ...]
    sticky: str = "user"
    """A field of the request, as in `RequestIs.field`; a request without it is drawn by its own id."""


class Experiment(msgspec.Struct, frozen=True, tag="experiment", omit_defaults=True):
    """A split whose answers a scorer judges, and the rule by which an arm may win against the last one, the control."""

    name: str
    slices: tuple[Slice, ...]
    sticky: str
    metric: str
    """A scorer."""
    sample: float = 1.0
    """The share of answers that are judged."""
    min_samples: int = 100
    confidence: float = 0.95
    not_worse_than: float = 0.0


class CallSummary(msgspec.Struct, frozen=True):
    """How a strategy calls its targets: at most `most` calls in all, one at a time unless `parallel`.

    Where they are `staggered`, a parallel one does not begin them all at once.
    """

    most: int
    parallel: bool
    staggered: bool = False


class Strategy(msgspec.Struct, frozen=True, tag="strategy", omit_defaults=True):
    """A plugin's way to turn targets into an answer. `calls` is None where the plugin does not declare its summary."""

    name: str
    word: str
    steps: tuple[str, ...]
    options: dict[str, Any] = {}
    calls: CallSummary | None = None
    scorers: tuple[str, ...] = ()
    """The scorers that it may ask, each once for an answer."""
    first_wins: bool = False
    """It takes the first answer that begins, which the caller may read as a stream; others are given when they are complete."""


class With(msgspec.Struct, frozen=True, tag="with", omit_defaults=True):
    """A step under tighter limits: they narrow what holds already and never widen it."""

    name: str
    step: str
    deadline_s: float | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None


Step = Ask | Tier | Route | Cascade | Fallback | Split | Experiment | Strategy | With
