"""A request as people and programs write it: a text, or an object in the form of chat completions."""

from collections.abc import Mapping
from typing import Any, get_args

import attrs
import msgspec

from mmflow.diagnostics import did_you_mean
from mmflow.plugin import Request, Role
from mmflow.wording import clause

_SAME_AS = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens", "metadata": "meta"}
_AROUND = ("model", "stream")
_ROLES = "roles are " + ", ".join(f"`{role}`" for role in get_args(Role))
_FIELDS = (*(field.name for field in msgspec.structs.fields(Request)), *_SAME_AS, *_AROUND)


class RequestError(ValueError):
    """What was given is not a request: `message` says why, `help` what to do."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.help = message, help


@attrs.frozen
class Asked:
    """A request, and what a JSON one says around it: the flow (`model`, as behind the gateway) and whether to stream."""

    request: Request
    model: str | None = None
    stream: bool = False


def decode(text: str) -> Asked:
    """The request that a text is: JSON if it is an object with `messages`, else one user turn. Raises `RequestError`."""
    if not text.lstrip().startswith("{"):
        return Asked(Request.of(text))
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        if '"messages"' not in text:
            return Asked(Request.of(text))
        raise RequestError(
            f"the request is not JSON: {_reason(error)}",
            'to send a text as it is, put it in a message: {"messages": [{"role": "user", "content": "…"}]}',
        ) from error
    return of_document(document) if "messages" in document else Asked(Request.of(text))


def of_document(document: Mapping[str, Any]) -> Asked:
    """The request that an object is. Raises `RequestError` for a field that is unknown or wrong."""
    for name in document:
        if name not in _FIELDS:
            near = did_you_mean(name, _FIELDS)
            help = f"did you mean `{near}`?" if near else f"fields are {', '.join(f'`{each}`' for each in _FIELDS)}"
            raise RequestError(f"the request has a field `{name}` that mmflow does not know", help)
    fields: dict[str, Any] = {}
    for name, value in document.items():
        if value is None or name in _AROUND:
            continue
        own = _SAME_AS.get(name, name)
        if own in fields and fields[own] != value:
            raise RequestError(f"the request sets `{own}` twice, to {fields[own]} and to {value}", "keep one of them")
        fields[own] = [value] if own == "stop" and isinstance(value, str) else value
    try:
        request = msgspec.convert(fields, Request)
        model = msgspec.convert(document.get("model"), str | None)
        stream = msgspec.convert(document.get("stream"), bool | None)
    except msgspec.ValidationError as error:
        raise RequestError(
            f"the request is not well formed: {_reason(error)}", _ROLES if ".role" in str(error) else None
        ) from error
    _refuse_nonsense(request)
    return Asked(request, model, bool(stream))


def _refuse_nonsense(request: Request) -> None:
    if not request.messages:
        raise RequestError("the request has no messages", 'write at least one: {"role": "user", "content": "…"}')
    if request.max_output_tokens is not None and request.max_output_tokens < 1:
        raise RequestError(f"the request asks for {request.max_output_tokens} tokens at most", "ask for at least 1")


def _reason(error: Exception) -> str:
    """msgspec's reason as a clause, its place first: `messages[0].content: expected str, got int`."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    message, _, place = str(error).partition(" - at `")
    message = clause(message)
    place = place.rstrip("`").removeprefix("$").removeprefix(".")
    return f"{place}: {message}" if place else message
