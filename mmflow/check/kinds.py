"""The kinds of block and their own fields, as classes: what the checker reads is what the reference and the editor show."""

from typing import ClassVar, Literal

import attrs

from mmflow.options import ModelName, Name, ProviderName, Reference, Written, option, options
from mmflow.plan import Test
from mmflow.units import Duration, Money, Price, Score, Share, Tokens
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

    due: ClassVar = "a strategy such as `cheapest`"


@attrs.frozen
class Target(Written):
    """What answers: the name of a declaration, under the settings of `with` where it has some."""

    name: str
    settings: "WithFields | None" = None

    due: ClassVar = "a target: the name of a model, tier, route, cascade, fallback or split"


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


@options
class PriceFields:
    """What a million tokens cost, by kind."""

    input: Price = option(doc="input")
    output: Price = option(doc="output")
    cached_input: Price | None = option(None, doc="input read from the provider's cache; as input where it is not given")
    cache_write: Price | None = option(None, doc="input written to the provider's cache; as input where it is not given")
    reasoning: Price | None = option(None, doc="reasoning; as output where it is not given")


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


@options
class TierFields:
    """Interchangeable models with promises."""

    models: tuple[ModelName, ...] = option(doc="the members")
    pick: PickName = option(PickName("listed"), doc="which member is tried first")
    min_quality: Score | None = option(None, doc="what every member's `quality` must reach")
    max_p95: Duration | None = option(None, doc="what every member's `latency.p95` must keep")


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


Arms = Literal["none", "conditions", "shares", "needs"]


@attrs.frozen
class Kind:
    """A kind of block: its fields, what its arms are, and the kind of word that `using` names."""

    name: str
    fields: type
    arms: Arms = "none"
    word: WordKind | None = None
    word_required: bool = False


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
    )
}

TARGET_KINDS = ("model", "tier", "route", "cascade", "fallback", "split")

# Of the language, but not of this version: refused by name, so that nobody believes that they hold.
LATER_KINDS = ("scorecard", "experiment", "strategy", "budget", "cache", "prompt", "output", "test")
LATER_FIELDS = {
    "provider": ("limits",),
    "flow": ("sla", "budget", "cache", "prompt", "output"),
}
