"""A request of chat completions in the form of OpenAI's Responses protocol."""

from collections.abc import Iterator
from typing import Any

from mmflow.plugin import Call, Message
from mmflow_plugins.providers.wire import unsupported

_WHO = "the `responses` API"


def body_of(call: Call) -> dict[str, Any]:
    """The body of a call, which is not to be stored. `CallError` of class `4xx` names what the API cannot be told."""
    request = call.request
    for name in ("stop", "seed"):
        if getattr(request, name) not in (None, ()):
            raise unsupported(f"`{name}`", _WHO)
    wanted = {
        "max_output_tokens": call.max_output_tokens or request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "text": _format(request.response_format),
    }
    items = [item for message in call.messages for item in _items(message)]
    body: dict[str, Any] = {"model": call.model.id, "input": items, "store": False}
    return body | {name: value for name, value in wanted.items() if value is not None}


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """What a turn is: a message, calls of tools, or what a tool answered."""
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id or "", "output": _content(message)}
        return
    if message.role == "assistant":
        if message.text:
            yield {"role": "assistant", "content": message.text}
    elif message.content:
        yield {"role": message.role, "content": _content(message)}
    for call in message.tool_calls:
        arguments = call.function.arguments or "{}"
        yield {"type": "function_call", "call_id": call.id, "name": call.function.name, "arguments": arguments}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    return [_part(part) for part in message.content or ()]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"type": "input_text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url), **rest}}:
            return {"type": "input_image", "image_url": url, "detail": rest.get("detail") or "auto"}
        case {"type": "file", "file": dict(file)}:
            return {"type": "input_file", **file}
        case _:
            raise unsupported(f"a part of type `{part.get('type')}`", _WHO)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    match tool:
        case {"type": "function", "function": {"name": str(name), **rest}}:
            # Here a schema is strict unless it says otherwise, and in chat completions the other way round.
            strict = bool(rest.get("strict"))
            described = {"description": rest["description"]} if rest.get("description") else {}
            parameters = rest.get("parameters") or {"type": "object", "properties": {}}
            return {"type": "function", "name": name, "parameters": parameters, "strict": strict} | described
        case _:
            raise unsupported(f"a tool of type `{tool.get('type')}`", _WHO)


def _tool_choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    match choice:
        case None | "auto" | "none" | "required":
            return choice
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "function", "name": name}
        case _:
            raise unsupported(f"the `tool_choice` {choice!r}", _WHO)


def _format(wanted: dict[str, Any] | None) -> dict[str, Any] | None:
    match wanted:
        case None:
            return None
        case {"type": "text" | "json_object" as type_}:
            return {"format": {"type": type_}}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **rest}}:
            kept = {key: rest[key] for key in ("description", "strict") if rest.get(key) is not None}
            return {"format": {"type": "json_schema", "name": rest.get("name") or "answer", "schema": schema} | kept}
        case _:
            raise unsupported(f"a `response_format` of type `{wanted.get('type')}`", _WHO)
