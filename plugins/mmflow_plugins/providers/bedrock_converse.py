"""A request of chat completions in the form of Amazon Bedrock's Converse API."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mmflow.plugin import Call, CallError, Message, Request
from mmflow_plugins.providers.wire import unsupported

_WHO = "bedrock"
_FORMATS = ("png", "jpeg", "gif", "webp")


def body_of(call: Call) -> dict[str, Any]:
    """The body of a call. `CallError` of class `4xx` names what the API cannot be told.

    What the system says, wherever it stands, goes before the turns; the API knows no names of turns.
    """
    request = call.request
    if request.seed is not None:
        raise unsupported("`seed`", _WHO)
    system = [{"text": message.text} for message in call.messages if message.role in ("system", "developer") and message.text]
    config = {
        "maxTokens": call.max_output_tokens or request.max_output_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": request.stop or None,
    }
    wanted = {
        "system": system or None,
        "inferenceConfig": {name: value for name, value in config.items() if value is not None} or None,
        "toolConfig": _tool_config(request),
        "outputConfig": _output_config(request),
    }
    body: dict[str, Any] = {"messages": _turns(call.messages)}
    return body | {name: value for name, value in wanted.items() if value is not None}


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The turns without the system's. What tools answered is one turn of the user's, as the API wants it."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [_tool_result(message)] if message.role == "tool" else _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": message.content}] if isinstance(message.content, str) else message.content or ()
    # The API refuses an empty text.
    blocks = [_block(part) for part in parts if part.get("type") != "text" or part.get("text")]
    for call in message.tool_calls:
        try:
            arguments = msgspec.json.decode(call.function.arguments or "{}", type=dict[str, Any])
        except msgspec.MsgspecError:
            what = f"the arguments of the call of `{call.function.name}` are not a JSON object"
            raise CallError("4xx", what, dispatched="no") from None
        blocks.append({"toolUse": {"toolUseId": call.id, "name": call.function.name, "input": arguments}})
    return blocks


def _block(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"image": _image(url)}
        case _:
            raise unsupported(f"a part of type `{part.get('type')}`", _WHO)


def _image(url: str) -> dict[str, Any]:
    media_type, found, data = url.removeprefix("data:").partition(";base64,")
    format_ = media_type.removeprefix("image/").replace("jpg", "jpeg")
    if not url.startswith("data:") or not found or format_ not in _FORMATS:
        raise unsupported(f"an image that is not one of {', '.join(_FORMATS)} in base64", _WHO)
    return {"format": format_, "source": {"bytes": data}}


def _tool_result(message: Message) -> dict[str, Any]:
    parts = [{"type": "text", "text": message.content}] if isinstance(message.content, str) else message.content or ()
    return {"toolResult": {"toolUseId": message.tool_call_id or "", "content": [_block(part) for part in parts]}}


def _tool_config(request: Request) -> dict[str, Any] | None:
    if not request.tools:
        return None
    choice = _tool_choice(request.tool_choice)
    return {"tools": [_tool(tool) for tool in request.tools]} | ({"toolChoice": choice} if choice else {})


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    match tool:
        case {"type": "function", "function": {"name": str(name), **rest}}:
            schema = rest.get("parameters") or {"type": "object", "properties": {}}
            kept = {key: rest[key] for key in ("description", "strict") if rest.get(key)}
            return {"toolSpec": {"name": name, "inputSchema": {"json": schema}} | kept}
        case _:
            raise unsupported(f"a tool of type `{tool.get('type')}`", _WHO)


def _tool_choice(choice: str | dict[str, Any] | None) -> dict[str, Any] | None:
    match choice:
        case None:
            return None
        case "auto":
            return {"auto": {}}
        case "required":
            return {"any": {}}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"tool": {"name": name}}
        case _:
            raise unsupported(f"the `tool_choice` {choice!r}", _WHO)


def _output_config(request: Request) -> dict[str, Any] | None:
    match request.response_format:
        case None | {"type": "text"}:
            return None
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **rest}}:
            kept = {key: rest[key] for key in ("name", "description") if rest.get(key)}
            written = {"schema": msgspec.json.encode(schema).decode()} | kept
            return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": written}}}
        case _:
            raise unsupported(f"a `response_format` of type `{request.response_format.get('type')}`", _WHO)
