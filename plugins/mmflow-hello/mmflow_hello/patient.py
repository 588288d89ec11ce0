"""The strategy `hello.patient`: asks one target after the other until an answer is good enough."""

from collections.abc import Sequence

import attrs
from mmflow.plugin import Answered, CallError, Calls, Choice, Request, Run, Score, ScorerName, option, options


@options
class PatientOptions:
    """Asks the targets in turn, and takes the first answer that a scorer finds good enough, else the best."""

    scorer: ScorerName = option(doc="the scorer that judges the answers")
    enough: Score = option(Score(0.5), doc="the score of an answer that is good enough")


@attrs.frozen
class Patient:
    """Takes its time."""

    options: PatientOptions

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """The first good answer, else the best; a target that fails is passed over, unless all do."""
        best: tuple[float, Answered] | None = None
        failure: CallError | None = None
        for target in targets:
            try:
                answered = await run.call(target.name)
            except CallError as error:
                failure = error
                continue
            score = await run.score(self.options.scorer, answered) or 0.0
            if score >= self.options.enough:
                return answered
            if best is None or score > best[0]:
                best = score, answered
        if best is None:
            raise failure or CallError("protocol", "there is no target", dispatched="no")
        return best[1]


def calls(options: PatientOptions, targets: int) -> Calls:
    """Each target at most once, one at a time: what the compiler and the runtime hold it to."""
    return Calls(targets)
