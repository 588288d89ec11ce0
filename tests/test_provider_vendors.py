"""Where vendors of chat completions depart from one another: their words against a real socket."""

import importlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import upstream as up
from mmflow_plugins.providers.memory import Memory
from provider_calls import KEY, LentHost, ask, call, fault
from upstream import TEXT, Upstream, chat, chunk

from mmflow.plugin import Delta, Function, Message, Provider, ToolCall, Usage
from mmflow.runtime.http import AioHttp

Vendor = Callable[..., Provider]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


@pytest.fixture
async def vendor(upstream: Upstream) -> AsyncIterator[Vendor]:
    """Makes the provider of a word, its server that of the test."""
    http = AioHttp()

    def made(name: str, **options: Any) -> Provider:
        (word,) = importlib.import_module(f"mmflow_plugins.providers.{name}").mmflow_providers()
        provider: Provider = word.make(word.options(**{"url": upstream.root, "key": KEY} | options), LentHost(http))
        return provider

    yield made
    await http.close()


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
MADE = ToolCall("call_0123456789abcdef", Function("weather", "{}"))
USED = (
    Message("user", "hi", name="ann"),
    Message("assistant", tool_calls=(MADE,)),
    Message("tool", "7", tool_call_id=MADE.id),
)


def refuses(name: str, status: int, body: object) -> None:
    """Make a status and a body the behaviour of a name."""

    async def play(wire: up.Wire) -> None:
        await wire.reply(status, body)

    up.BEHAVIOURS[name] = play


# ---- what goes out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "field"),
    [
        ("deepseek", "max_tokens"),
        ("mistral", "max_tokens"),
        ("qwen", "max_tokens"),
        ("together", "max_tokens"),
        ("openrouter", "max_tokens"),
        ("groq", "max_completion_tokens"),
        ("xai", "max_completion_tokens"),
        ("azure_openai", "max_completion_tokens"),
    ],
)
async def test_the_limit_has_the_name_that_the_vendor_takes(vendor: Vendor, upstream: Upstream, word: str, field: str) -> None:
    await ask(vendor(word), call(max_output_tokens=77))
    assert {name: value for name, value in upstream.seen[0].body.items() if name.startswith("max_")} == {field: 77}


@pytest.mark.parametrize(("word", "known"), [("groq", False), ("mistral", False), ("deepseek", True), ("openrouter", True)])
async def test_names_of_turns_go_to_those_who_know_them(vendor: Vendor, upstream: Upstream, word: str, known: bool) -> None:
    await ask(vendor(word), call(messages=(Message("user", "hi", name="ann"),)))
    assert upstream.seen[0].body["messages"] == [{"role": "user", "content": "hi"} | ({"name": "ann"} if known else {})]


async def test_mistral_gets_its_own_names_and_nothing_that_it_does_not_know(vendor: Vendor, upstream: Upstream) -> None:
    await ask(vendor("mistral"), call(seed=7, messages=USED), streamed=True)
    body = upstream.seen[0].body
    assert body["random_seed"] == 7
    assert not {"seed", "stream_options"} & body.keys()
    (made,), answered = body["messages"][1]["tool_calls"], body["messages"][2]["tool_call_id"]
    assert made["id"] == answered
    assert (len(answered), answered.isalnum()) == (9, True)
    assert made["function"] == {"name": "weather", "arguments": "{}"}


async def test_mistral_gets_its_own_ids_as_they_are(vendor: Vendor, upstream: Upstream) -> None:
    await ask(vendor("mistral"), call(messages=(Message("user", "hi"), Message("tool", "7", tool_call_id="D681PevKs"))))
    assert upstream.seen[0].body["messages"][1]["tool_call_id"] == "D681PevKs"


async def test_mistral_reports_usage_unasked(vendor: Vendor, upstream: Upstream) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
    upstream.streams["m"] = [chunk({"content": "a"}), chunk({"content": ""}, "stop", usage=usage), "[DONE]"]
    reply = await ask(vendor("mistral"), call("m"), streamed=True)
    assert reply.usage == Usage(input_tokens=20, output_tokens=9)


async def test_qwen_is_asked_for_streams_only(vendor: Vendor, upstream: Upstream) -> None:
    reply = await ask(vendor("qwen"), call())
    assert (reply.text, reply.usage is not None) == (TEXT, True)
    assert upstream.seen[0].body["stream"] is True


async def test_azure_takes_the_address_of_the_resource_however_it_is_copied(vendor: Vendor, upstream: Upstream) -> None:
    for end in ("", "/", "/openai", "/openai/v1", "/openai/v1/"):
        await ask(vendor("azure_openai", url=upstream.root + end), call())
    assert {seen.path for seen in upstream.seen} == {"/openai/v1/chat/completions"}
    assert {seen.body["model"] for seen in upstream.seen} == {"good"}


async def test_azure_has_a_dated_address_of_the_responses_protocol_too(vendor: Vendor, upstream: Upstream) -> None:
    await ask(vendor("azure_openai", api="responses", api_version="2025-04-01-preview"), call("my-gpt"))
    assert upstream.seen[0].path == "/openai/responses?api-version=2025-04-01-preview"
    assert upstream.seen[0].body["model"] == "my-gpt"


# ---- thoughts -------------------------------------------------------------------------------------------------------------


@both
async def test_deepseek_gets_back_what_was_thought_before_a_call(vendor: Vendor, upstream: Upstream, streamed: bool) -> None:
    calls = [{"index": 0, "id": MADE.id, "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    upstream.bodies["m"] = chat(None, finish="tool_calls", reasoning_content="hm, hm", tool_calls=calls)
    upstream.streams["m"] = [
        chunk({"reasoning_content": "hm, "}),
        chunk({"reasoning_content": "hm"}),
        chunk({"tool_calls": calls}, "tool_calls"),
        "[DONE]",
    ]
    provider = vendor("deepseek")
    assert (await ask(provider, call("m"), streamed=streamed)).tool_calls == (MADE,)
    await ask(provider, call(messages=USED))
    assert upstream.seen[1].body["messages"][1]["reasoning_content"] == "hm, hm"


async def test_deepseek_gets_an_empty_thought_for_a_call_that_another_model_made(vendor: Vendor, upstream: Upstream) -> None:
    await ask(vendor("deepseek"), call(messages=(*USED, Message("assistant", "It is 7."), Message("user", "sure?"))))
    turns = upstream.seen[0].body["messages"]
    assert turns[1]["reasoning_content"] == ""
    assert "reasoning_content" not in turns[3]


async def test_parts_that_mistral_thought_are_shown_as_reasoning(vendor: Vendor, upstream: Upstream) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    upstream.streams["m"] = [chunk({"content": [thinking]}), chunk({"content": "yes"}, "stop"), "[DONE]"]
    shown: list[Delta] = []

    async def emit(delta: Delta) -> None:
        shown.append(delta)

    assert (await vendor("mistral").complete(call("m"), emit)).text == "yes"
    assert shown == [Delta(reasoning="hm"), Delta("yes")]


# ---- what was used --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "usage", "expected"),
    [
        (
            "deepseek",
            {"prompt_tokens": 20, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 12, "completion_tokens": 9},
            Usage(input_tokens=12, cached_input_tokens=8, output_tokens=9),
        ),
        (
            "xai",
            {
                "prompt_tokens": 20,
                "completion_tokens": 9,
                "total_tokens": 329,
                "completion_tokens_details": {"reasoning_tokens": 300},
            },
            Usage(input_tokens=20, output_tokens=9, reasoning_tokens=300),
        ),
        (
            "openrouter",
            {
                "prompt_tokens": 20,
                "completion_tokens": 9,
                "total_tokens": 29,
                "cost": 0.95,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 5},
            },
            Usage(input_tokens=7, cached_input_tokens=8, cache_write_tokens=5, output_tokens=9),
        ),
    ],
)
async def test_counts_are_disjoint(vendor: Vendor, upstream: Upstream, word: str, usage: dict[str, Any], expected: Usage) -> None:
    upstream.bodies["m"] = chat("text", usage=usage)
    assert (await ask(vendor(word), call("m"))).usage == expected


@pytest.mark.parametrize(
    ("word", "header"),
    [
        ("azure_openai", "apim-request-id"),
        ("deepseek", "x-ds-trace-id"),
        ("mistral", "mistral-correlation-id"),
        ("openrouter", "x-generation-id"),
    ],
)
async def test_the_id_of_the_request_is_the_one_that_the_vendor_asks_for(vendor: Vendor, word: str, header: str) -> None:
    async def play(wire: up.Wire) -> None:
        await wire.reply(200, chat(), {header: "its-own-id"})

    up.BEHAVIOURS["own_id"] = play
    assert (await ask(vendor(word), call("own_id"))).request_id == "its-own-id"


# ---- what goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status", "body", "error_class"),
    [
        ("azure_openai", 400, {"error": {"code": "content_filter", "message": "The response was filtered",
                                         "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "content_filter"),
        ("azure_openai", 404, {"error": {"code": "DeploymentNotFound", "message": "no such deployment"}}, "4xx"),
        ("deepseek", 400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}, "content_filter"),
        ("deepseek", 402, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}, "4xx"),
        ("mistral", 401, {"detail": "Unauthorized"}, "auth"),
        ("mistral", 422, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"]}]}}, "4xx"),
        ("mistral", 400, {"object": "error", "type": "invalid_request_error",
                          "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"},
         "context_overflow"),
        ("qwen", 400, {"error": {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}},
         "content_filter"),
        ("qwen", 400, {"error": {"code": "invalid_parameter_error", "message": "Range of input length should be [1, 30720]"}},
         "context_overflow"),
        ("qwen", 401, {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided."}}, "auth"),
        ("groq", 498, {"error": {"type": "capacity_exceeded", "message": "Flex tier capacity exceeded"}}, "overloaded"),
        ("groq", 400, {"error": {"code": "context_length_exceeded", "message": "Please reduce the length"}}, "context_overflow"),
        ("together", 422, {"error": {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193",
                                     "type": "invalid_request_error"}}, "context_overflow"),
        ("openrouter", 403, {"error": {"code": 403, "message": "Your chosen model requires moderation and your input was flagged",
                                       "metadata": {"reasons": ["violence"]}}}, "content_filter"),
        ("openrouter", 401, {"error": {"code": 401, "message": "User not found."}}, "auth"),
        ("xai", 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***1."}, "auth"),
        ("xai", 403, {"code": "The caller may not", "error": "Content violates usage guidelines."}, "content_filter"),
        ("xai", 400, {"code": "Client specified an invalid argument",
                      "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."},
         "context_overflow"),
    ],
)  # fmt: skip
async def test_a_refusal_has_its_class(vendor: Vendor, word: str, status: int, body: object, error_class: str) -> None:
    refuses("vendor_says_no", status, body)
    error = await fault(vendor(word), call("vendor_says_no"))
    assert (error.error_class, error.status) == (error_class, status)


@both
async def test_an_error_within_a_choice_is_no_answer(vendor: Vendor, upstream: Upstream, streamed: bool) -> None:
    failed = {"index": 0, "finish_reason": "error", "error": {"code": 429, "message": "the model's provider is busy"}}
    upstream.bodies["m"] = chat() | {"choices": [failed | {"message": {"role": "assistant", "content": ""}}]}
    upstream.streams["m"] = [chunk({"content": "a"}), {"id": "gen-1", "choices": [failed | {"delta": {"content": ""}}]}]
    assert (await fault(vendor("openrouter"), call("m"), streamed=streamed)).error_class == "429"


async def test_a_stream_that_openrouter_gives_up_is_no_answer(vendor: Vendor, upstream: Upstream) -> None:
    error = {"code": "server_error", "message": "Provider disconnected"}
    upstream.streams["m"] = [chunk({"content": "a"}), chunk({"content": ""}, "error", error=error), "[DONE]"]
    error_class = (await fault(vendor("openrouter"), call("m"), streamed=True)).error_class
    assert error_class == "5xx"


def test_thoughts_are_forgotten_one_by_one() -> None:
    memory = Memory(2)
    for id_ in ("a", "b", "c"):
        memory.keep(id_, id_.upper())
    assert [memory.recall(id_) for id_ in ("a", "b", "c")] == [None, "B", "C"]
