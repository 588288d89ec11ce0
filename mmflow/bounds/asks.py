"""Which models a flow asks for an answer, each with a way there and the longest answer that it may be asked for."""

from collections.abc import Iterator

import attrs

from mmflow.bounds.walk import Choices, reached, targets_of
from mmflow.bounds.worst import asked_by, degraded_to, scorers_of
from mmflow.plan import Ask, Cascade, Experiment, Flow, Plan, Strategy, With
from mmflow.plugin import Model, Purpose


@attrs.frozen
class Asked:
    """A call that may be made. `max_output_tokens` is the tightest bound on the way; None where there is none."""

    model: Model
    purpose: Purpose
    path: tuple[str, ...]
    max_output_tokens: int | None


def asks(plan: Plan, flow: Flow, choices: Choices) -> list[Asked]:
    """Every model that may answer under these arms, or in their place by the flow's budget, once for each bound."""
    found = []
    seen: set[tuple[str, int | None]] = set()
    roots = [flow.step, *reversed(degraded_to(plan, flow))]
    stack: list[tuple[str, tuple[str, ...], int | None]] = [(root, (), flow.max_output_tokens) for root in reversed(roots)]
    while stack:
        name, path, most = stack.pop()
        if (name, most) in seen:
            continue
        seen.add((name, most))
        step = plan.steps[name]
        if isinstance(step, Ask):
            model = plan.models[step.model]
            found.append(Asked(model, "answer", (*path, model.name), _least(most, model.max_output_tokens)))
            continue
        if isinstance(step, With):
            most = _least(most, step.max_output_tokens)
        else:
            path = (*path, name)
        stack.extend((each, path, most) for each in reversed(targets_of(step, choices)))
    return found


def judges(plan: Plan, flow: Flow, choices: Choices) -> Iterator[Asked]:
    """Every model that is asked to judge an answer; the bound is that of the answers that it reads."""
    answers = asks(plan, flow, choices)
    for step in reached(plan, flow.step, choices):
        if isinstance(step, Cascade | Experiment | Strategy):
            judged = [each.max_output_tokens for each in answers if step.name in each.path]
            longest = None if None in judged or not judged else max(each for each in judged if each is not None)
            for scorer in scorers_of(step, plan):
                for model in asked_by(scorer, plan):
                    yield Asked(model, "judge", (flow.name, step.name, scorer.name, model.name), longest)


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)
