"""The plan: what a workflow file means, as plain data that is saved as JSON and run without the language.

Steps refer to one another by name in `Plan.steps`; the compiler guarantees that every name resolves and that no step
reaches itself. Conditions are lowered: an ordered comparison of labels is the set of labels that satisfy it.
"""

import hashlib
from typing import Any, Literal

import msgspec

from mmflow.plugin import Model as Model
from mmflow.plugin import Timeouts, Zone

SCHEMA = 1


class Provider(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A provider: the plugin's word and its options (seconds, micro-dollars, names of variables for secrets)."""

    name: str
    word: str
    options: dict[str, Any] = {}
    zone: Zone = "external"
    region: str | None = None
    timeouts: Timeouts = Timeouts()
    without_key: Literal["refuse", "simulate"] = "refuse"


class Classifier(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A classifier. `unsure` is what a label below `confidence`, a failure or a time-out becomes."""

    name: str
    word: str
    labels: tuple[str, ...]
    ordered: bool
    confidence: float
    unsure: str
    """`up`, `none`, or a label."""
    options: dict[str, Any] = {}
    input: Literal["last_user", "all_user", "all"] = "last_user"
    input_turns: int = 2
    timeout_s: float = 2.0


class Scorer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A scorer: the plugin's word and its options."""

    name: str
    word: str
    options: dict[str, Any] = {}


# ---- conditions ---------------------------------------------------------------------------------------------------------


class All(msgspec.Struct, frozen=True, tag="all"):
    """Every one holds."""

    tests: tuple["Test", ...]


class Any_(msgspec.Struct, frozen=True, tag="any"):
    """At least one holds."""

    tests: tuple["Test", ...]


class Not(msgspec.Struct, frozen=True, tag="not"):
    """It does not hold."""

    test: "Test"


class LabelIs(msgspec.Struct, frozen=True, tag="label"):
    """The classifier's label is one of these."""

    signal: str
    labels: tuple[str, ...]


Operator = Literal["==", "!=", "<", "<=", ">", ">="]


class RequestIs(msgspec.Struct, frozen=True, tag="request"):
    """A field of the request compared with a value: `tokens`, `user`, `language`, `has_images`, `has_tools`, or `meta.NAME`.

    A field that the request does not have makes every comparison false but `!=`.
    """

    field: str
    operator: Operator
    value: int | float | str | bool


class TextMatches(msgspec.Struct, frozen=True, tag="matches"):
    """The text of the last user turn contains a match of an RE2 pattern."""

    pattern: str


class ScoreIs(msgspec.Struct, frozen=True, tag="score"):
    """The score of the answer compared with a bound. A scorer that fails makes it false."""

    scorer: str
    operator: Operator
    value: float


Test = All | Any_ | Not | LabelIs | RequestIs | TextMatches | ScoreIs


# ---- guards -------------------------------------------------------------------------------------------------------------


class TargetIs(msgspec.Struct, frozen=True):
    """A fact of the model that would be called. One that is not known makes `==` false and `!=` true."""

    field: Literal["zone", "region", "provider", "family", "name"]
    operator: Literal["==", "!="]
    value: str


class Rule(msgspec.Struct, frozen=True):
    """While `test` holds of a request, one of the alternatives in `needs` holds of every callee. `text`: as written."""

    test: Test
    needs: tuple[tuple[TargetIs, ...], ...]
    text: str


class Guard(msgspec.Struct, frozen=True):
    """What must hold of every callee, for every request of the flows that name it."""

    name: str
    rules: tuple[Rule, ...]


def meets(model: Model, needs: tuple[tuple[TargetIs, ...], ...]) -> bool:
    """Whether a model is what a rule needs."""
    return any(all(compare(getattr(model, each.field), each.operator, each.value) for each in facts) for facts in needs)


# ---- steps --------------------------------------------------------------------------------------------------------------


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


class With(msgspec.Struct, frozen=True, tag="with", omit_defaults=True):
    """A step under tighter limits: they narrow what holds already and never widen it."""

    name: str
    step: str
    deadline_s: float | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None


Step = Ask | Tier | Route | Cascade | Fallback | Split | With


class Flow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An entry point and its promises; None is no bound."""

    name: str
    step: str
    deadline_s: float = 60.0
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    max_cost_microusd: int | None = None
    guards: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag=SCHEMA, tag_field="schema"):
    """Everything that runs. `params` are the values that this plan was compiled with, as text."""

    edition: int = 1
    file: str = ""
    params: dict[str, str] = {}
    providers: dict[str, Provider] = {}
    models: dict[str, Model] = {}
    classifiers: dict[str, Classifier] = {}
    scorers: dict[str, Scorer] = {}
    guards: dict[str, Guard] = {}
    steps: dict[str, Step] = {}
    flows: dict[str, Flow] = {}


class PlanError(ValueError):
    """A saved plan that cannot be read: not a plan, or of a newer schema."""


def encode(plan: Plan) -> bytes:
    """The plan as JSON, the same bytes for the same plan."""
    return msgspec.json.format(msgspec.json.encode(plan, order="deterministic"), indent=2)


def decode(data: bytes) -> Plan:
    """A plan from its JSON. Raises `PlanError`."""
    try:
        return msgspec.json.decode(data, type=Plan)
    except msgspec.MsgspecError as error:
        if "$.schema" in str(error):
            raise PlanError(f"this plan is of another schema than {SCHEMA}, the one that this mmflow reads") from error
        raise PlanError(f"this is not a plan: {error}") from error


def fingerprint(plan: Plan) -> str:
    """Twelve hexadecimal digits that name what the plan does; its file's name is left out."""
    bare = msgspec.structs.replace(plan, file="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:12]


def signals_of(test: Test) -> tuple[str, ...]:
    """The classifiers that a condition reads, each once, in order."""
    match test:
        case All(tests=tests) | Any_(tests=tests):
            return tuple(dict.fromkeys(name for each in tests for name in signals_of(each)))
        case Not(test=inner):
            return signals_of(inner)
        case LabelIs(signal=signal):
            return (signal,)
        case _:
            return ()


def compare(value: object, operator: str, bound: object) -> bool:
    """A comparison as the language has it: with what is not there, all are false but `!=`."""
    if value is None:
        return operator == "!="
    match operator:
        case "==":
            return value == bound
        case "!=":
            return value != bound
    if not isinstance(value, int | float) or not isinstance(bound, int | float):
        return False
    return {"<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound}[operator]
