"""The chat completions protocol, spoken by OpenAI and by most other servers."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from mmflow.plugin import Call, CallError, Delta, Emit, Finish, Function, Http, Message, Reply, Secret, ToolCall, Usage
from mmflow_plugins.providers.wire import decoded, error_in, error_of, is_whole, readable, refused, tokens, whole_delta, withheld

_FINISHES: dict[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILURES = ("error", "abort", "insufficient_system_resource")


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


class _Choice(msgspec.Struct):
    message: _Turn | None = None
    delta: _Turn | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    """A whole answer, or a chunk of one."""

    choices: list[_Choice] | None = None
    usage: Any = None
    model: str | None = None
    id: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


class ChatCompletions:
    """A provider that speaks the protocol. `user`, `language` and `meta` of a request are for routing and are not sent."""

    def __init__(
        self,
        http: Http,
        url: str,
        key: Secret | None,
        headers: Mapping[str, str],
        *,
        limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        developer_role: Literal["system", "developer"] = "system",
    ) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._secrets = (key,)
        self._headers = {**({"Authorization": f"Bearer {key.reveal()}"} if key else {}), **headers}
        self._limit_field = limit_field
        self._developer_role = developer_role
        self._usage_in_streams = True

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        # A bound on the first token, or on silence, can be held only where tokens are seen.
        if emit is None and call.timeouts.first_token_s is None and call.timeouts.idle_s is None:
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
        reply = await self._http.post(self._url, self._body(call), self._headers, call.timeouts)
        if not 200 <= reply.status < 300:
            raise error_of(reply, self._secrets)
        return self._answer(reply.body, reply.headers)

    async def _streamed(self, call: Call, emit: Emit | None, *, asks_usage: bool) -> Reply:
        body = self._body(call, is_streamed=True, asks_usage=asks_usage)
        async with self._http.stream(self._url, body, self._headers, call.timeouts) as stream:
            if not 200 <= stream.status < 300:
                raise await refused(stream, self._secrets)
            if is_whole(stream):
                reply = self._answer(await stream.body(), stream.headers)
                if emit is not None:
                    await emit(whole_delta(reply))
                return reply
            gathered = _Gathered(stream.headers.get("x-request-id"))
            async for event in stream.events():
                if event.data == "[DONE]":
                    gathered.done = True
                    break
                chunk = decoded(_decode, event.data)
                if chunk.error or event.event == "error":
                    raise error_in(chunk.error or event.data, self._secrets)
                delta = gathered.add(chunk)
                if emit is not None and delta is not None:
                    await emit(delta)
            return gathered.reply()

    def _answer(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        answer = decoded(_decode, body)
        if answer.error:
            raise error_in(answer.error, self._secrets)
        gathered = _Gathered(headers.get("x-request-id"))
        gathered.add(answer)
        gathered.done = True
        return gathered.reply()

    def _body(self, call: Call, *, is_streamed: bool = False, asks_usage: bool = False) -> "_Body":
        request, limit = call.request, call.max_output_tokens or call.request.max_output_tokens
        is_new = self._limit_field == "max_completion_tokens"
        return _Body(
            model=call.model.id,
            messages=[self._message(message) for message in call.messages],
            max_tokens=None if is_new else limit,
            max_completion_tokens=limit if is_new else None,
            temperature=request.temperature,
            top_p=request.top_p,
            stop=request.stop or (),
            seed=request.seed,
            tools=request.tools or (),
            tool_choice=request.tool_choice,
            response_format=request.response_format,
            stream=is_streamed,
            stream_options=_WITH_USAGE if asks_usage else None,
        )

    def _message(self, message: Message) -> object:
        if message.role != "developer" or self._developer_role == "developer":
            return message
        return {"role": self._developer_role, "content": message.content}


class _Gathered:
    """An answer as its chunks come in."""

    def __init__(self, request_id: str | None) -> None:
        self.done = False
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
        self._began = True
        self._finish = choice.finish_reason or self._finish
        turn = choice.delta or choice.message
        if turn is None:
            return None
        text = turn.text()
        reasoning = turn.reasoning_content or (turn.reasoning if isinstance(turn.reasoning, str) else "")
        if turn.refusal:
            self._refused = True
            text += turn.refusal
        calls = tuple([{**call, "index": self._add_call(call)} for call in turn.tool_calls]) if turn.tool_calls else ()
        if text:
            self._text.append(text)
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
    if not prompt or completion is None or (spoke and not completion):
        return None
    cached = _detail(reported, "prompt_tokens_details", "cached_tokens")
    reasoning = _detail(reported, "completion_tokens_details", "reasoning_tokens")
    if reasoning and reported.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning  # some servers leave reasoning out of the completion
    cached, reasoning = (cached if cached <= prompt else 0), (reasoning if reasoning <= completion else 0)
    return Usage(
        input_tokens=prompt - cached,
        cached_input_tokens=cached,
        output_tokens=completion - reasoning,
        reasoning_tokens=reasoning,
    )


def _detail(reported: dict[str, Any], group: str, name: str) -> int:
    details = reported.get(group)
    return (tokens(details.get(name)) or 0) if isinstance(details, dict) else 0
