"""`pick = least_busy`: the members of a tier by the calls that are under way."""

from collections.abc import Sequence
from random import Random

from mmflow.plugin import Candidate, PickWord, hook


def least_busy(candidates: Sequence[Candidate], random: Random) -> Sequence[Candidate]:
    """Fewest calls under way first; equally busy ones stay in the order of the file."""
    return sorted(candidates, key=lambda each: each.in_flight)


@hook
def mmflow_strategies() -> list[PickWord]:
    return [PickWord("least_busy", least_busy, "The one with the fewest calls under way in this process first.")]
