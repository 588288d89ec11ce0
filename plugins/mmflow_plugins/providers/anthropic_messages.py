"""A request of chat completions in the form of Anthropic's Messages API."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mmflow.plugin import Call, CallError, Message, Request
from mmflow_plugins.providers.wire import unsupported

# The API wants a limit; this is what is sent where neither the request nor the model has one.
DEFAULT_MAX_TOKENS = 4096
_WHO = "anthropic"


def body_of(call: Call) -> dict[str, Any]:
    """The body of a call. `CallError` of class `4xx` names what the API cannot be told.

    What the system says, wherever it stands, goes before the turns; the API knows no names of turns.
    """
    request = call.request
    if request.seed is not None:
        raise unsupported("`seed`", _WHO)
    if request.temperature is not None and request.temperature > 1:
        raise unsupported("a `temperature` above 1", _WHO)
    system = "\n\n".join(message.text for message in call.messages if message.role in ("system", "developer") and message.text)
    wanted = {
        "system": system or None,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": request.stop or None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "output_config": _output_config(request),
    }
    limit = call.max_output_tokens or request.max_output_tokens or call.model.max_output_tokens or DEFAULT_MAX_TOKENS
    body = {"model": call.model.id, "max_tokens": limit, "messages": _turns(call.messages)}
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
        else:
            turns.append({"role": role, "content": blocks})
    return [turn for turn in turns if turn["content"]]


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
        blocks.append({"type": "tool_use", "id": call.id, "name": call.function.name, "input": arguments})
    return blocks


def _block(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"type": "image", "source": _image(url)}
        case _:
            raise unsupported(f"a part of type `{part.get('type')}`", _WHO)


def _image(url: str) -> dict[str, str]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    media_type, found, data = url.removeprefix("data:").partition(";base64,")
    if not found:
        raise unsupported("an image that is not in base64", _WHO)
    return {"type": "base64", "media_type": media_type, "data": data}


def _tool_result(message: Message) -> dict[str, Any]:
    content = message.content if isinstance(message.content, str) else [_block(part) for part in message.content or ()]
    return {"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": content}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    match tool:
        case {"type": "function", "function": {"name": str(name), **rest}}:
            schema = rest.get("parameters") or {"type": "object", "properties": {}}
            kept = {key: rest[key] for key in ("description", "strict") if rest.get(key)}
            return {"name": name, "input_schema": schema} | kept
        case _:
            raise unsupported(f"a tool of type `{tool.get('type')}`", _WHO)


def _tool_choice(choice: str | dict[str, Any] | None) -> dict[str, str] | None:
    match choice:
        case None:
            return None
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "tool", "name": name}
        case _:
            raise unsupported(f"the `tool_choice` {choice!r}", _WHO)


def _output_config(request: Request) -> dict[str, Any] | None:
    match request.response_format:
        case None | {"type": "text"}:
            return None
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"format": {"type": "json_schema", "schema": schema}}
        case _:
            raise unsupported(f"a `response_format` of type `{request.response_format.get('type')}`", _WHO)
