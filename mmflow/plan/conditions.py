"""Conditions, lowered: an ordered comparison of labels is the set of labels that satisfy it."""

from typing import Literal

import msgspec


class All(msgspec.Struct, frozen=True, tag="all"):
    """Every one holds."""

    tests: tuple["Test", ...]


class Any_(msgspec.Struct, frozen=True, tag="any"):
    """At least one holds."""

    tests: tuple["Test", ...]


class Not(msgspec.Struct, frozen=True, tag="not"):
    """It does not hold."""

    test: "Test"


class LabelIs(msgspec.Struct, frozen=True, tag="label"):
    """The classifier's label is one of these."""

    signal: str
    labels: tuple[str, ...]


Operator = Literal["==", "!=", "<", "<=", ">", ">="]


class RequestIs(msgspec.Struct, frozen=True, tag="request"):
    """A field of the request compared with a value: `tokens`, `user`, `language`, `has_images`, `has_tools`, or `meta.NAME`.

    A field that the request does not have makes every comparison false but `!=`.
    """

    field: str
    operator: Operator
    value: int | float | str | bool


class TextMatches(msgspec.Struct, frozen=True, tag="matches"):
    """The text of the last user turn contains a match of an RE2 pattern."""

    pattern: str


class ScoreIs(msgspec.Struct, frozen=True, tag="score"):
    """The score of the answer compared with a bound. A scorer that fails makes it false."""

    scorer: str
    operator: Operator
    value: float


Test = All | Any_ | Not | LabelIs | RequestIs | TextMatches | ScoreIs


def signals_of(test: Test) -> tuple[str, ...]:
    """The classifiers that a condition reads, each once, in order."""
    match test:
        case All(tests=tests) | Any_(tests=tests):
            return tuple(dict.fromkeys(name for each in tests for name in signals_of(each)))
        case Not(test=inner):
            return signals_of(inner)
        case LabelIs(signal=signal):
            return (signal,)
        case _:
            return ()


def compare(value: object, operator: str, bound: object) -> bool:
    """A comparison as the language has it: with what is not there, all are false but `!=`."""
    if value is None:
        return operator == "!="
    match operator:
        case "==":
            return value == bound
        case "!=":
            return value != bound
    if not isinstance(value, int | float) or not isinstance(bound, int | float):
        return False
    return {"<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound}[operator]
