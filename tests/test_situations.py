"""The enumeration of situations: exact where it is finite, and only as wide as what arms read."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.plan import All, Any_, LabelIs, Not, RequestIs, Test, TextMatches
from mmflow.situations import TooMany, holds, outcomes

LABELS = {"task": ("code", "math", "other"), "data": ("public", "secret")}


def conditions() -> st.SearchStrategy[Test]:
    atom = st.one_of(
        st.lists(st.sampled_from(LABELS["task"]), min_size=1, unique=True).map(lambda xs: LabelIs("task", tuple(xs))),
        st.sampled_from(LABELS["data"]).map(lambda x: LabelIs("data", (x,))),
        st.tuples(st.sampled_from(("<", "<=", ">", ">=", "==", "!=")), st.integers(0, 3)).map(
            lambda pair: RequestIs("tokens", pair[0], pair[1])  # type: ignore[arg-type]  # one of Operator
        ),
        st.sampled_from(("a", "b")).map(lambda who: RequestIs("user", "==", who)),
        st.just(TextMatches("x")),
    )
    return st.recursive(
        atom,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda each: All(tuple(each))),
            st.lists(inner, min_size=1, max_size=3).map(lambda each: Any_(tuple(each))),
            inner.map(Not),
        ),
        max_leaves=6,
    )


@given(st.lists(conditions(), max_size=4))
def test_the_arms_found_are_those_that_brute_force_finds(arms: list[Test]) -> None:
    """Tokens 0..5 and users a, b and none stand for every request that these conditions can tell apart."""
    every = product(LABELS["task"], LABELS["data"], range(6), ("a", "b", None), (True, False))
    names = ("task", "data", "request.tokens", "request.user", 'request.text matches "x"')
    brute = set()
    for values in every:
        world = dict(zip(names, values, strict=True))
        brute.add(next((index for index, test in enumerate(arms) if holds(test, world)), None))
    assert set(outcomes(arms, LABELS)) == brute


@given(st.lists(conditions(), max_size=3))
def test_a_situation_takes_the_arm_that_it_names(arms: list[Test]) -> None:
    for situation in outcomes(arms, LABELS).values():
        if situation.arm is not None:
            assert holds(arms[situation.arm], situation.values)


def test_only_what_an_arm_reads_is_enumerated() -> None:
    labels = {f"c{i}": ("low", "high") for i in range(40)}
    arms: list[Test] = [LabelIs(f"c{i}", ("high",)) for i in range(40)]
    assert set(outcomes(arms, labels)) == {*range(40), None}


def pairs(count: int) -> tuple[Test, dict[str, tuple[str, str]]]:
    """A condition over pairs of classifiers: 3 to the power of `count` ways to decide it."""
    high = [LabelIs(f"c{i}", ("high",)) for i in range(2 * count)]
    each = tuple(All((high[i], Not(high[i + 1]))) for i in range(0, 2 * count, 2))
    return Any_(each), {f"c{i}": ("low", "high") for i in range(2 * count)}


def test_too_many_situations_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmflow.situations.MAX_SITUATIONS", 10)
    odd, labels = pairs(20)
    with pytest.raises(TooMany):
        outcomes([odd, Not(odd)], labels)


def test_the_arms_taken_are_found_where_the_ways_are_too_many_to_list() -> None:
    odd, labels = pairs(20)
    assert set(outcomes([odd, Not(odd)], labels)) == {0, 1}


def test_many_names_of_one_field_are_told_apart_and_no_more_often_than_they_are_named() -> None:
    users = [RequestIs("user", "==", f"user{number}") for number in range(3_000)]
    found = outcomes([All((each, LabelIs("data", ("secret",)))) for each in users], LABELS)
    assert len(found) == len(users) + 1
    assert str(found[2_999]) == "request.user = user2999, data = secret"
