"""The bundled scorer `agreement`: what another model is asked, and how two answers are compared."""

import asyncio

import pytest
from asked import Asked
from hypothesis import given
from hypothesis import strategies as st
from mmflow_plugins.scorers import agreement

from mmflow.plugin import OPINION_OUTPUT_TOKENS, CallError, Message, ModelName, Reply, Request

REQUEST = Request(messages=(Message("system", "Be brief."), Message("user", "What is 6 × 7?")))


def score(answer, ask):
    (word,) = agreement.mmflow_scorers()
    made = word.make(agreement.AgreementOptions(with_=ModelName("other")), None)
    return asyncio.run(made.score(REQUEST, Reply(text=answer), ask))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("42", "42"),
        ("42", "42.0"),
        ("1,000", "1000"),
        ("$1000", "**1,000.00**"),
        ("-3", "−3"),
        ("B", "(b)"),
        ("The answer is B.", "B"),
        ("The answer is (B) because it fits.", "Let us see. Answer: B"),
        ("6 × 7 is 42. The answer is 42.", "#### 42"),
        ("so x = \\boxed{42}", "It is simple.\nThe final answer is: **42**"),
        ("Die Antwort ist 42.", "42"),
        ("答案是：42", "42"),
        ("Paris.", "paris"),
        ("It is  Paris!", "it is *Paris*"),
        ('{"a": 1, "b": [2]}', '```json\n{"b": [2], "a": 1}\n```'),
        ("北京", "北京。"),
    ],
)
def test_the_same_result_is_full_agreement(one, other):
    assert agreement.agreement(one, other) == agreement.agreement(other, one) == 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("42", "43"),
        ("3", "-3"),
        ("B", "C"),
        ("The answer is 42.", "The answer is 43."),
        ("Paris", "London"),
        ("Yes, it does.", "No, it does not."),
        ("", "42"),
        ("42", " \n"),
        ("", ""),
        ("…", "…"),
    ],
)
def test_another_result_is_no_agreement(one, other):
    assert agreement.agreement(one, other) == agreement.agreement(other, one) == 0.0


@pytest.mark.parametrize(
    ("one", "other", "due"),
    [
        ("light scatters in air", "air scatters red light", 3 / 4),
        ("the cat sat", "a dog ran off", 0.0),
        ("no no no maybe", "no maybe", 4 / 6),
        # Half for the words (6 of 7 in common), half for the numbers (none in common).
        ("the town has 5 million people there", "the town has 7 million people there", (6 / 7 + 0) / 2),
        ("天空蓝", "天空是蓝", 6 / 7),
    ],
)
def test_other_answers_agree_in_their_words(one, other, due):
    assert agreement.agreement(one, other) == agreement.agreement(other, one) == pytest.approx(due)


@given(st.text(), st.text())
def test_any_two_answers_have_a_score_that_is_the_same_both_ways(one, other):
    found = agreement.agreement(one, other)
    assert 0 <= found <= 1
    assert found == agreement.agreement(other, one)


@given(st.text(min_size=1))
def test_an_answer_agrees_with_itself_if_it_says_anything(text):
    assert agreement.agreement(text, text) == (1.0 if agreement._words(text) else 0.0)


def test_huge_answers_are_compared():
    assert agreement.agreement("word " * 500_000, "word " * 400_000) == 1.0
    assert agreement.agreement("####" * 500_000, "answer " * 500_000) in (0.0, 1.0)


def test_the_other_model_is_asked_the_same_once():
    asked = Asked("42")
    assert score("The answer is 42.", asked) == 1.0
    assert asked.calls == [("other", REQUEST.messages, OPINION_OUTPUT_TOKENS)]


def test_an_empty_answer_costs_no_call():
    asked = Asked("42")
    assert score("  ", asked) == 0.0
    assert asked.calls == []


def test_the_failure_of_the_other_model_passes_through():
    async def failing(*args, **kwargs):
        raise CallError("5xx", "down")

    with pytest.raises(CallError):
        score("42", failing)


def test_the_word_is_written_with_with():
    (word,) = agreement.mmflow_scorers()
    assert (word.name, word.scale) == ("agreement", "similarity")
