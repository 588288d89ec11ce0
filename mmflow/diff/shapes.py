"""What a step does, whatever it is called: equal shapes behave the same, but for what the models of the same name are."""

from collections.abc import Hashable, Sequence

from msgspec import json

from mmflow.bounds.walk import Choices, bottom_up, targets_of
from mmflow.plan import Ask, Cascade, Experiment, Fallback, Plan, Route, Split, Step, Strategy, Tier, With


class Shapes:
    """Numbers for shapes, the same for the same shape, across plans."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, plan: Plan, root: str, choices: Choices) -> int:
        """The shape of a step once the arms of its tables are chosen; tables that are not chosen belong to the shape."""
        steps = plan.steps

        def number(name: str, below: Sequence[int]) -> int:
            shape = _shape(steps[name], below, choices)
            return shape if isinstance(shape, int) else self._numbers.setdefault(shape, len(self._numbers))

        return bottom_up(root, lambda name: targets_of(steps[name], choices), number)[root]


def _shape(step: Step, below: Sequence[int], choices: Choices) -> Hashable:
    match step:
        case Ask(model=model):
            return ("ask", model)
        case Tier(pick=pick, min_quality=least, scorecard=scorecard):
            measured = () if scorecard is None else (least, scorecard)
            return ("tier", pick, tuple(dict.fromkeys(below)), *measured)
        case Route() if step.name in choices:
            return below[0] if below else ("none",)
        case Route(arms=arms, otherwise=otherwise):
            return ("route", tuple(arm.test for arm in arms), otherwise is not None, tuple(below))
        case Cascade(accept=accept):
            return ("cascade", accept, tuple(below))
        case Fallback(on=on, retry_times=times, backoff_s=backoff_s):
            return ("fallback", frozenset(on), times, backoff_s if times else 0, tuple(below))
        case Split(slices=slices, sticky=sticky):
            # The name is part of the hash that draws a slice.
            return ("split", step.name, sticky, tuple(each.buckets for each in slices), tuple(below))
        case Experiment(slices=slices, sticky=sticky, metric=metric, sample=sample):
            judged = (metric, sample) if sample else ()
            return ("experiment", step.name, sticky, tuple(each.buckets for each in slices), judged, tuple(below))
        case Strategy(word=word, options=options, scorers=scorers):
            return ("strategy", word, json.encode(options, order="deterministic"), scorers, tuple(below))
        case With(deadline_s=deadline_s, max_output_tokens=most, temperature=temperature):
            limits = (deadline_s, most, temperature)
            return below[0] if limits == (None, None, None) else ("with", limits, below[0])
