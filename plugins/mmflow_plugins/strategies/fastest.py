"""`pick = fastest`: the members of a tier by their p95."""

from collections.abc import Sequence
from random import Random

from mmflow.plugin import Candidate, PickWord, hook


def fastest(candidates: Sequence[Candidate], random: Random) -> Sequence[Candidate]:
    """Lowest p95 first (measured where it was, else declared), an unknown one last; equal ones stay in the order of the file."""
    return sorted(candidates, key=lambda each: (each.p95_s is None, each.p95_s or 0.0))


@hook
def mmflow_strategies() -> list[PickWord]:
    return [PickWord("fastest", fastest, "The lowest p95 first, measured or declared; an unknown one last.")]
