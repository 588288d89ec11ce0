"""`strategy x using race`: all targets at once; the first that answers wins, and the others are stopped."""

from collections.abc import Sequence

from mmflow.plugin import Answered, CallError, Calls, Choice, Host, Request, Run, StrategyWord, hook, options
from mmflow_plugins.strategies.together import as_they_come, failure


@options
class RaceOptions:
    """All targets at once: the first answer wins, and the others are stopped, and paid for as far as they came."""


class Race:
    """Takes the first answer."""

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """The first answer; where all fail, the error of the last."""
        last: CallError | None = None
        async for _, found in as_they_come(targets, run):
            if isinstance(found, Answered):
                return found
            last = found
        raise failure(last)


def _make(options: RaceOptions, host: Host) -> Race:
    return Race()


@hook
def mmflow_strategies() -> list[StrategyWord]:
    return [StrategyWord("race", RaceOptions, _make, lambda options, targets: Calls(targets, parallel=True), first_wins=True)]
