"""A plan's steps from the bottom up, without recursion: a chain of a thousand steps is no deeper than one of two."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from mmflow.plan import Ask, Cascade, Experiment, Fallback, Plan, Route, Split, Step, Strategy, Tier, With

Choices = Mapping[str, int]
"""The arm that each route takes, by its name: its number from 0, the number of arms for `else`."""

_KeyT = TypeVar("_KeyT", bound=Hashable)
_ResultT = TypeVar("_ResultT")


def bottom_up(
    root: _KeyT, below: Callable[[_KeyT], Iterable[_KeyT]], make: Callable[[_KeyT, Sequence[_ResultT]], _ResultT]
) -> dict[_KeyT, _ResultT]:
    """What `make` gives for everything that the root leads to, each once, from the results of what lies below it."""
    made: dict[_KeyT, _ResultT] = {}
    stack: list[tuple[_KeyT, tuple[_KeyT, ...] | None]] = [(root, None)]
    while stack:
        key, children = stack.pop()
        if key in made:
            continue
        if children is None:
            children = tuple(below(key))
            stack.append((key, children))
            stack.extend((child, None) for child in reversed(children) if child not in made)
        else:
            made[key] = make(key, [made[child] for child in children])
    return made


def targets_of(step: Step, choices: Choices | None = None) -> tuple[str, ...]:
    """The steps that a step may run, as often as it names them; of a route whose choice is known, that of its arm."""
    match step:
        case Ask():
            return ()
        case Tier(models=models):
            return models
        case Route():
            if choices is not None and step.name in choices:
                chosen = target_of(step, choices[step.name])
                return () if chosen is None else (chosen,)
            return (*(arm.step for arm in step.arms), *(() if step.otherwise is None else (step.otherwise,)))
        case Cascade(steps=steps) | Fallback(steps=steps) | Strategy(steps=steps):
            return steps
        case Split(slices=slices) | Experiment(slices=slices):
            return tuple(each.step for each in slices)
        case With(step=inner):
            return (inner,)


def target_of(route: Route, arm: int) -> str | None:
    """The step of an arm, by its number; None where no arm holds and there is no `else`."""
    return route.arms[arm].step if arm < len(route.arms) else route.otherwise


def reached(plan: Plan, root: str, choices: Choices | None = None) -> list[Step]:
    """Every step that may run from a step on, each once, those below first."""
    steps = plan.steps
    return [steps[name] for name in bottom_up(root, lambda name: targets_of(steps[name], choices), lambda name, _: None)]
