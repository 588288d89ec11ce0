"""The chat completions protocol, spoken by OpenAI and by most other servers."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
import msgspec

from mmflow.plugin import Call, CallError, Delta, Emit, Finish, Function, Http, Message, Reply, Secret, ToolCall, Usage
from mmflow_plugins.providers.memory import Memory
from mmflow_plugins.providers.wire import (
    decoded,
    detail,
    error_in,
    error_of,
    first_of,
    is_whole,
    key_headers,
    readable,
    refused,
    tokens,
    usage_of,
    whole_delta,
    withheld,
)

_FINISHES: dict[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILURES = ("error", "abort", "insufficient_system_resource")


@attrs.frozen
class Dialect:
    """How a server departs from the common form of the protocol.

    `asks_usage`: a stream reports usage only where it is asked to. `streams_only`: some of its models answer in no other way.
    `wants_reasoning`: what the model thought before it called a tool has to stand in the turns that follow.
    """

    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed_field: Literal["seed", "random_seed"] = "seed"
    developer_role: Literal["system", "developer"] = "system"
    key_header: str = "Authorization"
    request_ids: tuple[str, ...] = ("x-request-id",)
    knows_names: bool = True
    asks_usage: bool = True
    streams_only: bool = False
    wants_reasoning: bool = False
    call_id: Callable[[str], str] | None = None


COMMON = Dialect()


class _Body(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is sent: only what the request asks for."""

    model: str
    messages: list[object]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    random_seed: int | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    stream: bool = False
    stream_options: dict[str, bool] | None = None


_WITH_USAGE = {"include_usage": True}


class _Turn(msgspec.Struct):
    """A message, or what a chunk adds to one."""

    content: str | list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(str(part.get("text", "")) for part in self.content or () if part.get("type") == "text")

    def thought(self) -> str:
        if said := self.reasoning_content or (self.reasoning if isinstance(self.reasoning, str) else ""):
            return said
        if not self.content or isinstance(self.content, str):
            return ""
        return "".join(_thought(part.get("thinking")) for part in self.content if part.get("type") == "thinking")


def _thought(thinking: Any) -> str:
    """What Mistral's part of type `thinking` says: a text, or parts of one."""
    if isinstance(thinking, list):
        return "".join(str(part.get("text", "")) for part in thinking if isinstance(part, dict))
    return thinking if isinstance(thinking, str) else ""


class _Choice(msgspec.Struct):
    message: _Turn | None = None
    delta: _Turn | None = None
    finish_reason: str | None = None
    error: Any = None


class _Answer(msgspec.Struct):
    """A whole answer, or a chunk of one."""

    choices: list[_Choice] | None = None
    usage: Any = None
    model: str | None = None
    id: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


class ChatCompletions:
    """A provider that speaks the protocol. `user`, `language` and `meta` of a request are for routing and are not sent.

    `address` gives the whole address of a model, by its id, where it is not the same for all.
    """

    def __init__(
        self,
        http: Http,
        url: str,
        key: Secret | None,
        headers: Mapping[str, str],
        dialect: Dialect = COMMON,
        *,
        address: Callable[[str], str] | None = None,
    ) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._address = address
        self._secrets = (key,)
        self._headers = {**key_headers(key, dialect.key_header), **headers}
        self._dialect = dialect
        self._usage_in_streams = dialect.asks_usage
        self._thoughts = Memory()

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        # A bound on the first token, or on silence, can be held only where tokens are seen.
        needs_stream = self._dialect.streams_only or call.timeouts.first_token_s is not None or call.timeouts.idle_s is not None
        if emit is None and not needs_stream:
            return await self._whole(call)
        asks_usage = self._usage_in_streams
        try:
            return await self._streamed(call, emit, asks_usage=asks_usage)
        except CallError as error:
            # Some servers refuse to report usage in a stream. Nothing was run, so the call is sent again without.
            if not asks_usage or error.status not in (400, 422) or "stream_options" not in error.message:
                raise
            self._usage_in_streams = False
            return await self._streamed(call, emit, asks_usage=False)

    async def _whole(self, call: Call) -> Reply:
        reply = await self._http.post(self._url_of(call), self._body(call), self._headers, call.timeouts)
        if not 200 <= reply.status < 300:
            raise error_of(reply, self._secrets)
        return self._answer(reply.body, reply.headers)

    async def _streamed(self, call: Call, emit: Emit | None, *, asks_usage: bool) -> Reply:
        body = self._body(call, is_streamed=True, asks_usage=asks_usage)
        async with self._http.stream(self._url_of(call), body, self._headers, call.timeouts) as stream:
            if not 200 <= stream.status < 300:
                raise await refused(stream, self._secrets)
            if is_whole(stream):
                reply = self._answer(await stream.body(), stream.headers)
                if emit is not None:
                    await emit(whole_delta(reply))
                return reply
            gathered = self._gathered(stream.headers)
            async for event in stream.events():
                if event.data == "[DONE]":
                    gathered.done = True
                    break
                chunk = decoded(_decode, event.data)
                if chunk.error or event.event == "error":
                    raise error_in(chunk.error or event.data, self._secrets)
                delta = gathered.add(chunk)
                if delta is None:
                    stream.said_nothing()
                elif emit is not None:
                    await emit(delta)
            return self._reply(gathered)

    def _answer(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        answer = decoded(_decode, body)
        if answer.error:
            raise error_in(answer.error, self._secrets)
        gathered = self._gathered(headers)
        gathered.add(answer)
        gathered.done = True
        return self._reply(gathered)

    def _url_of(self, call: Call) -> str:
        return self._url if self._address is None else self._address(call.model.id)

    def _gathered(self, headers: Mapping[str, str]) -> "_Gathered":
        return _Gathered(first_of(headers, self._dialect.request_ids), self._secrets)

    def _reply(self, gathered: "_Gathered") -> Reply:
        reply = gathered.reply()
        if self._dialect.wants_reasoning and reply.tool_calls:
            self._thoughts.keep(reply.tool_calls[0].id, "".join(gathered.thoughts))
        return reply

    def _body(self, call: Call, *, is_streamed: bool = False, asks_usage: bool = False) -> "_Body":
        request, limit = call.request, call.max_output_tokens or call.request.max_output_tokens
        is_new = self._dialect.limit_field == "max_completion_tokens"
        is_random = self._dialect.seed_field == "random_seed"
        return _Body(
            model=call.model.id,
            messages=[self._message(message) for message in call.messages],
            max_tokens=None if is_new else limit,
            max_completion_tokens=limit if is_new else None,
            temperature=request.temperature,
            top_p=request.top_p,
            stop=request.stop or (),
            seed=None if is_random else request.seed,
            random_seed=request.seed if is_random else None,
            tools=request.tools or (),
            tool_choice=request.tool_choice,
            response_format=request.response_format,
            stream=is_streamed,
            stream_options=_WITH_USAGE if asks_usage else None,
        )

    def _message(self, message: Message) -> object:
        """A turn as the server wants it: as it is, where nothing has to be changed."""
        dialect = self._dialect
        plain_role = message.role != "developer" or dialect.developer_role == "developer"
        plain_ids = dialect.call_id is None or not (message.tool_calls or message.tool_call_id)
        plain_thoughts = not dialect.wants_reasoning or not message.tool_calls
        if plain_role and plain_ids and plain_thoughts and (dialect.knows_names or message.name is None):
            return message
        turn: dict[str, Any] = msgspec.to_builtins(message)
        if not plain_role:
            turn["role"] = dialect.developer_role
        if not dialect.knows_names:
            turn.pop("name", None)
        if dialect.call_id is not None:
            if message.tool_call_id:
                turn["tool_call_id"] = dialect.call_id(message.tool_call_id)
            for call in turn.get("tool_calls", ()):
                call["id"] = dialect.call_id(call["id"])
        if not plain_thoughts:
            turn["reasoning_content"] = self._thoughts.recall(message.tool_calls[0].id) or ""
        return turn


class _Gathered:
    """An answer as its chunks come in."""

    def __init__(self, request_id: str | None, secrets: tuple[Secret | None, ...]) -> None:
        self.done = False
        self.thoughts: list[str] = []
        self._secrets = secrets
        self._request_id = request_id
        self._model: str | None = None
        self._text: list[str] = []
        self._calls: list[dict[str, str]] = []
        self._numbers: dict[int, int] = {}
        self._finish: str | None = None
        self._refused = False
        self._usage: Any = None
        self._began = False

    def add(self, chunk: _Answer) -> Delta | None:
        """What the caller may see of a chunk, if anything."""
        self._model = chunk.model or self._model
        self._request_id = self._request_id or (chunk.id if isinstance(chunk.id, str) else None)
        self._usage = chunk.usage or self._usage
        if not chunk.choices:
            return None
        choice = chunk.choices[0]
        if choice.error:
            raise error_in(choice.error, self._secrets)
        self._began = True
        self._finish = choice.finish_reason or self._finish
        turn = choice.delta or choice.message
        if turn is None:
            return None
        text, reasoning = turn.text(), turn.thought()
        if turn.refusal:
            self._refused = True
            text += turn.refusal
        calls = tuple([{**call, "index": self._add_call(call)} for call in turn.tool_calls]) if turn.tool_calls else ()
        if text:
            self._text.append(text)
        if reasoning:
            self.thoughts.append(reasoning)
        return Delta(text, reasoning, calls) if text or reasoning or calls else None

    def _add_call(self, chunk: dict[str, Any]) -> int:
        """The number of the call that a chunk adds to.

        Chunks of one call have one index. Some servers send none, or the same for all: then a new id begins a call.
        """
        index, id_, function = chunk.get("index"), str(chunk.get("id") or ""), chunk.get("function")
        if not isinstance(function, dict):
            function = {}
        number = self._numbers.get(index) if isinstance(index, int) else len(self._calls) - 1
        if number is None or number < 0 or (id_ and self._calls[number]["id"] not in ("", id_)):
            number = len(self._calls)
            self._calls.append({"id": "", "name": "", "arguments": ""})
            if isinstance(index, int):
                self._numbers[index] = number
        call, arguments = self._calls[number], function.get("arguments")
        call["id"] = call["id"] or id_
        call["name"] = call["name"] or str(function.get("name") or "")
        if isinstance(arguments, str):
            call["arguments"] += arguments
        elif arguments:
            call["arguments"] += msgspec.json.encode(arguments).decode()
        return number

    def reply(self) -> Reply:
        """The whole. `CallError` where the stream ended before the answer did, or the provider gave it up."""
        if not self.done and self._finish is None:
            raise CallError("protocol", "the stream ended before the answer was complete")
        if not self._began:
            raise CallError("protocol", "the provider sent an answer without a choice")
        if self._finish in _FAILURES:
            raise CallError("5xx", f"the provider gave up: finish_reason `{readable(self._finish)}`")
        text = "".join(self._text)
        calls = tuple(
            [
                ToolCall(call["id"] or f"call_{number}", Function(call["name"], call["arguments"] or "{}"))
                for number, call in enumerate(self._calls)
            ]
        )
        finish = "content_filter" if self._refused else _FINISHES.get(self._finish or "", "tool_calls" if calls else "stop")
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
    prompt, completion = tokens(reported.get("prompt_tokens")), tokens(reported.get("completion_tokens"))
    reasoning = detail(reported, "completion_tokens_details", "reasoning_tokens")
    if prompt and completion is not None and reasoning and reported.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning  # some servers leave reasoning out of the completion
    return usage_of(
        prompt,
        completion,
        spoke=spoke,
        cached=detail(reported, "prompt_tokens_details", "cached_tokens") or tokens(reported.get("prompt_cache_hit_tokens")) or 0,
        written=detail(reported, "prompt_tokens_details", "cache_write_tokens"),
        reasoning=reasoning,
    )
