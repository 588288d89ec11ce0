"""OpenAI's Responses protocol, spoken by OpenAI, Azure and xAI.

From the types of OpenAI's Python client 3.54 (November 2026), which are made from its OpenAPI description, and
https://developers.openai.com/api/docs/guides/streaming-responses.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from mmflow.plugin import Call, CallError, Delta, Emit, Finish, Function, Http, Reply, Secret, ToolCall, Usage
from mmflow_plugins.providers.responses_input import body_of
from mmflow_plugins.providers.wire import (
    decoded,
    detail,
    error_in,
    error_of,
    first_of,
    is_whole,
    key_headers,
    refused,
    tokens,
    usage_of,
    whole_delta,
    withheld,
)

_INCOMPLETE: dict[str, Finish] = {"max_output_tokens": "length", "content_filter": "content_filter"}


class _Piece(msgspec.Struct):
    """A part of a message, or of what the model thought."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct):
    """One thing of an answer: a message, a call, a thought."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[_Piece] | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    """An answer, or one that begins or ends."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[_Item] | None = None
    incomplete_details: _Incomplete | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Event(msgspec.Struct):
    """An event of a stream."""

    type: str = ""
    output_index: int = 0
    item: _Item | None = None
    delta: Any = None
    response: _Response | None = None
    error: Any = None


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_event = msgspec.json.Decoder(_Event).decode


class Responses:
    """A provider that speaks the protocol. `user`, `language` and `meta` of a request are for routing and are not sent."""

    def __init__(
        self,
        http: Http,
        url: str,
        key: Secret | None,
        headers: Mapping[str, str],
        *,
        query: str = "",
        key_header: str = "Authorization",
        request_ids: tuple[str, ...] = ("x-request-id",),
    ) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/responses{query}"
        self._secrets = (key,)
        self._headers = {**key_headers(key, key_header), **headers}
        self._request_ids = request_ids

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
            gathered = self._gathered(stream.headers)
            async for sent in stream.events():
                event = decoded(_decode_event, sent.data)
                if event.type == "error" or event.error:
                    raise error_in(event.error or msgspec.json.decode(sent.data), self._secrets)
                delta = gathered.add(event)
                if delta is None:
                    stream.said_nothing()
                elif emit is not None:
                    await emit(delta)
                if gathered.ended:
                    break
            return gathered.reply()

    def _gathered(self, headers: Mapping[str, str]) -> "_Gathered":
        return _Gathered(first_of(headers, self._request_ids), self._secrets)

    def _whole(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        response = decoded(_decode_response, body)
        if response.output is None and not response.error:
            raise CallError("protocol", "the provider sent an answer without output")
        gathered = self._gathered(headers)
        for index, item in enumerate(response.output or ()):
            gathered.add_whole(index, item)
        gathered.end(response)
        return gathered.reply()


class _Gathered:
    """An answer as its events come in."""

    def __init__(self, request_id: str | None, secrets: tuple[Secret | None, ...]) -> None:
        self.ended = False
        self._request_id = request_id
        self._secrets = secrets
        self._model: str | None = None
        self._text: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._finish: Finish | None = None
        self._refused = False
        self._usage: Any = None

    def add(self, event: _Event) -> Delta | None:
        """What the caller may see of an event, if anything."""
        text = event.delta if isinstance(event.delta, str) else ""
        match event.type:
            case "response.created" if event.response is not None:
                self._begin(event.response)
            case "response.output_text.delta":
                return self._said(text)
            case "response.refusal.delta":
                self._refused = True
                return self._said(text)
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
                return Delta(reasoning=text) if text else None
            case "response.output_item.added" if event.item is not None and event.item.type == "function_call":
                return self._called(event.output_index, event.item)
            case "response.function_call_arguments.delta":
                if text and (call := self._calls.get(event.output_index)) is not None:
                    call["arguments"] += text
                    return self._call_delta(event.output_index, {"function": {"arguments": text}})
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" if event.response:
                self.end(event.response)
        return None

    def add_whole(self, index: int, item: _Item) -> None:
        """A whole thing of a whole answer."""
        if item.type == "function_call":
            self._called(index, item)
        for piece in item.content or () if item.type == "message" else ():
            self._refused |= bool(piece.refusal)
            self._said(piece.refusal or piece.text or "")

    def end(self, response: _Response) -> None:
        """The answer is complete, or as complete as it will be. `CallError` where the provider gave it up."""
        self._begin(response)
        if response.error or response.status in ("failed", "cancelled"):
            raise error_in(response.error or f"the response is {response.status}", self._secrets)
        if response.status == "incomplete" and response.incomplete_details is not None:
            self._finish = _INCOMPLETE.get(response.incomplete_details.reason or "", "length")
        self._usage = response.usage
        self.ended = True

    def _begin(self, response: _Response) -> None:
        self._model = response.model or self._model
        self._request_id = self._request_id or response.id

    def _said(self, text: str) -> Delta | None:
        self._text.append(text)
        return Delta(text) if text else None

    def _called(self, index: int, item: _Item) -> Delta:
        call = {"id": item.call_id or item.id or f"call_{index}", "name": item.name or "", "arguments": item.arguments or ""}
        self._calls[index] = call
        function = {"name": call["name"], "arguments": call["arguments"]}
        return self._call_delta(index, {"id": call["id"], "type": "function", "function": function})

    def _call_delta(self, index: int, chunk: dict[str, Any]) -> Delta:
        return Delta(tool_calls=({"index": list(self._calls).index(index), **chunk},))

    def reply(self) -> Reply:
        """The whole. `CallError` where the stream ended before the answer did."""
        if not self.ended:
            raise CallError("protocol", "the stream ended before the answer was complete")
        text = "".join(self._text)
        calls = tuple(ToolCall(call["id"], Function(call["name"], call["arguments"] or "{}")) for call in self._calls.values())
        finish = "content_filter" if self._refused else self._finish or ("tool_calls" if calls else "stop")
        if finish == "content_filter" and not text and not calls:
            raise withheld()
        return Reply(
            text=text,
            tool_calls=calls,
            finish=finish,
            usage=_usage(self._usage, spoke=bool(text or calls)),
            served_model=self._model,
            request_id=self._request_id,
        )


def _usage(reported: Any, *, spoke: bool) -> Usage | None:
    """Disjoint counts; None where the report is missing or cannot be true."""
    if not isinstance(reported, dict):
        return None
    return usage_of(
        tokens(reported.get("input_tokens")),
        tokens(reported.get("output_tokens")),
        spoke=spoke,
        cached=detail(reported, "input_tokens_details", "cached_tokens"),
        written=detail(reported, "input_tokens_details", "cache_write_tokens"),
        reasoning=detail(reported, "output_tokens_details", "reasoning_tokens"),
    )
