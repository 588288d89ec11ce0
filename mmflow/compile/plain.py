"""Values of fields as the plain numbers and words that a plan stores."""

from collections.abc import Mapping

from mmflow import plan
from mmflow.check.kinds import LimitFields, TimeoutFields
from mmflow.check.program import OptionWord
from mmflow.options import plain_record
from mmflow.plugin import Timeouts
from mmflow.units import Rate


def real(value: float | None) -> float | None:
    """A quantity as the plain number that a plan stores."""
    return None if value is None else float(value)


def whole(value: int | None) -> int | None:
    """A number of tokens, micro-dollars or times, as the plain number that a plan stores."""
    return None if value is None else int(value)


def text(value: str | None) -> str | None:
    """A name, as the plain text that a plan stores."""
    return None if value is None else str(value)


def rate_of(rate: Rate | None) -> plan.Rate | None:
    """A rate, as a plan stores it."""
    return None if rate is None else plan.Rate(int(rate.count), int(rate.period_s))


def limits_of(limits: LimitFields | None) -> plan.Limits:
    """The limits of a provider or a model, as a plan stores them."""
    if limits is None:
        return plan.Limits()
    return plan.Limits(requests=rate_of(limits.requests), tokens=rate_of(limits.tokens), concurrency=whole(limits.concurrency))


def timeouts_of(timeout: TimeoutFields | float | None) -> Timeouts:
    """The bounds of a call, in seconds; one duration bounds the whole of it."""
    match timeout:
        case None:
            return Timeouts()
        case TimeoutFields(connect=connect, first_token=first_token, idle=idle, total=total):
            return Timeouts(real(connect), real(first_token), real(idle), real(total))
        case seconds:
            return Timeouts(total_s=float(seconds))


def options_of(word: OptionWord | None, options: Mapping[str, object]) -> dict[str, object]:
    """The options of a word as plain values: seconds, micro-dollars, names of variables for secrets."""
    return plain_record(word.options, options) if word is not None else {}
