"""What the plugin promises, without a network and without waiting."""

import asyncio
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest
from mmflow.plugin import Call, CallError, Candidate, Delta, Guess, Message, Model, OptionError, Reply, Request
from mmflow.registry import Registry

import mmflow_hello
from mmflow_hello.alphabetical import alphabetical
from mmflow_hello.mood import MOODS, Mood, MoodOptions
from mmflow_hello.politeness import Politeness, PolitenessOptions
from mmflow_hello.provider import Hello, HelloOptions

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
    assert registry.known("classifier") == ("hello.mood",)
    assert registry.known("scorer") == ("hello.politeness",)
    assert registry.known("pick") == ("hello.alphabetical",)


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


def test_the_workflow_runs() -> None:
    """Needs the plugin to be installed: `pip install -e .`."""
    done = subprocess.run([sys.executable, "-m", "mmflow", "run", WORKFLOW, "I love it"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Hello! You said: I love it\n"


def test_a_message_of_parts_is_read() -> None:
    request = Request(messages=(Message("user", ({"type": "text", "text": "hi"},)),))
    reply = asyncio.run(Hello(HelloOptions()).complete(Call(model=model(), messages=request.messages, request=request), None))
    assert reply.text == "Hello. You said: hi"
