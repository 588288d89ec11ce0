"""The decision of a flow for a situation: which arm holds and why, how it goes on, and the worst that may come of it.

What is not known stays open: then every way that is still possible is explained.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import attrs
import msgspec

from mmflow.bounds import Bound
from mmflow.bounds.cases import arm_cases, least_tokens
from mmflow.bounds.names import arm_texts, step_text, target_text
from mmflow.bounds.refused import refused
from mmflow.bounds.rows import bound_of
from mmflow.bounds.said import budget_lines, kind_of, step_lines
from mmflow.bounds.walk import Choices, reached, targets_of
from mmflow.bounds.ways import TOKENS, Domains, domains_between, in_words, most_tokens, ways
from mmflow.bounds.worst import degraded_to, guarding, worst_case
from mmflow.explanation.narrowing import Draws, LeftOut, Narrowed, Order, common, narrowed
from mmflow.plan import (
    All,
    Any_,
    Ask,
    Experiment,
    Flow,
    LabelIs,
    Not,
    Plan,
    RequestIs,
    Route,
    ScoreIs,
    Split,
    Step,
    Test,
    TextMatches,
    Tier,
    With,
    fingerprint,
)
from mmflow.situations import Assignment, TooMany, Value, atoms, decide, variable_of
from mmflow.units import Tokens, text_of

Verdict = Literal["yes", "no", "open", "yes if reached", "not looked at"]
"""`open` depends on what is not known; `yes if reached` holds, after an arm that is open."""

MAX_SITUATIONS = 20_000


@attrs.frozen
class Known:
    """What is known of a request: values by variable, each with the fact that says it, and the draws of splits."""

    values: Assignment = attrs.field(factory=dict)
    facts: Mapping[str, str] = attrs.field(factory=dict)
    draws: Draws = attrs.field(factory=dict)
    opaque: tuple[str, ...] = ()
    """Classifiers that cannot tell, because they ask a model."""

    @property
    def tokens(self) -> int | None:
        """The length of the request, where it is known."""
        tokens = self.values.get(TOKENS)
        return tokens if isinstance(tokens, int) else None


class ArmSaid(msgspec.Struct, frozen=True, kw_only=True):
    """An arm, whether it holds, and what decides it: facts, or where it is open the names of what is not known."""

    condition: str
    target: str
    verdict: Verdict
    because: tuple[str, ...] = ()


class RuleSaid(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a guard, and whether it applies."""

    guard: str
    rule: str
    verdict: Literal["yes", "no", "open"]
    because: tuple[str, ...] = ()


class StepSaid(msgspec.Struct, frozen=True, kw_only=True):
    """A step on the way, with what it does, and who is left out of it."""

    kind: str
    name: str
    lines: tuple[str, ...]
    by_budget: bool
    """Whether only the flow's budget leads here."""
    left_out: tuple[LeftOut, ...] = ()


class WaySaid(msgspec.Struct, frozen=True, kw_only=True):
    """A way that is possible. `situations` are what it takes beside what is known: empty where nothing, None: too many."""

    situations: tuple[str, ...] | None
    arms: tuple[str, ...]
    target: str
    steps: tuple[StepSaid, ...]
    rules: tuple[RuleSaid, ...]
    budget: tuple[str, ...]
    bound: Bound


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The decision of a flow. `refused` says why no way is gone at all, `open` names what the ways depend on."""

    schema: int = 1
    plan: str
    flow: str
    known: tuple[str, ...]
    open: tuple[str, ...]
    refused: str | None
    arms: tuple[ArmSaid, ...]
    ways: tuple[WaySaid, ...]
    remarks: tuple[str, ...] = ()


def explained(plan: Plan, flow: Flow, known: Known, order: Order, folder: Path) -> Explanation:
    """The decision of a flow for what is known of a request."""
    domains = domains_between((plan, flow))
    remarks = list(_remarks(plan, flow, known))
    refused = _refused(flow, known)
    found: list[_Open] = []
    if refused is None:
        try:
            found = _open_ways(plan, flow, known, domains)
        except TooMany:
            remarks.append("there are too many situations to tell apart: give more of them")
            found = [_Open(each.choices, None) for each in arm_cases(plan, flow)]
    route = plan.steps[flow.step]
    needed = (name for each in found for situation in each.situations or () for name in situation if name not in known.values)
    return Explanation(
        plan=fingerprint(plan),
        flow=flow.name,
        known=tuple(known.facts.values()),
        open=tuple(dict.fromkeys(needed)),
        refused=refused,
        arms=tuple(_arms(plan, route, known.values, _Words(known, domains))) if isinstance(route, Route) else (),
        ways=tuple(_Way(plan, flow, known, domains, order, folder, each).said() for each in found),
        remarks=tuple(remarks),
    )


Atom = LabelIs | RequestIs | TextMatches | ScoreIs


def read_by(plan: Plan, flow: Flow) -> dict[str, Atom | None]:
    """Everything that the decisions of a flow depend on, by name, with a test of it: None for what is not compared.

    These are classifiers, fields of the request, and patterns.
    """
    tests: list[Test] = [rule.test for guard in flow.guards for rule in plan.guards[guard].rules]
    found: dict[str, Atom | None] = {}
    if flow.max_input_tokens is not None:
        found[TOKENS] = None
    for step in _steps(plan, flow):
        match step:
            case Route(arms=arms):
                tests += [arm.test for arm in arms]
            case Tier(scorecard=str(card)) if by := plan.scorecards[card].by:
                found[by] = None
            case Split(sticky=sticky) | Experiment(sticky=sticky):
                found[f"request.{sticky}"] = None
    return found | {variable_of(each): each for each in atoms(tests)}


def drawn_by(plan: Plan, flow: Flow) -> list[Split | Experiment]:
    """The splits and experiments of a flow."""
    return [step for step in _steps(plan, flow) if isinstance(step, Split | Experiment)]


def _steps(plan: Plan, flow: Flow) -> list[Step]:
    found = {step.name: step for root in (flow.step, *degraded_to(plan, flow)) for step in reached(plan, root)}
    return list(found.values())


def next_open(plan: Plan, flow: Flow, values: Assignment, tried: set[str]) -> str | None:
    """A classifier that the decision depends on and that nobody has tried to read yet; None where there is none."""
    try:
        for way in ways(plan, flow.step, domains_between((plan, flow)), values):
            for name in way.values:
                if name not in values and name in plan.classifiers and name not in tried:
                    return name
    except TooMany:
        pass
    more = [*guarding(plan, flow), *(name for name in read_by(plan, flow) if name in _cards(plan))]
    return next((name for name in more if name not in values and name not in tried), None)


def _cards(plan: Plan) -> set[str]:
    return {card.by for card in plan.scorecards.values()} & set(plan.classifiers)


def _refused(flow: Flow, known: Known) -> str | None:
    tokens = known.tokens
    if flow.max_input_tokens is None or tokens is None or tokens <= flow.max_input_tokens:
        return None
    return f"the request has {text_of(Tokens(tokens))} tokens, and `max_input` is {text_of(Tokens(flow.max_input_tokens))}"


def _remarks(plan: Plan, flow: Flow, known: Known) -> Iterator[str]:
    yield from (f"`{name}` asks a model, and none is asked here: give what it says" for name in known.opaque)
    read, drawn = read_by(plan, flow), {step.name for step in drawn_by(plan, flow)}
    for name in known.facts:
        if name in plan.classifiers and name not in read:
            yield f"nothing in flow `{flow.name}` reads `{name}`"
        elif name in plan.steps and name not in drawn:
            yield f"flow `{flow.name}` does not come to `{name}`"


# ---- the ways that are open ----------------------------------------------------------------------------------------------------


@attrs.frozen
class _Open:
    choices: Choices
    situations: tuple[Assignment, ...] | None


def _open_ways(plan: Plan, flow: Flow, known: Known, domains: Domains) -> list[_Open]:
    """By the arms that they take, in the order of the arms. Raises `TooMany`."""
    by_choices: dict[tuple[tuple[str, int], ...], list[Assignment]] = {}
    for way in ways(plan, flow.step, domains, known.values):
        by_choices.setdefault(tuple(way.choices.items()), []).append(way.values)
    keys = sorted(by_choices, key=lambda items: [arm for _, arm in items])
    return [_Open(dict(key), tuple(by_choices[key])) for key in keys]


@attrs.frozen
class _Way:
    """One of the ways, with the situations in which it is taken."""

    plan: Plan
    flow: Flow
    known: Known
    domains: Domains
    order: Order
    folder: Path
    open: _Open

    def said(self) -> WaySaid:
        values, flow = common(self._taken()), self.flow
        plan = narrowed(self.plan, flow, self._taken(), self.known.draws, self.order, self.folder)
        never = refused(plan.plan, flow, self._taken())
        load = worst_case(plan.plan, flow, self.open.choices, self._longest(), refused=never)
        return WaySaid(
            situations=self._situations(),
            arms=arm_texts(self.plan, self.open.choices),
            target=target_text(self.plan, flow.step, self.open.choices),
            steps=tuple(self._steps(plan, values)),
            rules=tuple(self._rules()),
            budget=self._budget(),
            bound=bound_of(plan.plan, flow, load, self.open.choices),
        )

    def _budget(self) -> tuple[str, ...]:
        if self.flow.budget is None:
            return ()
        return tuple(line.strip() for line in budget_lines(self.plan.budgets[self.flow.budget], self.plan))

    def _taken(self) -> tuple[Assignment, ...]:
        return self.open.situations or (self.known.values,)

    def _situations(self) -> tuple[str, ...] | None:
        if self.open.situations is None:
            return None
        known = self.known.values
        return in_words([{k: v for k, v in each.items() if k not in known} for each in self.open.situations], self.domains)

    def _longest(self) -> int | None:
        if self.known.tokens is not None:
            return self.known.tokens
        lengths = [most_tokens(each, self.domains) for each in self.open.situations or ({},)]
        most = None if None in lengths else max(each for each in lengths if each is not None)
        return least_tokens(most, self.flow.max_input_tokens)

    def _steps(self, found: Narrowed, values: Assignment) -> Iterator[StepSaid]:
        root = self.plan.steps[self.flow.step]
        own = dict(_downwards(found.plan, self.flow.step, self.open.choices))
        others = {name: step for target in degraded_to(self.plan, self.flow) for name, step in _downwards(found.plan, target, {})}
        for step in {**own, **others}.values():
            if isinstance(step, Ask | With) or (step.name == root.name and isinstance(root, Route)):
                continue
            if isinstance(step, Route):
                arms = _arms(self.plan, self.plan.steps[step.name], values, _Words(self.known, self.domains))
                lines = tuple(f"  {arm_text(each)}" for each in arms)
            else:
                lines = (*step_lines(step, found.plan), *(f"  {each}" for each in found.notes.get(step.name, ())))
            yield StepSaid(
                kind=kind_of(step),
                name=step.name,
                lines=tuple(line.removeprefix("  ") for line in lines),
                by_budget=step.name not in own,
                left_out=found.left_out.get(step.name, ()),
            )

    def _rules(self) -> Iterator[RuleSaid]:
        taken = self._taken()
        words = _Words(self.known, self.domains, taken)
        for guard in self.flow.guards:
            for rule in self.plan.guards[guard].rules:
                outcomes = {decide(rule.test, each) for each in taken}
                verdict: Literal["yes", "no", "open"] = "yes" if outcomes == {True} else "no" if outcomes == {False} else "open"
                because = read_of(rule.test) if verdict == "open" else _because(rule.test, taken[0], words)
                yield RuleSaid(guard=guard, rule=rule.text, verdict=verdict, because=because)


def _downwards(plan: Plan, root: str, choices: Choices) -> Iterator[tuple[str, Step]]:
    """The steps from a step on, each once, in the order in which a reader comes to them."""
    waiting = [root]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name, plan.steps[name]
            waiting += reversed(targets_of(plan.steps[name], choices))


# ---- why -----------------------------------------------------------------------------------------------------------------------


def _arms(plan: Plan, route: object, values: Assignment, words: "_Words") -> Iterator[ArmSaid]:
    """The arms of a table, in their order, as far as they are looked at."""
    assert isinstance(route, Route)
    is_open = is_over = False
    for arm in route.arms:
        outcome = decide(arm.test, values)
        verdict: Verdict
        if is_over:
            verdict = "not looked at"
        elif isinstance(outcome, str):
            verdict, is_open = "open", True
        elif outcome:
            verdict, is_over = "yes if reached" if is_open else "yes", True
        else:
            verdict = "no"
        because = () if verdict == "not looked at" else _because(arm.test, values, words)
        yield ArmSaid(condition=arm.text, target=step_text(plan, arm.step), verdict=verdict, because=because)
    if route.otherwise is not None:
        verdict = "not looked at" if is_over else "yes if reached" if is_open else "yes"
        yield ArmSaid(condition="else", target=step_text(plan, route.otherwise), verdict=verdict)


def arm_text(arm: ArmSaid) -> str:
    """An arm in a line: `yes  when task == code -> coder  because task = code (given)`."""
    condition = arm.condition if arm.condition == "else" else f"when {arm.condition}"
    return f"{arm.verdict:<14} {condition} -> {arm.target}{because_text(arm.verdict, arm.because)}"


def because_text(verdict: str, because: tuple[str, ...]) -> str:
    """Why, behind what it is about; nothing where there is nothing to say."""
    if not because:
        return ""
    return f"  depends on {', '.join(because)}" if verdict == "open" else f"  because {', '.join(because)}"


@attrs.frozen
class _Words:
    """How facts are told; what is not known is what it is in all of the situations that are taken."""

    known: Known
    domains: Domains
    taken: tuple[Assignment, ...] = ()

    def of(self, name: str, value: Value) -> str:
        """What a variable is, as a fact."""
        if name in self.known.facts:
            return self.known.facts[name]
        if name in self.known.values:
            return f"{name} is not set" if value is None else f"{name} = {value}"
        others = [{name: each[name]} for each in self.taken if name in each]
        told = in_words(others or [{name: value}], self.domains) if name in self.domains else ()
        return " or ".join(told) if told else f"{name} = {value}"


def read_of(test: Test) -> tuple[str, ...]:
    """What a test reads, each once."""
    return tuple(dict.fromkeys(map(variable_of, atoms([test]))))


def _because(test: Test, values: Assignment, words: _Words) -> tuple[str, ...]:
    """The facts that decide a test, or the names of what is not known."""
    outcome = decide(test, values)
    if isinstance(outcome, str):
        return tuple(name for name in read_of(test) if name not in values)
    return tuple(dict.fromkeys(_facts(test, values, words.of)))


def _facts(test: Test, values: Assignment, fact: Callable[[str, Value], str]) -> Iterator[str]:
    match test:
        case All(tests=tests) | Any_(tests=tests):
            decisive = isinstance(test, Any_)
            decides = next((each for each in tests if decide(each, values) is decisive), None)
            for each in tests if decides is None else (decides,):
                yield from _facts(each, values, fact)
        case Not(test=inner):
            yield from _facts(inner, values, fact)
        case LabelIs() | RequestIs() | TextMatches() | ScoreIs():
            name = variable_of(test)
            yield fact(name, values[name])
