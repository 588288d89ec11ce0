"""A request of chat completions in the form of the Gemini API."""

import re
from collections.abc import Callable, Sequence
from mimetypes import guess_type
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mmflow.plugin import Call, CallError, Message, Request
from mmflow_plugins.providers.wire import unsupported

Signature = Callable[[str], str | None]
"""What the model signed a call of a tool with, by the call's id."""

_WHO = "gemini"
# Google's word for a call that another model made, or that nobody remembers: models since the third generation want a signature.
_UNSIGNED = "skip_thought_signature_validator"
_OLD = re.compile(r"(^|/)gemini-[12]\b")
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def body_of(call: Call, signature: Signature) -> dict[str, Any]:
    """The body of a call. `CallError` of class `4xx` names what the API cannot be told.

    What the system says, wherever it stands, goes before the turns; the API knows no names of turns.
    """
    request = call.request
    system = [{"text": message.text} for message in call.messages if message.role in ("system", "developer") and message.text]
    config = {
        "maxOutputTokens": call.max_output_tokens or request.max_output_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": request.stop or None,
        "seed": request.seed,
        **_format(request),
    }
    wanted = {
        "systemInstruction": {"parts": system} if system else None,
        "tools": [{"functionDeclarations": [_tool(tool) for tool in request.tools]}] if request.tools else None,
        "toolConfig": _tool_config(request.tool_choice),
        "generationConfig": {name: value for name, value in config.items() if value is not None} or None,
    }
    signs = _OLD.search(call.model.id) is None
    body: dict[str, Any] = {"contents": _contents(call.messages, signature, signs=signs)}
    return body | {name: value for name, value in wanted.items() if value is not None}


def _contents(messages: Sequence[Message], signature: Signature, *, signs: bool) -> list[dict[str, Any]]:
    """The turns without the system's. What tools answered is one turn of the user's, under the names of the tools."""
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        role = "model" if message.role == "assistant" else "user"
        if message.role == "tool":
            parts = [_tool_result(message, names)]
        else:
            parts = _parts(message) + _calls(message, signature, signs=signs)
            names |= {call.id: call.function.name for call in message.tool_calls}
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": role, "parts": parts})
    return turns


def _parts(message: Message) -> list[dict[str, Any]]:
    if isinstance(message.content, str):
        return [{"text": message.content}] if message.content else []
    return [_part(part) for part in message.content or () if part.get("type") != "text" or part.get("text")]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _image(url)
        case _:
            raise unsupported(f"a part of type `{part.get('type')}`", _WHO)


def _image(url: str) -> dict[str, Any]:
    if not url.startswith("data:"):
        mime_type = guess_type(urlsplit(url).path)[0]
        return {"fileData": {"fileUri": url} | ({"mimeType": mime_type} if mime_type else {})}
    mime_type, found, data = url.removeprefix("data:").partition(";base64,")
    if not found:
        raise unsupported("an image that is not in base64", _WHO)
    return {"inlineData": {"mimeType": mime_type, "data": data}}


def _calls(message: Message, signature: Signature, *, signs: bool) -> list[dict[str, Any]]:
    parts = []
    for number, call in enumerate(message.tool_calls):
        try:
            arguments = msgspec.json.decode(call.function.arguments or "{}", type=dict[str, Any])
        except msgspec.MsgspecError:
            what = f"the arguments of the call of `{call.function.name}` are not a JSON object"
            raise CallError("4xx", what, dispatched="no") from None
        part: dict[str, Any] = {"functionCall": {"name": call.function.name, "args": arguments}}
        # Of calls made at once, the first alone is signed.
        if (signed := signature(call.id)) or (signs and number == 0):
            part["thoughtSignature"] = signed or _UNSIGNED
        parts.append(part)
    return parts


def _tool_result(message: Message, names: dict[str, str]) -> dict[str, Any]:
    name = names.get(message.tool_call_id or "") or message.name
    if not name:
        raise CallError("4xx", "a tool's answer belongs to no call that stands before it", dispatched="no")
    if not isinstance(message.content, str) and any(part.get("type") != "text" for part in message.content or ()):
        raise unsupported("a tool's answer that is more than text", _WHO)
    try:
        response = msgspec.json.decode(message.text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        response = {"output": message.text}
    return {"functionResponse": {"name": name, "response": response}}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    match tool:
        case {"type": "function", "function": {"name": str(name), **rest}}:
            described = {"description": rest["description"]} if rest.get("description") else {}
            schema = {"parametersJsonSchema": rest["parameters"]} if rest.get("parameters") else {}
            return {"name": name} | described | schema
        case _:
            raise unsupported(f"a tool of type `{tool.get('type')}`", _WHO)


def _tool_config(choice: str | dict[str, Any] | None) -> dict[str, Any] | None:
    match choice:
        case None:
            return None
        case "auto" | "none" | "required":
            return {"functionCallingConfig": {"mode": _MODES[choice]}}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}
        case _:
            raise unsupported(f"the `tool_choice` {choice!r}", _WHO)


def _format(request: Request) -> dict[str, Any]:
    match request.response_format:
        case None | {"type": "text"}:
            return {}
        case {"type": "json_object"}:
            return {"responseMimeType": "application/json"}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"responseMimeType": "application/json", "responseJsonSchema": schema}
        case _:
            raise unsupported(f"a `response_format` of type `{request.response_format.get('type')}`", _WHO)
