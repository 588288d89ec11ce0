"""The Gemini API as it is and as it should not be: `gemini` against a real socket."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import upstream as up
from mmflow_plugins.providers import gemini
from mmflow_plugins.providers.gemini import GeminiOptions
from provider_calls import KEY, LentHost, ask, call, fault
from upstream import TEXT, Upstream, contents

from mmflow.options import Surroundings, build
from mmflow.plugin import Delta, Function, Message, MissingSecret, Provider, ToolCall, Usage
from mmflow.runtime.http import AioHttp

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA}}


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
    return gemini.make(GeminiOptions(url=upstream.root, key=KEY), LentHost(http, Random(1)))


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


async def sent(provider: Provider, upstream: Upstream, *messages: Message, model: str = "good", **more: Any) -> dict[str, Any]:
    """The body that goes out for these turns."""
    await ask(provider, call(model, messages=messages or (Message("user", "hi"),), **more))
    return upstream.seen[-1].body


def plays(upstream: Upstream, model: str, *answers: dict[str, Any]) -> None:
    """What a model answers: as a stream event by event, whole the last."""
    upstream.streams[model] = list(answers)
    upstream.bodies[model] = answers[-1]


# ---- what goes out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "path"),
    [
        ("", "/v1beta/models/m:generateContent"),
        ("/", "/v1beta/models/m:generateContent"),
        ("/v1beta", "/v1beta/models/m:generateContent"),
        ("/v1/", "/v1/models/m:generateContent"),
        ("/gateway", "/gateway/v1beta/models/m:generateContent"),
        (
            "/v1/projects/p/locations/eu/publishers/google",
            "/v1/projects/p/locations/eu/publishers/google/models/m:generateContent",
        ),
    ],
)
async def test_the_version_is_added_where_the_address_names_none(upstream: Upstream, http: AioHttp, end: str, path: str) -> None:
    options = GeminiOptions(url=upstream.root + end, key=KEY, headers={"x_goog_user_project": "p"})
    await ask(gemini.make(options, LentHost(http)), call("m"))
    assert upstream.seen[0].path == path
    assert upstream.seen[0].headers["x-goog-user-project"] == "p"


async def test_what_the_system_says_stands_apart(provider: Provider, upstream: Upstream) -> None:
    body = await sent(provider, upstream, Message("system", "Be kind."), Message("user", "hi"), Message("developer", "Be brief."))
    assert body == {
        "systemInstruction": {"parts": [{"text": "Be kind."}, {"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    }


async def test_every_parameter_of_the_request_is_sent(provider: Provider, upstream: Upstream) -> None:
    body = await sent(
        provider,
        upstream,
        max_output_tokens=77,
        temperature=0.0,
        top_p=0.5,
        stop=("END",),
        seed=0,
        tools=(TOOL, {"type": "function", "function": {"name": "now"}}),
        response_format={"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}},
    )
    assert body["generationConfig"] == {
        "maxOutputTokens": 77,
        "temperature": 0.0,
        "topP": 0.5,
        "stopSequences": ["END"],
        "seed": 0,
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }
    declared = {"name": "weather", "description": "of a city", "parametersJsonSchema": SCHEMA}
    assert body["tools"] == [{"functionDeclarations": [declared, {"name": "now"}]}]


async def test_json_without_a_schema_is_asked_for_by_its_type(provider: Provider, upstream: Upstream) -> None:
    body = await sent(provider, upstream, response_format={"type": "json_object"})
    assert body["generationConfig"] == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
async def test_the_choice_of_tools_is_converted(provider: Provider, upstream: Upstream, choice: Any, expected: object) -> None:
    assert (await sent(provider, upstream, tool_choice=choice))["toolConfig"] == {"functionCallingConfig": expected}


async def test_images_are_sent_within_or_by_their_address(provider: Provider, upstream: Upstream) -> None:
    urls = ("data:image/png;base64,AAAA", "https://example.com/cat.jpg?size=1", "https://example.com/cat")
    parts = ({"type": "text", "text": ""}, *({"type": "image_url", "image_url": {"url": url}} for url in urls))
    body = await sent(provider, upstream, Message("user", parts))
    assert body["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"fileData": {"fileUri": urls[1], "mimeType": "image/jpeg"}},
        {"fileData": {"fileUri": urls[2]}},
    ]


async def test_tool_calls_and_their_results_are_parts(provider: Provider, upstream: Upstream) -> None:
    calls = (ToolCall("c1", Function("a", '{"x": 1}')), ToolCall("c2", Function("b", "")))
    body = await sent(
        provider,
        upstream,
        Message("user", "compare"),
        Message("assistant", "Looking.", tool_calls=calls),
        Message("tool", '{"degrees": 7}', tool_call_id="c1"),
        Message("tool", "two", tool_call_id="c2"),
        model="gemini-2.5-flash",
    )
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Looking."},
                {"functionCall": {"name": "a", "args": {"x": 1}}},
                {"functionCall": {"name": "b", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "a", "response": {"degrees": 7}}},
                {"functionResponse": {"name": "b", "response": {"output": "two"}}},
            ],
        },
    ]


async def test_a_call_goes_back_with_what_the_model_signed_it_with(provider: Provider, upstream: Upstream) -> None:
    part = {"functionCall": {"name": "weather", "args": {}, "id": "own1"}, "thoughtSignature": "c2lnbmVk"}
    plays(upstream, "gemini-3-pro", contents(part))
    (made,) = (await ask(provider, call("gemini-3-pro"))).tool_calls
    turns = (Message("user", "hi"), Message("assistant", tool_calls=(made,)), Message("tool", "7", tool_call_id=made.id))
    body = await sent(provider, upstream, *turns, model="gemini-3-flash")
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == "c2lnbmVk"


async def test_the_first_call_that_another_model_made_is_marked_as_unsigned(provider: Provider, upstream: Upstream) -> None:
    calls = (ToolCall("c1", Function("a", "{}")), ToolCall("c2", Function("b", "{}")))
    body = await sent(provider, upstream, Message("user", "hi"), Message("assistant", tool_calls=calls), model="gemini-3-flash")
    signatures = [part.get("thoughtSignature") for part in body["contents"][1]["parts"]]
    assert signatures == ["skip_thought_signature_validator", None]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"response_format": {"type": "grammar"}}, "grammar"),
        ({"tools": ({"type": "web_search"},)}, "web_search"),
        ({"tool_choice": "sometimes"}, "sometimes"),
        ({"messages": (Message("user", ({"type": "input_audio", "input_audio": {}},)),)}, "input_audio"),
        ({"messages": (Message("assistant", tool_calls=(ToolCall("c", Function("f", "[1]")),)),)}, "`f`"),
        ({"messages": (Message("tool", "7", tool_call_id="nobody"),)}, "no call"),
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
async def test_thoughts_are_shown_and_are_no_part_of_the_text(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    plays(upstream, "m", contents({"text": "hm", "thought": True}, {"text": "yes"}))
    assert (await ask(provider, call("m"), streamed=streamed)).text == "yes"
    shown: list[Delta] = []

    async def emit(delta: Delta) -> None:
        shown.append(delta)

    await provider.complete(call("m"), emit)
    assert shown == [Delta(reasoning="hm"), Delta("yes")]


@both
async def test_tool_calls_are_read_and_have_ids_of_their_own(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    calls = [{"functionCall": {"name": "weather", "args": {"city": city}}} for city in ("Bern", "Rom")]
    plays(upstream, "m", contents(*calls))
    first, second = (await ask(provider, call("m"), streamed=streamed)).tool_calls
    reply = await ask(provider, call("m"), streamed=streamed)
    assert [first.function, second.function] == [Function("weather", '{"city":"Bern"}'), Function("weather", '{"city":"Rom"}')]
    assert reply.finish == "tool_calls"
    assert len({first.id, second.id, *(each.id for each in reply.tool_calls)}) == 4


@both
@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("OTHER", "stop"),
        ("A_REASON_OF_NEXT_YEAR", "stop"),
    ],
)
async def test_finish_reasons_are_mapped(
    provider: Provider, upstream: Upstream, reason: str, finish: str, streamed: bool
) -> None:
    plays(upstream, "m", contents(finish=reason))
    assert (await ask(provider, call("m"), streamed=streamed)).finish == finish


@both
async def test_a_blocked_prompt_is_an_error(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    usage = {"promptTokenCount": 20, "totalTokenCount": 20}
    plays(upstream, "m", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage})
    assert (await fault(provider, call("m"), streamed=streamed)).error_class == "content_filter"


@both
async def test_an_answer_that_a_filter_kept_back_is_an_error(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    plays(upstream, "m", {"candidates": [{"finishReason": "SAFETY", "index": 0}]})
    assert (await fault(provider, call("m"), streamed=streamed)).error_class == "content_filter"


@both
async def test_a_malformed_call_is_given_up(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    plays(upstream, "m", {"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]})
    error = await fault(provider, call("m"), streamed=streamed)
    assert (error.error_class, "MALFORMED_FUNCTION_CALL" in error.message) == ("5xx", True)


@both
@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ({"promptTokenCount": 0, "candidatesTokenCount": 9}, None),
        ({"promptTokenCount": 20}, None),
        ({"promptTokenCount": "20", "candidatesTokenCount": 9}, None),
        ({"promptTokenCount": 20, "candidatesTokenCount": -9}, None),
        ({"promptTokenCount": 20, "candidatesTokenCount": 9}, Usage(input_tokens=20, output_tokens=9)),
        (
            {"promptTokenCount": 20, "cachedContentTokenCount": 21, "candidatesTokenCount": 9},
            Usage(input_tokens=20, output_tokens=9),
        ),
        (
            {"promptTokenCount": 20, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 9, "thoughtsTokenCount": 30},
            Usage(input_tokens=25, output_tokens=9, reasoning_tokens=30),
        ),
    ],
)
async def test_counts_are_disjoint_and_those_that_cannot_be_true_missing(
    provider: Provider, upstream: Upstream, usage: object, expected: Usage | None, streamed: bool
) -> None:
    plays(upstream, "m", contents(usageMetadata=usage))
    assert (await ask(provider, call("m"), streamed=streamed)).usage == expected


async def test_the_last_count_of_a_stream_holds(provider: Provider, upstream: Upstream) -> None:
    early = {"promptTokenCount": 20, "candidatesTokenCount": 1}
    plays(upstream, "m", contents({"text": "a"}, finish=None, usageMetadata=early), contents({"text": "b"}))
    reply = await ask(provider, call("m"), streamed=True)
    assert reply.text == "ab"
    assert reply.usage == Usage(input_tokens=12, cached_input_tokens=8, output_tokens=5, reasoning_tokens=4)


# ---- what goes wrong ------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("status", "error", "error_class"),
    [
        (
            400,
            {
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
            },
            "auth",
        ),
        (403, {"message": "Permission denied on resource", "status": "PERMISSION_DENIED"}, "auth"),
        (404, {"message": "models/gemini-0 is not found for API version v1beta", "status": "NOT_FOUND"}, "4xx"),
        (
            400,
            {
                "message": "The input token count (8113056) exceeds the maximum number of tokens allowed (1048576).",
                "status": "INVALID_ARGUMENT",
            },
            "context_overflow",
        ),
        (503, {"message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}, "overloaded"),
        (504, {"message": "Deadline expired", "status": "DEADLINE_EXCEEDED"}, "5xx"),
    ],
)
async def test_errors_have_their_class(
    provider: Provider, status: int, error: dict[str, Any], error_class: str, streamed: bool
) -> None:
    async def play(wire: up.Wire) -> None:
        body = {"error": {"code": status, **error}}
        await wire.reply(status, [body] if streamed else body)

    up.BEHAVIOURS["google_says_no"] = play
    refused = await fault(provider, call("google_says_no"), streamed=streamed)
    assert (refused.error_class, refused.status) == (error_class, status)
    assert error["message"] in refused.message


@both
async def test_the_wait_in_the_body_is_passed_on(provider: Provider, streamed: bool) -> None:
    async def play(wire: up.Wire) -> None:
        delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
        error = {"code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED", "details": [delay]}
        await wire.reply(429, {"error": error})

    up.BEHAVIOURS["google_is_busy"] = play
    error = await fault(provider, call("google_is_busy"), streamed=streamed)
    assert (error.error_class, error.retry_after_s) == ("429", 34.5)


@pytest.mark.parametrize(
    ("status", "error_class"),
    [("RESOURCE_EXHAUSTED", "429"), ("UNAVAILABLE", "overloaded"), ("INTERNAL", "5xx"), ("INVALID_ARGUMENT", "4xx")],
)
async def test_an_error_within_a_stream_has_its_class(
    provider: Provider, upstream: Upstream, status: str, error_class: str
) -> None:
    plays(upstream, "m", contents({"text": "a"}, finish=None), {"error": {"message": "no more", "status": status}})
    assert (await fault(provider, call("m"), streamed=True)).error_class == error_class


def test_either_variable_gives_the_key_and_the_first_wins(tmp_path: Any) -> None:
    def key(**environ: str) -> str:
        return build(GeminiOptions, {}, Surroundings(tmp_path, environ)).key.reveal()

    assert key(GOOGLE_API_KEY="g") == "g"
    assert key(GEMINI_API_KEY="m", GOOGLE_API_KEY="g") == "m"
    assert key(GEMINI_API_KEY="", GOOGLE_API_KEY="g") == "g"
    with pytest.raises(MissingSecret, match="GEMINI_API_KEY"):
        key()


async def test_whole_and_streamed_say_the_same(provider: Provider) -> None:
    assert (await ask(provider, call())).text == (await ask(provider, call(), streamed=True)).text == TEXT
