"""The file of a scorecard: the measured quality of models, by label."""

from collections.abc import Iterable

import msgspec

from mmflow.wording import clause

SCHEMA = 1
ANY_LABEL = "*"


class ScorecardError(ValueError):
    """A file that is no scorecard; the message says where."""


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mean quality over `n` answers, and its interval where it was computed."""

    quality: float
    n: int | None = None
    low: float | None = None
    high: float | None = None


class Measured(msgspec.Struct, frozen=True):
    """Figures by model (its name, or `provider/id`), then by label of the classifier `by`; `*` is for any label."""

    schema: int
    models: dict[str, dict[str, Figure]]
    by: str = ""

    def quality(self, names: Iterable[str], label: str | None) -> float | None:
        """The quality of a model that has these names for a label, else for any; None where neither was measured."""
        for figures in (self.models.get(name, {}) for name in names):
            if (figure := figures.get(label or ANY_LABEL) or figures.get(ANY_LABEL)) is not None:
                return figure.quality
        return None

    @property
    def labels(self) -> set[str]:
        """The labels that it has figures for, without `*`."""
        return {label for figures in self.models.values() for label in figures if label != ANY_LABEL}


def names_of(name: str, provider: str, id: str) -> tuple[str, ...]:
    """The names under which a scorecard may have a model, the nearer first; one of an imported file as that file says it."""
    own, its = name.rpartition(".")[2], provider.rpartition(".")[2]
    return tuple(dict.fromkeys((name, own, f"{provider}/{id}", f"{its}/{id}")))


def decode(data: bytes | str) -> Measured:
    """The figures of a file. Raises `ScorecardError`."""
    try:
        measured = msgspec.json.decode(data, type=Measured)
    except msgspec.MsgspecError as error:
        raise ScorecardError(clause(str(error))) from error
    if measured.schema != SCHEMA:
        raise ScorecardError(f"it is of schema {measured.schema}, and this mmflow reads {SCHEMA}")
    for model, figures in measured.models.items():
        for label, figure in figures.items():
            if not 0 <= figure.quality <= 1:
                raise ScorecardError(f"the quality of `{model}` for `{label}` is {figure.quality:g}, and not from 0 to 1")
    return measured
