"""Situations: every combination of what a table of arms reads, explored only as far as the arms look.

A variable is a classifier (its labels), a field of the request (one representative of each range that the comparisons
tell apart), or a pattern (found or not). A variable is split only when an arm's truth depends on it, so that the work grows
with what is read and not with what is declared.
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


def outcomes(tests: Sequence[Test], labels: Mapping[str, Sequence[str]]) -> dict[int | None, Situation]:
    """Each arm that some situation takes (None: no arm), with one such situation, the first in the order of the values.

    Where different ways leave the same conditions open they are followed once, so that arms which read much still end in
    time. Raises `TooMany` past the cap.
    """
    domains = domains_of(tests, labels)
    found: dict[int | None, Situation] = {}
    seen: set[tuple[Test, ...]] = set()
    stack: list[tuple[dict[str, Value], tuple[Test, ...]]] = [
        ({}, tuple(_restricted(test, "", False) for test in tests))
    ]  # `not true` is `false`
    while stack:
        values, open_ = stack.pop()
        while open_ and open_[0] == _NEVER:
            open_ = open_[1:]
        if not open_ or open_[0] == _ALWAYS:
            arm = len(tests) - len(open_) if open_ else None
            found.setdefault(arm, Situation(values, arm))
            continue
        if open_ in seen:
            continue
        seen.add(open_)
        if len(seen) > MAX_SITUATIONS:
            raise TooMany
        name = variable_of(next(atoms(open_)))
        for value in reversed(domains[name]):
            rest = tuple(_restricted(test, name, value) for test in open_)
            stack.append(({**values, name: value}, rest))
    return found


_ALWAYS: Test = All(())
_NEVER: Test = Any_(())


def _restricted(test: Test, name: str, value: Value) -> Test:
    """What is left of a test once a variable has a value."""
    match test:
        case All(tests=tests) | Any_(tests=tests):
            decisive, neutral = (_NEVER, _ALWAYS) if isinstance(test, All) else (_ALWAYS, _NEVER)
            left = tuple(each for each in (_restricted(each, name, value) for each in tests) if each != neutral)
            if decisive in left:
                return decisive
            return neutral if not left else left[0] if len(left) == 1 else type(test)(left)
        case Not(test=inner):
            rest = _restricted(inner, name, value)
            return _NEVER if rest == _ALWAYS else _ALWAYS if rest == _NEVER else Not(rest)
        case _ if variable_of(test) != name:
            return test
        case _:
            return _ALWAYS if _atom(test, value) else _NEVER


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
