"""`bedrock`: the models of Amazon Bedrock, by its Converse API.

From the description of `bedrock-runtime` (2023-09-30) in botocore 1.44 (November 2026), whose operations are `Converse` and
`ConverseStream`.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from mmflow.plugin import (
    Call,
    CallError,
    Delta,
    Emit,
    Finish,
    Function,
    Host,
    Http,
    HttpReply,
    Provider,
    ProviderWord,
    Reply,
    Secret,
    ToolCall,
    Usage,
    hook,
    option,
    options,
)
from mmflow_plugins.providers.amazon_events import AmazonEvent, AmazonEvents
from mmflow_plugins.providers.bedrock_converse import body_of
from mmflow_plugins.providers.bedrock_signing import Signer
from mmflow_plugins.providers.wire import (
    decoded,
    error_in,
    error_of,
    header_names,
    is_whole,
    key_headers,
    readable,
    server_url,
    tokens,
    usage_of,
    whole_delta,
    withheld,
)


@options
class BedrockOptions:
    """The region, and a key or AWS credentials."""

    aws_region: str = option(
        doc="The AWS region that is asked, such as `eu-central-1`.", env=("AWS_REGION", "AWS_DEFAULT_REGION")
    )
    key: Secret | None = option(
        None,
        doc="A key of Bedrock; without one, calls are signed with AWS credentials (`pip install 'mmflow[bedrock]'`).",
        env="AWS_BEARER_TOKEN_BEDROCK",
    )
    profile: str | None = option(None, doc="The profile of the AWS configuration to sign with.", env="AWS_PROFILE")
    url: str | None = option(
        None, doc="Where the API is, if it is not the region's own.", env="AWS_ENDPOINT_URL_BEDROCK_RUNTIME", check=server_url
    )
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_team`.")


_FINISHES: dict[str | None, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_FAILURES = ("malformed_model_output", "malformed_tool_use")
_REQUEST_ID = "x-amzn-requestid"


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: Any = None


class _Thought(msgspec.Struct, rename="camel"):
    text: str = ""


class _Block(msgspec.Struct, rename="camel"):
    """A block of an answer, or what an event adds to one."""

    text: str = ""
    tool_use: _ToolUse | None = None
    reasoning_content: _Thought | None = None


class _Message(msgspec.Struct):
    content: list[_Block] | None = None


class _Output(msgspec.Struct):
    message: _Message | None = None


class _Answer(msgspec.Struct, rename="camel"):
    """A whole answer."""

    output: _Output | None = None
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Event(msgspec.Struct, rename="camel"):
    """The payload of an event of a stream."""

    content_block_index: int = 0
    start: _Block | None = None
    delta: _Block | None = None
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode


class Bedrock:
    """The provider. `user`, `language` and `meta` of a request are for routing, names of turns are for others: none is sent."""

    def __init__(self, http: Http, url: str, key: Secret | None, signer: Signer | None, headers: Mapping[str, str]) -> None:
        self._http = http
        self._root = url.rstrip("/")
        self._key = key
        self._signer = signer
        self._headers = headers

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        data = msgspec.json.encode(body_of(call))
        # A bound on the first token, or on silence, can be held only where tokens are seen.
        streams = emit is not None or call.timeouts.first_token_s is not None or call.timeouts.idle_s is not None
        # A colon stays: what is signed has to be what is sent.
        url = f"{self._root}/model/{quote(call.model.id, safe=':')}/converse{'-stream' if streams else ''}"
        headers, secrets = await self._authorised(url, data)
        if not streams:
            reply = await self._http.post(url, msgspec.Raw(data), headers, call.timeouts)
            if not 200 <= reply.status < 300:
                raise _error_of(reply, secrets)
            return _whole(reply.body, reply.headers, secrets)
        async with self._http.stream(url, msgspec.Raw(data), headers, call.timeouts) as stream:
            if not 200 <= stream.status < 300:
                raise _error_of(HttpReply(stream.status, stream.headers, await stream.body()), secrets)
            if is_whole(stream):
                whole = _whole(await stream.body(), stream.headers, secrets)
                if emit is not None:
                    await emit(whole_delta(whole))
                return whole
            gathered, events = _Gathered(stream.headers.get(_REQUEST_ID), secrets), AmazonEvents()
            async for chunk in stream.chunks():
                has_said = False
                for event in events.feed(chunk):
                    delta = gathered.add(event)
                    has_said |= delta is not None
                    if emit is not None and delta is not None:
                        await emit(delta)
                if not has_said:
                    stream.said_nothing()
            return gathered.reply()

    async def _authorised(self, url: str, data: bytes) -> tuple[dict[str, str], tuple[Secret | None, ...]]:
        """The headers of a call, and the secrets that must not be told."""
        if self._signer is None:
            return {**key_headers(self._key), **self._headers}, (self._key,)
        signature, secrets = await self._signer.signed(url, data)
        return {**signature, **self._headers}, secrets


def _whole(body: bytes, headers: Mapping[str, str], secrets: tuple[Secret | None, ...]) -> Reply:
    answer = decoded(_decode_answer, body)
    if answer.error:
        raise error_in(answer.error, secrets)
    if answer.output is None or answer.output.message is None:
        raise CallError("protocol", "the provider sent an answer without a message")
    gathered = _Gathered(headers.get(_REQUEST_ID), secrets)
    for index, block in enumerate(answer.output.message.content or ()):
        gathered.add_block(index, block)
    gathered.end(answer.stop_reason)
    gathered.usage = answer.usage
    return gathered.reply()


class _Gathered:
    """An answer as its events come in."""

    def __init__(self, request_id: str | None, secrets: tuple[Secret | None, ...]) -> None:
        self.usage: dict[str, Any] | None = None
        self._request_id = request_id
        self._secrets = secrets
        self._text: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._stop_reason: str | None = None

    def add(self, event: AmazonEvent) -> Delta | None:
        """What the caller may see of an event, if anything."""
        if event.headers.get(":message-type") != "event":
            type_ = event.headers.get(":exception-type") or event.headers.get(":error-code")
            said = event.headers.get(":error-message") or decoded(msgspec.json.Decoder(dict[str, Any]).decode, event.payload).get(
                "message"
            )
            raise error_in({"type": type_, "message": said}, self._secrets)
        payload = decoded(_decode_event, event.payload)
        match event.headers.get(":event-type"):
            case "contentBlockStart" if payload.start is not None:
                return self.add_block(payload.content_block_index, payload.start)
            case "contentBlockDelta" if payload.delta is not None:
                return self.add_block(payload.content_block_index, payload.delta)
            case "messageStop":
                self.end(payload.stop_reason)
            case "metadata":
                self.usage = payload.usage
        return None

    def add_block(self, index: int, block: _Block) -> Delta | None:
        """A block, or a piece of one."""
        if (use := block.tool_use) is not None:
            return self._called(index, use)
        if block.text:
            self._text.append(block.text)
        thought = block.reasoning_content.text if block.reasoning_content else ""
        return Delta(block.text, thought) if block.text or thought else None

    def end(self, stop_reason: str | None) -> None:
        """The answer is complete."""
        self._stop_reason = stop_reason or "end_turn"

    def _called(self, index: int, use: _ToolUse) -> Delta:
        """A call that begins, or a piece of its arguments; in a whole answer they are there at once."""
        arguments = use.input if isinstance(use.input, str) else msgspec.json.encode(use.input).decode() if use.input else ""
        begins = index not in self._calls
        call = self._calls.setdefault(index, {"id": use.tool_use_id, "name": use.name, "arguments": ""})
        call["arguments"] += arguments
        number = list(self._calls).index(index)
        if not begins:
            return Delta(tool_calls=({"index": number, "function": {"arguments": arguments}},))
        function = {"name": use.name, "arguments": arguments}
        return Delta(tool_calls=({"index": number, "id": use.tool_use_id, "type": "function", "function": function},))

    def reply(self) -> Reply:
        """The whole. `CallError` where the stream ended before the answer did, or the provider gave it up."""
        if self._stop_reason is None:
            raise CallError("protocol", "the stream ended before the answer was complete")
        if self._stop_reason in _FAILURES:
            raise CallError("5xx", f"the provider gave up: stopReason `{readable(self._stop_reason)}`")
        text, calls = "".join(self._text), self._calls.values()
        finish = _FINISHES.get(self._stop_reason, "stop")
        if finish == "content_filter" and not text and not calls:
            raise withheld()
        return Reply(
            text=text,
            tool_calls=tuple(ToolCall(call["id"], Function(call["name"], call["arguments"] or "{}")) for call in calls),
            finish=finish,
            usage=_usage(self.usage, spoke=bool(text or calls)),
            request_id=self._request_id,
        )


def _usage(reported: dict[str, Any] | None, *, spoke: bool) -> Usage | None:
    """The counts, which are disjoint already; None where the report is missing or cannot be true."""
    if not reported or (input_ := tokens(reported.get("inputTokens"))) is None:
        return None
    read, written = tokens(reported.get("cacheReadInputTokens")) or 0, tokens(reported.get("cacheWriteInputTokens")) or 0
    output = tokens(reported.get("outputTokens"))
    return usage_of(input_ + read + written, output, spoke=spoke, cached=read, written=written)


def _error_of(reply: HttpReply, secrets: Iterable[Secret | None]) -> CallError:
    """The error of a refusal; of status 424 is a model that broke, of 400 a quota that is used up, too."""
    error = error_of(reply, secrets)
    kind = reply.headers.get("x-amzn-errortype", "").partition(":")[0]
    if reply.status == 424:
        return CallError("5xx", error.message, status=424, dispatched="maybe")
    if kind == "ServiceQuotaExceededException":
        return CallError("429", error.message, status=reply.status, retry_after_s=error.retry_after_s, dispatched="no")
    return error


def make(options: BedrockOptions, host: Host) -> Provider:
    """The provider."""
    url = options.url or f"https://bedrock-runtime.{options.aws_region}.amazonaws.com"
    signer = None if options.key is not None else Signer(options.aws_region, options.profile)
    return Bedrock(host.http, url, options.key, signer, header_names(options.headers))


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `bedrock`."""
    return [ProviderWord("bedrock", BedrockOptions, make)]
