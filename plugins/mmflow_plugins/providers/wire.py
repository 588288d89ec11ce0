"""What every provider over HTTP needs: reading JSON that may be anything, and errors that people can read."""

import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from mmflow.plugin import CallError, Delta, ErrorClass, EventStream, HttpReply, Reply, Secret, error_of_status, retry_after_s

_T = TypeVar("_T")

MESSAGE_LIMIT = 300
# No provider counts so many tokens in one call: a larger number is a mistake, and would be charged.
_TOKENS_LIMIT = 100_000_000

# Colours of a terminal, control characters, and characters that hide or reorder text.
_UNREADABLE = re.compile(
    r"(?:\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x20\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff])+"
)
_OVERFLOW = re.compile(r"context.{0,12}(length|window|size)|prompt is too long|too many (input )?tokens", re.I)
_FILTERED = re.compile(r"content.?(filter|policy|management)|responsible.?ai", re.I)
_PHRASES = {status.value: status.phrase.lower() for status in HTTPStatus}
_CLASSES: tuple[tuple[str, ErrorClass], ...] = (
    ("overloaded", "overloaded"),
    ("rate_limit", "429"),
    ("quota", "429"),
    ("authentication", "auth"),
    ("permission", "auth"),
    ("invalid_api_key", "auth"),
    ("timeout", "timeout"),
    ("invalid_request", "4xx"),
    ("not_found", "4xx"),
)


def server_url(url: str) -> None:
    """A check for an option: an `http` or `https` URL without a password in it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = "what is given" if "@" in url else f"`{url}`"  # a password may stand before an `@`
        raise ValueError(f"{shown} is not the URL of a server; write `http://` or `https://` and a host")
    if parts.username or parts.password:
        raise ValueError("a URL with a password in it is refused; declare the `key` instead")


def header_names(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers under their real names: a name in a workflow has `_` where a header has `-`."""
    return {name.replace("_", "-"): value for name, value in (headers or {}).items()}


def unsupported(what: str, provider: str) -> CallError:
    """A part of the request that a provider cannot be told: refused by name, so that nothing is left out in silence."""
    return CallError("4xx", f"{provider} does not know {what}", dispatched="no", help="leave it out, or use another provider")


def readable(text: object, secrets: Iterable[Secret | None] = ()) -> str:
    """What a provider said, for people: one short line, no control characters, no secret."""
    line = _UNREADABLE.sub(" ", str(text)).strip()
    for secret in secrets:
        if secret is not None and secret.reveal():
            line = line.replace(secret.reveal(), f"[{secret.name}]")
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"


def tokens(value: object) -> int | None:
    """A count of tokens as a provider reports it; None where it is not one."""
    return value if type(value) is int and 0 <= value <= _TOKENS_LIMIT else None


def is_whole(stream: EventStream) -> bool:
    """Whether a server answers a request for a stream with a whole answer, as some do, or with a web page."""
    content_type = stream.headers.get("content-type", "")
    return "json" in content_type or "html" in content_type


def withheld() -> CallError:
    """The error of an answer that a filter kept back whole; one that says something is a reply that ends in `content_filter`."""
    return CallError("content_filter", "the provider's filter kept the answer back")


def whole_delta(reply: Reply) -> Delta:
    """A whole answer as the one piece of a stream."""
    chunks = tuple({"index": index, **msgspec.to_builtins(call)} for index, call in enumerate(reply.tool_calls))
    return Delta(reply.text, tool_calls=chunks)


def decoded(decode: Callable[[bytes | str], _T], data: bytes | str) -> _T:
    """JSON of a known form. `CallError` of class `protocol` where it is anything else."""
    if not data.strip():
        raise CallError("protocol", "the provider sent an empty answer")
    try:
        return decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if data.lstrip()[:1] in (b"<", "<"):
            help_ = "check the provider's `url`: it ends where the API starts, often in `/v1`"
            raise CallError("protocol", "the provider sent a web page and no JSON", help=help_) from error
        raise CallError("protocol", f"the provider sent an answer that cannot be read: {readable(error)}") from error


def error_of(reply: HttpReply, secrets: Iterable[Secret | None]) -> CallError:
    """The error of an answer whose status is not a success."""
    said, code = _said(reply.body)
    message = readable(said, secrets) or _PHRASES.get(reply.status, "no message")
    error = error_of_status(reply.status, message, retry_after_s=retry_after_s(reply.headers))
    if error.error_class in ("4xx", "5xx", "context_overflow"):
        if _OVERFLOW.search(code) or _OVERFLOW.search(said):
            error.error_class = "context_overflow"
            error.help = "send less text, or route to a model with a larger context"
        elif _FILTERED.search(code):
            error.error_class = "content_filter"
            error.help = None
    if "quota" in code or "billing" in code or reply.status == 402:
        error.help = "the account has no credit left: add some, or add a fallback to another provider"
    return error


async def refused(stream: EventStream, secrets: Iterable[Secret | None]) -> CallError:
    """The error of a stream that the provider did not open."""
    return error_of(HttpReply(stream.status, stream.headers, await stream.body()), secrets)


def error_in(error: Any, secrets: Iterable[Secret | None]) -> CallError:
    """The error that a provider reports within an answer that began as a success."""
    said, code = _said_in(error)
    error_class: ErrorClass = next((each for mark, each in _CLASSES if mark in code), "5xx")
    if _FILTERED.search(code):
        error_class = "content_filter"
    elif _OVERFLOW.search(code) or _OVERFLOW.search(said):
        error_class = "context_overflow"
    elif status := re.search(r"\b[45]\d\d\b", code):
        error_class = error_of_status(int(status[0]), "").error_class
    return CallError(error_class, f"the provider reports an error: {readable(said, secrets) or 'no message'}")


def _said(body: bytes) -> tuple[str, str]:
    """The message and the codes of an error's body."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        text = body[: 4 * MESSAGE_LIMIT].decode("utf-8", "replace").strip()
        return ("" if text.startswith("<") else text), ""
    return _said_in(said)


def _said_in(error: Any) -> tuple[str, str]:
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict) and error.get("error"):
        error = error["error"]
    if not isinstance(error, dict):
        return str(error), ""
    inner = error.get("innererror")
    codes = [error.get("code"), error.get("type"), error.get("status"), inner.get("code") if isinstance(inner, dict) else None]
    message = error.get("message") or error.get("detail") or ""
    if isinstance(message, list | dict):
        message = msgspec.json.encode(message).decode()
    return str(message), " ".join(str(code).lower() for code in codes if code is not None)
