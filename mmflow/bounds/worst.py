"""The worst case of a flow: what the executor may do at most for a request that takes given arms.

Three things that a plan does not say are taken to hold. A provider keeps to `max_output` and to the context window. The tokens
of a request are those that the runtime counts. A classifier or a scorer says at most `OPINION_PROMPT_TOKENS` of its own words to
the models that its options name; that it asks each once, for at most `OPINION_OUTPUT_TOKENS`, the runtime enforces.
"""

from collections.abc import Iterator, Sequence
from math import inf

import attrs

from mmflow.bounds.load import Load, call, in_turn, worst
from mmflow.bounds.walk import Choices, bottom_up, targets_of
from mmflow.plan import Ask, Cascade, Classifier, Fallback, Flow, Plan, Route, ScoreIs, Scorer, Split, Tier, With, signals_of
from mmflow.plugin import OPINION_OUTPUT_TOKENS, Model, Purpose
from mmflow.situations import atoms
from mmflow.tokens import bound_tokens

OPINION_PROMPT_TOKENS = 1_000
"""What a judge or a classifier says to its model beside what it judges and what its options say."""


def worst_case(plan: Plan, flow: Flow, choices: Choices, max_input_tokens: int | None) -> Load:
    """The load of a request that takes these arms; of the worst of them in a table that is not among the choices."""
    found = _Worst(plan, choices, inf if max_input_tokens is None else max_input_tokens)
    load = found.step(flow.step, flow.max_output_tokens)
    load = attrs.evolve(load, signals=load.signals.union(guarding(plan, flow)))
    return in_turn([load, *(found.classified(plan.classifiers[name]) for name in sorted(load.signals))])


def asked_by(declared: Classifier | Scorer, plan: Plan) -> list[Model]:
    """The models that the options of a classifier or a scorer name."""
    names = dict.fromkeys(_texts(declared.options))
    return [plan.models[name] for name in names if name in plan.models]


def scorers_of(step: Cascade, plan: Plan) -> list[Scorer]:
    """The scorers that a cascade may ask of an answer, each once."""
    names = dict.fromkeys(each.scorer for each in atoms([step.accept]) if isinstance(each, ScoreIs))
    return [plan.scorers[name] for name in names]


def guarding(plan: Plan, flow: Flow) -> list[str]:
    """The classifiers that the guards of a flow read before a call."""
    return [name for guard in flow.guards for rule in plan.guards[guard].rules for name in signals_of(rule.test)]


def tried(route: Route, choices: Choices) -> list[str]:
    """The classifiers that a table may read on the way to its arm."""
    last = choices.get(route.name, len(route.arms))
    return [name for arm in route.arms[: last + 1] for name in signals_of(arm.test)]


_Key = tuple[str, int | None]
"""A step and the `max_output` that holds for it."""


@attrs.frozen
class _Worst:
    plan: Plan
    choices: Choices
    max_input: float

    def step(self, root: str, max_output_tokens: int | None) -> Load:
        return bottom_up((root, max_output_tokens), self._below, self._load)[root, max_output_tokens]

    def _below(self, key: _Key) -> Iterator[_Key]:
        name, most = key
        step = self.plan.steps[name]
        if isinstance(step, With) and step.max_output_tokens is not None:
            most = step.max_output_tokens if most is None else min(most, step.max_output_tokens)
        targets = targets_of(step, self.choices)
        if isinstance(step, Tier):
            # A model that a tier names twice is asked once.
            targets = tuple({self._model(each): each for each in targets}.values())
        return ((each, most) for each in targets)

    def _model(self, name: str) -> str:
        asked = self.plan.steps[name]
        return asked.model if isinstance(asked, Ask) else name

    def _load(self, key: _Key, below: Sequence[Load]) -> Load:
        name, most = key
        loads = list(below)
        match self.plan.steps[name]:
            case Ask(model=model):
                declared = self.plan.models[model]
                longest = inf if most is None else most
                return self._call(declared, "answer", self.max_input, _least(longest, declared.max_output_tokens))
            case Tier():
                return in_turn(loads)
            case Route() as step:
                return attrs.evolve(worst(loads), signals=worst(loads).signals | frozenset(tried(step, self.choices)))
            case Split():
                return worst(loads)
            case Cascade() as step:
                judged = [self._judged(step, each.longest) for each in loads[:-1]]
                load = in_turn([*loads, *judged])
                return attrs.evolve(load, signals=load.signals | frozenset(signals_of(step.accept)))
            case Fallback() as step:
                load = in_turn([each.times(1 + step.retry_times) for each in loads])
                # Doubled after each attempt but the last; the cap keeps the power within a float.
                pauses_s = step.backoff_s * (2.0 ** min(step.retry_times, 1000) - 1) * len(loads)
                asked_to_wait = (f"a server may ask `{step.name}` to wait (Retry-After)",) if step.retry_times else ()
                return attrs.evolve(load, time_s=load.time_s + pauses_s, endless=load.endless.union(asked_to_wait))
            case With() as step:
                return loads[0].within(step.deadline_s)

    def classified(self, declared: Classifier) -> Load:
        """The load of reading a classifier once."""
        own = OPINION_PROMPT_TOKENS + _tokens_of(declared)
        calls = [self._opinion(model, "classify", self.max_input, own) for model in asked_by(declared, self.plan)]
        return attrs.evolve(in_turn(calls), time_s=declared.timeout_s, endless=frozenset(), longest=0)

    def _judged(self, cascade: Cascade, longest: float) -> Load:
        """The load of judging one answer."""
        loads = []
        for scorer in scorers_of(cascade, self.plan):
            own = OPINION_PROMPT_TOKENS + _tokens_of(scorer)
            calls = [self._opinion(model, "judge", self.max_input + longest, own) for model in asked_by(scorer, self.plan)]
            unbounded = frozenset((f"scorer `{scorer.name}` has no time-out",))
            loads.append(attrs.evolve(in_turn(calls), time_s=inf, endless=unbounded, longest=0))
        return in_turn(loads)

    def _opinion(self, model: Model, purpose: Purpose, read: float, own: int) -> Load:
        return self._call(model, purpose, read + own, _least(OPINION_OUTPUT_TOKENS, model.max_output_tokens), own)

    def _call(self, model: Model, purpose: Purpose, read: float, wrote: float, own: int = 0) -> Load:
        mine, its = model.timeouts.total_s, self.plan.providers[model.provider].timeouts.total_s
        total_s = min((each for each in (mine, its) if each is not None), default=None)
        return call(model, purpose, total_s, read, wrote, own)


def _least(one: float, other: int | None) -> float:
    return one if other is None else min(one, other)


def _tokens_of(declared: Classifier | Scorer) -> int:
    """What the options say to a model: a rubric, a question."""
    return sum(map(bound_tokens, _texts(declared.options)))


def _texts(value: object) -> Iterator[str]:
    """Every text within an option's plain value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
