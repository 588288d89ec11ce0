"""`retry-product`: retries within retries."""

from collections.abc import Iterator, Sequence

import attrs

from mmflow.bounds.walk import bottom_up, reached, targets_of
from mmflow.check.paths import Paths, field_span, said
from mmflow.diagnostics import Diagnostic, Note, warning
from mmflow.plan import Ask, Fallback

_SHOWN = 3
_COUNTED = 1_000_000


@attrs.frozen
class _Attempts:
    """How often a model is asked on a path, and what on it asks again: `times` and a name for each."""

    times: int
    by: tuple[tuple[str, int], ...]
    path: tuple[str, ...]


def retry_product(paths: Paths) -> Iterator[Diagnostic]:
    """Retries within retries, which multiply to many attempts at one model."""
    plan, flow = paths.plan, paths.flow
    again = plan.outputs[flow.output].retry_times if flow.output is not None else 0

    def attempts(name: str, below: Sequence[_Attempts]) -> _Attempts:
        step = plan.steps[name]
        if isinstance(step, Ask):
            return _Attempts(1 + again, ((f"output `{flow.output}`", 1 + again),) if again else (), (step.model,))
        most = max(below, key=lambda each: (each.times, len(each.by)), default=_Attempts(1, (), ()))
        if isinstance(step, Fallback) and step.retry_times:
            times = 1 + step.retry_times
            return _Attempts(times * most.times, ((f"`{name}`", times), *most.by), (name, *most.path))
        return _Attempts(most.times, most.by, (name, *most.path))

    found = bottom_up(flow.step, lambda name: targets_of(plan.steps[name]), attempts)
    retrying = [step for step in reached(plan, flow.step) if isinstance(step, Fallback) and step.retry_times]
    inner: set[str] = set()
    stack = [each for step in retrying for each in targets_of(step)]
    while stack:
        if (name := stack.pop()) not in inner:
            inner.add(name)
            stack.extend(targets_of(plan.steps[name]))
    for step in retrying:
        most = found[step.name]
        if len(most.by) < 2 or step.name in inner:
            continue
        factors = " and ".join(f"{by} asks up to {times} times" for by, times in most.by[:_SHOWN])
        more = f" and {len(most.by) - _SHOWN} more like them" if len(most.by) > _SHOWN else ""
        count = f"{most.times} times" if most.times < _COUNTED else "more than a million times"
        message = f"retries multiply: `{most.path[-1]}` may be asked {count}, for {factors}{more}"
        notes = [Note(f"path: {said(most.path)}")]
        help = "retry in one place: the innermost, where it is cheapest"
        yield warning("retry-product", message, field_span(paths.program, step.name, "retry"), notes=notes, help=help)
