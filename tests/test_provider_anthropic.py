"""The Messages API as it is and as it should not be: `anthropic` against a real socket."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import upstream as up
from mmflow_plugins.providers import anthropic
from mmflow_plugins.providers.anthropic import AnthropicOptions
from provider_calls import KEY, LentHost, ask, call, fault
from upstream import TEXT, Upstream, message, message_start

from mmflow.options import Surroundings, build
from mmflow.plugin import Function, Message, MissingSecret, Provider, Timeouts, ToolCall, Usage
from mmflow.runtime.http import AioHttp

USAGE = Usage(input_tokens=12, cached_input_tokens=8, cache_write_tokens=3, output_tokens=9)


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
    return anthropic.make(AnthropicOptions(url=upstream.root, key=KEY), LentHost(http))


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


async def sent(provider: Provider, upstream: Upstream, *messages: Message, **more: Any) -> dict[str, Any]:
    """The body that goes out for these turns."""
    await ask(provider, call(messages=messages, **more))
    return upstream.seen[-1].body


# ---- what goes out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
async def test_the_request_goes_to_messages_with_key_and_version(upstream: Upstream, http: AioHttp, end: str) -> None:
    options = AnthropicOptions(url=upstream.root + end, key=KEY, headers={"anthropic_beta": "x"})
    await ask(anthropic.make(options, LentHost(http)), call())
    (seen,) = upstream.seen
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == KEY.reveal()
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert seen.headers["anthropic-beta"] == "x"
    assert "authorization" not in seen.headers
    turns = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert seen.body == {"model": "good", "max_tokens": 4096, "messages": turns}


async def test_what_the_system_says_stands_apart(provider: Provider, upstream: Upstream) -> None:
    body = await sent(provider, upstream, Message("system", "Be kind."), Message("developer", "Be brief."), Message("user", "hi"))
    assert body["system"] == "Be kind.\n\nBe brief."
    assert [turn["role"] for turn in body["messages"]] == ["user"]


async def test_tool_calls_and_their_results_are_blocks(provider: Provider, upstream: Upstream) -> None:
    body = await sent(
        provider,
        upstream,
        Message("user", "compare"),
        Message(
            "assistant", "Looking.", tool_calls=(ToolCall("c1", Function("a", '{"x": 1}')), ToolCall("c2", Function("b", "")))
        ),
        Message("tool", "one", tool_call_id="c1"),
        Message("tool", ({"type": "text", "text": "two"},), tool_call_id="c2"),
        Message("user", "and?"),
    )
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "c1", "name": "a", "input": {"x": 1}},
        {"type": "tool_use", "id": "c2", "name": "b", "input": {}},
    ]
    assert body["messages"][2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
            {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "two"}]},
            {"type": "text", "text": "and?"},
        ],
    }
    assert len(body["messages"]) == 3


async def test_images_are_converted_and_empty_texts_left_out(provider: Provider, upstream: Upstream) -> None:
    urls = ("data:image/png;base64,AAAA", "https://example.com/cat.jpg")
    parts = ({"type": "text", "text": ""}, *({"type": "image_url", "image_url": {"url": url}} for url in urls))
    body = await sent(provider, upstream, Message("user", parts))
    assert body["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.jpg"}},
    ]


async def test_parameters_are_sent_under_the_names_of_the_api(provider: Provider, upstream: Upstream) -> None:
    schema = {"type": "object"}
    function = {"name": "f", "description": "does f", "parameters": schema}
    tools = ({"type": "function", "function": function}, {"type": "function", "function": {"name": "bare"}})
    body = await sent(
        provider,
        upstream,
        Message("user", "hi"),
        max_output_tokens=77,
        temperature=0.0,
        top_p=0.5,
        stop=("END",),
        tools=tools,
        response_format={"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}},
    )
    assert {name: body[name] for name in ("max_tokens", "temperature", "top_p", "stop_sequences")} == {
        "max_tokens": 77,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop_sequences": ["END"],
    }
    assert body["tools"] == [
        {"name": "f", "description": "does f", "input_schema": schema},
        {"name": "bare", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ],
)
async def test_the_choice_of_tools_is_converted(provider: Provider, upstream: Upstream, choice: Any, expected: object) -> None:
    assert (await sent(provider, upstream, Message("user", "hi"), tool_choice=choice))["tool_choice"] == expected


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"seed": 0}, "`seed`"),
        ({"temperature": 1.5}, "`temperature`"),
        ({"response_format": {"type": "json_object"}}, "json_object"),
        ({"tools": ({"type": "web_search"},)}, "web_search"),
        ({"tool_choice": "sometimes"}, "sometimes"),
        ({"messages": (Message("user", ({"type": "input_audio", "input_audio": {}},)),)}, "input_audio"),
        ({"messages": (Message("assistant", tool_calls=(ToolCall("c", Function("f", "[1]")),)),)}, "`f`"),
        ({"messages": (Message("user", ({"type": "image_url", "image_url": {"url": "data:text/plain,x"}},)),)}, "base64"),
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
async def test_an_answer_has_its_text_usage_model_and_id(provider: Provider, streamed: bool) -> None:
    reply = await ask(provider, call(), streamed=streamed)
    assert (reply.text, reply.finish, reply.usage) == (TEXT, "stop", USAGE)
    assert (reply.served_model, reply.request_id) == ("served-1", "req-1")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ],
)
async def test_stop_reasons_are_mapped(provider: Provider, upstream: Upstream, reason: str, finish: str) -> None:
    upstream.bodies["m"] = message(stop_reason=reason)
    assert (await ask(provider, call("m"))).finish == finish


async def test_a_refusal_without_a_word_is_an_error(provider: Provider, upstream: Upstream) -> None:
    upstream.bodies["m"] = message({"type": "text", "text": ""}, stop_reason="refusal")
    assert (await fault(provider, call("m"))).error_class == "content_filter"


async def test_tool_calls_of_a_whole_answer_are_read(provider: Provider, upstream: Upstream) -> None:
    used = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}
    upstream.bodies["m"] = message({"type": "thinking", "thinking": "hm", "signature": "s"}, used, stop_reason="tool_use")
    reply = await ask(provider, call("m"))
    assert reply.tool_calls == (ToolCall("t1", Function("weather", '{"city":"Bern"}')),)
    assert (reply.text, reply.finish) == ("", "tool_calls")


async def test_tool_calls_of_a_stream_are_put_together(provider: Provider, upstream: Upstream) -> None:
    def json_piece(index: int, text: str) -> dict[str, Any]:
        delta = {"type": "input_json_delta", "partial_json": text}
        return {"type": "content_block_delta", "index": index, "delta": delta}

    def used(index: int, name: str) -> dict[str, Any]:
        block = {"type": "tool_use", "id": f"t{index}", "name": name, "input": {}}
        return {"type": "content_block_start", "index": index, "content_block": block}

    upstream.streams["m"] = [
        message_start(),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        used(1, "weather"),
        json_piece(1, '{"city":'),
        json_piece(1, '"Bern"}'),
        used(2, "now"),
        {"type": "an_event_of_next_year"},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    reply = await ask(provider, call("m"), streamed=True)
    assert reply.tool_calls == (ToolCall("t1", Function("weather", '{"city":"Bern"}')), ToolCall("t2", Function("now", "{}")))
    assert reply.finish == "tool_calls"


async def test_thinking_is_shown_as_reasoning(provider: Provider, upstream: Upstream) -> None:
    upstream.streams["m"] = [
        message_start(),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "yes"}},
        {"type": "message_stop"},
    ]
    shown: list[str] = []

    async def emit(delta: Any) -> None:
        shown.append(f"{delta.reasoning}|{delta.text}")

    assert (await provider.complete(call("m"), emit)).text == "yes"
    assert shown == ["hm|", "|yes"]


async def test_a_server_that_does_not_stream_is_understood(provider: Provider) -> None:
    assert (await ask(provider, call("no_stream"), streamed=True)).text == TEXT


async def test_a_bound_on_the_first_token_holds_though_nobody_streams(provider: Provider) -> None:
    error = await fault(provider, call("hang_after_headers", timeouts=Timeouts(first_token_s=0.05)))
    assert error.message == "no first token within 50ms"
    assert (await ask(provider, call(timeouts=Timeouts(first_token_s=30)))).usage == USAGE


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ({"input_tokens": 0, "output_tokens": 9}, None),
        ({"input_tokens": 12, "output_tokens": 0}, None),
        ({"input_tokens": -1, "output_tokens": 9}, None),
        ({"input_tokens": "12", "output_tokens": 9}, None),
        ({"input_tokens": 10**12, "output_tokens": 9}, None),
        ({"input_tokens": 0, "cache_read_input_tokens": 7, "output_tokens": 9}, Usage(cached_input_tokens=7, output_tokens=9)),
        ({"input_tokens": 12, "cache_read_input_tokens": None, "output_tokens": 9}, Usage(input_tokens=12, output_tokens=9)),
    ],
)
async def test_usage_that_cannot_be_true_is_missing(
    provider: Provider, upstream: Upstream, usage: object, expected: Usage | None
) -> None:
    upstream.bodies["m"] = message(usage=usage)
    assert (await ask(provider, call("m"))).usage == expected


# ---- what goes wrong ------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("model", "error_class", "dispatched"),
    [
        ("400", "4xx", "no"),
        ("401", "auth", "no"),
        ("403", "auth", "no"),
        ("404", "4xx", "no"),
        ("429", "429", "no"),
        ("500", "5xx", "maybe"),
        ("529", "overloaded", "no"),
        ("error_in_200", "5xx", "yes"),
        ("empty", "protocol", "yes"),
        ("html", "protocol", "yes"),
        ("truncated", "protocol", "yes"),
        ("no_choices", "protocol", "yes"),
        ("redirect", "protocol", "no"),
        ("reset", "connect", "maybe"),
    ],
)
async def test_each_fault_has_its_class(
    provider: Provider, model: str, error_class: str, dispatched: str, streamed: bool
) -> None:
    error = await fault(provider, call(model), streamed=streamed)
    assert (error.error_class, error.dispatched) == (error_class, dispatched)


@pytest.mark.parametrize(
    ("model", "error_class"),
    [
        ("cut_stream", "protocol"),
        ("drop_stream", "connect"),
        ("reset_mid_stream", "connect"),
        ("invalid_chunk", "protocol"),
        ("error_in_stream", "overloaded"),
    ],
)
async def test_a_stream_that_goes_wrong_is_never_an_answer(provider: Provider, model: str, error_class: str) -> None:
    error = await fault(provider, call(model), streamed=True)
    assert (error.error_class, error.dispatched) == (error_class, "yes")


async def test_a_prompt_that_is_too_long_is_a_context_overflow(provider: Provider) -> None:
    async def play(wire: up.Wire) -> None:
        error = {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}
        await wire.reply(400, {"type": "error", "error": error})

    up.BEHAVIOURS["too_long"] = play
    assert (await fault(provider, call("too_long"))).error_class == "context_overflow"


@both
async def test_an_echoed_key_is_masked(provider: Provider, streamed: bool) -> None:
    error = await fault(provider, call("echo_key"), streamed=streamed)
    assert error.message == "HTTP 401: no such key: [TEST_KEY] in this account"


def test_key_and_address_come_from_the_environment(tmp_path: Any) -> None:
    environ = {"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    options = build(AnthropicOptions, {}, Surroundings(tmp_path, environ))
    assert (options.key.reveal(), options.url) == ("sk-1", "http://127.0.0.1:9")
    with pytest.raises(MissingSecret, match="ANTHROPIC_API_KEY"):
        build(AnthropicOptions, {}, Surroundings(tmp_path, {}))
