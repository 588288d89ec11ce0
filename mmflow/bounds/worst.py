"""The worst case of a flow: what the executor may do at most for a request that takes given arms.

Four things that a plan does not say are taken to hold. A provider keeps to `max_output` and to the context window. The tokens
of a request are those that the runtime counts. A classifier or a scorer says at most `OPINION_PROMPT_TOKENS` of its own words to
the models that its options name; that it asks each once, for at most `OPINION_OUTPUT_TOKENS`, the runtime enforces. A strategy
calls its targets evenly: none a second time before each has been called once.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import inf

import attrs

from mmflow.bounds.load import Load, at_once, call, in_turn, worst
from mmflow.bounds.prompts import prompt_signals, prompt_tokens
from mmflow.bounds.reasons import AskedToWait, NoScorerTimeout, OpaqueStrategy
from mmflow.bounds.walk import Choices, bottom_up, targets_of
from mmflow.plan import (
    Ask,
    Cascade,
    Classifier,
    Experiment,
    Fallback,
    Flow,
    Plan,
    Route,
    ScoreIs,
    Scorer,
    Split,
    Strategy,
    Tier,
    With,
    signals_of,
)
from mmflow.plugin import OPINION_OUTPUT_TOKENS, Model, Purpose
from mmflow.situations import atoms
from mmflow.tokens import bound_tokens

OPINION_PROMPT_TOKENS = 1_000
"""What a judge or a classifier says to its model beside what it judges and what its options say."""


def worst_case(
    plan: Plan,
    flow: Flow,
    choices: Choices,
    max_input_tokens: int | None,
    *,
    refused: frozenset[str] = frozenset(),
    is_repeated: bool = True,
) -> Load:
    """The load of a request that takes these arms; of the worst of them in a table that is not among the choices.

    Where the flow's budget may replace the arm's target, of both, one after the other. Models that are `refused` are not asked.
    Without `is_repeated`, nothing is tried a second time: neither by a fallback, nor for the contract of the answer, nor because
    the budget ran out in the middle.
    """
    found = _Worst(plan, flow, choices, inf if max_input_tokens is None else max_input_tokens, refused, is_repeated)
    load = found.step(flow.step, flow.max_output_tokens)
    if instead := [found.step(target, flow.max_output_tokens) for target in degraded_to(plan, flow)]:
        # A budget may replace a step when one of its calls no longer fits: what was asked until then is paid, too.
        before = worst([load, *instead]) if len(instead) > 1 else load
        load = in_turn([before, worst(instead)]) if is_repeated else worst([load, *instead])
    load = attrs.evolve(load, signals=load.signals.union(guarding(plan, flow)))
    return in_turn([load, *(found.classified(plan.classifiers[name]) for name in sorted(load.signals))])


def asked_by(declared: Classifier | Scorer, plan: Plan) -> list[Model]:
    """The models that the options of a classifier or a scorer name."""
    names = dict.fromkeys(_texts(declared.options))
    return [plan.models[name] for name in names if name in plan.models]


def scorers_of(step: Cascade | Experiment | Strategy, plan: Plan) -> list[Scorer]:
    """The scorers that a step may ask of an answer, each once."""
    match step:
        case Cascade(accept=accept):
            names = tuple(each.scorer for each in atoms([accept]) if isinstance(each, ScoreIs))
        case Experiment(metric=metric, sample=sample):
            names = (metric,) if sample else ()
        case Strategy(scorers=scorers):
            names = scorers
    return [plan.scorers[name] for name in dict.fromkeys(names)]


def degraded_to(plan: Plan, flow: Flow) -> list[str]:
    """The steps that the flow's budget may ask in place of an arm's."""
    thresholds = plan.budgets[flow.budget].thresholds if flow.budget is not None else ()
    return [each.target for each in thresholds if each.action == "degrade" and each.target is not None]


def guarding(plan: Plan, flow: Flow) -> list[str]:
    """The classifiers that the guards of a flow and its cache read before a call."""
    tests = [rule.test for guard in flow.guards for rule in plan.guards[guard].rules]
    tests += plan.caches[flow.cache].off if flow.cache is not None else ()
    return [name for each in tests for name in signals_of(each)]


def tried(route: Route, choices: Choices) -> list[str]:
    """The classifiers that a table may read on the way to its arm."""
    last = choices.get(route.name, len(route.arms))
    return [name for name, first in _first_read(_Same(route)).items() if first <= last]


class _Same:
    """A table as itself, whatever it is equal to: to compare long ones takes as long as to read them."""

    def __init__(self, route: Route) -> None:
        self.route = route

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.route is other.route

    def __hash__(self) -> int:
        return id(self.route)


@lru_cache(maxsize=32)
def _first_read(table: _Same) -> dict[str, int]:
    """By classifier, the first arm of a table that may read it."""
    found: dict[str, int] = {}
    for number, arm in enumerate(table.route.arms):
        for name in signals_of(arm.test):
            found.setdefault(name, number)
    return found


_Key = tuple[str, int | None]
"""A step and the `max_output` that holds for it."""


@attrs.frozen
class _Worst:
    plan: Plan
    flow: Flow
    choices: Choices
    max_input: float
    refused: frozenset[str]
    is_repeated: bool

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
            case Ask(model=model) if model in self.refused:
                return Load()
            case Ask(model=model):
                declared = self.plan.models[model]
                own = prompt_tokens(self.plan, self.flow, declared)
                wrote = _least(inf if most is None else most, declared.max_output_tokens)
                load = self._call(declared, "answer", self.max_input + own, wrote, own).times(1 + self._asked_again())
                return attrs.evolve(load, signals=load.signals.union(prompt_signals(self.plan, self.flow, declared)))
            case Tier(scorecard=scorecard):
                load = in_turn(loads)
                by = self.plan.scorecards[scorecard].by if scorecard is not None else ""
                return attrs.evolve(load, signals=load.signals.union([by] if by else []))
            case Route() as step:
                return attrs.evolve(worst(loads), signals=worst(loads).signals | frozenset(tried(step, self.choices)))
            case Split():
                return worst(loads)
            case Experiment() as step:
                return worst([each + self._judged(scorers_of(step, self.plan), each.longest) for each in loads])
            case Strategy() as step:
                return self._strategy(step, loads)
            case Cascade() as step:
                judged = [self._judged(scorers_of(step, self.plan), each.longest) for each in loads[:-1]]
                load = in_turn([*loads, *judged])
                return attrs.evolve(load, signals=load.signals | frozenset(signals_of(step.accept)))
            case Fallback() as step:
                if not self.is_repeated:
                    return in_turn(loads)
                load = in_turn([each.times(1 + step.retry_times) for each in loads])
                # Doubled after each attempt but the last; the cap keeps the power within a float.
                pauses_s = step.backoff_s * (2.0 ** min(step.retry_times, 1000) - 1) * len(loads)
                asked_to_wait = (AskedToWait(step.name),) if step.retry_times else ()
                return attrs.evolve(
                    load,
                    time_s=load.time_s + pauses_s,
                    declared_s=load.declared_s + pauses_s,
                    endless=load.endless.union(asked_to_wait),
                )
            case With() as step:
                return loads[0].within(step.deadline_s)

    def _asked_again(self) -> int:
        """How often a model is asked again for an answer that breaks the flow's contract."""
        return self.plan.outputs[self.flow.output].retry_times if self.flow.output is not None and self.is_repeated else 0

    def _strategy(self, step: Strategy, loads: list[Load]) -> Load:
        """What a strategy comes to by its call summary; nothing bounds one that has none."""
        if not loads:
            return Load()
        judged = [self._judged(scorers_of(step, self.plan), each.longest) for each in loads]
        if step.calls is None:
            opaque = frozenset((OpaqueStrategy(step.name),))
            load = in_turn([*loads, *judged])
            return attrs.evolve(load, microusd=None, per_token=None, time_s=inf, endless=load.endless | opaque, unknown=opaque)
        rounds, rest = divmod(step.calls.most, len(loads))
        together = at_once if step.calls.parallel and not step.calls.staggered else in_turn
        every = [load for load in loads for _ in range(rounds)] + [worst(loads)] * rest
        scored = [judge for judge in judged for _ in range(rounds)] + [worst(judged)] * rest
        return in_turn([together(every), *scored])

    def classified(self, declared: Classifier) -> Load:
        """The load of reading a classifier once."""
        own = OPINION_PROMPT_TOKENS + _tokens_of(declared)
        calls = [self._opinion(model, "classify", self.max_input, own) for model in asked_by(declared, self.plan)]
        return attrs.evolve(
            in_turn(calls), time_s=declared.timeout_s, declared_s=declared.timeout_s, endless=frozenset(), longest=0
        )

    def _judged(self, scorers: Sequence[Scorer], longest: float) -> Load:
        """The load of judging one answer."""
        loads = []
        for scorer in scorers:
            own = OPINION_PROMPT_TOKENS + _tokens_of(scorer)
            calls = [self._opinion(model, "judge", self.max_input + longest, own) for model in asked_by(scorer, self.plan)]
            unbounded = frozenset((NoScorerTimeout(scorer.name),))
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
