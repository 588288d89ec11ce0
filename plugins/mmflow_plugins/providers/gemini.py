"""`gemini`: Google's Gemini API.

From https://ai.google.dev/api (`generateContent`, `streamGenerateContent`) and the types of Google's Python client google-genai
3.4 (November 2026), which asks `v1` by default; `v1beta` knows previews and aliases of models as well.
"""

import re
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from mmflow.plugin import (
    Call,
    CallError,
    Delta,
    Emit,
    Finish,
    Function,
    Host,
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
from mmflow_plugins.providers.gemini_contents import body_of
from mmflow_plugins.providers.memory import Memory
from mmflow_plugins.providers.wire import (
    decoded,
    error_in,
    error_of,
    header_names,
    is_whole,
    readable,
    refused,
    server_url,
    tokens,
    usage_of,
    whole_delta,
    withheld,
)


@options
class GeminiOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://generativelanguage.googleapis.com",
        doc="The server; `/v1beta` is added where it names no version, then the model and the method.",
        env="GOOGLE_GEMINI_BASE_URL",
        check=server_url,
    )
    key: Secret = option(doc="The API key; `GOOGLE_API_KEY` counts too.", env=("GEMINI_API_KEY", "GOOGLE_API_KEY"))
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_goog_user_project`.")


_VERSION = re.compile(r"/v\d[^/]*(/|$)")
_FINISHES: dict[str, Finish] = {
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
_FAILURES = (
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
)


class _FunctionCall(msgspec.Struct):
    name: str = ""
    args: Any = None
    id: str | None = None


class _Part(msgspec.Struct, rename="camel"):
    """A part of an answer: text, a thought, or a call of a tool."""

    text: str = ""
    thought: bool = False
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    """A whole answer, or an event of a stream, which has the same form."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: dict[str, Any] | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


class Gemini:
    """The provider. `user`, `language` and `meta` of a request are for routing, names of turns are for others: none is sent."""

    def __init__(self, host: Host, url: str, key: Secret, headers: Mapping[str, str]) -> None:
        root = url.rstrip("/")
        self._http = host.http
        self._random = host.random
        self._root = root if _VERSION.search(urlsplit(root).path) else f"{root}/v1beta"
        self._secrets = (key,)
        self._headers = {"x-goog-api-key": key.reveal(), **headers}
        self._signatures = Memory()

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        body = body_of(call, self._signatures.recall)
        model = quote(call.model.id if "/" in call.model.id else f"models/{call.model.id}")
        # A bound on the first token, or on silence, can be held only where tokens are seen.
        if emit is None and call.timeouts.first_token_s is None and call.timeouts.idle_s is None:
            reply = await self._http.post(f"{self._root}/{model}:generateContent", body, self._headers, call.timeouts)
            if not 200 <= reply.status < 300:
                raise error_of(reply, self._secrets)
            return self._whole(reply.body)
        url = f"{self._root}/{model}:streamGenerateContent?alt=sse"
        async with self._http.stream(url, body, self._headers, call.timeouts) as stream:
            if not 200 <= stream.status < 300:
                raise await refused(stream, self._secrets)
            if is_whole(stream):
                whole = self._whole(await stream.body())
                if emit is not None:
                    await emit(whole_delta(whole))
                return whole
            gathered = self._gathered()
            async for event in stream.events():
                has_said = False
                for delta in gathered.add(decoded(_decode, event.data)):
                    has_said = True
                    if emit is not None:
                        await emit(delta)
                if not has_said:
                    stream.said_nothing()
            return gathered.reply()

    def _whole(self, body: bytes) -> Reply:
        gathered = self._gathered()
        for _ in gathered.add(decoded(_decode, body)):
            pass
        return gathered.reply()

    def _gathered(self) -> "_Gathered":
        return _Gathered(self._signatures, self._random, self._secrets)


class _Gathered:
    """An answer as its events come in."""

    def __init__(self, signatures: Memory, random: Random, secrets: tuple[Secret | None, ...]) -> None:
        self._signatures = signatures
        self._random = random
        self._secrets = secrets
        self._text: list[str] = []
        self._calls: list[ToolCall] = []
        self._finish: str | None = None
        self._blocked = False
        self._began = False
        self._model: str | None = None
        self._id: str | None = None
        self._usage: dict[str, Any] | None = None

    def add(self, answer: _Answer) -> Iterable[Delta]:
        """What the caller may see of an event."""
        if answer.error:
            raise error_in(answer.error, self._secrets)
        self._model = answer.model_version or self._model
        self._id = answer.response_id or self._id
        self._usage = answer.usage_metadata or self._usage
        self._blocked |= bool(answer.prompt_feedback and answer.prompt_feedback.block_reason)
        if not answer.candidates:
            return
        candidate = answer.candidates[0]
        self._began = True
        self._finish = candidate.finish_reason or self._finish
        for part in (candidate.content.parts or ()) if candidate.content else ():
            if part.function_call is not None:
                yield self._called(part.function_call, part.thought_signature)
            elif part.text and part.thought:
                yield Delta(reasoning=part.text)
            elif part.text:
                self._text.append(part.text)
                yield Delta(part.text)

    def _called(self, call: _FunctionCall, signature: str | None) -> Delta:
        """A call, which comes whole; where the API gives it no id it gets one, which no other call has."""
        made = ToolCall(
            call.id or f"call_{self._random.getrandbits(64):016x}",
            Function(call.name, msgspec.json.encode(call.args or {}).decode()),
        )
        if signature:
            self._signatures.keep(made.id, signature)
        self._calls.append(made)
        return Delta(tool_calls=({"index": len(self._calls) - 1, **msgspec.to_builtins(made)},))

    def reply(self) -> Reply:
        """The whole. `CallError` where the stream ended before the answer did, or the provider gave it up."""
        text, calls = "".join(self._text), tuple(self._calls)
        if self._finish in _FAILURES:
            raise CallError("5xx", f"the provider gave up: finishReason `{readable(self._finish)}`")
        finish = _FINISHES.get(self._finish or "", "tool_calls" if calls else "stop")
        if (self._blocked or finish == "content_filter") and not text and not calls:
            raise withheld()
        if self._finish is None:
            what = (
                "the stream ended before the answer was complete"
                if self._began
                else "the provider sent an answer without a candidate"
            )
            raise CallError("protocol", what)
        return Reply(
            text=text,
            tool_calls=calls,
            finish=finish,
            usage=_usage(self._usage, spoke=bool(text or calls)),
            served_model=self._model,
            request_id=self._id,
        )


def _usage(reported: dict[str, Any] | None, *, spoke: bool) -> Usage | None:
    """Disjoint counts: thoughts stand beside the candidates, what was cached within the prompt, zeros are left out."""
    if not reported:
        return None
    prompt, tools = tokens(reported.get("promptTokenCount")), tokens(reported.get("toolUsePromptTokenCount", 0))
    said, thought = tokens(reported.get("candidatesTokenCount", 0)), tokens(reported.get("thoughtsTokenCount", 0))
    if prompt is None or tools is None or said is None or thought is None:
        return None
    cached = tokens(reported.get("cachedContentTokenCount")) or 0
    return usage_of(prompt + tools, said + thought, spoke=spoke, cached=cached, reasoning=thought)


def make(options: GeminiOptions, host: Host) -> Provider:
    """The provider."""
    return Gemini(host, options.url, options.key, header_names(options.headers))


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `gemini`."""
    return [ProviderWord("gemini", GeminiOptions, make)]
