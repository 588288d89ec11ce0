"""Cases of a flow: the requests that take the same arms, however many situations they are in."""

from collections.abc import Sequence

import attrs

from mmflow.bounds.refused import refused
from mmflow.bounds.walk import Choices
from mmflow.bounds.ways import MAX_WAYS, TOKENS, Domains, domains_between, most_tokens, ways
from mmflow.plan import Flow, Plan, Route
from mmflow.situations import Assignment, Situation, TooMany


@attrs.frozen
class Case:
    """The arms that are taken, the situations that take them (None: too many to tell), and the lengths of such requests."""

    choices: Choices
    situations: tuple[Assignment, ...] | None
    shortest: int
    longest: int | None
    """Input tokens; None is without a bound."""
    refused: frozenset[str] = frozenset()
    """Models that the guards let none of these requests reach."""

    @property
    def witness(self) -> str:
        """One situation: `task = code, request.tokens = 2001`; empty where it is any, or nobody knows."""
        return str(Situation(self.situations[0], None)) if self.situations else ""


def cases(plan: Plan, flow: Flow, domains: Domains, most: int = MAX_WAYS) -> list[Case]:
    """The cases of a flow in the order of its arms. Raises `TooMany` where there are more than `most` ways through them."""
    by_choices: dict[tuple[tuple[str, int], ...], list[Assignment]] = {}
    for way in ways(plan, flow.step, domains, most=most):
        by_choices.setdefault(tuple(way.choices.items()), []).append(way.values)
    found = []
    for key in sorted(by_choices, key=lambda items: [arm for _, arm in items]):
        situations = by_choices[key]
        longest = [least_tokens(flow.max_input_tokens, most_tokens(each, domains)) for each in situations]
        most_of_all = None if None in longest else max(each for each in longest if each is not None)
        shortest = min(_shortest(each, domains) for each in situations)
        found.append(Case(dict(key), tuple(situations), shortest, most_of_all, refused(plan, flow, situations)))
    return found


def cases_or_arms(plan: Plan, flow: Flow, most: int) -> list[Case]:
    """The cases of a flow, or where they are too many a case for each arm."""
    try:
        return cases(plan, flow, domains_between((plan, flow)), most)
    except TooMany:
        return arm_cases(plan, flow)


def arm_cases(plan: Plan, flow: Flow) -> list[Case]:
    """A case for each arm of the flow's own table, whether or not a situation takes it."""
    first = plan.steps[flow.step]
    arms: Sequence[int | None] = [None]
    if isinstance(first, Route):
        arms = range(len(first.arms) + (first.otherwise is not None))
    return [Case({} if arm is None else {first.name: arm}, None, 1, flow.max_input_tokens) for arm in arms]


def least_tokens(one: int | None, other: int | None) -> int | None:
    """The smaller of two bounds, either of which may be none."""
    return min((each for each in (one, other) if each is not None), default=None)


def _shortest(values: Assignment, domains: Domains) -> int:
    tokens = values.get(TOKENS)
    # The least of the numbers stands for all below it, too.
    return tokens if isinstance(tokens, int) and tokens != domains[TOKENS][0] else 1
