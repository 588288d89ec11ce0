"""Bedrock's Converse API as it is and as it should not be: `bedrock` against a real socket."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import upstream as up
from mmflow_plugins.providers import bedrock
from mmflow_plugins.providers.amazon_events import AmazonEvents
from mmflow_plugins.providers.bedrock import BedrockOptions
from provider_calls import KEY, LentHost, ask, call, fault
from upstream import Seen, Upstream, amazon, converse

from mmflow.plugin import CallError, Delta, Function, Message, OptionError, Provider, ToolCall, Usage
from mmflow.runtime.http import AioHttp

SCHEMA = {"type": "object"}
REGION = "eu-central-1"
both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


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
    return bedrock.make(BedrockOptions(url=upstream.root, aws_region=REGION, key=KEY), LentHost(http))


async def sent(provider: Provider, upstream: Upstream, *messages: Message, **more: Any) -> dict[str, Any]:
    """The body that goes out for these turns."""
    await ask(provider, call(messages=messages or (Message("user", "hi"),), **more))
    return upstream.seen[-1].body


def plays(name: str, *events: bytes) -> None:
    """Make a stream of these events the behaviour of a model."""

    async def play(wire: up.Wire) -> None:
        await wire.begin_stream()
        for event in events:
            await wire.piece(event)
        await wire.end_stream()

    up.BEHAVIOURS[name] = play


# ---- what goes out --------------------------------------------------------------------------------------------------------


async def test_turns_calls_and_results_are_blocks(provider: Provider, upstream: Upstream) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}}
    body = await sent(
        provider,
        upstream,
        Message("system", "Be kind."),
        Message("user", ({"type": "text", "text": "What is it?"}, image)),
        Message("assistant", "Looking.", tool_calls=(ToolCall("c1", Function("look", '{"x": 1}')),)),
        Message("tool", "a cat", tool_call_id="c1"),
        Message("user", "and?"),
    )
    assert body == {
        "system": [{"text": "Be kind."}],
        "messages": [
            {"role": "user", "content": [{"text": "What is it?"}, {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}}]},
            {
                "role": "assistant",
                "content": [{"text": "Looking."}, {"toolUse": {"toolUseId": "c1", "name": "look", "input": {"x": 1}}}],
            },
            {
                "role": "user",
                "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "a cat"}]}}, {"text": "and?"}],
            },
        ],
    }


async def test_parameters_are_sent_under_the_names_of_the_api(provider: Provider, upstream: Upstream) -> None:
    function = {"name": "f", "description": "does f", "parameters": SCHEMA}
    body = await sent(
        provider,
        upstream,
        max_output_tokens=77,
        temperature=0.0,
        top_p=0.5,
        stop=("END",),
        tools=({"type": "function", "function": function},),
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}},
    )
    assert body["inferenceConfig"] == {"maxTokens": 77, "temperature": 0.0, "topP": 0.5, "stopSequences": ["END"]}
    assert body["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "f", "description": "does f", "inputSchema": {"json": SCHEMA}}}],
        "toolChoice": {"tool": {"name": "f"}},
    }
    assert body["outputConfig"]["textFormat"] == {
        "type": "json_schema",
        "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "reply"}},
    }


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"seed": 0}, "`seed`"),
        ({"response_format": {"type": "json_object"}}, "json_object"),
        ({"tools": ({"type": "web_search"},)}, "web_search"),
        ({"messages": (Message("user", ({"type": "image_url", "image_url": {"url": "https://h/cat.png"}},)),)}, "base64"),
        ({"messages": (Message("assistant", tool_calls=(ToolCall("c", Function("f", "[1]")),)),)}, "`f`"),
    ],
)
async def test_what_the_api_cannot_be_told_is_refused_by_name(
    provider: Provider, upstream: Upstream, more: dict[str, Any], named: str
) -> None:
    error = await fault(provider, call(**more))
    assert (error.error_class, error.dispatched) == ("4xx", "no")
    assert named in error.message
    assert upstream.seen == []


def test_the_address_is_that_of_the_region(http: AioHttp) -> None:
    made: Any = bedrock.make(BedrockOptions(aws_region=REGION, key=KEY), LentHost(http))
    assert made._root == "https://bedrock-runtime.eu-central-1.amazonaws.com"


# ---- a good answer --------------------------------------------------------------------------------------------------------


async def test_tool_calls_of_a_whole_answer_are_read(provider: Provider, upstream: Upstream) -> None:
    used = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bern"}}}
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
    upstream.bodies["m"] = converse(thought, used, stop_reason="tool_use")
    reply = await ask(provider, call("m"))
    assert reply.tool_calls == (ToolCall("t1", Function("weather", '{"city":"Bern"}')),)
    assert (reply.text, reply.finish) == ("", "tool_calls")


async def test_a_stream_is_put_together(provider: Provider) -> None:
    def piece(index: int, delta: dict[str, Any]) -> bytes:
        return amazon("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})

    plays(
        "a_stream",
        amazon("messageStart", {"role": "assistant"}),
        piece(0, {"reasoningContent": {"text": "hm"}}),
        piece(1, {"text": "Looking."}),
        amazon("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}),
        piece(2, {"toolUse": {"input": '{"city":'}}),
        piece(2, {"toolUse": {"input": '"Bern"}'}}),
        amazon("contentBlockStop", {"contentBlockIndex": 2}),
        amazon("anEventOfNextYear", {"any": "thing"}),
        amazon("messageStop", {"stopReason": "tool_use"}),
        amazon("metadata", {"usage": {"inputTokens": 20, "outputTokens": 9, "totalTokens": 29}}),
    )
    shown: list[Delta] = []

    async def emit(delta: Delta) -> None:
        shown.append(delta)

    reply = await provider.complete(call("a_stream"), emit)
    assert (reply.text, reply.finish, reply.request_id) == ("Looking.", "tool_calls", "req-1")
    assert reply.tool_calls == (ToolCall("t1", Function("weather", '{"city":"Bern"}')),)
    assert reply.usage == Usage(input_tokens=20, output_tokens=9)
    assert shown[:2] == [Delta(reasoning="hm"), Delta("Looking.")]
    assert [each.tool_calls[0]["index"] for each in shown[2:]] == [0, 0, 0]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
    ],
)
async def test_stop_reasons_are_mapped(provider: Provider, upstream: Upstream, reason: str, finish: str) -> None:
    upstream.bodies["m"] = converse(stop_reason=reason)
    assert (await ask(provider, call("m"))).finish == finish


async def test_an_answer_that_the_model_made_a_mess_of_is_given_up(provider: Provider, upstream: Upstream) -> None:
    upstream.bodies["m"] = converse(stop_reason="malformed_tool_use")
    assert (await fault(provider, call("m"))).error_class == "5xx"


# ---- what goes wrong ------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("status", "kind", "message", "error_class"),
    [
        (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", "auth"),
        (404, "ResourceNotFoundException", "This model version has reached the end of its life.", "4xx"),
        (400, "ValidationException", "The provided model identifier is invalid.", "4xx"),
        (400, "ValidationException", "Input is too long for requested model.", "context_overflow"),
        (400, "ServiceQuotaExceededException", "Too many tokens per day", "429"),
        (408, "ModelTimeoutException", "The request took too long", "timeout"),
        (424, "ModelErrorException", "The model broke", "5xx"),
        (429, "ThrottlingException", "Too many requests", "429"),
        (503, "ServiceUnavailableException", "not now", "5xx"),
    ],
)
async def test_errors_have_their_class(
    provider: Provider, status: int, kind: str, message: str, error_class: str, streamed: bool
) -> None:
    async def play(wire: up.Wire) -> None:
        await wire.reply(status, {"message": message}, {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/"})

    up.BEHAVIOURS["amazon_says_no"] = play
    error = await fault(provider, call("amazon_says_no"), streamed=streamed)
    assert (error.error_class, error.status, message in error.message) == (error_class, status, True)


@pytest.mark.parametrize(
    ("kind", "error_class"),
    [
        ("throttlingException", "429"),
        ("serviceUnavailableException", "overloaded"),
        ("validationException", "4xx"),
        ("modelStreamErrorException", "5xx"),
        ("internalServerException", "5xx"),
    ],
)
async def test_an_exception_within_a_stream_has_its_class(provider: Provider, kind: str, error_class: str) -> None:
    plays("an_exception", amazon(kind, {"message": "no more"}, message="exception"))
    error = await fault(provider, call("an_exception"), streamed=True)
    assert (error.error_class, error.message) == (error_class, "the provider reports an error: no more")


def test_events_are_read_however_the_bytes_are_cut() -> None:
    data = amazon("messageStart", {"role": "assistant"}) + amazon("messageStop", {"stopReason": "end_turn"})
    for size in range(1, len(data) + 1):
        reader = AmazonEvents()
        found = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
        assert [event.headers[":event-type"] for event in found] == ["messageStart", "messageStop"]
        assert found[1].payload == b'{"stopReason": "end_turn"}'


@pytest.mark.parametrize("at", [0, 5, 9, 14, 40, -1])
def test_a_damaged_event_is_refused(at: int) -> None:
    data = bytearray(amazon("messageStop", {"stopReason": "end_turn"}))
    data[at] ^= 1
    with pytest.raises(CallError, match="damaged"):
        list(AmazonEvents().feed(bytes(data)))


# ---- signatures -----------------------------------------------------------------------------------------------------------


def test_without_a_key_and_without_botocore_it_says_what_to_install(http: AioHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "botocore.session", None)
    with pytest.raises(OptionError) as caught:
        bedrock.make(BedrockOptions(aws_region=REGION), LentHost(http))
    assert caught.value.field == "key"
    assert "mmflow[bedrock]" in (caught.value.help or "")


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Credentials in the environment, and none around it; the secret one."""
    pytest.importorskip("botocore", reason="the extra `bedrock` is not installed")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.reveal())
    return KEY.reveal()


@both
@pytest.mark.parametrize("model", ["good", "anthropic.claude-x-v1:0", "arn:aws:bedrock:eu-central-1:1:inference-profile/eu.x"])
async def test_a_signed_call_bears_a_signature_that_holds(
    upstream: Upstream, http: AioHttp, signing: str, model: str, streamed: bool
) -> None:
    provider = bedrock.make(BedrockOptions(url=upstream.root, aws_region=REGION), LentHost(http))
    await ask(provider, call(model, text="Grüße"), streamed=streamed)
    (seen,) = upstream.seen
    assert seen.headers["authorization"] == signature_of(seen, signing)
    assert signing not in str(seen)


def signature_of(seen: Seen, secret: str) -> str:
    """Signature version 4 of what came in, as Amazon's guide has it."""
    when = seen.headers["x-amz-date"]
    names = ["content-type", "host", "x-amz-date"]
    headers = "".join(f"{name}:{seen.headers[name]}\n" for name in names)
    path = quote(seen.path, safe="/~")
    body = hashlib.sha256(seen.data).hexdigest()
    request = "\n".join(("POST", path, "", headers, ";".join(names), body))
    scope = f"{when[:8]}/{REGION}/bedrock/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", when, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"


async def test_without_credentials_a_call_is_refused_before_it_is_made(
    upstream: Upstream, http: AioHttp, signing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = await fault(bedrock.make(BedrockOptions(url=upstream.root, aws_region=REGION), LentHost(http)), call())
    assert (error.error_class, error.dispatched) == ("auth", "no")
    assert upstream.seen == []
