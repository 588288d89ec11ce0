"""Values that are written in a form of their own: labels, conditions, targets."""

from typing import Any, ClassVar, Literal

import attrs

from mmflow.check.kinds.records import WithFields
from mmflow.options import Written
from mmflow.plan import Test


@attrs.frozen
class Labels(Written):
    """`low < medium < high` (ordered), or `[code, math]`."""

    names: tuple[str, ...]
    ordered: bool

    due: ClassVar = "labels: `[code, math, other]`, or in order `low < medium < high`"


@attrs.frozen
class Condition(Written):
    """A condition, lowered, and its text."""

    test: Test
    text: str

    due: ClassVar = "a condition such as `quality >= 0.85`"


@attrs.frozen
class RequestField(Written):
    """`request.user`, `request.meta("team")`: the field's name in a plan."""

    name: str

    due: ClassVar = "a field of the request such as `request.user`"


@attrs.frozen
class Reading(Written):
    """What a classifier reads: `last_user(2)`, `all_user`, `all`."""

    turns: Literal["last_user", "all_user", "all"]
    count: int

    due: ClassVar = "what to read: `last_user(2)`, `all_user` or `all`"


@attrs.frozen
class ErrorName(Written):
    """`429`, `5xx`, `timeout`."""

    name: str

    due: ClassVar = "an error class such as `429`, `5xx` or `timeout`"


@attrs.frozen
class PickName(Written):
    """The path of a word that orders the members of a tier."""

    word: str

    due: ClassVar = "an order such as `cheapest`"


@attrs.frozen
class OnInvalid(Written):
    """`fail`, or `retry(2)`: how often the model is asked again."""

    retry_times: int

    due: ClassVar = "`fail` or `retry(1)`"


@attrs.frozen
class Target(Written):
    """What answers: the name of a declaration, under the settings of `with` where it has some."""

    name: str
    settings: "WithFields | None" = None

    due: ClassVar = "a target: the name of a model, tier, route, cascade, fallback, split, experiment or strategy"


@attrs.frozen
class Fixed(Written):
    """`{ task = code, upgrade = sonnet }`: its items, which mean something to the declarations that they name."""

    node: Any

    due: ClassVar = "a record such as `{ task = code }`: labels of classifiers, arms of splits, scores of scorers"


@attrs.frozen
class Expectation(Written):
    """`served_by(fast)`, `cost < $0.02`."""

    node: Any

    due: ClassVar = "an expectation such as `served_by(fast)`"
