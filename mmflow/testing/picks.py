"""The promises of an order of a tier's members: pure, of members only, never empty."""

from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import Any

from mmflow.plugin import Candidate, Model, PickWord, Prices
from mmflow.testing.trial import Trial
from mmflow.testing.watch import Watch

SEEDS = range(8)

_KNOWN: tuple[dict[str, Any], ...] = (
    {"p95_s": 2.0, "cost_microusd": 900, "in_flight": 3},
    {"p95_s": None, "cost_microusd": None},
    {"p95_s": 0.5, "cost_microusd": 0, "in_flight": 1},
    {"p95_s": 2.0, "cost_microusd": 900, "in_flight": 3},
)
_MODELS: tuple[dict[str, Any], ...] = (
    {"prices": Prices(input=3_000_000, output=15_000_000), "quality": 0.9, "p95_s": 2.0, "weight": 3.0},
    {},
    {"prices": Prices(input=0, output=0), "p95_s": 0.5, "weight": 0.0, "failures": 2.0, "zone": "own"},
    {"prices": Prices(input=3_000_000, output=15_000_000), "quality": 0.9, "p95_s": 2.0},
)


def check_pick(word: PickWord) -> None:
    """Hold an order to its promises. Raises `BrokenPromise`."""
    trial = Trial(f"the pick `{word.name}`")
    members = [
        Candidate(Model(name=name, id=name, provider="p", **of), **known)
        for name, of, known in zip(("alice", "bob", "carol", "dave"), _MODELS, _KNOWN, strict=True)
    ]
    for number in range(1, len(members) + 1):
        for given in permutations(members, number):
            for seed in SEEDS if number == len(members) else (0,):
                first = _order(trial, word, given, seed)
                if _order(trial, word, given, seed) != first:
                    said = f"with the same members and the same randomness it gives {_names(first)}, then another order"
                    raise trial.broken("impure", said)


def _order(trial: Trial, word: PickWord, given: Sequence[Candidate], seed: int) -> list[Candidate]:
    members, found = list(given), list[object]()

    async def main(watch: Watch) -> None:
        random = Random(seed)
        with watch:
            picked = word.pick(members, random)
        found.extend(picked)

    trial.run(main, pure=True)
    if members != list(given):
        raise trial.broken("mutates the request", f"of the list {_names(given)} it made {_names(members)}")
    if not found:
        raise trial.broken("loses every member", f"of {_names(given)} it leaves none")
    order = [each for each in found if isinstance(each, Candidate) and each in given]
    if len(order) < len(found):
        raise trial.broken("invents a member", f"of {_names(given)} it makes {_names(found)}")
    if len({each.model.name for each in order}) < len(order):
        raise trial.broken("tries a member twice", f"it gives {_names(order)}")
    return order


def _names(members: Sequence[object]) -> str:
    return ", ".join(each.model.name if isinstance(each, Candidate) else repr(each)[:40] for each in members) or "nobody"
