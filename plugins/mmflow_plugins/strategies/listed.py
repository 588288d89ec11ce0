"""`pick = listed`: the members of a tier as the file lists them."""

from collections.abc import Sequence
from random import Random

from mmflow.plugin import Candidate, PickWord, hook


def listed(candidates: Sequence[Candidate], random: Random) -> Sequence[Candidate]:
    """The candidates as they come."""
    return candidates


@hook
def mmflow_strategies() -> list[PickWord]:
    return [PickWord("listed", listed, "In the order of the file.")]
