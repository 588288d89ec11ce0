"""What the plugin promises, without a network and without waiting."""

import asyncio
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest
from mmflow.plugin import (
    Answered,
    Call,
    CallError,
    Candidate,
    Choice,
    Delta,
    Duration,
    Guess,
    Message,
    Model,
    OptionError,
    Reply,
    Request,
    ScorerName,
)
from mmflow.registry import Registry

import mmflow_hello
from mmflow_hello.alphabetical import alphabetical
from mmflow_hello.daytime import Daytime, DaytimeOptions
from mmflow_hello.mood import MOODS, Mood, MoodOptions
from mmflow_hello.patient import Patient, PatientOptions, calls
from mmflow_hello.politeness import Politeness, PolitenessOptions
from mmflow_hello.provider import Hello, HelloOptions
from mmflow_hello.stubborn import Stubborn, StubbornOptions

WORKFLOW = Path(__file__).parents[1] / "hello.mmf"


def model(name: str = "alice") -> Model:
    return Model(name=name, id="greeting", provider="greeter")


def call(text: str, max_output_tokens: int | None = None) -> Call:
    request = Request.of(text)
    return Call(model=model(), messages=request.messages, request=request, max_output_tokens=max_output_tokens)


async def ask_nobody(*_: object, **__: object) -> NoReturn:
    raise AssertionError("these words ask no model")


def test_every_word_is_found() -> None:
    registry = Registry.of({"hello": mmflow_hello})
    assert registry.known("provider") == ("hello",)
    assert registry.known("classifier") == ("hello.daytime", "hello.mood")
    assert registry.known("scorer") == ("hello.politeness",)
    assert registry.known("pick") == ("hello.alphabetical",)
    assert registry.known("strategy") == ("hello.patient", "hello.stubborn")


def test_an_answer_greets_and_counts_its_tokens() -> None:
    reply = asyncio.run(Hello(HelloOptions(style="cheerful")).complete(call("good morning"), None))
    assert reply.text == "Hello! You said: good morning"
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2, 5)


def test_what_is_streamed_is_what_is_returned() -> None:
    pieces: list[str] = []

    async def emit(delta: Delta) -> None:
        pieces.append(delta.text)

    reply = asyncio.run(Hello(HelloOptions()).complete(call("good morning"), emit))
    assert len(pieces) == 5
    assert "".join(pieces) == reply.text


def test_an_answer_is_cut_at_the_limit_and_says_so() -> None:
    reply = asyncio.run(Hello(HelloOptions()).complete(call("good morning", max_output_tokens=2), None))
    assert (reply.text, reply.finish) == ("Hello. You", "length")


def test_an_empty_message_is_an_error_that_costs_nothing() -> None:
    with pytest.raises(CallError) as caught:
        asyncio.run(Hello(HelloOptions()).complete(call(" "), None))
    assert (caught.value.error_class, caught.value.dispatched) == ("4xx", "no")


def test_a_greeting_is_one_word() -> None:
    with pytest.raises(ValueError, match="one word"):
        HelloOptions(greeting="good day")


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("I love this, thanks!", Guess("happy", 1.0)),
        ("The worst: it is broken. But I love it.", Guess("cross", 2 / 3)),
        ("What is the capital of France?", Guess("neutral", 1.0)),
        ("I love it and I hate it", Guess("neutral", 0.5)),
    ],
)
def test_a_mood_is_guessed_from_words(text: str, guess: Guess) -> None:
    assert asyncio.run(Mood(MoodOptions()).classify(text, ask_nobody)) == guess
    assert guess.label in MOODS


def test_politeness_is_the_share_of_phrases() -> None:
    scorer = Politeness(PolitenessOptions(enough=2))
    scores = [
        asyncio.run(scorer.score(Request.of("?"), Reply(text=text), ask_nobody))
        for text in ("No.", "No, sorry.", "Sorry, please wait. Thank you!")
    ]
    assert scores == [0.0, 0.5, 1.0]


def test_more_phrases_than_there_are_cannot_be_asked_for() -> None:
    with pytest.raises(OptionError) as caught:
        PolitenessOptions(phrases=("please",), enough=2)
    assert caught.value.field == "enough"


def test_candidates_are_tried_by_name() -> None:
    candidates = [Candidate(model(name), p95_s=None, cost_microusd=None) for name in ("carol", "alice", "bob")]
    assert [each.model.name for each in alphabetical(candidates, Random(1))] == ["alice", "bob", "carol"]


@pytest.mark.parametrize(("hour", "label"), [(6, "night"), (7, "day"), (18, "day"), (19, "night")])
def test_the_daytime_is_that_of_the_clock(hour: int, label: str) -> None:
    clock = Daytime(DaytimeOptions(), now=lambda: datetime(2026, 1, 31, hour))
    assert asyncio.run(clock.classify("Good morning!", ask_nobody)) == Guess(label, 1.0)


class Answers:
    """Gives each target's answers in their order, and scores them by their texts."""

    def __init__(self, **answers: list[Reply]) -> None:
        self.answers, self.asked = answers, list[str]()

    async def call(self, target: str) -> Answered:
        self.asked.append(target)
        if not self.answers[target]:
            raise CallError("5xx", "nobody is there")
        return Answered(target, self.answers[target].pop(0))

    async def score(self, scorer: ScorerName, answered: Answered) -> float | None:
        assert scorer == "polite"
        return {"No.": 0.0, "Perhaps.": 0.4, "Yes, please!": 0.9}.get(answered.reply.text)


TARGETS = [Choice("alice", p95_s=None, cost_microusd=None), Choice("bob", p95_s=None, cost_microusd=None)]


def test_the_patient_takes_the_first_good_answer_or_the_best() -> None:
    patient = Patient(PatientOptions(scorer=ScorerName("polite")))
    run = Answers(alice=[Reply(text="Yes, please!")], bob=[])
    assert asyncio.run(patient.answer(TARGETS, Request.of("?"), run)).target == "alice"
    assert run.asked == ["alice"]
    run = Answers(alice=[Reply(text="Perhaps.")], bob=[Reply(text="No.")])
    assert asyncio.run(patient.answer(TARGETS, Request.of("?"), run)).reply.text == "Perhaps."
    run = Answers(alice=[], bob=[Reply(text="No.")])
    assert asyncio.run(patient.answer(TARGETS, Request.of("?"), run)).target == "bob"
    with pytest.raises(CallError, match="nobody"):
        asyncio.run(patient.answer(TARGETS, Request.of("?"), Answers(alice=[], bob=[])))


def test_the_patient_promises_a_call_for_each_target() -> None:
    summary = calls(PatientOptions(scorer=ScorerName("polite")), 3)
    assert (summary.most, summary.parallel) == (3, False)


def test_the_stubborn_asks_until_an_answer_is_whole() -> None:
    run = Answers(alice=[Reply(text="One", finish="length"), Reply(text="One two")], bob=[])
    answered = asyncio.run(Stubborn(StubbornOptions()).answer(TARGETS, Request.of("?"), run))
    assert (answered.reply.text, run.asked) == ("One two", ["alice", "alice"])


def test_the_old_name_of_a_field_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(Hello(HelloOptions(wait=Duration(2), delay=Duration(1))).complete(call("hi"), None))
    assert waited == [2]


def test_the_workflow_runs() -> None:
    """Needs the plugin to be installed: `pip install -e .`."""
    done = subprocess.run([sys.executable, "-m", "mmflow", "run", WORKFLOW, "I love it"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Hello! You said: I love it\n"


def test_a_message_of_parts_is_read() -> None:
    request = Request(messages=(Message("user", ({"type": "text", "text": "hi"},)),))
    reply = asyncio.run(Hello(HelloOptions()).complete(Call(model=model(), messages=request.messages, request=request), None))
    assert reply.text == "Hello. You said: hi"
