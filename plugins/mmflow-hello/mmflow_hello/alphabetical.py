"""The strategy `hello.alphabetical`: tries the models of a tier by their names."""

from collections.abc import Sequence
from random import Random

from mmflow.plugin import Candidate


def alphabetical(candidates: Sequence[Candidate], random: Random) -> Sequence[Candidate]:
    """The candidates from A to Z."""
    return sorted(candidates, key=lambda candidate: candidate.model.name)
