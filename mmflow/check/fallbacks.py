"""Diagnostics of fallbacks that cannot help; one function for each code."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from mmflow.bounds.walk import bottom_up, targets_of
from mmflow.check.paths import Paths, field_span
from mmflow.diagnostics import Diagnostic, Note, warning
from mmflow.plan import Ask, Fallback, Plan, With
from mmflow.units import Duration, text_of

_TROUBLE = frozenset({"429", "5xx", "connect", "overloaded"})
"""What a provider's trouble looks like."""


def same_provider(paths: Paths) -> Iterator[Diagnostic]:
    """A fallback whose next target is at the provider that failed."""
    plan = paths.plan

    def providers(name: str, below: Sequence[frozenset[str]]) -> frozenset[str]:
        step = plan.steps[name]
        return frozenset((plan.models[step.model].provider,)) if isinstance(step, Ask) else frozenset().union(*below)

    at = bottom_up(paths.flow.step, lambda name: targets_of(plan.steps[name]), providers)
    for step in map(plan.steps.__getitem__, at):
        if not isinstance(step, Fallback) or not _TROUBLE & set(step.on):
            continue
        for before, after in pairwise(step.steps):
            if len(at[before]) == 1 and at[before] == at[after]:
                (provider,) = at[after]
                on = ", ".join(each for each in step.on if each in _TROUBLE)
                message = (
                    f"`{step.name}` goes from `{_named(plan, before)}` to `{_named(plan, after)}` on {on}, "
                    f"and both are at `{provider}`: its trouble is likely to hit both"
                )
                help = "put a target at another provider next"
                yield warning("same-provider", message, field_span(paths.program, step.name, "try"), help=help)


def _named(plan: Plan, name: str) -> str:
    """The name that stands in the file."""
    step = plan.steps[name]
    while isinstance(step, With):
        step = plan.steps[step.step]
    return step.name


def dead_fallback(paths: Paths) -> Iterator[Diagnostic]:
    """A fallback on time-outs after which no time is left, so that its next target never runs then."""
    plan, flow = paths.plan, paths.flow
    earliest = _earliest_s(plan, flow.step)
    for step, deadline_s in _fallbacks(plan, flow.step, flow.deadline_s):
        if "timeout" not in step.on:
            continue
        for name, following in pairwise(step.steps):
            earliest_s = earliest[name]
            if (earliest_s is None and len(step.on) > 1) or (earliest_s is not None and earliest_s < deadline_s):
                continue
            failed, next_ = _named(plan, name), _named(plan, following)
            deadline = text_of(Duration(deadline_s))
            if earliest_s is None:
                why = f"`{failed}` has no time-out of its own, so that only the deadline of {deadline} ends its call"
            else:
                why = f"the time-out of `{failed}`, {text_of(Duration(earliest_s))}, is not below the deadline of {deadline}"
            when = "`" + next_ + "` never runs" if len(step.on) == 1 else f"`{next_}` cannot run after a time-out"
            notes = (
                [Note(f"the deadline of `{flow.name}`", paths.span("deadline"))] if "deadline" in paths.declaration.spans else []
            )
            help = f"give `{failed}` a `timeout` well below the deadline, or raise `deadline`"
            yield warning("dead-fallback", f"{when}: {why}", field_span(paths.program, step.name, "try"), notes=notes, help=help)
            break


def _fallbacks(plan: Plan, root: str, deadline_s: float) -> Iterator[tuple[Fallback, float]]:
    """Each fallback that a flow reaches, with the loosest deadline that it may stand under."""
    loosest: dict[str, float] = {}
    stack = [(root, deadline_s)]
    while stack:
        name, left_s = stack.pop()
        if loosest.get(name, 0.0) >= left_s:
            continue
        loosest[name] = left_s
        step = plan.steps[name]
        if isinstance(step, With) and step.deadline_s is not None:
            left_s = min(left_s, step.deadline_s)
        stack.extend((each, left_s) for each in targets_of(step))
    for name, left_s in loosest.items():
        if isinstance(step := plan.steps[name], Fallback):
            yield step, left_s


def _earliest_s(plan: Plan, root: str) -> dict[str, float | None]:
    """By step, when the first time-out can end one of its calls; None where one of them has none."""

    def earliest(name: str, below: Sequence[float | None]) -> float | None:
        step = plan.steps[name]
        if isinstance(step, Ask):
            model = plan.models[step.model]
            both = (model.timeouts, plan.providers[model.provider].timeouts)
            bounds = [each for one in both for each in (one.connect_s, one.first_token_s, one.idle_s, one.total_s)]
            return min((each for each in bounds if each is not None), default=None)
        known = [each for each in below if each is not None]
        first = min(known, default=None) if len(known) == len(below) else None
        if isinstance(step, With) and step.deadline_s is not None:
            return step.deadline_s if first is None else min(first, step.deadline_s)
        return first

    return bottom_up(root, lambda name: targets_of(plan.steps[name]), earliest)
