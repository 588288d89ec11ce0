"""What INPUT may be: a text, JSON with messages in the form of chat completions, and what is refused of it."""

import json

import pytest

from mmflow.plugin import Message, Request
from mmflow.request import Asked, RequestError, decode

HI = {"role": "user", "content": "Hi"}


def asked(**fields: object) -> Asked:
    return decode(json.dumps({"messages": [HI], **fields}))


@pytest.mark.parametrize("text", ["Hi", '{"a": 1}', "{not json", '["messages"]', "  {", '"messages"', "{{ name }}"])
def test_a_text_is_one_user_turn(text: str) -> None:
    assert decode(text) == Asked(Request.of(text))


def test_an_object_with_messages_is_a_request() -> None:
    system = {"role": "system", "content": "Be brief."}
    assert asked(messages=[system, HI], user="u1", temperature=0.5).request == Request(
        messages=(Message("system", "Be brief."), Message("user", "Hi")), user="u1", temperature=0.5
    )


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_names_of_chat_completions_are_understood(name: str) -> None:
    assert asked(**{name: 5}).request.max_output_tokens == 5


def test_stop_may_be_one_string_and_metadata_is_meta() -> None:
    request = asked(stop="END", metadata={"team": "a"}).request
    assert request.stop == ("END",)
    assert request.meta == {"team": "a"}


def test_null_is_as_good_as_absent() -> None:
    assert asked(stop=None, temperature=None, tools=None) == asked()


def test_what_stands_around_a_request_is_kept() -> None:
    assert asked(model="support", stream=True) == Asked(Request.of("Hi"), model="support", stream=True)


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ('{"messages": []}', "the request has no messages", "at least one"),
        ('{"messages": [', "the request is not JSON", "put it in a message"),
        ('{"messages": ' + "[" * 100_000, "the request is not JSON", "put it in a message"),
        ('{"messages": "Hi"}', "messages: expected `array`", None),
        ('{"messages": [{"role": "bot", "content": "Hi"}]}', "messages[0].role", "`assistant`"),
        ('{"messages": [{"role": "user", "content": 5}]}', "messages[0].content", None),
        ('{"messages": [{"role": "user", "content": "Hi", "to": "x"}]}', "unknown field `to`", None),
        ('{"messages": [{"role": "user", "content": "\\ud800"}]}', "the request is not JSON", None),
    ],
)
def test_a_request_that_is_not_one_is_refused(text: str, message: str, help: str | None) -> None:
    with pytest.raises(RequestError) as refused:
        decode(text)
    assert message in refused.value.message
    assert help is None or help in str(refused.value.help)


@pytest.mark.parametrize(
    ("fields", "message", "help"),
    [
        ({"temprature": 1}, "`temprature`", "did you mean `temperature`?"),
        ({"api_base": "http://evil"}, "`api_base`", "fields are"),
        ({"n": 1000}, "`n`", "fields are"),
        ({"max_tokens": -1}, "-1 tokens", "at least 1"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "twice", "one of them"),
        ({"max_tokens": "many"}, "max_output_tokens: expected `int | null`", None),
        ({"meta": {"a": 1}}, "expected `str`", None),
        ({"model": 5}, "expected `str | null`", None),
    ],
)
def test_a_field_that_cannot_be_is_refused(fields: dict[str, object], message: str, help: str | None) -> None:
    with pytest.raises(RequestError) as refused:
        asked(**fields)
    assert message in refused.value.message
    assert help is None or help in str(refused.value.help)
