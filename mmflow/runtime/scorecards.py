"""Scorecards while they run: which members of a tier reach its bar for the label of a request, by what was measured."""

from collections.abc import Sequence
from pathlib import Path

import attrs

from mmflow.plan import Plan, Scorecard
from mmflow.plugin import Model
from mmflow.scorecard import Measured, ScorecardError, decode, names_of
from mmflow.wording import clause


class CardError(ValueError):
    """A scorecard that cannot be used, in words for its user."""


@attrs.frozen
class Bar:
    """What a scorecard says of the members of a tier. `quality` has what is known of them, by name.

    `kept` is never empty: where none reaches the bar it is the best one (`best`).
    """

    kept: tuple[str, ...]
    left_out: tuple[str, ...]
    quality: dict[str, float]
    best: bool


class Scorecards:
    """The scorecards of a plan, each read when it is first needed. `folder` is that of the workflow."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._read: dict[str, tuple[Measured | None, str | None]] = {}

    def find(self, name: str) -> tuple[Measured | None, str | None]:
        """A scorecard, or None and why it cannot be used."""
        if (found := self._read.get(name)) is None:
            try:
                found = read(self._folder, self._plan.scorecards[name]), None
            except CardError as error:
                found = None, str(error)
            self._read[name] = found
        return found


def read(folder: Path, declared: Scorecard) -> Measured:
    """The card that a plan declares. Raises `CardError`."""
    try:
        return decode((folder / declared.file).read_bytes())
    except OSError as error:
        raise CardError(f"`{declared.file}` cannot be read: {clause(error.strerror)}") from error
    except ScorecardError as error:
        raise CardError(f"`{declared.file}` is not a scorecard: {error}") from error


def quality_of(card: Measured | None, model: Model, label: str | None) -> float | None:
    """What was measured of a model for a label, else for any label, else what it declares; None where nothing is known."""
    measured = card.quality(names_of(model.name, model.provider, model.id), label) if card is not None else None
    return model.quality if measured is None else measured


def bar(models: Sequence[Model], card: Measured | None, label: str | None, min_quality: float) -> Bar:
    """Those of some models that may answer. One of which nothing is known is kept."""
    known = {each.name: quality_of(card, each, label) for each in models}
    quality = {name: found for name, found in known.items() if found is not None}
    kept = tuple(name for name in known if quality.get(name, 1.0) >= min_quality)
    is_best = not kept
    if is_best:
        kept = (max(quality, key=lambda name: quality[name]),)
    return Bar(kept, tuple(name for name in known if name not in kept), quality, is_best)
