"""The enumeration of situations: exact where it is finite, and only as wide as what arms read."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.plan import All, Any_, LabelIs, Not, RequestIs, Test, TextMatches
from mmflow.situations import TooMany, holds, situations

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
    assert {each.arm for each in situations(arms, LABELS)} == brute


@given(st.lists(conditions(), max_size=3))
def test_a_situation_takes_the_arm_that_it_names(arms: list[Test]) -> None:
    for situation in situations(arms, LABELS):
        if situation.arm is not None:
            assert holds(arms[situation.arm], situation.values)


def test_only_what_an_arm_reads_is_enumerated() -> None:
    labels = {f"c{i}": ("low", "high") for i in range(40)}
    arms: list[Test] = [LabelIs(f"c{i}", ("high",)) for i in range(40)]
    assert len(list(situations(arms, labels))) == 41


def test_too_many_situations_are_given_up_in_time() -> None:
    labels = {f"c{i}": ("low", "high") for i in range(40)}
    odd = Any_(tuple(All((LabelIs(f"c{i}", ("high",)), LabelIs(f"c{i + 1}", ("low",)))) for i in range(0, 40, 2)))
    with pytest.raises(TooMany):
        list(situations([odd, Not(odd)], labels))
