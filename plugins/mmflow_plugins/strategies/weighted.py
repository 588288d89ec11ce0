"""`pick = weighted`: the members of a tier at random, each as often first as its weight says."""

from collections.abc import Sequence
from math import inf
from random import Random

from mmflow.plugin import Candidate, PickWord, hook


def weighted(candidates: Sequence[Candidate], random: Random) -> Sequence[Candidate]:
    """Drawn one after the other without putting back, with chances in proportion to `weight`.

    Members with weight 0 come last, in the order of the file: they stand by for when the others fail.
    """
    # The first of independent exponential clocks to ring is clock i with chance weight[i] / sum of weights, and so on.
    rings = [random.expovariate(each.model.weight) if each.model.weight > 0 else inf for each in candidates]
    return [candidates[index] for index in sorted(range(len(candidates)), key=rings.__getitem__)]


@hook
def mmflow_strategies() -> list[PickWord]:
    return [PickWord("weighted", weighted, "At random, each first as often as its `weight` says; weight 0 last.")]
