"""The fields of what a file declares to ask and to measure: providers, models, tiers, classifiers, scorers, scorecards."""

from typing import Literal

from mmflow.check.kinds.ranges import above_zero, not_negative
from mmflow.check.kinds.records import LatencyFields, LimitFields, PriceFields, TimeoutFields, call_bound
from mmflow.check.kinds.written import Labels, PickName, Reading
from mmflow.options import ClassifierName, File, ModelName, Name, ProviderName, Reference, option, options
from mmflow.units import Duration, Score, Share, Tokens


@options
class ProviderFields:
    """Where models are reached."""

    zone: Literal["own", "external"] = option("external", doc="whose machines it runs on")
    region: Name | None = option(None, doc="where its machines stand")
    timeout: TimeoutFields | Duration | None = option(
        None, doc="bounds of a call; one duration bounds the whole of it", check=call_bound
    )
    without_key: Literal["refuse", "simulate"] = option(
        "refuse", doc="what to do while its key is not set: refuse to call, or answer from `sim`, marked as simulated"
    )
    limits: LimitFields | None = option(None, doc="what it takes at most")


Capability = Literal["tools", "images", "json", "json_schema", "reasoning", "streaming"]


@options
class ModelFields:
    """One model at a provider."""

    provider: ProviderName = option(doc="a declared provider, or an installed plugin with its defaults")
    id: str = option(doc="the name that the provider knows it by")
    price: PriceFields | Literal["free"] | None = option(None, doc="what tokens cost; from the catalogue where it is known")
    context: Tokens | None = option(None, doc="the window: tokens of input and output together", check=above_zero)
    max_output: Tokens | None = option(None, doc="the most tokens of one answer", check=above_zero)
    latency: LatencyFields | None = option(None, doc="how long answers take")
    quality: Score | None = option(None, doc="how good its answers are, by your own measure")
    family: Name | None = option(None, doc="such as `llama`: what guards may ask for; from the catalogue where it is known")
    capabilities: tuple[Capability, ...] | None = option(None, doc="what it can do; from the catalogue where it is known")
    weight: float = option(1.0, doc="its share under `pick = weighted`", check=not_negative)
    failures: Share | None = option(None, doc="how many calls fail; `sim` acts on it")
    timeout: TimeoutFields | Duration | None = option(None, doc="bounds of a call, tighter than the provider's", check=call_bound)
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
    timeout: Duration = option(Duration(2), doc="after this it is unsure", check=above_zero)


@options
class ScorerFields:
    """A score for an answer."""
