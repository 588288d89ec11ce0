"""What every provider over HTTP needs: reading JSON that may be anything, and errors that people can read."""

import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from mmflow.plugin import (
    CallError,
    Delta,
    ErrorClass,
    EventStream,
    HttpReply,
    Reply,
    Secret,
    Usage,
    error_of_status,
    retry_after_s,
)

_T = TypeVar("_T")

MESSAGE_LIMIT = 300
# No provider counts so many tokens in one call: a larger number is a mistake, and would be charged.
_TOKENS_LIMIT = 100_000_000

# Colours of a terminal, control characters, and characters that hide or reorder text.
_UNREADABLE = re.compile(
    r"(?:\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x20\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff])+"
)
# How servers say that a prompt is too long: those without a code of their own for it, by a part of the sentence.
_OVERFLOW = re.compile(
    r"context.{0,12}(length|window|size)|(prompt|input) is too long|too many (input )?tokens|maximum (prompt|model) length"
    r"|input token count.{0,40}exceeds|range of input length|tokens`?.{0,24}must be <=|`inputs` must have less than",
    re.I,
)
_FILTERED = re.compile(
    r"content.?(filter|policy|management)|responsible.?ai|data_?inspection|prohibited_content|policy_violation|bio_policy", re.I
)
_FLAGGED = re.compile(r"violates? (our |the )?(usage|content)|potentially violating|input was flagged|content exists risk", re.I)
_WRONG_KEY = re.compile(r"(incorrect|invalid|wrong) api.?key|api.?key.{0,12}(not valid|invalid|incorrect|expired)", re.I)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")
_PHRASES = {status.value: status.phrase.lower() for status in HTTPStatus}
_CLASSES: tuple[tuple[str, ErrorClass], ...] = (
    ("overloaded", "overloaded"),
    ("capacity", "overloaded"),
    ("unavailable", "overloaded"),
    ("rate_limit", "429"),
    ("quota", "429"),
    ("exhausted", "429"),
    ("throttling", "429"),
    ("authentication", "auth"),
    ("permission", "auth"),
    ("api_key", "auth"),
    ("timeout", "timeout"),
    ("deadline_exceeded", "timeout"),
    ("invalid_request", "4xx"),
    ("invalid_argument", "4xx"),
    ("validation", "4xx"),
    ("invalid_prompt", "4xx"),
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


def key_headers(key: Secret | None, name: str = "Authorization") -> dict[str, str]:
    """The header that carries the key: a bearer token, or the key itself in a header of its own."""
    if key is None:
        return {}
    return {name: f"Bearer {key.reveal()}" if name == "Authorization" else key.reveal()}


def first_of(headers: Mapping[str, str], names: Iterable[str]) -> str | None:
    """The first of some headers that is there."""
    for name in names:
        if value := headers.get(name):
            return value
    return None


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


def usage_of(
    input_: int | None, output: int | None, *, spoke: bool, cached: int = 0, written: int = 0, reasoning: int = 0
) -> Usage | None:
    """Disjoint counts from totals: `input_` with what was read from and written to a cache, `output` with the reasoning.

    None where the report is missing or cannot be true; a part that is larger than its whole is left out.
    """
    if not input_ or output is None or (spoke and not output):
        return None
    cached = cached if cached <= input_ else 0
    written = written if cached + written <= input_ else 0
    reasoning = reasoning if reasoning <= output else 0
    return Usage(
        input_tokens=input_ - cached - written,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output - reasoning,
        reasoning_tokens=reasoning,
    )


def detail(reported: Mapping[str, Any], group: str, name: str) -> int:
    """A count within a group of a report of usage; 0 where it is not there."""
    details = reported.get(group)
    return (tokens(details.get(name)) or 0) if isinstance(details, dict) else 0


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
    wait_s = retry_after_s(reply.headers)
    error = error_of_status(reply.status, message, retry_after_s=_delay_in(reply.body) if wait_s is None else wait_s)
    refined = _refined(error, said, code)
    if "quota" in code or "billing" in code or reply.status == 402:
        refined.help = "the account has no credit left: add some, or add a fallback to another provider"
    return refined


def _refined(error: CallError, said: str, code: str) -> CallError:
    """The error under the class that its text tells, where its status is the same for several."""
    error_class, help_ = error.error_class, error.help
    if error_class in ("4xx", "5xx", "context_overflow") and (_OVERFLOW.search(code) or _OVERFLOW.search(said)):
        error_class, help_ = "context_overflow", "send less text, or route to a model with a larger context"
    elif error_class in ("4xx", "5xx", "auth") and (_FILTERED.search(code) or _FLAGGED.search(said)):
        error_class, help_ = "content_filter", None
    elif error_class == "4xx" and ("api_key" in code or _WRONG_KEY.search(said)):
        error_class, help_ = "auth", None
    elif error_class == "5xx" and error.status == 503 and ("overloaded" in said.lower() or "capacity" in said.lower()):
        error_class, help_ = "overloaded", None
    if error_class == error.error_class:
        return error
    dispatched = "no" if error_class == "overloaded" else error.dispatched
    return CallError(
        error_class,
        error.message,
        status=error.status,
        retry_after_s=error.retry_after_s,
        dispatched=dispatched,
        help=help_,
    )


async def refused(stream: EventStream, secrets: Iterable[Secret | None]) -> CallError:
    """The error of a stream that the provider did not open."""
    return error_of(HttpReply(stream.status, stream.headers, await stream.body()), secrets)


def error_in(error: Any, secrets: Iterable[Secret | None]) -> CallError:
    """The error that a provider reports within an answer that began as a success."""
    said, code = _said_in(error)
    error_class: ErrorClass = next((each for mark, each in _CLASSES if mark in code), "5xx")
    if _FILTERED.search(code) or _FLAGGED.search(said):
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
    if isinstance(error, dict) and (inner := error.get("error")):
        # Some say the message itself there, and its code beside it.
        error = inner if isinstance(inner, dict) else {**error, "message": inner}
    if not isinstance(error, dict):
        return str(error), ""
    inner, details = error.get("innererror"), error.get("details")
    codes = [error.get("code"), error.get("type"), error.get("status"), inner.get("code") if isinstance(inner, dict) else None]
    codes += [each.get("reason") for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    message = error.get("message") or error.get("detail") or ""
    if isinstance(message, list | dict):
        message = msgspec.json.encode(message).decode()
    return str(message), " ".join(str(code).lower() for code in codes if code is not None)


def _delay_in(body: bytes) -> float | None:
    """The wait that Google asks for in the body of an error."""
    if b"retryDelay" not in body:
        return None
    try:
        said = msgspec.json.decode(body)
        said = said[0] if isinstance(said, list) else said
        delays = [each["retryDelay"] for each in said["error"]["details"] if "retryDelay" in each]
        return float(found[1]) if delays and (found := _DELAY.fullmatch(delays[0])) else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError, LookupError, TypeError):
        return None
