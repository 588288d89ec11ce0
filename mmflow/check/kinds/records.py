"""Records: what stands in braces within a field, such as the bounds of `timeout = { … }`."""

from typing import Literal

from mmflow.check.kinds.ranges import above_half, above_zero, at_least_one, iso_date, some_in_a_period, up_to_ten_times, up_to_two
from mmflow.options import option, options
from mmflow.units import Duration, Price, Rate, Score, Share, Tokens


@options
class TimeoutFields:
    """Bounds of a call."""

    connect: Duration | None = option(None, doc="until the connection stands", check=above_zero)
    first_token: Duration | None = option(None, doc="until the first piece of the answer", check=above_zero)
    idle: Duration | None = option(None, doc="between two pieces of the answer", check=above_zero)
    total: Duration | None = option(None, doc="until the whole answer", check=above_zero)


def call_bound(value: TimeoutFields | Duration) -> None:
    """Refuses a bound of no time."""
    if isinstance(value, Duration):
        above_zero(value)


@options
class PriceFields:
    """What a million tokens cost, by kind."""

    input: Price = option(doc="input")
    output: Price = option(doc="output")
    cached_input: Price | None = option(None, doc="input read from the provider's cache; as input where it is not given")
    cache_write: Price | None = option(None, doc="input written to the provider's cache; as input where it is not given")
    reasoning: Price | None = option(None, doc="reasoning; as output where it is not given")
    as_of: str | None = option(None, doc="the day on which it was right; `check` tells when it is old", check=iso_date)


@options
class LatencyFields:
    """How long answers take."""

    first_token: Duration | None = option(None, doc="typical time to the first token")
    p95: Duration | None = option(None, doc="95th percentile of the time to the whole answer")


@options
class LimitFields:
    """What is sent at most; more waits its turn, as long as its deadline allows."""

    requests: Rate | None = option(None, doc="requests in a period", check=some_in_a_period)
    tokens: Rate | None = option(None, doc="tokens in a period, input and output together", check=some_in_a_period)
    concurrency: int | None = option(None, doc="calls at a time", check=at_least_one)


@options
class RetryFields:
    """How a failed target is tried again."""

    times: int = option(doc="how many more times", check=up_to_ten_times)
    backoff: Duration = option(Duration(0.2), doc="the bound of the first pause; it doubles, and the pause is drawn below it")


@options
class PromoteFields:
    """When an experiment may be decided."""

    min_samples: int = option(100, doc="judged answers that each arm needs first", check=at_least_one)
    confidence: Share = option(Share(0.95), doc="of the interval around the difference", check=above_half)
    not_worse_than: Score = option(Score(0), doc="how much lower the metric of an arm may be and still win")


@options
class SlaFields:
    """A promise about time."""

    p95: Duration = option(doc="what 95 of 100 requests take at most", check=above_zero)
    of: Literal["first_token", "total"] = option("total", doc="until the first token, or until the whole answer")


@options
class WithFields:
    """Limits of one use of a target. They narrow what holds, and never widen it."""

    deadline: Duration | None = option(None, doc="time for this target", check=above_zero)
    max_output: Tokens | None = option(None, doc="tokens of its answer", check=above_zero)
    temperature: float | None = option(None, doc="the sampling temperature", check=up_to_two)
