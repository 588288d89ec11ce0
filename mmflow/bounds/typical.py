"""What a typical request costs: an estimate for planning, not a bound.

It is half as long as `max_input` and its answers half as long as `max_output` (without them `TYPICAL_INPUT_TOKENS` and
`TYPICAL_OUTPUT_TOKENS`). Nothing fails: a fallback's first target answers, a cascade accepts its first answer, a tier asks its
first member, or under `pick = cheapest` its cheapest. Slices count by their shares, the arms of a table alike, and no answer
comes from a cache.
"""

from collections.abc import Sequence

from mmflow.bounds.asks import asks
from mmflow.bounds.prompts import prompt_tokens
from mmflow.bounds.walk import Choices, bottom_up, targets_of
from mmflow.bounds.worst import OPINION_PROMPT_TOKENS, asked_by, guarding, scorers_of, tried
from mmflow.plan import Ask, Cascade, Classifier, Experiment, Fallback, Flow, Plan, Route, Scorer, Split, Strategy, Tier, With
from mmflow.plugin import OPINION_OUTPUT_TOKENS, Model
from mmflow.units import TOKENS_PER_PRICE

TYPICAL_INPUT_TOKENS = 1_000
TYPICAL_OUTPUT_TOKENS = 500


def typical_tokens(flow: Flow) -> tuple[int, int]:
    """The tokens of a typical request of a flow, and of its answer."""
    read, wrote = flow.max_input_tokens, flow.max_output_tokens
    return (
        TYPICAL_INPUT_TOKENS if read is None else max(1, read // 2),
        TYPICAL_OUTPUT_TOKENS if wrote is None else max(1, wrote // 2),
    )


def typical_microusd(plan: Plan, flow: Flow, choices: Choices) -> float | None:
    """What a typical request that takes these arms costs; None where the price of a model on the way is not known."""
    read, wrote = typical_tokens(flow)

    def cost(name: str, below: Sequence[float | None]) -> float | None:
        step = plan.steps[name]
        known = [each for each in below if each is not None]
        if len(known) < len(below):
            return None
        match step:
            case Ask(model=model):
                declared = plan.models[model]
                own = prompt_tokens(plan, flow, declared)
                return _price(declared, read + own, min(wrote, declared.max_output_tokens or wrote))
            case Tier(pick=pick):
                return min(known) if pick == "cheapest" else known[0]
            case Cascade() as step if len(known) > 1:
                return _sum([known[0], *(_opinion(each, plan, read + wrote) for each in scorers_of(step, plan))])
            case Cascade() | Fallback() | With():
                return known[0]
            case Experiment(slices=slices, sample=sample) as step:
                judged = _sum([_opinion(each, plan, read + wrote) for each in scorers_of(step, plan)])
                shared = sum(each.buckets * one for each, one in zip(slices, known, strict=True)) / 10_000
                return None if judged is None else shared + sample * judged
            case Split(slices=slices):
                return sum(each.buckets * one for each, one in zip(slices, known, strict=True)) / 10_000
            case Strategy(calls=calls) as step if known:
                asked = calls.most if calls is not None and calls.parallel else 1
                judged = _sum([_opinion(each, plan, read + wrote) for each in scorers_of(step, plan)])
                return None if judged is None else asked * (sum(known) / len(known) + judged)
            case _:
                return sum(known) / len(known) if known else 0.0

    routes = [step for name in choices if isinstance(step := plan.steps[name], Route)]
    signals = {name for route in routes for name in tried(route, choices)} | set(guarding(plan, flow))
    answered = bottom_up(flow.step, lambda name: targets_of(plan.steps[name], choices), cost)[flow.step]
    return _sum([answered, *(_opinion(plan.classifiers[name], plan, read) for name in sorted(signals))])


def dearest_call_microusd(plan: Plan, flow: Flow, choices: Choices) -> float | None:
    """What the dearest answer costs that a typical request may get under these arms; None where no price is known."""
    read, wrote = typical_tokens(flow)
    calls = [_price(each.model, read, min(wrote, each.max_output_tokens or wrote)) for each in asks(plan, flow, choices)]
    return max((each for each in calls if each is not None), default=None)


def _opinion(declared: Classifier | Scorer, plan: Plan, read: int) -> float | None:
    words = OPINION_PROMPT_TOKENS // 4
    return _sum([_price(model, read + words, OPINION_OUTPUT_TOKENS // 4) for model in asked_by(declared, plan)])


def _price(model: Model, read: int, wrote: int) -> float | None:
    if model.prices is None:
        return None
    return (read * model.prices.input + wrote * model.prices.output) / TOKENS_PER_PRICE


def _sum(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return sum(known) if len(known) == len(values) else None
