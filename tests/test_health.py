"""The measured p95 of a model's answers."""

from hypothesis import given
from hypothesis import strategies as st

from mmflow.runtime.health import FEWEST, FRESH_S, SAMPLES, Latencies


@given(st.lists(st.floats(0, 100), min_size=FEWEST, max_size=3 * SAMPLES))
def test_the_p95_is_that_of_the_latest_answers(took: list[float]) -> None:
    found = Latencies()
    for each in took:
        found.add("small", each, 0.0)
    latest = sorted(took[-SAMPLES:])
    p95_s = found.p95_s("small", 0.0)
    assert p95_s in latest
    assert sum(each <= p95_s for each in latest) >= 0.95 * len(latest)
    assert sum(each < p95_s for each in latest) < 0.95 * len(latest)


def test_a_few_answers_measure_nothing() -> None:
    found = Latencies()
    for _ in range(FEWEST - 1):
        found.add("small", 1.0, 0.0)
    assert found.p95_s("small", 0.0) is None
    assert found.p95_s("other", 0.0) is None
    found.add("small", 3.0, 0.0)
    assert found.p95_s("small", 0.0) == 1.0


def test_old_answers_are_forgotten_so_that_a_slow_model_gets_another_chance() -> None:
    found = Latencies()
    for at in range(FEWEST):
        found.add("small", 9.0, float(at))
    assert found.p95_s("small", FRESH_S) == 9.0
    assert found.p95_s("small", FRESH_S + FEWEST) is None
    for _ in range(FEWEST):
        found.add("small", 1.0, FRESH_S + FEWEST)
    assert found.p95_s("small", FRESH_S + FEWEST) == 1.0
