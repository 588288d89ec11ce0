"""A plan as far as a situation leaves it: the slices that are drawn, and the callees that guards and scorecards allow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import msgspec

from mmflow.bounds.walk import bottom_up, reached, targets_of
from mmflow.bounds.worst import degraded_to
from mmflow.plan import Ask, Experiment, Flow, Plan, Rule, Slice, Split, Step, Strategy, Tier, With, meets
from mmflow.plugin import Model
from mmflow.runtime.scorecards import Scorecards, bar
from mmflow.situations import Assignment, decide

Draws = Mapping[str, str]
"""By split or experiment, the target that is drawn, as the file names it."""

Order = Callable[[Tier, Sequence[Model]], tuple[str, ...] | None]
"""The order in which a tier asks its members by their declared numbers; None where it depends on chance."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A target that is not asked, and why not."""

    target: str
    why: str


@attrs.frozen
class Narrowed:
    """The plan that is left, and by step who is left out and what else there is to say."""

    plan: Plan
    left_out: Mapping[str, tuple[LeftOut, ...]]
    notes: Mapping[str, tuple[str, ...]]


def narrowed(plan: Plan, flow: Flow, taken: Sequence[Assignment], draws: Draws, order: Order, folder: Path) -> Narrowed:
    """What a flow may come to in every one of these situations."""
    roots = (flow.step, *degraded_to(plan, flow))
    found = _Narrowing(plan, _rules(plan, flow, taken), common(taken), draws, order, Scorecards(plan, folder))
    for step in {step.name: step for root in roots for step in reached(plan, root)}.values():
        found.take(step)
    return Narrowed(msgspec.structs.replace(plan, steps=found.steps), found.left_out, found.notes)


def base_of(plan: Plan, name: str) -> str:
    """The step that stands under every `with`, as the file names it."""
    while isinstance(step := plan.steps[name], With):
        name = step.step
    return name


def common(taken: Sequence[Assignment]) -> Assignment:
    """What holds in all of them."""
    first, *others = taken
    return {name: value for name, value in first.items() if all(name in each and each[name] == value for each in others)}


def _rules(plan: Plan, flow: Flow, taken: Sequence[Assignment]) -> list[tuple[str, Rule]]:
    """The rules that apply, with the names of their guards."""
    rules = [(guard, rule) for guard in flow.guards for rule in plan.guards[guard].rules]
    return [(guard, rule) for guard, rule in rules if all(decide(rule.test, each) is True for each in taken)]


@attrs.define
class _Narrowing:
    plan: Plan
    rules: list[tuple[str, Rule]]
    values: Assignment
    draws: Draws
    order: Order
    cards: Scorecards
    steps: dict[str, Step] = attrs.field(init=False)
    left_out: dict[str, tuple[LeftOut, ...]] = attrs.field(factory=dict)
    notes: dict[str, tuple[str, ...]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.steps = dict(self.plan.steps)

    def take(self, step: Step) -> None:
        """Narrow a step down."""
        match step:
            case Split() | Experiment() if step.name in self.draws:
                drawn = next(each.step for each in step.slices if base_of(self.plan, each.step) == self.draws[step.name])
                self.steps[step.name] = msgspec.structs.replace(step, slices=(Slice(10_000, drawn),))
            case Tier():
                self._tier(step)
            case Strategy():
                kept = [each for each in step.steps if self._has_callee(each)]
                self._leave_out(step.name, [self._refused(each) for each in step.steps if each not in kept])
                self.steps[step.name] = msgspec.structs.replace(step, steps=tuple(kept))
            case _:
                pass

    def _tier(self, step: Tier) -> None:
        models = {each: self._model(each) for each in step.models}
        allowed = {name: model for name, model in models.items() if self._rule_against(model) is None}
        left_out = [self._refused(name) for name in models if name not in allowed]
        notes: list[str] = []
        if step.scorecard is not None and step.min_quality is not None and allowed:
            allowed, missed, note = self._qualified(step, step.scorecard, step.min_quality, allowed)
            left_out += missed
            notes.append(note)
        if not allowed:
            notes.append("no member is left: the request is refused")
        elif len(allowed) > 1 and step.pick != "listed":
            ordered = self.order(step, list(allowed.values()))
            notes.append("asked in any order" if ordered is None else f"asked in this order: {', '.join(ordered)}")
        self._leave_out(step.name, left_out)
        if notes:
            self.notes[step.name] = tuple(notes)
        self.steps[step.name] = msgspec.structs.replace(step, models=tuple(allowed))

    def _qualified(
        self, step: Tier, scorecard: str, least: float, models: dict[str, Model]
    ) -> tuple[dict[str, Model], list[LeftOut], str]:
        """Who reaches the bar for the label of the request, as far as that is known."""
        by = self.plan.scorecards[scorecard].by
        label = self.values.get(by)
        if by and not isinstance(label, str):
            return models, [], f"which of them reach {least:g} depends on {by}"
        card, problem = self.cards.find(scorecard)
        found = bar(list(models.values()), card, str(label) if by else None, least)
        kept = {name: model for name, model in models.items() if model.name in found.kept}
        whose = f" for {label}" if by else ""
        missed = [
            LeftOut(target=name, why=f"its quality{whose} is {found.quality[name]:g}, below {least:g}") for name in found.left_out
        ]
        said = ", ".join(f"{name} ({found.quality[name]:g})" if name in found.quality else name for name in found.kept)
        declared = "" if problem is None else f", as the models declare it ({problem})"
        note = f"quality{whose}{declared}: {said}"
        return kept, missed, note + ("; none reaches the bar, and this is the best" if found.best else "")

    def _leave_out(self, name: str, left_out: list[LeftOut]) -> None:
        if left_out:
            self.left_out[name] = tuple(left_out)

    def _refused(self, name: str) -> LeftOut:
        against = next((found for model in self._callees(name) if (found := self._rule_against(model)) is not None), "")
        return LeftOut(target=base_of(self.plan, name), why=against)

    def _has_callee(self, name: str) -> bool:
        callees = list(self._callees(name))
        return not callees or any(self._rule_against(model) is None for model in callees)

    def _callees(self, name: str) -> Iterator[Model]:
        below = bottom_up(name, lambda each: targets_of(self.plan.steps[each]), lambda each, _: each)
        yield from (self.plan.models[step.model] for each in below if isinstance(step := self.plan.steps[each], Ask))

    def _model(self, name: str) -> Model:
        asked = self.plan.steps[name]
        assert isinstance(asked, Ask), "the members of a tier are models"
        return self.plan.models[asked.model]

    def _rule_against(self, model: Model) -> str | None:
        found = next(((guard, rule) for guard, rule in self.rules if not meets(model, rule.needs)), None)
        return None if found is None else f"guard {found[0]}: {found[1].text}"
