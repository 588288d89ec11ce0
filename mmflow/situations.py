"""Situations: every combination of what a table of arms reads, explored only as far as the arms look.

A variable is a classifier (its labels), a field of the request (one representative of each range that the comparisons
tell apart), or a pattern (found or not). Arms are tried in order under a partial assignment, and a variable is split only
when an arm's truth depends on it, so that the work grows with what is read and not with what is declared.
"""

from collections.abc import Iterator, Mapping, Sequence

import attrs

from mmflow.plan import All, Any_, LabelIs, Not, RequestIs, ScoreIs, Test, TextMatches, compare

MAX_SITUATIONS = 100_000

Value = str | int | float | bool | None
Assignment = Mapping[str, Value]


@attrs.frozen
class Situation:
    """What an arm was taken under: the values that were looked at, and the index of the arm (None: no arm holds)."""

    values: Assignment
    arm: int | None

    def __str__(self) -> str:
        """`task = code, request.tokens = 2001`; empty where nothing was looked at."""
        return ", ".join(f"{name} = {_shown(value)}" for name, value in self.values.items())


class TooMany(Exception):
    """More situations than `MAX_SITUATIONS`."""


def situations(tests: Sequence[Test], labels: Mapping[str, Sequence[str]]) -> Iterator[Situation]:
    """Every way through the arms, each with its first arm that holds. Raises `TooMany` past the cap."""
    domains = domains_of(tests, labels)
    stack: list[tuple[dict[str, Value], int]] = [({}, 0)]
    count = 0
    while stack:
        values, arm = stack.pop()
        outcome: bool | str = False
        while arm < len(tests):
            outcome = decide(tests[arm], values)
            if outcome is not False:
                break
            arm += 1
        if isinstance(outcome, str):
            stack.extend(({**values, outcome: value}, arm) for value in reversed(domains[outcome]))
            continue
        count += 1
        if count > MAX_SITUATIONS:
            raise TooMany
        yield Situation(values, arm if arm < len(tests) else None)


def variable_of(test: LabelIs | RequestIs | TextMatches | ScoreIs) -> str:
    """The name of what an atomic test reads."""
    match test:
        case LabelIs(signal=signal):
            return signal
        case RequestIs(field=field):
            return f"request.{field}"
        case TextMatches(pattern=pattern):
            return f'request.text matches "{pattern}"'
        case ScoreIs(scorer=scorer):
            return scorer


def holds(test: Test, values: Assignment) -> bool:
    """The truth of a test where every variable it needs has a value."""
    outcome = decide(test, values)
    if isinstance(outcome, str):
        raise KeyError(outcome)
    return outcome


def decide(test: Test, values: Assignment) -> bool | str:
    """True, False, or the first variable on which it depends."""
    match test:
        case All(tests=tests) | Any_(tests=tests):
            decisive = isinstance(test, Any_)
            open_: str | None = None
            for each in tests:
                outcome = decide(each, values)
                if outcome is decisive:
                    return decisive
                if isinstance(outcome, str) and open_ is None:
                    open_ = outcome
            return (not decisive) if open_ is None else open_
        case Not(test=inner):
            outcome = decide(inner, values)
            return outcome if isinstance(outcome, str) else not outcome
        case _:
            name = variable_of(test)
            return _atom(test, values[name]) if name in values else name


def _atom(test: LabelIs | RequestIs | TextMatches | ScoreIs, value: Value) -> bool:
    match test:
        case LabelIs(labels=labels):
            return value in labels
        case RequestIs(operator=operator, value=bound):
            return compare(value, operator, bound)
        case _:
            return bool(value)


def domains_of(tests: Sequence[Test], labels: Mapping[str, Sequence[str]]) -> dict[str, Sequence[Value]]:
    """The values that stand for all that tests can tell apart, by variable."""
    domains: dict[str, Sequence[Value]] = {}
    for atom in atoms(tests):
        name = variable_of(atom)
        match atom:
            case LabelIs(signal=signal):
                domains[name] = list(labels[signal])
            case RequestIs(value=bool()) | TextMatches() | ScoreIs():
                domains[name] = [True, False]
            case RequestIs(value=int(bound)):
                known = {value for value in domains.get(name, []) if isinstance(value, int)}
                near = {bound - 1, bound, bound + 1} if bound else {0, 1}
                domains[name] = sorted(known | near)
            case RequestIs(value=value):
                others = [each for each in domains.get(name, ()) if each is not None and each != value]
                domains[name] = [*others, value, None]
    return domains


def atoms(tests: Sequence[Test]) -> Iterator[LabelIs | RequestIs | TextMatches | ScoreIs]:
    """The atomic tests within tests, in order."""
    for test in tests:
        match test:
            case All(tests=inner) | Any_(tests=inner):
                yield from atoms(inner)
            case Not(test=single):
                yield from atoms((single,))
            case _:
                yield test


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "another" if value is None else str(value)
