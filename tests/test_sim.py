"""The simulated provider: same question, same answer; times, failures and quality as declared."""

import asyncio
import json
from random import Random

import pytest
from mmflow_plugins.providers.json_instance import json_instance
from mmflow_plugins.providers.sim import Sim, SimOptions, count_tokens, mmflow_providers, times
from mmflow_plugins.providers.sim_answers import Draws

from mmflow.plugin import Call, CallError, Delta, Message, Model, Request, Timeouts


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self.now_s = max(self.now_s, self._scheduled[0].when())
        super()._run_once()


def run(coroutine):
    loop = Clock()
    try:
        return loop.run_until_complete(coroutine), loop.now_s
    finally:
        loop.close()


def model(name="small", **known):
    return Model(name=name, id=f"{name}-id", provider="sim", **known)


SMALL = model()


def call(text="What is the capital of France?", model=SMALL, **fields):
    request = fields.pop("request", Request.of(text))
    return Call(model=model, messages=request.messages, request=request, **fields)


def ask(asked, sim=None, emit=None):
    return run((sim or Sim(SimOptions())).complete(asked, emit))


def test_the_answer_is_marked_on_its_face_and_in_the_reply():
    reply, _ = ask(call())
    assert reply.simulated
    assert reply.text.startswith("[simulated by small, quality 0.")
    assert "capital of France" in reply.text
    assert reply.served_model == "small-id"


def test_the_answer_does_not_depend_on_what_was_asked_before():
    sim = Sim(SimOptions())
    ask(call("something else"), sim)
    again, again_s = ask(call(), sim)
    alone, alone_s = ask(call(), Sim(SimOptions()))
    assert again == alone
    assert again_s == pytest.approx(alone_s)


def test_the_same_question_gives_the_same_text_each_time():
    sim = Sim(SimOptions())
    assert ask(call(), sim)[0] == ask(call(), sim)[0]


def test_seed_model_and_messages_each_change_the_answer():
    first = ask(call())[0].text
    assert ask(call(), Sim(SimOptions(seed=7)))[0].text != first
    assert ask(call(model=model("large")))[0].text.split("]")[1:] != first.split("]")[1:]
    assert ask(call("What is the capital of Spain?"))[0].text != first


def test_one_in_twenty_answers_takes_longer_than_p95():
    slow = model(first_token_s=0.09, p95_s=0.42)
    drawn = [times(slow, Draws(number)) for number in range(4000)]
    assert sum(whole_s > 0.42 for _, whole_s in drawn) / 4000 == pytest.approx(0.05, abs=0.01)
    assert sorted(first_s for first_s, _ in drawn)[2000] == pytest.approx(0.09, rel=0.05)
    assert all(0 < first_s <= whole_s for first_s, whole_s in drawn)


def test_an_unknown_latency_is_simulated_too():
    assert 0.1 < ask(call())[1] < 3


def test_a_stream_brings_the_text_word_by_word_over_the_time():
    pieces = []

    async def emit(delta: Delta) -> None:
        pieces.append((asyncio.get_running_loop().time(), delta.text))

    asked = call(model=model(first_token_s=0.1, p95_s=1.0))
    reply, took_s = ask(asked, emit=emit)
    assert "".join(text for _, text in pieces) == reply.text == ask(asked)[0].text
    assert len(pieces) > 10
    assert pieces[0][0] < took_s / 2
    assert pieces[-1][0] == pytest.approx(took_s)
    assert took_s == pytest.approx(ask(asked)[1])


def test_a_better_model_says_more_and_its_mark_says_so():
    weak, strong = (ask(call(model=model(quality=quality)))[0].text for quality in (0.3, 0.95))
    assert len(strong) > 1.5 * len(weak)
    assert 0.2 <= float(weak.split("quality ")[1][:4]) <= 0.4
    assert float(strong.split("quality ")[1][:4]) >= 0.86


def test_failures_come_as_often_as_declared_and_in_both_classes():
    sim, failing = Sim(SimOptions()), model(failures=0.3)
    classes = []
    for number in range(600):
        try:
            ask(call(f"question {number}", model=failing), sim)
        except CallError as error:
            classes.append(error.error_class)
    assert len(classes) / 600 == pytest.approx(0.3, abs=0.06)
    assert set(classes) == {"5xx", "429"}


def test_a_retry_of_a_failed_call_can_succeed_and_does_so_the_same_way_each_time():
    def story():
        sim, tries = Sim(SimOptions()), []
        for _ in range(20):
            try:
                ask(call(model=model(failures=0.5)), sim)
                tries.append("ok")
            except CallError as error:
                tries.append(error.error_class)
        return tries

    assert "ok" in story()
    assert len(set(story())) > 1
    assert story() == story()


def test_a_model_that_always_fails_always_fails():
    with pytest.raises(CallError, match="simulated"):
        ask(call(model=model(failures=1.0)))


def test_the_output_is_cut_at_its_limit_and_says_so():
    full = ask(call(model=model(quality=0.9)))[0]
    cut = ask(call(model=model(quality=0.9), max_output_tokens=8))[0]
    assert (full.finish, cut.finish) == ("stop", "length")
    assert cut.usage.output_tokens <= 8
    assert full.text.startswith(cut.text)
    assert cut.text.startswith("[simulated by small")


def test_the_output_ends_before_a_stop_sequence():
    request = Request(messages=Request.of("Tell me").messages, stop=("Tell",))
    assert "Tell" not in ask(call(request=request))[0].text


def test_usage_follows_the_documented_rule():
    assert count_tokens("Hello, world!") == 2 + 1 + 2 + 1
    assert count_tokens("") == 0
    reply, _ = ask(call("abcd efgh"))
    assert reply.usage.input_tokens == 4 + 1 + 1
    assert reply.usage.output_tokens == count_tokens(reply.text.split("] ", 1)[1])


def test_a_call_longer_than_the_window_is_refused_before_it_begins():
    with pytest.raises(CallError) as caught:
        ask(call("word " * 100, model=model(context_tokens=50)))
    assert (caught.value.error_class, caught.value.dispatched) == ("context_overflow", "no")


def test_a_time_out_ends_the_call_when_it_is_due():
    async def late():
        try:
            await Sim(SimOptions()).complete(call(model=model(p95_s=60.0), timeouts=Timeouts(total_s=2.0)), None)
        except CallError as error:
            return error, asyncio.get_running_loop().time()

    (error, at_s), _ = run(late())
    assert (error.error_class, error.dispatched) == ("timeout", "maybe")
    assert at_s == pytest.approx(2.0)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("bounds", "says", "at_s"),
    [(Timeouts(first_token_s=0.5), "the first token", 0.5), (Timeouts(idle_s=0.1), "the next piece", None)],
    ids=["first token", "idle"],
)
def test_the_first_token_and_the_next_piece_are_due_whether_the_caller_streams_or_not(is_streamed, bounds, says, at_s):
    async def late():
        async def emit(delta: Delta) -> None: ...

        asked = call(model=model(first_token_s=2.0, p95_s=600.0), timeouts=bounds)
        with pytest.raises(CallError, match=f"{says} of `small` did not come within") as caught:
            await Sim(SimOptions()).complete(asked, emit if is_streamed else None)
        assert caught.value.error_class == "timeout"
        return asyncio.get_running_loop().time()

    ended_at_s, _ = run(late())
    first_s, _ = times(model(first_token_s=2.0, p95_s=600.0), Draws(Draws(0, "small", call().messages).digest, 0))
    assert ended_at_s == pytest.approx(at_s or first_s + 0.1)


def test_json_is_given_where_it_is_asked_for():
    request = Request(messages=Request.of("A list of towns").messages, response_format={"type": "json_object"})
    assert "simulated by small" in json.loads(ask(call(request=request))[0].text)["answer"]


def test_json_of_a_schema_has_what_the_schema_requires():
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18}, "kind": {"enum": ["a", "b"]}},
        "required": ["name", "age", "kind"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    request = Request(messages=Request.of("Who?").messages, response_format=wanted)
    answer = json.loads(ask(call(request=request))[0].text)
    assert answer["name"].startswith("[simulated by small")
    assert (answer["age"], answer["kind"]) == (18, "a")


def test_a_tool_that_must_be_called_is_called():
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"properties": {"town": {"type": "string"}}}}}
    request = Request(messages=Request.of("Rain?").messages, tools=(tool,), tool_choice="required")
    pieces = []

    async def emit(delta: Delta) -> None:
        pieces.append(delta)

    reply, _ = ask(call(request=request), emit=emit)
    assert (reply.finish, reply.tool_calls[0].function.name) == ("tool_calls", "weather")
    assert "simulated" in json.loads(reply.tool_calls[0].function.arguments)["town"]
    assert pieces[-1].tool_calls[0]["function"]["name"] == "weather"


def test_a_classifier_gets_the_label_that_the_text_names():
    messages = (Message("system", "Answer with one of: billing, technical, other."), Message("user", "A billing question"))
    reply, _ = ask(call(request=Request(messages=messages), purpose="classify"))
    assert json.loads(reply.text)["label"] == "billing"


def test_cancelling_an_answer_ends_it_at_once():
    async def cancelled():
        task = asyncio.ensure_future(Sim(SimOptions()).complete(call(), None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert run(cancelled())[1] == 0.0


def test_the_plugin_brings_its_word():
    (word,) = mmflow_providers()
    assert word.name == "sim"
    assert isinstance(word.make(SimOptions(), None), Sim)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (True, "x"),
        ({"type": "string", "minLength": 3, "maxLength": 3}, "x.."),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": ["null", "integer"]}, 0),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, 0.25),
        ({"type": "number", "minimum": 1, "multipleOf": 0.5}, 1),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True}, [0, 1]),
        ({"anyOf": [{"type": "null"}, {"const": 5}]}, 5),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"required": ["a"]}]}, {"a": 1}),
        ({"$defs": {"n": {"const": 2}}, "properties": {"n": {"$ref": "#/$defs/n"}}}, {"n": 2}),
        ({"$ref": "https://example.com/schema.json"}, "x"),
    ],
)
def test_an_instance_is_what_its_schema_allows(schema, value):
    assert json_instance(schema, "x") == value


@pytest.mark.parametrize("word", ["allOf", "anyOf"])
def test_a_schema_that_nests_without_end_is_cut(word):
    json_instance({"$defs": {"n": {word: [{"$ref": "#/$defs/n"}] * 10}}, "$ref": "#/$defs/n"}, "x")


def test_text_that_is_not_valid_unicode_is_answered_too():
    assert ask(call("what is \ud800?"))[0].simulated


def test_draws_are_even():
    units = [Draws(Random(1).random(), n).unit("x") for n in range(2000)]
    assert sum(units) / 2000 == pytest.approx(0.5, abs=0.03)
