"""Arms and targets as the file has them."""

from mmflow.bounds.walk import Choices, target_of
from mmflow.plan import Plan, Route, With
from mmflow.units import Duration, Tokens, text_of


def arm_texts(plan: Plan, choices: Choices) -> tuple[str, ...]:
    """The conditions of the arms that are taken: `task == code`, `else`."""
    found = []
    for name, arm in choices.items():
        route = plan.steps[name]
        assert isinstance(route, Route)
        if arm < len(route.arms):
            found.append(route.arms[arm].text)
        else:
            found.append("else" if route.otherwise is not None else "none holds")
    return tuple(found)


def target_text(plan: Plan, root: str, choices: Choices) -> str:
    """What the arms lead to: `by_task -> coder`, and of tables further down `answer (by_task -> coder)`."""
    on_the_way, trail = [], root
    open_ = dict(choices)
    while trail in open_:
        chosen = _chosen(plan, trail, open_.pop(trail))
        if chosen is None:
            on_the_way.append("no target")
            break
        on_the_way.append(step_text(plan, chosen))
        trail = _bare(plan, chosen)
    text = " -> ".join(on_the_way) if on_the_way else step_text(plan, root)
    further = [(name, _chosen(plan, name, arm)) for name, arm in open_.items()]
    if not further:
        return text
    inside = ", ".join(f"{name} -> {step_text(plan, chosen) if chosen else 'no target'}" for name, chosen in further)
    return f"{text} ({inside})"


def step_text(plan: Plan, name: str) -> str:
    """A target as an arm names it: `thinker with { deadline = 18s }`."""
    step = plan.steps[name]
    settings = ""
    while isinstance(step, With):
        limits: list[tuple[str, object]] = [
            ("deadline", None if step.deadline_s is None else Duration(step.deadline_s)),
            ("max_output", None if step.max_output_tokens is None else Tokens(step.max_output_tokens)),
            ("temperature", step.temperature),
        ]
        said = ", ".join(f"{limit} = {text_of(value)}" for limit, value in limits if value is not None)
        settings = f" with {{ {said} }}{settings}" if said else settings
        step = plan.steps[step.step]
    return step.name + settings


def _bare(plan: Plan, name: str) -> str:
    """The step that stands under every `with`."""
    step = plan.steps[name]
    while isinstance(step, With):
        step = plan.steps[step.step]
    return step.name


def _chosen(plan: Plan, name: str, arm: int) -> str | None:
    route = plan.steps[name]
    assert isinstance(route, Route)
    return target_of(route, arm)
