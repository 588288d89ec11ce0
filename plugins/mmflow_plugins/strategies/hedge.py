"""`strategy x using hedge`: the next target as well, where the first takes too long; whoever answers first wins."""

from collections.abc import Sequence
from typing import Literal

from mmflow.plugin import Answered, CallError, Calls, Choice, Duration, Host, Request, Run, StrategyWord, hook, option, options
from mmflow_plugins.strategies.together import Asked, asked, failure, next_of, result

OTHERS_MAY = frozenset({"429", "5xx", "timeout", "connect", "overloaded", "protocol"})
"""Failures after which the next target is asked at once."""


def _positive(value: Duration | Literal["p95"]) -> None:
    if isinstance(value, Duration) and value <= 0:
        raise ValueError("it must be above 0")


@options
class HedgeOptions:
    """The first target; the next one too where it takes too long or fails. The first answer wins, and the others are stopped."""

    after: Duration | Literal["p95"] = option(
        "p95",
        doc="how long a target may take before the next one is asked too: a time, or the p95 of the first target; where that is"
        " unknown, the next one is asked on a failure only",
        check=_positive,
    )


class Hedge:
    """Asks one more target whenever the time is over."""

    def __init__(self, options: HedgeOptions) -> None:
        self._after = options.after

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """The first answer; where all fail, or one fails for good, the error of the last."""
        after_s = float(self._after) if isinstance(self._after, Duration) else targets[0].p95_s
        rest, running = list(targets), list[Asked]()
        last: CallError | None = None
        is_due = True
        while running or (rest and is_due):
            if rest and is_due:
                running.append(asked(rest.pop(0), run))
            done = await next_of(running, after_s if rest else None)
            running = [task for task in running if task not in done]
            is_due = not done
            for found in map(result, done):
                if isinstance(found, Answered):
                    return found
                last = found
                is_due = is_due or found.error_class in OTHERS_MAY
        raise failure(last)


def _make(options: HedgeOptions, host: Host) -> Hedge:
    return Hedge(options)


def _calls(options: HedgeOptions, targets: int) -> Calls:
    return Calls(targets, parallel=True, staggered=True)


@hook
def mmflow_strategies() -> list[StrategyWord]:
    return [StrategyWord("hedge", HedgeOptions, _make, _calls, first_wins=True)]
