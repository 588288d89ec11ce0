"""What may go wrong around a run: kinds of faults, and the weather of one seed, which has some of them, more or less."""

from collections.abc import Iterable
from math import inf
from random import Random
from typing import Literal

import attrs

KINDS = {
    "slow": "answers that take up to a hundred times as long as usual",
    "errors": "failed calls of every class, now and then",
    "storms": "times in which a provider answers 429 only, with a Retry-After that may be absurd",
    "outages": "times in which a provider refuses connections, hangs or breaks",
    "hangs": "calls that are never answered",
    "cuts": "streams that break off after some pieces",
    "garbage": "replies that are none, and exceptions that no provider should raise",
    "usage": "token counts that are missing, negative, too high or no numbers",
    "stubborn": "providers that go on for a while after they were cancelled, or speak after they answered",
    "opinions": "classifiers and scorers that fail, hang, or say what they may not say",
    "callers": "callers who leave at any moment, read slowly, or break",
    "stores": "stores of budgets and caches that are slow, away, or lose what they kept",
}
"""Every kind of fault, and what it is."""

_LEVELS = (0.02, 0.1, 0.3, 0.6)

Manner = Literal["refused", "hangs", "breaks"]


@attrs.frozen
class Spell:
    """A stretch of time in which a provider is not itself."""

    begins_at: float
    ends_at: float
    manner: Manner | None = None
    """Of an outage; None for a storm."""


def weather_of(kinds: Iterable[str], seed: int, providers: Iterable[str], span_s: float) -> "Weather":
    """The weather of a seed: about half of the kinds, each at a level of its own."""
    random = Random(f"weather {seed}")
    # Drawn for every kind, so that leaving one out leaves the others as they are.
    drawn = {kind: (random.random() < 0.5, random.choice(_LEVELS)) for kind in KINDS}
    levels = {kind: level if is_on and kind in kinds else 0.0 for kind, (is_on, level) in drawn.items()}
    spells: dict[str, tuple[Spell, ...]] = {}
    for name in providers:
        drawn_of = [*_spells(random, span_s, ("refused", "hangs", "breaks")), *_spells(random, span_s, (None,))]
        wanted = [each for each in drawn_of if levels["storms" if each.manner is None else "outages"]]
        if wanted:
            spells[name] = tuple(wanted)
    return Weather(levels, spells)


def _spells(random: Random, span_s: float, manners: tuple[Manner | None, ...]) -> list[Spell]:
    found = []
    for _ in range(random.choice((0, 1, 1, 2))):
        begins_at = random.uniform(-0.2, 1.0) * span_s
        length_s = random.choice((0.02, 0.1, 0.5, inf)) * span_s
        found.append(Spell(begins_at, begins_at + length_s, random.choice(manners)))
    return found


@attrs.frozen
class Weather:
    """How likely each kind of fault is (0: not in this run), and when providers are not themselves."""

    levels: dict[str, float]
    _spells: dict[str, tuple[Spell, ...]]

    def spell(self, provider: str, now: float) -> Spell | None:
        """What a provider goes through at an instant."""
        for each in self._spells.get(provider, ()):
            if each.begins_at <= now < each.ends_at:
                return each
        return None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The faults that there may be."""
        return tuple(kind for kind, level in self.levels.items() if level)
