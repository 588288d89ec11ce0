"""Chat completions as they are and as they should not be: `openai_compatible` and `openai` against a real socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import upstream as up
from mmflow_plugins.providers import openai, openai_compatible
from mmflow_plugins.providers.openai import OpenaiOptions
from mmflow_plugins.providers.openai_compatible import OpenaiCompatibleOptions
from provider_calls import KEY, LentHost, ask, call, fault
from upstream import TEXT, Upstream, chat, chunk

from mmflow.options import Surroundings, build
from mmflow.plugin import CallError, Function, Message, MissingSecret, OptionError, Provider, Timeouts, ToolCall, Usage
from mmflow.runtime.http import AioHttp
from mmflow.runtime.target import target_of

USAGE = Usage(input_tokens=12, cached_input_tokens=8, output_tokens=5, reasoning_tokens=4)
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


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
    return openai_compatible.make(OpenaiCompatibleOptions(url=upstream.url, key=KEY), LentHost(http))


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


# ---- a good answer --------------------------------------------------------------------------------------------------------


@both
async def test_an_answer_has_its_text_usage_model_and_id(provider: Provider, streamed: bool) -> None:
    reply = await ask(provider, call(), streamed=streamed)
    assert (reply.text, reply.finish, reply.usage) == (TEXT, "stop", USAGE)
    assert (reply.served_model, reply.request_id, reply.simulated) == ("served-1", "req-1", False)


async def test_the_request_goes_to_chat_completions_with_the_key_and_the_headers(upstream: Upstream, http: AioHttp) -> None:
    options = OpenaiCompatibleOptions(url=upstream.url + "/", key=KEY, headers={"x_team": "blue"})
    await ask(openai_compatible.make(options, LentHost(http)), call())
    (seen,) = upstream.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {KEY.reveal()}"
    assert seen.headers["x-team"] == "blue"
    assert seen.body == {"model": "good", "messages": [{"role": "user", "content": "hi"}]}


async def test_without_a_key_none_is_sent(upstream: Upstream, http: AioHttp) -> None:
    await ask(openai_compatible.make(OpenaiCompatibleOptions(url=upstream.url), LentHost(http)), call())
    assert "authorization" not in upstream.seen[0].headers


@both
async def test_every_parameter_of_the_request_is_sent(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    wanted: dict[str, Any] = {
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ("END",),
        "seed": 0,
        "tools": (TOOL,),
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {"type": "json_object"},
    }
    await ask(provider, call(max_output_tokens=77, **wanted), streamed=streamed)
    sent = upstream.seen[0].body
    assert {name: sent[name] for name in wanted} == wanted | {"stop": ["END"], "tools": [TOOL]}
    assert sent["max_tokens"] == 77


async def test_what_is_for_routing_stays_here(provider: Provider, upstream: Upstream) -> None:
    await ask(provider, call(user="ann@example.com", language="de", meta={"team": "blue"}))
    assert upstream.seen[0].body.keys() == {"model", "messages"}


async def test_turns_parts_and_tool_results_go_out_as_they_are(provider: Provider, upstream: Upstream) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = (
        Message("developer", "Be brief."),
        Message("user", ({"type": "text", "text": "What is it?"}, image), name="ann"),
        Message("assistant", tool_calls=(ToolCall("c1", Function("look", "{}")),)),
        Message("tool", "a cat", tool_call_id="c1"),
    )
    await ask(provider, call(messages=messages))
    assert upstream.seen[0].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image], "name": "ann"},
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": "{}"}, "type": "function"}]},
        {"role": "tool", "content": "a cat", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("eos", "stop"), (None, "stop")],
)
async def test_finish_reasons_are_mapped(provider: Provider, upstream: Upstream, reason: str | None, finish: str) -> None:
    upstream.bodies["m"] = chat("text", finish=reason)
    assert (await ask(provider, call("m"))).finish == finish


async def test_a_refusal_is_a_filtered_answer(provider: Provider, upstream: Upstream) -> None:
    upstream.bodies["m"] = chat(None, refusal="I will not.")
    reply = await ask(provider, call("m"))
    assert (reply.text, reply.finish) == ("I will not.", "content_filter")


@pytest.mark.parametrize("text", ["", None])
async def test_an_answer_that_a_filter_kept_back_is_an_error(provider: Provider, upstream: Upstream, text: str | None) -> None:
    upstream.bodies["m"] = chat(text, finish="content_filter")
    assert (await fault(provider, call("m"))).error_class == "content_filter"


async def test_an_answer_in_parts_is_joined_and_thoughts_are_left_out(provider: Provider, upstream: Upstream) -> None:
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    upstream.bodies["m"] = chat(parts)  # type: ignore[arg-type]
    assert (await ask(provider, call("m"))).text == "ab"


async def test_the_id_of_the_body_stands_in_for_a_missing_header(provider: Provider, upstream: Upstream) -> None:
    upstream.bodies["m"] = chat("text")
    assert (await ask(provider, call("m"))).request_id == "chatcmpl-1"


@pytest.mark.parametrize("arguments", ['{"city": "Bern"}', {"city": "Bern"}])
async def test_tool_calls_are_read(provider: Provider, upstream: Upstream, arguments: object) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": arguments}}]
    upstream.bodies["m"] = chat(None, finish="tool_calls", tool_calls=calls)
    reply = await ask(provider, call("m"))
    (made,) = reply.tool_calls
    assert (made.id, made.function.name, made.function.arguments.replace(" ", "")) == ("c1", "weather", '{"city":"Bern"}')
    assert (reply.text, reply.finish) == ("", "tool_calls")


# ---- a stream -------------------------------------------------------------------------------------------------------------


async def test_tool_calls_of_a_stream_are_put_together(provider: Provider, upstream: Upstream) -> None:
    def piece(index: int, **function: str) -> dict[str, Any]:
        return chunk({"tool_calls": [{"index": index, "function": function}]})

    upstream.streams["m"] = [
        chunk({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}]}),
        piece(0, arguments='{"city":'),
        chunk({"tool_calls": [{"index": 1, "id": "c2", "type": "function", "function": {"name": "now", "arguments": ""}}]}),
        piece(0, arguments='"Bern"}'),
        chunk({}, "tool_calls"),
        "[DONE]",
    ]
    reply = await ask(provider, call("m"), streamed=True)
    assert reply.tool_calls == (ToolCall("c1", Function("weather", '{"city":"Bern"}')), ToolCall("c2", Function("now", "{}")))
    assert reply.finish == "tool_calls"


@pytest.mark.parametrize("numbers", [{}, {"index": 0}], ids=["no index", "one index for all"])
async def test_calls_are_told_apart_by_their_ids_where_the_index_does_not(
    provider: Provider, upstream: Upstream, numbers: dict[str, int]
) -> None:
    upstream.streams["m"] = [
        chunk({"tool_calls": [{**numbers, "id": id_, "function": {"name": "f", "arguments": arguments}}]})
        for id_, arguments in (("c1", "{"), ("c1", "}"), ("c2", '{"x":1}'))
    ] + [chunk({}, "stop"), "[DONE]"]
    reply = await ask(provider, call("m"), streamed=True)
    assert reply.tool_calls == (ToolCall("c1", Function("f", "{}")), ToolCall("c2", Function("f", '{"x":1}')))
    assert reply.finish == "tool_calls"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_shown_and_is_no_part_of_the_text(provider: Provider, upstream: Upstream, field: str) -> None:
    upstream.streams["m"] = [chunk({field: "hm"}), chunk({"content": "yes"}, "stop"), "[DONE]"]
    shown: list[str] = []

    async def emit(delta: Any) -> None:
        shown.append(f"{delta.reasoning}|{delta.text}")

    reply = await provider.complete(call("m"), emit)
    assert (shown, reply.text) == (["hm|", "|yes"], "yes")


@pytest.mark.parametrize("end", [[chunk({}, "stop")], ["[DONE]"]], ids=["finish_reason", "DONE"])
async def test_either_mark_of_the_end_is_enough(provider: Provider, upstream: Upstream, end: list[object]) -> None:
    upstream.streams["m"] = [chunk({"content": "yes"}), *end]
    assert (await ask(provider, call("m"), streamed=True)).text == "yes"


async def test_usage_is_asked_for_in_a_stream(provider: Provider, upstream: Upstream) -> None:
    await ask(provider, call(), streamed=True)
    assert upstream.seen[0].body["stream_options"] == {"include_usage": True}


async def test_a_server_that_refuses_stream_options_is_asked_without_from_then_on(provider: Provider, upstream: Upstream) -> None:
    for _ in range(2):
        reply = await ask(provider, call("no_stream_options"), streamed=True)
        assert (reply.text, reply.usage) == (TEXT, None)
    assert ["stream_options" in seen.body for seen in upstream.seen] == [True, False, False]


async def test_calls_at_the_same_time_are_all_asked_again_without_stream_options(provider: Provider) -> None:
    replies = await asyncio.gather(*(ask(provider, call("no_stream_options"), streamed=True) for _ in range(5)))
    assert {reply.text for reply in replies} == {TEXT}


@pytest.mark.parametrize(
    "url", ["user:pa55word@host/v1", "http://:pa55word@/v1", "ftp://user:pa55word@host", "http://u:pa55word@host"]
)
def test_a_password_in_a_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as by_option:
        OpenaiCompatibleOptions(url=url)
    with pytest.raises(CallError) as by_http:
        target_of(url)
    assert "pa55" not in f"{by_option.value} {by_http.value.message}"


async def test_a_server_that_does_not_stream_is_understood(provider: Provider, upstream: Upstream) -> None:
    assert (await ask(provider, call("no_stream"), streamed=True)).text == TEXT
    made = [{"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]
    upstream.bodies["m"] = chat(None, tool_calls=made)
    assert len((await ask(provider, call("m"), streamed=True)).tool_calls) == 1


async def test_a_bound_on_the_first_token_holds_though_nobody_streams(provider: Provider, upstream: Upstream) -> None:
    error = await fault(provider, call("hang_after_headers", timeouts=Timeouts(first_token_s=0.05)))
    assert (error.error_class, error.message) == ("timeout", "no first token within 50ms")
    assert (await ask(provider, call(timeouts=Timeouts(first_token_s=30)))).usage == USAGE


# ---- usage that cannot be true --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        "29",
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": 20, "completion_tokens": 0},
        {"prompt_tokens": -20, "completion_tokens": 9},
        {"prompt_tokens": "20", "completion_tokens": "9"},
        {"prompt_tokens": 20, "completion_tokens": 10**12},
        {"prompt_tokens": True, "completion_tokens": 9},
        {"prompt_tokens": 20.5, "completion_tokens": 9},
        {"prompt_tokens": 20},
    ],
)
async def test_usage_that_cannot_be_true_is_missing(provider: Provider, upstream: Upstream, usage: object) -> None:
    upstream.bodies["m"] = chat("text", usage=usage)
    upstream.streams["m"] = [chunk({"content": "text"}, "stop"), chunk({}, usage=usage), "[DONE]"]
    assert (await ask(provider, call("m"))).usage is None
    assert (await ask(provider, call("m"), streamed=True)).usage is None


@pytest.mark.parametrize(
    ("details", "usage"),
    [
        ({}, Usage(input_tokens=20, output_tokens=9)),
        ({"prompt_tokens_details": None}, Usage(input_tokens=20, output_tokens=9)),
        ({"prompt_tokens_details": {"cached_tokens": 21}}, Usage(input_tokens=20, output_tokens=9)),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, Usage(input_tokens=20, output_tokens=9)),
        ({"prompt_tokens_details": {"cached_tokens": 20}}, Usage(cached_input_tokens=20, output_tokens=9)),
        (
            {"completion_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 59},
            Usage(input_tokens=20, output_tokens=9, reasoning_tokens=30),
        ),
    ],
)
async def test_counts_are_disjoint(provider: Provider, upstream: Upstream, details: dict[str, Any], usage: Usage) -> None:
    upstream.bodies["m"] = chat("text", usage={"prompt_tokens": 20, "completion_tokens": 9} | details)
    assert (await ask(provider, call("m"))).usage == usage


# ---- what goes wrong ------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("model", "error_class", "dispatched"),
    [
        ("400", "4xx", "no"),
        ("401", "auth", "no"),
        ("402", "4xx", "no"),
        ("403", "auth", "no"),
        ("404", "4xx", "no"),
        ("408", "timeout", "maybe"),
        ("429", "429", "no"),
        ("500", "5xx", "maybe"),
        ("502", "5xx", "maybe"),
        ("503", "5xx", "maybe"),
        ("504", "5xx", "maybe"),
        ("529", "overloaded", "no"),
        ("overflow", "context_overflow", "no"),
        ("filtered", "content_filter", "no"),
        ("redirect", "protocol", "no"),
        ("html_502", "5xx", "maybe"),
        ("error_in_200", "5xx", "yes"),
        ("empty", "protocol", "yes"),
        ("no_content", "protocol", "yes"),
        ("html", "protocol", "yes"),
        ("truncated", "protocol", "yes"),
        ("no_choices", "protocol", "yes"),
        ("gzip_bomb", "protocol", "yes"),
        ("reset", "connect", "maybe"),
        ("short_body", "connect", "yes"),
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


@pytest.mark.parametrize(
    ("events", "error_class"),
    [
        ([], "protocol"),
        (["[DONE]"], "protocol"),
        (["not json"], "protocol"),
        (["[1, 2]"], "protocol"),
        (['{"choices": 7}'], "protocol"),
        ([chunk({"content": 7}, "stop")], "protocol"),
        ([chunk({"content": "a"}, "error")], "5xx"),
        ([{"error": {"message": "m", "code": 429}}], "429"),
        ([{"error": "boom"}], "5xx"),
        ([{"error": {"message": "m", "type": "invalid_request_error", "code": "context_length_exceeded"}}], "context_overflow"),
    ],
)
async def test_odd_streams_are_errors(provider: Provider, upstream: Upstream, events: list[object], error_class: str) -> None:
    upstream.streams["m"] = events
    assert (await fault(provider, call("m"), streamed=True)).error_class == error_class


@pytest.mark.parametrize("body", [b"null", b"[]", b'{"choices": [null]}', b"\xff\xfe", b"[" * 100_000, b'{"id": 1}'])
async def test_odd_bodies_are_protocol_errors(provider: Provider, upstream: Upstream, body: bytes) -> None:
    upstream.bodies["m"] = body
    assert (await fault(provider, call("m"))).error_class == "protocol"


@both
async def test_the_wait_that_a_provider_asks_for_is_passed_on(provider: Provider, streamed: bool) -> None:
    waits = {"429_seconds": 7.0, "429_ms": 0.25, "429_date": 7.0, "429_absurd": 1e9, "429_negative": None, "429_nan": None}
    for model, wait_s in waits.items():
        assert (await fault(provider, call(model), streamed=streamed)).retry_after_s == wait_s


async def test_messages_say_what_the_provider_said(provider: Provider) -> None:
    error = await fault(provider, call("400"))
    assert error.message == "HTTP 400: no such parameter: `wings`"
    assert (await fault(provider, call("html_502"))).message == "HTTP 502: bad gateway"
    assert "credit" in ((await fault(provider, call("429_quota"))).help or "")
    assert "url" in ((await fault(provider, call("html"))).help or "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "model 'x' not found"}, "model 'x' not found"),
        ({"object": "error", "message": "bad model"}, "bad model"),
        ({"detail": "Not Found"}, "Not Found"),
        ([{"error": {"message": "from a list"}}], "from a list"),
        (b"plain words", "plain words"),
        ({"error": {"message": "x" * 5000}}, "x" * 299 + "…"),
    ],
)
async def test_the_message_is_found_wherever_servers_put_it(provider: Provider, body: object, said: str) -> None:
    async def play(wire: up.Wire) -> None:
        await wire.reply(400, body)

    up.BEHAVIOURS["odd_refusal"] = play
    assert (await fault(provider, call("odd_refusal"))).message == f"HTTP 400: {said}"


@both
async def test_an_echoed_key_is_masked(provider: Provider, streamed: bool) -> None:
    error = await fault(provider, call("echo_key"), streamed=streamed)
    assert error.message == "HTTP 401: no such key: [TEST_KEY] in this account"


# ---- options, and `openai` ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["api.example.com/v1", "ftp://example.com", "http://", "http://user:pw@host/v1"])
def test_a_url_that_cannot_be_is_refused(url: str, tmp_path: Any) -> None:
    with pytest.raises(OptionError) as caught:
        build(OpenaiCompatibleOptions, {"url": url}, Surroundings(tmp_path, {}))
    assert caught.value.field == "url"


def test_openai_takes_its_key_and_address_from_the_environment(tmp_path: Any) -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    options = build(OpenaiOptions, {}, Surroundings(tmp_path, environ))
    assert (options.key.reveal(), options.url) == ("sk-1", "http://127.0.0.1:9/v1")
    assert build(OpenaiOptions, {}, Surroundings(tmp_path, {"OPENAI_API_KEY": "sk-1"})).url == "https://api.openai.com/v1"
    with pytest.raises(MissingSecret, match="OPENAI_API_KEY"):
        build(OpenaiOptions, {}, Surroundings(tmp_path, {}))


async def test_openai_at_another_address_is_asked_as_any_server(upstream: Upstream, http: AioHttp) -> None:
    provider = openai.make(OpenaiOptions(url=upstream.url, key=KEY), LentHost(http))
    await ask(provider, call(max_output_tokens=5))
    assert upstream.seen[0].body["max_tokens"] == 5


async def test_openai_itself_gets_the_names_that_it_wants(
    upstream: Upstream, http: AioHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", upstream.root)
    monkeypatch.delenv("no_proxy", raising=False)
    provider = openai.make(OpenaiOptions(url="http://api.openai.com/v1", key=KEY), LentHost(http))
    await ask(provider, call(max_output_tokens=5, messages=(Message("developer", "Be brief."), Message("user", "hi"))))
    body = upstream.seen[0].body
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body
    assert body["messages"][0]["role"] == "developer"
