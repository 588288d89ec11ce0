"""Situations: every combination of what a table of arms reads, explored only as far as the arms look.

A variable is a classifier (its labels), a field of the request (one representative of each range that the comparisons
tell apart), or a pattern (found or not). A variable is split only when an arm's truth depends on it, so that the work grows
with what is read and not with what is declared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from mmflow.plan import All, Any_, LabelIs, Not, RequestIs, ScoreIs, Test, TextMatches, compare
from mmflow.units import Tokens, text_of

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
    seen: set[tuple[Numbered, ...]] = set()
    stack: list[tuple[dict[str, Value], tuple[Numbered, ...]]] = [
        ({}, tuple(_left(enumerate(_restricted(test, "", False) for test in tests))))
    ]  # `not true` is `false`
    while stack:
        values, open_ = stack.pop()
        if not open_ or open_[0][1] == _ALWAYS:
            arm = open_[0][0] if open_ else None
            found.setdefault(arm, Situation(values, arm))
            continue
        if open_ in seen:
            continue
        seen.add(open_)
        if len(seen) > MAX_SITUATIONS:
            raise TooMany
        name = variable_of(next(atoms([open_[0][1]])))
        parted = Parted(name, open_)
        shared = list(_left((number, _restricted(test, name, _OTHER)) for number, test in parted.shared))
        for value in reversed(domains[name]):
            told = {number for number, _ in parted.told_by(value)}
            own = _left((number, _restricted(test, name, value)) for number, test in parted.told_by(value))
            rest = sorted((*(each for each in shared if each[0] not in told), *own), key=lambda each: each[0])
            stack.append(({**values, name: value}, tuple(rest)))
    return found


def _left(tests: Iterable["Numbered"]) -> Iterator["Numbered"]:
    """Those that can still hold."""
    return (each for each in tests if each[1] != _NEVER)


Numbered = tuple[int, Test]
"""A test, and its number among those that it stands with."""


class _Other:
    """A value that no test names."""


_OTHER: Value = _Other()  # type: ignore[assignment]  # it stands for any that is not told from it


class Parted:
    """Tests by the values of a variable that they tell from all others, so that a value costs no more than what names it.

    `shared` are those that name some values only: for any other they come to the same.
    """

    def __init__(self, name: str, tests: Iterable[Numbered]) -> None:
        self.shared: list[Numbered] = []
        self._each: list[Numbered] = []
        self._by_value: dict[Value, list[Numbered]] = {}
        for number, test in tests:
            named = _named(name, test)
            (self._each if named is None else self.shared).append((number, test))
            for value in named or ():
                self._by_value.setdefault(value, []).append((number, test))

    def told_by(self, value: Value) -> list[Numbered]:
        """The tests for which the value is not like the others."""
        return [*self._each, *self._by_value.get(value, ())]


def _named(name: str, test: Test) -> set[Value] | None:
    """The values of a variable that a test names; None where it tells values by more than their names."""
    found: set[Value] = set()
    for atom in atoms((test,)):
        if variable_of(atom) == name:
            match atom:
                case LabelIs(labels=labels):
                    found.update(labels)
                case RequestIs(operator="==" | "!=", value=str(value)):
                    found.add(value)
                case _:
                    return None
    return found


def open_to(
    tests: Sequence[Numbered], name: str, domain: Sequence[Value], values: Assignment
) -> Iterator[tuple[Value, list[int]]]:
    """By value of a variable, the numbers of the tests that may hold under it, and perhaps of some that do not."""
    parted = Parted(name, tests)
    at = {**values, name: _OTHER}
    shared = [number for number, test in parted.shared if decide(test, at) is not False]
    for value in domain:
        told = [number for number, _ in parted.told_by(value)]
        yield value, sorted({*shared, *told}) if shared else sorted(told)


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


def test_text(test: Test) -> str:
    """A condition in the words of the language, short of how it was written: `data == internal or data == confidential`."""
    match test:
        case All(tests=tests):
            return " and ".join(map(_within, tests)) or "always"
        case Any_(tests=tests):
            return " or ".join(map(_within, tests)) or "never"
        case Not(test=inner):
            return f"not {_within(inner)}"
        case LabelIs(signal=signal, labels=labels):
            return " or ".join(f"{signal} == {label}" for label in labels) or "never"
        case RequestIs(field=field, operator=operator, value=value):
            name = f'request.meta("{field.removeprefix("meta.")}")' if field.startswith("meta.") else f"request.{field}"
            shown = f'"{value}"' if isinstance(value, str) else text_of(Tokens(value) if field == "tokens" else value)
            return f"{name} {operator} {shown}"
        case TextMatches(pattern=pattern):
            return f'request.text matches "{pattern}"'
        case ScoreIs(scorer=scorer, operator=operator, value=bound):
            return f"{scorer} {operator} {bound:g}"


def _within(test: Test) -> str:
    """A condition as a part of another."""
    is_one = not isinstance(test, All | Any_) and not (isinstance(test, LabelIs) and len(test.labels) > 1)
    return test_text(test) if is_one else f"({test_text(test)})"
