"""`strategy x using best_of`: every target answers, and the answer with the highest score is taken."""

from collections.abc import AsyncIterator, Sequence

from mmflow.plugin import (
    Answered,
    CallError,
    Calls,
    Choice,
    Host,
    Request,
    Run,
    Score,
    ScorerName,
    StrategyWord,
    hook,
    option,
    options,
)
from mmflow_plugins.strategies.together import as_they_come, failure


@options
class BestOfOptions:
    """Every target answers, and a scorer scores each answer: the highest score wins, of equal ones the first in the list."""

    scorer: ScorerName = option(doc="what scores the answers; one that it cannot score comes last")
    sequential: bool = option(False, doc="one target after the other, not all at once")
    enough: Score | None = option(None, doc="an answer with this score is taken without waiting for the others")


class BestOf:
    """Scores what comes and keeps the best."""

    def __init__(self, options: BestOfOptions) -> None:
        self._scorer, self._sequential, self._enough = options.scorer, options.sequential, options.enough

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """The best answer; where all fail, the error of the last."""
        best: tuple[float, int, Answered] | None = None
        last: CallError | None = None
        async for position, found in _in_turn(targets, run) if self._sequential else as_they_come(targets, run):
            if isinstance(found, CallError):
                last = found
                continue
            score = await run.score(self._scorer, found)
            if best is None or (_value(score), -position) > best[:2]:
                best = (_value(score), -position, found)
            if score is not None and self._enough is not None and score >= self._enough:
                break
        if best is None:
            raise failure(last)
        return best[2]


def _value(score: float | None) -> float:
    return -1.0 if score is None else score


async def _in_turn(targets: Sequence[Choice], run: Run) -> AsyncIterator[tuple[int, Answered | CallError]]:
    for position, target in enumerate(targets):
        try:
            yield position, await run.call(target.name)
        except CallError as error:
            yield position, error


def _make(options: BestOfOptions, host: Host) -> BestOf:
    return BestOf(options)


def _calls(options: BestOfOptions, targets: int) -> Calls:
    return Calls(targets, parallel=not options.sequential)


@hook
def mmflow_strategies() -> list[StrategyWord]:
    return [StrategyWord("best_of", BestOfOptions, _make, _calls)]
