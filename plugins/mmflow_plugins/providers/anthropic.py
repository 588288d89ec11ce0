"""`anthropic`: Anthropic's Messages API."""

from collections.abc import Iterable, Mapping
from typing import Any

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
from mmflow_plugins.providers.anthropic_messages import body_of
from mmflow_plugins.providers.wire import (
    decoded,
    error_in,
    error_of,
    header_names,
    is_whole,
    refused,
    server_url,
    tokens,
    whole_delta,
    withheld,
)


@options
class AnthropicOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://api.anthropic.com",
        doc="The server; `/v1/messages` is added.",
        env="ANTHROPIC_BASE_URL",
        check=server_url,
    )
    key: Secret = option(doc="The API key.", env="ANTHROPIC_API_KEY")
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `anthropic_beta`.")


_FINISHES: dict[str | None, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Block(msgspec.Struct):
    """A block of an answer, or what an event adds to one."""

    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: Any = None
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Answer(msgspec.Struct):
    """A whole answer, or one that begins."""

    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Event(msgspec.Struct):
    """An event of a stream."""

    type: str = ""
    index: int = 0
    message: _Answer | None = None
    content_block: _Block | None = None
    delta: _Block | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode


class Anthropic:
    """The provider. `user`, `language` and `meta` of a request are for routing, names of turns are for others: none is sent."""

    def __init__(self, http: Http, url: str, key: Secret, headers: Mapping[str, str]) -> None:
        self._http = http
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/v1/messages"
        self._secrets = (key,)
        self._headers = {"x-api-key": key.reveal(), "anthropic-version": "2023-06-01", **headers}

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        body = body_of(call)
        # A bound on the first token, or on silence, can be held only where tokens are seen.
        if emit is None and call.timeouts.first_token_s is None and call.timeouts.idle_s is None:
            reply = await self._http.post(self._url, body, self._headers, call.timeouts)
            if not 200 <= reply.status < 300:
                raise error_of(reply, self._secrets)
            return self._whole(reply.body, reply.headers)
        async with self._http.stream(self._url, body | {"stream": True}, self._headers, call.timeouts) as stream:
            if not 200 <= stream.status < 300:
                raise await refused(stream, self._secrets)
            if is_whole(stream):
                whole = self._whole(await stream.body(), stream.headers)
                if emit is not None:
                    await emit(whole_delta(whole))
                return whole
            gathered = _Gathered(stream.headers.get("request-id"))
            async for sent in stream.events():
                event = decoded(_decode_event, sent.data)
                if event.error or event.type == "error":
                    raise error_in(event.error or sent.data, self._secrets)
                delta = gathered.add(event)
                if delta is None:
                    stream.said_nothing()
                elif emit is not None:
                    await emit(delta)
                if event.type == "message_stop":
                    break
            return gathered.reply()

    def _whole(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        answer = decoded(_decode_answer, body)
        if answer.error:
            raise error_in(answer.error, self._secrets)
        if answer.content is None:
            raise CallError("protocol", "the provider sent an answer without content")
        gathered = _Gathered(headers.get("request-id"))
        gathered.begin(answer)
        for index, block in enumerate(answer.content):
            gathered.begin_block(index, block)
        gathered.ended = True
        return gathered.reply()


class _Gathered:
    """An answer as its events come in."""

    def __init__(self, request_id: str | None) -> None:
        self.ended = False
        self._request_id = request_id
        self._model: str | None = None
        self._text: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._stop_reason: str | None = None
        self._usage: dict[str, Any] = {}

    def begin(self, answer: _Answer) -> None:
        self._model = answer.model
        self._request_id = self._request_id or answer.id
        self._stop_reason = answer.stop_reason
        self._usage |= answer.usage or {}

    def begin_block(self, index: int, block: _Block) -> Delta | None:
        """A block that begins; in a whole answer it ends there too."""
        if block.type == "tool_use":
            arguments = msgspec.json.encode(block.input).decode() if block.input else ""
            self._calls[index] = {"id": block.id, "name": block.name, "arguments": arguments}
            function = {"name": block.name, "arguments": arguments}
            return self._call_delta(index, {"id": block.id, "type": "function", "function": function})
        return self._text_delta(block)

    def add(self, event: _Event) -> Delta | None:
        """What the caller may see of an event, if anything."""
        match event.type:
            case "message_start" if event.message is not None:
                self.begin(event.message)
            case "content_block_start" if event.content_block is not None:
                return self.begin_block(event.index, event.content_block)
            case "content_block_delta" if event.delta is not None:
                if event.delta.type != "input_json_delta":
                    return self._text_delta(event.delta)
                if (call := self._calls.get(event.index)) is not None:
                    call["arguments"] += event.delta.partial_json
                    return self._call_delta(event.index, {"function": {"arguments": event.delta.partial_json}})
            case "message_delta":
                if event.delta is not None:
                    self._stop_reason = event.delta.stop_reason or self._stop_reason
                self._usage |= {name: count for name, count in (event.usage or {}).items() if count is not None}
            case "message_stop":
                self.ended = True
        return None

    def _text_delta(self, block: _Block) -> Delta | None:
        if block.text:
            self._text.append(block.text)
        return Delta(block.text, block.thinking) if block.text or block.thinking else None

    def _call_delta(self, index: int, chunk: dict[str, Any]) -> Delta:
        return Delta(tool_calls=({"index": list(self._calls).index(index), **chunk},))

    def reply(self) -> Reply:
        """The whole. `CallError` where the stream ended before the answer did."""
        if not self.ended and self._stop_reason is None:
            raise CallError("protocol", "the stream ended before the answer was complete")
        calls = self._calls.values()
        text = "".join(self._text)
        finish = _FINISHES.get(self._stop_reason, "stop")
        if finish == "content_filter" and not text and not calls:
            raise withheld()
        return Reply(
            text=text,
            tool_calls=tuple(ToolCall(call["id"], Function(call["name"], call["arguments"] or "{}")) for call in calls),
            finish=finish,
            usage=_usage(self._usage, spoke=bool(text or calls)),
            served_model=self._model,
            request_id=self._request_id,
        )


def _usage(reported: dict[str, Any], *, spoke: bool) -> Usage | None:
    """The counts, which are disjoint already; None where the report is missing or cannot be true."""
    input_, output = tokens(reported.get("input_tokens")), tokens(reported.get("output_tokens"))
    read, written = tokens(reported.get("cache_read_input_tokens")) or 0, tokens(reported.get("cache_creation_input_tokens")) or 0
    if input_ is None or output is None or not input_ + read + written or (spoke and not output):
        return None
    return Usage(input_tokens=input_, cached_input_tokens=read, cache_write_tokens=written, output_tokens=output)


def make(options: AnthropicOptions, host: Host) -> Provider:
    """The provider."""
    return Anthropic(host.http, options.url, options.key, header_names(options.headers))


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `anthropic`."""
    return [ProviderWord("anthropic", AnthropicOptions, make)]
