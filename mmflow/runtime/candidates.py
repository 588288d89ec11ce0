"""The members of a tier as a pick sees them: each is looked up when it is looked at, for a tier may have a thousand."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

import attrs

from mmflow.plan import Ask, Plan
from mmflow.plugin import Candidate, Model


@attrs.frozen
class Members:
    """Members of a tier: their models, and the step that asks each, by the name of its model."""

    models: tuple[Model, ...]
    steps: dict[str, str]
    names: tuple[str, ...]
    """The steps, in the order of the file."""


def members_of(plan: Plan, names: Iterable[str]) -> Members:
    """The members that these steps are, each model once."""
    steps: dict[str, str] = {}
    for name in names:
        asked = plan.steps[name]
        assert isinstance(asked, Ask), "the members of a tier are models"
        steps[asked.model] = name
    return Members(tuple(plan.models[model] for model in steps), steps, tuple(steps.values()))


class Candidates(Sequence[Candidate]):
    """What a pick gets."""

    def __init__(self, models: Sequence[Model], known: Callable[[Model], Candidate]) -> None:
        self._models = models
        self._known = known

    def __len__(self) -> int:
        return len(self._models)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Candidate]: ...

    def __getitem__(self, index: int | slice) -> Candidate | Sequence[Candidate]:
        models = self._models[index]
        return self._known(models) if isinstance(models, Model) else list(map(self._known, models))

    def __iter__(self) -> Iterator[Candidate]:
        return map(self._known, self._models)
