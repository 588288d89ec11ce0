"""The plan: what a workflow file means, as plain data that is saved as JSON and run without the language.

Steps refer to one another by name in `Plan.steps`; the compiler guarantees that every name resolves and that no step
reaches itself. Conditions are lowered: an ordered comparison of labels is the set of labels that satisfy it.
"""

import hashlib
from typing import Any, Literal

import msgspec

from mmflow.plugin import ErrorClass, Timeouts, Zone
from mmflow.plugin import Model as Model

SCHEMA = 1


class Rate(msgspec.Struct, frozen=True):
    """So many in a period."""

    count: int
    period_s: int


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a provider or a model takes: requests and tokens in a period, and calls at a time. None is without a limit."""

    requests: Rate | None = None
    tokens: Rate | None = None
    concurrency: int | None = None


class Provider(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A provider: the plugin's word and its options (seconds, micro-dollars, names of variables for secrets)."""

    name: str
    word: str
    options: dict[str, Any] = {}
    zone: Zone = "external"
    region: str | None = None
    timeouts: Timeouts = Timeouts()
    without_key: Literal["refuse", "simulate"] = "refuse"
    limits: Limits = Limits()


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


class Scorecard(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Measured quality by model and label. `file` is its path, from the folder of the workflow.

    `by` is the classifier; empty where the checker could not read the file, which then says it.
    """

    name: str
    file: str
    by: str


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


# ---- what flows promise and use -----------------------------------------------------------------------------------------------


class Threshold(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens from a share of the limit on: `alert` tells a channel, `degrade` asks a step instead, `reject` refuses."""

    share: float
    action: Literal["alert", "degrade", "reject"]
    target: str | None = None
    """The channel of `alert`, the step of `degrade`."""


class Budget(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Money in a period. Past the limit a request is refused, unless a threshold says otherwise."""

    name: str
    limit_microusd: int
    period_s: int
    per: str | None = None
    """A field of the request: each of its values has a limit of its own."""
    thresholds: tuple[Threshold, ...] = ()


class Cache(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Answers that are kept for `ttl_s`, but not while one of `off` holds."""

    name: str
    word: str = "exact"
    options: dict[str, Any] = {}
    ttl_s: float = 3600.0
    scope: Literal["user", "team", "all"] = "user"
    """Who may get an answer that was kept: the same user, the same `meta("team")`, anybody."""
    zone: Zone | None = None
    """Whose machines keep it; None: the file does not say."""
    off: tuple[Test, ...] = ()


class Slot(msgspec.Struct, frozen=True):
    """A place in a template: `request.language`, `request.meta.team`, or a classifier, whose label is set in."""

    path: str


class PromptArm(msgspec.Struct, frozen=True):
    """A template for the models that are what one of the alternatives asks; `needs` is None for all."""

    needs: tuple[tuple[TargetIs, ...], ...] | None
    parts: tuple[str | Slot, ...]


class Prompt(msgspec.Struct, frozen=True):
    """The system message of each model: the template of the first arm that fits it; None where none fits."""

    name: str
    arms: tuple[PromptArm, ...]


class Output(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The contract of an answer: what is not of the format, or breaks the JSON Schema in `schema_file`, is `invalid_output`.

    `retry_times` is how often the same model is asked again first.
    """

    name: str
    format: Literal["text", "json"] = "text"
    schema_file: str | None = None
    retry_times: int = 0


class Sla(msgspec.Struct, frozen=True):
    """A promise about the 95th percentile of the time to the first token, or to the whole answer."""

    p95_s: float
    of: Literal["first_token", "total"]


class Flow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An entry point and its promises; None is no bound."""

    name: str
    step: str
    deadline_s: float = 60.0
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    max_cost_microusd: int | None = None
    guards: tuple[str, ...] = ()
    sla: Sla | None = None
    traffic: Rate | None = None
    """The requests that are expected."""
    budget: str | None = None
    cache: str | None = None
    prompt: str | None = None
    output: str | None = None


# ---- tests in the language ----------------------------------------------------------------------------------------------

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


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag=SCHEMA, tag_field="schema"):
    """Everything that runs. `params` are the values that this plan was compiled with, as text."""

    edition: int = 1
    file: str = ""
    params: dict[str, str] = {}
    providers: dict[str, Provider] = {}
    models: dict[str, Model] = {}
    classifiers: dict[str, Classifier] = {}
    scorers: dict[str, Scorer] = {}
    scorecards: dict[str, Scorecard] = {}
    model_limits: dict[str, Limits] = {}
    budgets: dict[str, Budget] = {}
    caches: dict[str, Cache] = {}
    prompts: dict[str, Prompt] = {}
    outputs: dict[str, Output] = {}
    guards: dict[str, Guard] = {}
    steps: dict[str, Step] = {}
    flows: dict[str, Flow] = {}
    tests: dict[str, TestCase] = {}


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
    """Twelve hexadecimal digits that name what the plan does; its file's name and its tests are left out."""
    bare = msgspec.structs.replace(plan, file="", tests={})
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
