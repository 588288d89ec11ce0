"""The Responses protocol as it is and as it should not be: `openai` with `api = responses` against a real socket."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import upstream as up
from mmflow_plugins.providers import openai
from mmflow_plugins.providers.openai import OpenaiOptions
from provider_calls import KEY, LentHost, ask, call, fault
from upstream import Upstream, response, response_events

from mmflow.plugin import Delta, Function, Message, Provider, ToolCall, Usage
from mmflow.runtime.http import AioHttp

SCHEMA = {"type": "object"}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    http = AioHttp()
    yield http
    await http.close()


@pytest.fixture
def provider(upstream: Upstream, http: AioHttp) -> Provider:
    return openai.make(OpenaiOptions(url=upstream.url, key=KEY, api="responses"), LentHost(http))


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


async def sent(provider: Provider, upstream: Upstream, *messages: Message, **more: Any) -> dict[str, Any]:
    """The body that goes out for these turns."""
    await ask(provider, call(messages=messages or (Message("user", "hi"),), **more))
    return upstream.seen[-1].body


def says(*pieces: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": list(pieces)}


def plays(upstream: Upstream, *output: dict[str, Any], **top: Any) -> None:
    """What the model `m` answers, whole and as a stream."""
    upstream.bodies["m"] = response(*output, **top)
    events: list[dict[str, Any]] = []
    for index, item in enumerate(output):
        at = {"output_index": index}
        events.append({"type": "response.output_item.added", **at, "item": item | {"arguments": "", "content": []}})
        for piece in item.get("content", ()):
            kind, text = ("refusal", piece["refusal"]) if piece["type"] == "refusal" else ("output_text", piece["text"])
            events += [{"type": f"response.{kind}.delta", **at, "delta": letter} for letter in text]
        events += [
            {"type": "response.function_call_arguments.delta", **at, "delta": letter} for letter in item.get("arguments", "")
        ]
        events.append({"type": "response.output_item.done", **at, "item": item})
    *begun, ended = response_events(*events, **top)
    ended["type"] = f"response.{top.get('status', 'completed')}"
    ended["response"]["output"] = list(output)
    upstream.streams["m"] = [*begun, ended]


# ---- what goes out --------------------------------------------------------------------------------------------------------


async def test_nothing_is_to_be_stored(provider: Provider, upstream: Upstream) -> None:
    body = await sent(provider, upstream)
    assert body == {"model": "good", "input": [{"role": "user", "content": "hi"}], "store": False}


async def test_turns_calls_and_results_are_items(provider: Provider, upstream: Upstream) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    sharp = {"type": "image_url", "image_url": {"url": "https://example.com/cat.jpg", "detail": "high"}}
    body = await sent(
        provider,
        upstream,
        Message("developer", "Be brief."),
        Message("user", ({"type": "text", "text": "What is it?"}, image, sharp), name="ann"),
        Message("assistant", "Looking.", tool_calls=(ToolCall("c1", Function("look", '{"x": 1}')),)),
        Message("tool", "a cat", tool_call_id="c1"),
    )
    assert body["input"] == [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is it?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
                {"type": "input_image", "image_url": "https://example.com/cat.jpg", "detail": "high"},
            ],
        },
        {"role": "assistant", "content": "Looking."},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"x": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
    ]


async def test_parameters_are_sent_under_the_names_of_the_api(provider: Provider, upstream: Upstream) -> None:
    function = {"name": "f", "description": "does f", "parameters": SCHEMA, "strict": True}
    tools = ({"type": "function", "function": function}, {"type": "function", "function": {"name": "bare"}})
    schema = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": SCHEMA}}
    body = await sent(
        provider,
        upstream,
        max_output_tokens=77,
        temperature=0.0,
        top_p=0.5,
        tools=tools,
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format=schema,
    )
    assert {name: body[name] for name in ("max_output_tokens", "temperature", "top_p")} == {
        "max_output_tokens": 77,
        "temperature": 0.0,
        "top_p": 0.5,
    }
    assert body["tools"] == [
        {"type": "function", "name": "f", "description": "does f", "parameters": SCHEMA, "strict": True},
        {"type": "function", "name": "bare", "parameters": {"type": "object", "properties": {}}, "strict": False},
    ]
    assert body["tool_choice"] == {"type": "function", "name": "f"}
    assert body["text"] == {"format": {"type": "json_schema", "name": "reply", "strict": True, "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"seed": 0}, "`seed`"),
        ({"stop": ("END",)}, "`stop`"),
        ({"response_format": {"type": "grammar"}}, "grammar"),
        ({"tools": ({"type": "web_search"},)}, "web_search"),
        ({"tool_choice": "sometimes"}, "sometimes"),
        ({"messages": (Message("user", ({"type": "input_audio", "input_audio": {}},)),)}, "input_audio"),
    ],
)
async def test_what_the_api_cannot_be_told_is_refused_by_name(
    provider: Provider, upstream: Upstream, more: dict[str, Any], named: str
) -> None:
    error = await fault(provider, call(**more))
    assert (error.error_class, error.dispatched) == ("4xx", "no")
    assert named in error.message
    assert upstream.seen == []


# ---- a good answer --------------------------------------------------------------------------------------------------------


@both
async def test_tool_calls_are_read(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": []}
    used = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": '{"city":"Bern"}'}
    plays(upstream, thought, used, used | {"id": "fc_2", "call_id": "c2", "arguments": ""})
    reply = await ask(provider, call("m"), streamed=streamed)
    assert reply.tool_calls == (ToolCall("c1", Function("weather", '{"city":"Bern"}')), ToolCall("c2", Function("weather", "{}")))
    assert (reply.text, reply.finish) == ("", "tool_calls")


async def test_a_summary_of_thoughts_is_shown_as_reasoning(provider: Provider, upstream: Upstream) -> None:
    upstream.streams["m"] = list(
        response_events(
            {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "hm"},
            {"type": "response.output_text.delta", "output_index": 1, "delta": "yes"},
            {"type": "response.an_event_of_next_year", "delta": {"any": "thing"}},
        )
    )
    shown: list[Delta] = []

    async def emit(delta: Delta) -> None:
        shown.append(delta)

    reply = await provider.complete(call("m"), emit)
    assert (shown, reply.text) == ([Delta(reasoning="hm"), Delta("yes")], "yes")


@both
@pytest.mark.parametrize(("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
async def test_an_incomplete_answer_says_why(
    provider: Provider, upstream: Upstream, reason: str, finish: str, streamed: bool
) -> None:
    plays(upstream, says({"type": "output_text", "text": "ab"}), status="incomplete", incomplete_details={"reason": reason})
    reply = await ask(provider, call("m"), streamed=streamed)
    assert (reply.text, reply.finish) == ("ab", finish)


@both
async def test_a_refusal_is_a_filtered_answer(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    plays(upstream, says({"type": "refusal", "refusal": "I will not."}))
    reply = await ask(provider, call("m"), streamed=streamed)
    assert (reply.text, reply.finish) == ("I will not.", "content_filter")


@both
@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({"input_tokens": 0, "output_tokens": 9}, None),
        ({"input_tokens": 20, "output_tokens": 0}, None),
        ({"input_tokens": 20, "output_tokens": 9}, Usage(input_tokens=20, output_tokens=9)),
        (
            {
                "input_tokens": 20,
                "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 7},
                "output_tokens": 9,
                "output_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(input_tokens=5, cached_input_tokens=8, cache_write_tokens=7, output_tokens=5, reasoning_tokens=4),
        ),
    ],
)
async def test_counts_are_disjoint_and_those_that_cannot_be_true_missing(
    provider: Provider, upstream: Upstream, usage: object, expected: Usage | None, streamed: bool
) -> None:
    plays(upstream, says({"type": "output_text", "text": "ab"}), usage=usage)
    assert (await ask(provider, call("m"), streamed=streamed)).usage == expected


# ---- what goes wrong ------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        ({"code": "server_error", "message": "it broke"}, "5xx"),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, "429"),
        ({"code": "image_content_policy_violation", "message": "no"}, "content_filter"),
        ({"code": "invalid_prompt", "message": "odd"}, "4xx"),
        (
            {"code": "context_length_exceeded", "message": "Your input exceeds the context window of this model."},
            "context_overflow",
        ),
        (None, "5xx"),
    ],
)
async def test_a_failed_answer_has_its_class(
    provider: Provider, upstream: Upstream, error: object, error_class: str, streamed: bool
) -> None:
    plays(upstream, says({"type": "output_text", "text": "a"}), status="failed", error=error)
    assert (await fault(provider, call("m"), streamed=streamed)).error_class == error_class


async def test_an_error_event_without_an_error_within_is_read(provider: Provider, upstream: Upstream) -> None:
    upstream.streams["m"] = [{"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}]
    error = await fault(provider, call("m"), streamed=True)
    assert (error.error_class, error.message) == ("429", "the provider reports an error: slow down")


@pytest.mark.parametrize("body", [b"null", b"[]", b'{"output": 7}', b"\xff\xfe", b'{"id": 1}', b'{"id": "1"}'])
async def test_odd_bodies_are_protocol_errors(provider: Provider, upstream: Upstream, body: bytes) -> None:
    upstream.bodies["m"] = body
    assert (await fault(provider, call("m"))).error_class == "protocol"
