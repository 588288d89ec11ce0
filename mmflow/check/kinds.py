"""The kinds of block and their own fields, as classes: what the checker reads is what the reference and the editor show."""

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Literal

import attrs

from mmflow.options import ClassifierName, File, ModelName, Name, ProviderName, Reference, ScorerName, Written, option, options
from mmflow.plan import Test
from mmflow.units import Budget, Duration, Money, Price, Rate, Score, Share, Tokens
from mmflow.vocabulary import WordKind

# ---- values in a form of their own ----------------------------------------------------------------------------------------


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


# ---- records ----------------------------------------------------------------------------------------------------------------


def _positive(value: float) -> None:
    if value <= 0:
        raise ValueError("it must be above 0")


@options
class TimeoutFields:
    """Bounds of a call."""

    connect: Duration | None = option(None, doc="until the connection stands", check=_positive)
    first_token: Duration | None = option(None, doc="until the first piece of the answer", check=_positive)
    idle: Duration | None = option(None, doc="between two pieces of the answer", check=_positive)
    total: Duration | None = option(None, doc="until the whole answer", check=_positive)


def _iso_date(value: str) -> None:
    try:
        is_date = date.fromisoformat(value).isoformat() == value
    except ValueError:
        is_date = False
    if not is_date:
        raise ValueError('write a date such as `"2026-01-31"`')


@options
class PriceFields:
    """What a million tokens cost, by kind."""

    input: Price = option(doc="input")
    output: Price = option(doc="output")
    cached_input: Price | None = option(None, doc="input read from the provider's cache; as input where it is not given")
    cache_write: Price | None = option(None, doc="input written to the provider's cache; as input where it is not given")
    reasoning: Price | None = option(None, doc="reasoning; as output where it is not given")
    as_of: str | None = option(None, doc="the day on which it was right; `check` tells when it is old", check=_iso_date)


@options
class LatencyFields:
    """How long answers take."""

    first_token: Duration | None = option(None, doc="typical time to the first token")
    p95: Duration | None = option(None, doc="95th percentile of the time to the whole answer")


def _not_negative(value: int) -> None:
    if not 0 <= value <= 10:
        raise ValueError("0 to 10 times")


@options
class RetryFields:
    """How a failed target is tried again."""

    times: int = option(doc="how many more times", check=_not_negative)
    backoff: Duration = option(Duration(0.2), doc="the bound of the first pause; it doubles, and the pause is drawn below it")


def _at_least_one(value: int) -> None:
    if value < 1:
        raise ValueError("it must be at least 1")


def _some(value: Rate) -> None:
    if value.count < 1:
        raise ValueError("it must be at least 1")


@options
class LimitFields:
    """What is sent at most; more waits its turn, as long as its deadline allows."""

    requests: Rate | None = option(None, doc="requests in a period", check=_some)
    tokens: Rate | None = option(None, doc="tokens in a period, input and output together", check=_some)
    concurrency: int | None = option(None, doc="calls at a time", check=_at_least_one)


def _temperature(value: float) -> None:
    if not 0 <= value <= 2:
        raise ValueError("a temperature is from 0 to 2")


@options
class WithFields:
    """Limits of one use of a target. They narrow what holds, and never widen it."""

    deadline: Duration | None = option(None, doc="time for this target", check=_positive)
    max_output: Tokens | None = option(None, doc="tokens of its answer", check=_positive)
    temperature: float | None = option(None, doc="the sampling temperature", check=_temperature)


# ---- kinds ------------------------------------------------------------------------------------------------------------------


def _bounds(value: TimeoutFields | Duration) -> None:
    if isinstance(value, Duration):
        _positive(value)


@options
class ProviderFields:
    """Where models are reached."""

    zone: Literal["own", "external"] = option("external", doc="whose machines it runs on")
    region: Name | None = option(None, doc="where its machines stand")
    timeout: TimeoutFields | Duration | None = option(
        None, doc="bounds of a call; one duration bounds the whole of it", check=_bounds
    )
    without_key: Literal["refuse", "simulate"] = option(
        "refuse", doc="what to do while its key is not set: refuse to call, or answer from `sim`, marked as simulated"
    )
    limits: LimitFields | None = option(None, doc="what it takes at most")


Capability = Literal["tools", "images", "json", "json_schema", "reasoning", "streaming"]


def _weight(value: float) -> None:
    if value < 0:
        raise ValueError("it must not be below 0")


@options
class ModelFields:
    """One model at a provider."""

    provider: ProviderName = option(doc="a declared provider, or an installed plugin with its defaults")
    id: str = option(doc="the name that the provider knows it by")
    price: PriceFields | Literal["free"] | None = option(None, doc="what tokens cost; from the catalogue where it is known")
    context: Tokens | None = option(None, doc="the window: tokens of input and output together", check=_positive)
    max_output: Tokens | None = option(None, doc="the most tokens of one answer", check=_positive)
    latency: LatencyFields | None = option(None, doc="how long answers take")
    quality: Score | None = option(None, doc="how good its answers are, by your own measure")
    family: Name | None = option(None, doc="such as `llama`: what guards may ask for; from the catalogue where it is known")
    capabilities: tuple[Capability, ...] | None = option(None, doc="what it can do; from the catalogue where it is known")
    weight: float = option(1.0, doc="its share under `pick = weighted`", check=_weight)
    failures: Share | None = option(None, doc="how many calls fail; `sim` acts on it")
    timeout: TimeoutFields | Duration | None = option(None, doc="bounds of a call, tighter than the provider's", check=_bounds)
    limits: LimitFields | None = option(None, doc="what it takes at most, beside the limits of its provider")


@options
class ScorecardFields:
    """Measured quality of models, by label."""

    from_: File = option(doc="the measurements")
    by: ClassifierName | None = option(None, doc="the classifier whose labels they are by; where only one has them, that one")


class ScorecardName(Reference):
    """The name of a scorecard."""

    kinds = ("scorecard",)


@options
class TierFields:
    """Interchangeable models with promises."""

    models: tuple[ModelName, ...] = option(doc="the members")
    pick: PickName = option(PickName("listed"), doc="which member is tried first")
    min_quality: Score | None = option(None, doc="what every member's `quality` must reach")
    max_p95: Duration | None = option(None, doc="what every member's `latency.p95` must keep")
    scorecard: ScorecardName | None = option(
        None, doc="where `min_quality` is looked up for the label of a request; the file's own scorecard where it has one"
    )


@options
class ClassifyFields:
    """A label for a request."""

    labels: Labels = option(doc="every label it may give; `a < b < c` declares an order")
    confidence: Score = option(Score(0.5), doc="below this a guess is unsure")
    unsure: Name = option(doc="what an unsure guess becomes: `up` (the next label), a label, or `none` (the label `unsure`)")
    input: Reading = option(Reading("last_user", 2), doc="what it reads")
    timeout: Duration = option(Duration(2), doc="after this it is unsure", check=_positive)


@options
class ScorerFields:
    """A score for an answer."""


@options
class RouteFields:
    """A table of arms, usable as a target."""


@options
class CascadeFields:
    """Cheapest first; the next step where the answer is not accepted."""

    steps: tuple[Target, ...] = option(doc="what to ask, in order")
    accept: Condition | None = option(None, doc="what an answer's scores must satisfy")


@options
class FallbackFields:
    """The next target where one fails."""

    try_: tuple[Target, ...] = option(doc="what to ask, in order")
    on: tuple[ErrorName, ...] = option(
        tuple(map(ErrorName, ("429", "5xx", "timeout", "connect", "overloaded"))), doc="which errors lead to the next"
    )
    retry: RetryFields | None = option(None, doc="how often each is tried again first")


@options
class SplitFields:
    """Shares of traffic."""

    sticky: RequestField = option(RequestField("user"), doc="requests that agree in this take the same arm")


def _above_half(value: Share) -> None:
    if not 0.5 <= value < 1:
        raise ValueError("it must be from 50% to below 100%")


@options
class PromoteFields:
    """When an experiment may be decided."""

    min_samples: int = option(100, doc="judged answers that each arm needs first", check=_at_least_one)
    confidence: Share = option(Share(0.95), doc="of the interval around the difference", check=_above_half)
    not_worse_than: Score = option(Score(0), doc="how much lower the metric of an arm may be and still win")


@options
class ExperimentFields:
    """Shares of traffic, compared by a metric."""

    sticky: RequestField = option(RequestField("user"), doc="requests that agree in this take the same arm")
    metric: ScorerName = option(doc="the scorer that judges the answers of every arm")
    sample: Share = option(Share(1), doc="the share of answers that are judged")
    promote: PromoteFields | None = option(None, doc="when it may be decided")


@options
class StrategyFields:
    """A plugin's way to turn targets into an answer."""

    of: tuple[Target, ...] = option(doc="the targets")


def _some_money(value: Budget) -> None:
    if value.amount_microusd < 1:
        raise ValueError("it must be above $0")


@options
class BudgetFields:
    """Money in a period; past the limit requests are refused, unless an arm says otherwise."""

    limit: Budget = option(doc="how much, and in what time", check=_some_money)
    per: RequestField | None = option(None, doc="each value of this field of the request has a limit of its own")


@options
class CacheFields:
    """Answers that are kept."""

    ttl: Duration = option(Duration(3600), doc="how long", check=_positive)
    scope: Literal["user", "team", "all"] = option(
        "user", doc='who may get them: the same user, the same `meta("team")`, anybody'
    )
    zone: Literal["own", "external"] | None = option(None, doc="whose machines keep them; guarded data needs to know")


@options
class PromptFields:
    """The system message, by model."""


@options
class OutputFields:
    """What an answer must be."""

    format: Literal["text", "json"] = option("text", doc="its form")
    schema: File | None = option(None, doc="the JSON Schema that it satisfies")
    on_invalid: OnInvalid = option(OnInvalid(0), doc="what to do when it is not: `fail`, or ask the same model again")


class BudgetName(Reference):
    """The name of a budget."""

    kinds = ("budget",)


class CacheName(Reference):
    """The name of a cache."""

    kinds = ("cache",)


class PromptName(Reference):
    """The name of a prompt."""

    kinds = ("prompt",)


class OutputName(Reference):
    """The name of an output contract."""

    kinds = ("output",)


@options
class SlaFields:
    """A promise about time."""

    p95: Duration = option(doc="what 95 of 100 requests take at most", check=_positive)
    of: Literal["first_token", "total"] = option("total", doc="until the first token, or until the whole answer")


class GuardName(Reference):
    """The name of a guard."""

    kinds = ("guard",)


@options
class GuardFields:
    """What must hold of every model that a request reaches."""


@options
class FlowFields:
    """An entry point."""

    deadline: Duration = option(Duration(60), doc="time for the whole request, whatever happens", check=_positive)
    max_input: Tokens | None = option(None, doc="longer requests are rejected before any call", check=_positive)
    max_output: Tokens | None = option(None, doc="tokens of an answer", check=_positive)
    max_cost: Money | None = option(None, doc="what one request may cost, rejected answers and judges included")
    guards: tuple[GuardName, ...] | None = option(None, doc="what must hold of every model that its requests reach")
    sla: SlaFields | None = option(None, doc="how long answers may take; `check` compares it with an estimate")
    traffic: Rate | None = option(None, doc="the requests that are expected; `check` compares them with the budget")
    budget: BudgetName | None = option(None, doc="the money that its requests share")
    cache: CacheName | None = option(None, doc="where its answers are kept")
    prompt: PromptName | None = option(None, doc="the system message")
    output: OutputName | None = option(None, doc="what its answers must be")


class FlowName(Reference):
    """The name of a flow."""

    kinds = ("flow",)


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


@options
class AskedFields:
    """What is true of a request."""

    tokens: Tokens | None = option(None, doc="how long it is", check=_positive)
    user: str | None = option(None, doc="who asks")
    language: str | None = option(None, doc="in what language")
    has_images: bool = option(False, doc="whether there is an image in it")
    has_tools: bool = option(False, doc="whether it offers tools")
    meta: Mapping[str, str] | None = option(None, doc="labels of the caller")


@options
class TestFields:
    """A situation, what models do in it, and what must come of it."""

    flow: FlowName | None = option(None, doc="what is tested; may be left out where the file has one flow")
    given: Fixed | None = option(
        None,
        doc="what classifiers say, splits draw, scorers find and budgets have spent; `warm` for a cache that was asked before",
    )
    request: AskedFields | None = option(None, doc="what is true of the request")
    input: str | None = option(None, doc="what the user says; classifiers that `given` does not name read it")
    expect: tuple[Expectation, ...] = option(doc="what must hold, all of it")


Arms = Literal["none", "conditions", "shares", "needs", "spent", "off", "templates", "scripts"]
"""What stands right of the arrow: targets, facts of a callee (`needs`), actions of a budget, `off`, texts, what a model does."""


@attrs.frozen
class Kind:
    """A kind of block: its fields, what its arms are, and the kind of word that `using` names."""

    name: str
    fields: type
    arms: Arms = "none"
    word: WordKind | None = None
    word_required: bool = False
    default_word: str | None = None
    """The word of a block without `using`; without it, that is the block's own name."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("provider", ProviderFields, word="provider"),
        Kind("model", ModelFields),
        Kind("tier", TierFields),
        Kind("classify", ClassifyFields, word="classifier", word_required=True),
        Kind("scorer", ScorerFields, word="scorer", word_required=True),
        Kind("route", RouteFields, arms="conditions"),
        Kind("cascade", CascadeFields),
        Kind("fallback", FallbackFields),
        Kind("split", SplitFields, arms="shares"),
        Kind("guard", GuardFields, arms="needs"),
        Kind("flow", FlowFields, arms="conditions"),
        Kind("scorecard", ScorecardFields),
        Kind("experiment", ExperimentFields, arms="shares"),
        Kind("strategy", StrategyFields, word="strategy", word_required=True),
        Kind("budget", BudgetFields, arms="spent"),
        Kind("cache", CacheFields, arms="off", word="cache", default_word="exact"),
        Kind("prompt", PromptFields, arms="templates"),
        Kind("output", OutputFields),
        Kind("test", TestFields, arms="scripts"),
    )
}

TARGET_KINDS = ("model", "tier", "route", "cascade", "fallback", "split", "experiment", "strategy")
