"""Ways through a flow: each combination of arms that some situation takes, through nested tables of arms as well.

Only what an arm reads is told apart, and only where its truth depends on it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from mmflow.bounds.walk import Choices, bottom_up, reached, target_of, targets_of
from mmflow.plan import Flow, Plan, RequestIs, Route, Test
from mmflow.situations import Assignment, TooMany, Value, decide, domains_of, open_to

MAX_WAYS = 20_000

TOKENS = "request.tokens"

Domains = Mapping[str, Sequence[Value]]


@attrs.frozen
class Way:
    """A situation, and the arms that it takes, in the order in which the tables are come to."""

    values: Assignment
    choices: Choices


def ways(plan: Plan, root: str, domains: Domains, given: Assignment | None = None, *, most: int = MAX_WAYS) -> Iterator[Way]:
    """Every way from a step on, under the values that are given. Raises `TooMany` past `most` of them."""
    under = _routes_under(plan, root)
    # With each way the arms of the table that it stands at which may still hold; None: all of them.
    stack: list[tuple[dict[str, Value], dict[str, int], tuple[str, ...], Sequence[int] | None]] = [
        (dict(given or {}), {}, under[root], None)
    ]
    count = 0
    while stack:
        values, choices, agenda, left = stack.pop()
        while agenda:
            route = plan.steps[agenda[0]]
            assert isinstance(route, Route)
            outcome: bool | str = False
            arm, arms = len(route.arms), range(len(route.arms)) if left is None else left
            for each in arms:
                if (outcome := decide(route.arms[each].test, values)) is not False:
                    arm = each
                    break
            if isinstance(outcome, str):
                tests = [(each, route.arms[each].test) for each in arms if each >= arm]
                parts = [*open_to(tests, outcome, domains[outcome], values)]
                stack.extend(({**values, outcome: value}, choices, agenda, open_) for value, open_ in reversed(parts))
                break
            choices = {**choices, route.name: arm}
            chosen = target_of(route, arm)
            further = () if chosen is None else under[chosen]
            agenda = tuple(name for name in dict.fromkeys((*further, *agenda[1:])) if name not in choices)
            left = None
        else:
            count += 1
            if count > most:
                raise TooMany
            yield Way(values, choices)


def domains_between(*flows: tuple[Plan, Flow]) -> dict[str, Sequence[Value]]:
    """What stands for every request that the tables of these flows can tell apart, short of those that none of them takes."""
    tests: list[Test] = []
    labels: dict[str, tuple[str, ...]] = {}
    for plan, flow in flows:
        tests += [arm.test for step in reached(plan, flow.step) if isinstance(step, Route) for arm in step.arms]
        for each in plan.classifiers.values():
            own = (*each.labels, "unsure") if each.unsure == "none" else each.labels
            labels[each.name] = tuple(dict.fromkeys((*labels.get(each.name, ()), *own)))
    longest = [flow.max_input_tokens for _, flow in flows]
    if len(set(longest)) > 1:
        # Who takes a request that another turns away is told apart as well.
        tests += [RequestIs("tokens", "<=", most) for most in longest if most is not None]
    domains = domains_of(tests, labels)
    if TOKENS in domains and None not in longest:
        # The least of the numbers stands for all below it, too.
        least, *more = domains[TOKENS]
        domains[TOKENS] = [least, *(each for each in more if any(each <= most for most in longest))]  # type: ignore[operator]
    return domains


def most_tokens(values: Assignment, domains: Domains) -> int | None:
    """The longest request that a situation stands for, in input tokens; None where it has no bound."""
    tokens = values.get(TOKENS)
    if not isinstance(tokens, int):
        return None
    later = [each for each in domains[TOKENS] if isinstance(each, int) and each > tokens]
    return min(later) - 1 if later else None


def _routes_under(plan: Plan, root: str) -> dict[str, tuple[str, ...]]:
    """By step, the tables of arms that it leads to before any of them is decided."""

    def found(name: str, below: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        if isinstance(plan.steps[name], Route):
            return (name,)
        return tuple(dict.fromkeys(route for routes in below for route in routes))

    return bottom_up(root, lambda name: targets_of(plan.steps[name]), found)


# ---- in words ---------------------------------------------------------------------------------------------------------------


def in_words(situations: Iterable[Assignment], domains: Domains) -> tuple[str, ...]:
    """Situations as people read them, those that differ in one thing only taken together; empty where it is any situation."""
    cubes = [{name: frozenset((value,)) for name, value in each.items()} for each in situations]
    names = list(dict.fromkeys(name for cube in cubes for name in cube))
    before = 0
    while len(cubes) != before:
        before = len(cubes)
        for name in reversed(names):
            cubes = _merged(cubes, name, domains)
    if any(not cube for cube in cubes):
        return ()
    return tuple(", ".join(_said(name, cube[name], domains[name]) for name in names if name in cube) for cube in cubes)


_Cube = dict[str, frozenset[Value]]


def _merged(cubes: list[_Cube], name: str, domains: Domains) -> list[_Cube]:
    """The cubes, those that agree in all but one variable made one."""
    every = frozenset(domains[name])
    groups: dict[frozenset[tuple[str, frozenset[Value]]], frozenset[Value]] = {}
    for cube in cubes:
        rest = frozenset((other, values) for other, values in cube.items() if other != name)
        groups[rest] = groups.get(rest, frozenset()) | cube.get(name, every)
    return [dict(rest) | ({} if values == every else {name: values}) for rest, values in groups.items()]


def _said(name: str, values: frozenset[Value], domain: Sequence[Value]) -> str:
    ordered = [value for value in domain if value in values]
    if isinstance(ordered[0], bool):
        is_pattern = " matches " in name
        return (name if ordered[0] else f"not {name}") if is_pattern else f"{name} = {str(ordered[0]).lower()}"
    if all(isinstance(value, int) for value in domain):
        return " or ".join(_range(name, first, last, domain) for first, last in _runs(ordered, domain))
    others = [value for value in domain if value not in values]
    if len(others) == 1 and len(ordered) > 1:
        return f"{name} != {_shown(others[0])}"
    return f"{name} = {' or '.join(map(_shown, ordered))}"


def _runs(values: Sequence[Value], domain: Sequence[Value]) -> Iterator[tuple[int, int]]:
    """The positions in the domain where values that follow one another begin and end."""
    places = [place for place, value in enumerate(domain) if value in values]
    first = places[0]
    for place, following in zip(places, [*places[1:], None], strict=True):
        if following != place + 1:
            yield first, place
            first = following or 0


def _range(name: str, first: int, last: int, domain: Sequence[Value]) -> str:
    if last == len(domain) - 1:
        return f"{name} >= {domain[first]}"
    upto = domain[last + 1] - 1  # type: ignore[operator]  # the domain of a number
    if first == 0:
        return f"{name} <= {upto}"
    return f"{name} = {upto}" if domain[first] == upto else f"{name} = {domain[first]} to {upto}"


def _shown(value: Value) -> str:
    return "another" if value is None else str(value)
