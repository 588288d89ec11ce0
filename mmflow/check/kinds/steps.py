"""The fields of the ways to an answer: routes, cascades, fallbacks, splits, experiments, strategies."""

from mmflow.check.kinds.records import PromoteFields, RetryFields
from mmflow.check.kinds.written import Condition, ErrorName, RequestField, Target
from mmflow.options import ScorerName, option, options
from mmflow.units import Share


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
