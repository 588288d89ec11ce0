"""How long a request is expected to take: an estimate from the declared p95 of its calls, which do not add up to a p95.

A member of a tier or a slice of a split is the slowest of them, a fallback its first step, a cascade all its steps and its
judges, as if no answer but the last were accepted; a strategy is the slowest of its targets, or as many of them as it asks in
turn, with its judges. A classifier or a scorer takes as long as the models that it asks. The first token of a strategy comes
with its whole answer, unless the first wins, and so does that of a flow whose answers keep to a contract: what is not complete
cannot be judged.
"""

from collections.abc import Sequence

import attrs

from mmflow.bounds.walk import Choices, bottom_up, targets_of
from mmflow.bounds.worst import asked_by, scorers_of
from mmflow.plan import Ask, Cascade, Experiment, Fallback, Flow, Output, Plan, Scorer, Strategy


@attrs.frozen
class Latency:
    """Seconds to the whole answer and to its first token; None where a model on the way does not declare its own."""

    p95_s: float | None
    first_token_s: float | None


def estimated(plan: Plan, flow: Flow, choices: Choices, signals: frozenset[str]) -> Latency:
    """The latency of a request that takes these arms and reads these classifiers."""

    def latency(name: str, below: Sequence[Latency]) -> Latency:
        match plan.steps[name]:
            case Ask(model=model):
                return Latency(plan.models[model].p95_s, plan.models[model].first_token_s)
            case Cascade() as step:
                judged_s = _sum([_asked_s(each, plan) for each in scorers_of(step, plan)])
                before_s = _sum([each for one in below[:-1] for each in (one.p95_s, judged_s)])
                return Latency(_sum([before_s, below[-1].p95_s]), _sum([before_s, below[-1].first_token_s]))
            case Fallback():
                return below[0]
            case Experiment() as step:
                # The caller of a whole answer waits for the judge, the reader of a stream does not.
                judged_s = _sum([_asked_s(each, plan) for each in scorers_of(step, plan)])
                return Latency(
                    _sum([_most([each.p95_s for each in below]), judged_s]), _most([each.first_token_s for each in below])
                )
            case Strategy() as step if below:
                judged_s = _sum([_asked_s(each, plan) for each in scorers_of(step, plan)])
                slowest = sorted((each.p95_s for each in below if each.p95_s is not None), reverse=True)
                in_turn = 1 if step.calls is None or step.calls.parallel else step.calls.most
                asked_s = sum(slowest[:in_turn]) if len(slowest) == len(below) else None
                whole_s = _sum([asked_s, judged_s])
                return Latency(whole_s, _most([each.first_token_s for each in below]) if step.first_wins else whole_s)
            case _:
                return Latency(_most([each.p95_s for each in below]), _most([each.first_token_s for each in below]))

    found = bottom_up(flow.step, lambda name: targets_of(plan.steps[name], choices), latency)[flow.step]
    if is_buffered(plan, flow):
        found = Latency(found.p95_s, found.p95_s)
    read_s = _sum([model.p95_s for name in sorted(signals) for model in asked_by(plan.classifiers[name], plan)])
    return Latency(_sum([read_s, found.p95_s]), _sum([read_s, found.first_token_s]))


def is_buffered(plan: Plan, flow: Flow) -> bool:
    """Whether the answers of a flow are held back until they are complete, for its contract."""
    contract = Output(name="") if flow.output is None else plan.outputs[flow.output]
    return contract.format == "json" or contract.schema_file is not None


def _asked_s(scorer: Scorer, plan: Plan) -> float | None:
    return _sum([model.p95_s for model in asked_by(scorer, plan)])


def _sum(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return sum(known) if len(known) == len(values) else None


def _most(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return max(known, default=0.0) if len(known) == len(values) else None
