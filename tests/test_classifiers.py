"""The bundled classifiers: which label a text gets, and how sure of it they are."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmflow_plugins.classifiers import heuristic, keywords

from mmflow.options import Surroundings, build
from mmflow.patterns import PatternError
from mmflow.plugin import OptionError, Pattern, Score

TASKS = {
    "code": ["```", "stack trace", "c[+][+]", "def "],
    "math": ["prove", "integral", "证明", "étale"],
}


async def never(*args, **kwargs):
    raise AssertionError("this classifier asks no model")


def tasks(patterns=TASKS, labels=("code", "math", "other")):
    options = keywords.KeywordsOptions(patterns={label: tuple(map(Pattern, each)) for label, each in patterns.items()})
    return keywords.Keywords(options, labels)


def guess(classifier, text):
    return asyncio.run(classifier.classify(text, never))


@pytest.mark.parametrize(
    ("text", "label", "confidence"),
    [
        ("It PROVES the point", "math", 0.8),
        ("prove", "math", 0.8),
        ("(prove)", "math", 0.8),
        ("Here is a stack trace", "code", 0.8),
        ("I like C++", "code", 0.8),
        ("print```x```", "code", 0.8),
        ("请证明这一点", "math", 0.8),
        ("请prove这个", "math", 0.8),
        ("la cohomologie ÉTALE", "math", 0.8),
        ("prove the integral", "math", 0.96),
        ("prove the integral of the stack trace", "math", 0.96 * 2 / 3),
        ("prove it with a stack trace", "code", 0.4),
        ("We improve this", "other", 0.0),
        ("disprove, re_prove and éprouve", "other", 0.0),
        ("prove prove prove", "math", 0.8),
        ("", "other", 0.0),
    ],
)
def test_keywords_finds_what_starts_a_word_and_is_as_sure_as_documented(text, label, confidence):
    found = guess(tasks(), text)
    assert (found.label, found.confidence) == (label, pytest.approx(confidence))


def test_keywords_reads_letters_with_separate_accents_as_one():
    assert guess(tasks(), "e\u0301tale").label == "math"
    assert guess(tasks(), "e\u0301prove").label == "other"


def test_keywords_reads_the_beginning_and_the_end_of_a_huge_text():
    huge = "x " * 500_000
    assert guess(tasks(), f"prove {huge}").label == "math"
    assert guess(tasks(), f"{huge} prove").label == "math"
    assert guess(tasks(), f"{huge} prove {huge}").label == "other"


def test_keywords_takes_many_patterns():
    many = {"code": [f"word{n}" for n in range(300)], "math": [rf"\pL{n}x" for n in range(30)]}
    assert guess(tasks(many), "here is word299.").label == "code"
    assert guess(tasks(many), "nothing").confidence == 0.0


def test_keywords_answers_with_the_labels_that_have_patterns():
    (word,) = keywords.mmflow_classifiers()
    options = build(word.options, {"patterns": TASKS}, Surroundings(folder=None, environ={}))
    assert (word.name, word.pure, word.labels(options)) == ("keywords", True, ("code", "math"))
    assert guess(word.make(options, ("code", "math", "other"), None), "prove it").label == "math"


@pytest.mark.parametrize("patterns", [{}, {"code": []}, {"code": [" "]}])
def test_keywords_refuses_options_without_a_pattern(patterns):
    with pytest.raises(OptionError):
        tasks(patterns)


@pytest.mark.parametrize("pattern", ["x*", "$", "(?:)"])
def test_keywords_refuses_a_pattern_that_is_in_every_text(pattern):
    with pytest.raises(OptionError, match="every text"):
        tasks({"code": [pattern]})


def test_keywords_refuses_patterns_for_a_label_that_is_not_declared():
    with pytest.raises(OptionError, match="`math` has patterns"):
        tasks(labels=("code", "other"))


def test_keywords_tells_of_a_mistake_in_the_pattern_as_written():
    with pytest.raises(PatternError, match=r"`c\+\+`"):
        tasks({"code": ["c++"]})


LABELS = ("low", "medium", "high")


def complexity(*thresholds, labels=LABELS):
    options = heuristic.HeuristicOptions(thresholds=tuple(map(Score, thresholds)))
    return heuristic.Heuristic(options, labels)


EXAMPLES = """
low    | hi
low    | Thanks!
low    | What is the capital of France?
low    | What is 2 + 2?
low    | Translate 'good morning' to German.
low    | Summarise this in one line: the meeting moved to Friday.
low    | I forgot my password, how do I reset it?
low    | 你好
low    | 法国的首都是什么？
low    | ما هي عاصمة فرنسا؟
low    | Wie spät ist es in Tokio?
low    | ¿Cuál es la capital de España?
medium | Explain how a hash map works and compare it with a binary search tree.
medium | Write a Python function that removes duplicates from a list while keeping the order. Include a docstring.
medium | Erkläre den Unterschied zwischen TCP und UDP und vergleiche ihre Vor- und Nachteile für Videotelefonie.
medium | 请解释TCP和UDP的区别，并比较它们的优缺点。
high   | Prove that the square root of 2 is irrational, then generalise the proof to any prime p. Where does it fail for 4?
high   | Design a rate limiter for a distributed gateway. It must survive the loss of a node. Compare two, and justify yours.
high   | Debug this: ```f()``` It fails only under load. Find the root cause, explain why, and refactor it so that tests pass.
high   | Entwirf ein Buchungssystem: höchstens 200 ms, keine Doppelbuchung. Vergleiche zwei Ansätze und begründe deine Wahl.
high   | 设计一个分布式限流系统，必须支持每秒5万请求。请比较令牌桶和滑动窗口算法，证明你的方案是公平的，并逐步分析故障情况。
high   | Let f: ℝ → ℝ be continuous with f(x+y) = f(x) + f(y). Prove that f(x) = cx, then derive it under measurability.
high   | Докажи, что простых чисел бесконечно много, затем сравни два доказательства и проанализируй, где они различаются.
"""


@pytest.mark.parametrize(("label", "text"), [line.split("|") for line in EXAMPLES.strip().splitlines()])
def test_the_heuristic_sorts_what_people_ask(label, text):
    found = guess(complexity(), text.strip())
    assert found.label == label.strip()
    if found.label == "low":
        assert found.confidence >= 0.9


def test_a_long_task_in_a_language_without_words_of_its_own_is_not_low():
    task = "\n".join(f"{n}. Tietokannan siirto; mitä tapahtuu, kun solmu {n} katoaa?" for n in range(1, 7))
    assert guess(complexity(), task).label == "high"


def test_confidence_falls_towards_the_edges():
    at = complexity(0.4, 0.6).confidence
    assert at(0.0) == at(0.5) == at(0.8) == at(1.0) == 1.0
    assert at(0.4) == at(0.6) == 0.5
    assert at(0.44) == pytest.approx(0.7)
    assert at(0.38) == pytest.approx(0.55)


@pytest.mark.parametrize("labels", [("only",), ("a", "b"), ("a", "b", "c", "d", "e")])
def test_the_heuristic_works_for_any_number_of_labels(labels):
    assert guess(complexity(labels=labels), "hi").label == labels[0]
    hard = EXAMPLES.rsplit("\n", 8)[1] + " Prove, design, debug and compare it. First, then, finally, unless it must."
    assert guess(complexity(labels=labels), hard).label == labels[-1]


@given(st.text())
def test_any_text_gets_a_label_and_a_confidence_between_a_half_and_one(text):
    found = guess(complexity(), text)
    assert found.label in LABELS
    assert 0.5 <= found.confidence <= 1.0
    assert found == guess(complexity(), text)


@given(st.lists(st.sampled_from(["Prove it.", "Why?", "- a point", "Then compare,", "x = 2"]), max_size=12))
def test_more_of_a_demanding_text_is_never_simpler(parts):
    scores = [heuristic.features("\n".join(parts[:n])).score for n in range(len(parts) + 1)]
    assert all(low <= high for low, high in pairwise(scores))


@pytest.mark.parametrize("thresholds", [(0.6, 0.4), (0.0, 0.5), (0.5, 1.0), (0.5, 0.5)])
def test_thresholds_must_rise_between_0_and_1(thresholds):
    with pytest.raises(ValueError, match="thresholds rise"):
        complexity(*thresholds)


def test_thresholds_are_one_fewer_than_labels():
    with pytest.raises(OptionError, match="1 thresholds are given for 3 labels"):
        complexity(0.5)


def test_the_heuristic_brings_its_word():
    (word,) = heuristic.mmflow_classifiers()
    assert (word.name, word.pure) == ("heuristic", True)
    assert guess(word.make(word.options(), LABELS, None), "hi").label == "low"
