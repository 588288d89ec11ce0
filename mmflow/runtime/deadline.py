"""One request's time: the bounds that steps work under, which only ever narrow, and what a step needs of it."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from mmflow import plan
from mmflow.plugin import Model, Timeouts

_Number = TypeVar("_Number", int, float)


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """`ends_at` is an instant on the loop's clock, `deadline_s` the time that was declared for it."""

    ends_at: float
    deadline_s: float
    max_output_tokens: int | None = None
    temperature: float | None = None

    def left_s(self, now: float) -> float:
        """Seconds until the deadline; 0 once it is over."""
        return max(0.0, self.ends_at - now)

    def narrowed(
        self, now: float, deadline_s: float | None, max_output_tokens: int | None, temperature: float | None
    ) -> "Bounds":
        """These bounds and those given, whichever are tighter."""
        sooner = deadline_s is not None and now + deadline_s < self.ends_at
        return Bounds(
            now + deadline_s if sooner and deadline_s is not None else self.ends_at,
            deadline_s if sooner and deadline_s is not None else self.deadline_s,
            least(self.max_output_tokens, max_output_tokens),
            least(self.temperature, temperature),
        )


def least(*values: _Number | None) -> _Number | None:
    """The smallest of the values that are given; None where none is."""
    smallest: _Number | None = None
    for value in values:
        if value is not None and (smallest is None or value < smallest):
            smallest = value
    return smallest


def tightest(one: Timeouts, other: Timeouts) -> Timeouts:
    """The smaller of each pair of time-outs."""
    return Timeouts(
        connect_s=least(one.connect_s, other.connect_s),
        first_token_s=least(one.first_token_s, other.first_token_s),
        idle_s=least(one.idle_s, other.idle_s),
        total_s=least(one.total_s, other.total_s),
    )


def least_s(of: plan.Plan, name: str) -> float:
    """What a step needs at least: the declared p95 of the quickest model that may answer it, 0 where that is unknown."""
    return least_of(of, name, lambda model: model.p95_s) or 0.0


def least_of(of: plan.Plan, name: str, figure: Callable[[Model], _Number | None]) -> _Number | None:
    """The least figure of a model that may answer a step first; None where it is not known of each of them."""
    step = of.steps[name]
    if isinstance(step, plan.Ask):
        return figure(of.models[step.model])
    figures = [least_of(of, each, figure) for each in _first(step)]
    return None if None in figures else least(*figures)


def _first(step: plan.Step) -> tuple[str, ...]:
    """The steps that a step may begin with."""
    match step:
        case plan.Ask():
            return ()
        case plan.Tier(models=members):
            return members
        case plan.Route(arms=arms, otherwise=otherwise):
            return (*(arm.step for arm in arms), *([otherwise] if otherwise else []))
        case plan.Split(slices=slices) | plan.Experiment(slices=slices):
            return tuple(each.step for each in slices)
        case plan.Cascade(steps=steps) | plan.Fallback(steps=steps):
            return steps[:1]
        case plan.Strategy(steps=steps):
            return steps
        case plan.With(step=inner):
            return (inner,)
