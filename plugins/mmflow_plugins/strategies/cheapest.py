"""`pick = cheapest`: the members of a tier by what this call would cost."""

from collections.abc import Sequence
from random import Random

from mmflow.plugin import Candidate, PickWord, hook


def cheapest(candidates: Sequence[Candidate], random: Random) -> Sequence[Candidate]:
    """Lowest cost first, an unknown cost last; members that cost the same stay in the order of the file."""
    return sorted(candidates, key=lambda each: (each.cost_microusd is None, each.cost_microusd or 0))


@hook
def mmflow_strategies() -> list[PickWord]:
    return [PickWord("cheapest", cheapest, "The cheapest first, for this call; an unknown price last.")]
