"""`strategy x using bandit`: one target for each request, mostly the one whose answers scored best so far."""

from collections.abc import Sequence

import attrs

from mmflow.plugin import (
    Answered,
    CallError,
    Calls,
    Choice,
    Host,
    Request,
    Run,
    ScorerName,
    Share,
    StrategyWord,
    hook,
    option,
    options,
)

MEMORY = 200
"""Past so many answers of a target the mean follows the latest ones."""


@options
class BanditOptions:
    """One target for each request: the one whose answers scored best so far, sometimes another. It forgets with the process."""

    reward: ScorerName = option(doc="what scores an answer, after it is complete and before it is handed over")
    explore: Share = option(Share(0.05), doc="the share of requests that go to a target drawn at random")


@attrs.define
class _Arm:
    count: int = 0
    mean: float = 0.0

    def learn(self, reward: float) -> None:
        self.count = min(self.count + 1, MEMORY)
        self.mean += (reward - self.mean) / self.count


class Bandit:
    """Epsilon-greedy: each target once, then the best, at random with the share that explores."""

    def __init__(self, options: BanditOptions, host: Host) -> None:
        self._reward, self._explore, self._random = options.reward, options.explore, host.random
        self._arms: dict[str, _Arm] = {}

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """The answer of the chosen target. A failure counts as a reward of 0, as an answer does that has no score."""
        name = self._chosen([target.name for target in targets])
        try:
            answered = await run.call(name)
            score = await run.score(self._reward, answered)
        except CallError:
            self._arms[name].learn(0.0)
            raise
        self._arms[name].learn(score or 0.0)
        return answered

    def _chosen(self, names: list[str]) -> str:
        arms = {name: self._arms.setdefault(name, _Arm()) for name in names}
        if self._random.random() < self._explore:
            return self._random.choice(names)
        return max(names, key=lambda name: arms[name].mean if arms[name].count else 1.0)


def _make(options: BanditOptions, host: Host) -> Bandit:
    return Bandit(options, host)


@hook
def mmflow_strategies() -> list[StrategyWord]:
    return [StrategyWord("bandit", BanditOptions, _make, lambda options, targets: Calls(1))]
