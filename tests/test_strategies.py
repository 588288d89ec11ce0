"""The bundled orders of a tier: what comes first, and what holds of every order."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmflow_plugins.strategies import cheapest, fastest, least_busy, listed, weighted

from mmflow.plugin import Candidate, Model

PICKS = {
    "listed": listed.listed,
    "cheapest": cheapest.cheapest,
    "fastest": fastest.fastest,
    "least_busy": least_busy.least_busy,
    "weighted": weighted.weighted,
}


def candidate(name, p95_s=None, cost_microusd=None, weight=1.0, in_flight=0):
    return Candidate(Model(name=name, id=name, provider="p", weight=weight), p95_s, cost_microusd, in_flight)


def names(order):
    return [each.model.name for each in order]


@st.composite
def members(draw):
    count = draw(st.integers(1, 8))
    p95s = st.none() | st.sampled_from([0.0, 0.1, 0.5, 2.0])
    costs = st.none() | st.integers(0, 5)
    weights = st.sampled_from([0.0, 1e-300, 0.5, 1.0, 100.0])
    return [candidate(f"m{n}", draw(p95s), draw(costs), draw(weights)) for n in range(count)]


@pytest.mark.parametrize("pick", PICKS.values(), ids=PICKS)
@given(members=members(), seed=st.integers())
def test_every_order_has_each_member_once_and_the_same_seed_gives_the_same_order(pick, members, seed):
    before = list(members)
    order = list(pick(members, Random(seed)))
    assert sorted(names(order)) == sorted(names(members))
    assert order == list(pick(members, Random(seed)))
    assert members == before


@given(members=members(), seed=st.integers())
def test_cheapest_rises_in_cost_with_unknown_last_and_ties_as_listed(members, seed):
    order = list(cheapest.cheapest(members, Random(seed)))
    keys = [(each.cost_microusd is None, each.cost_microusd or 0, members.index(each)) for each in order]
    assert keys == sorted(keys)


@given(members=members(), seed=st.integers())
def test_fastest_rises_in_p95_with_unknown_last_and_ties_as_listed(members, seed):
    order = list(fastest.fastest(members, Random(seed)))
    keys = [(each.p95_s is None, each.p95_s or 0.0, members.index(each)) for each in order]
    assert keys == sorted(keys)


@given(members=members())
def test_only_weighted_uses_randomness(members):
    for name in PICKS.keys() - {"weighted"}:
        random = Random(1)
        before = random.getstate()
        PICKS[name](members, random)
        assert random.getstate() == before


def test_the_least_busy_is_first_and_of_equals_the_first_in_the_file():
    members = [candidate("a", in_flight=2), candidate("b", in_flight=0), candidate("c", in_flight=1), candidate("d", in_flight=0)]
    assert names(least_busy.least_busy(members, Random(0))) == ["b", "d", "c", "a"]


def test_free_is_cheaper_than_dear_and_unknown_is_not_free():
    members = [candidate("unknown"), candidate("dear", cost_microusd=900), candidate("free", cost_microusd=0)]
    assert names(cheapest.cheapest(members, Random(0))) == ["free", "dear", "unknown"]


@given(members=members(), seed=st.integers())
def test_weight_zero_comes_after_every_other_in_the_order_of_the_file(members, seed):
    order = names(weighted.weighted(members, Random(seed)))
    standby = [each.model.name for each in members if each.model.weight == 0]
    assert order[len(order) - len(standby) :] == standby


def test_each_member_is_first_as_often_as_its_weight_says():
    members, random = [candidate("a", weight=70), candidate("b", weight=20), candidate("c", weight=10)], Random(3)
    orders = Counter(tuple(names(weighted.weighted(members, random))) for _ in range(20_000))
    first = Counter()
    for order, count in orders.items():
        first[order[0]] += count
    assert first["a"] / 20_000 == pytest.approx(0.7, abs=0.015)
    assert first["c"] / 20_000 == pytest.approx(0.1, abs=0.015)
    assert orders["a", "b", "c"] / first["a"] == pytest.approx(2 / 3, abs=0.02)


@pytest.mark.parametrize("module", [listed, cheapest, fastest, least_busy, weighted])
def test_each_plugin_brings_the_word_that_it_is_named_after(module):
    (word,) = module.mmflow_strategies()
    assert f"mmflow_plugins.strategies.{word.name}" == module.__name__
    assert word.doc.endswith(".")
