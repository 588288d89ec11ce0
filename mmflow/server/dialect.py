"""A caller's format: how a request is read, and how answers, pieces and errors are written."""

from collections.abc import Sequence
from typing import Protocol

import attrs

from mmflow.plugin import Delta, Reply, Request
from mmflow.runtime.events import Event
from mmflow.server.errors import ApiError


@attrs.frozen
class Asked:
    """A request as a caller's format has it. `model` is the flow that is meant.

    `answers` is how many are wanted (`n`). `wants_usage`: a stream ends with the tokens (`stream_options.include_usage`).
    `wants_decision`: the reply has an `mmflow` object (`"mmflow": true` in the request).
    """

    model: str
    request: Request
    stream: bool = False
    answers: int = 1
    wants_usage: bool = False
    wants_decision: bool = False


@attrs.frozen
class Head:
    """What is known before the first piece: the gateway's id of the request, the flow, and the time in seconds since 1970."""

    id: str
    flow: str
    created_unix_s: int
    asked: Asked


@attrs.frozen
class Served:
    """An answer that stands, with the record of its run."""

    reply: Reply
    events: tuple[Event, ...]


class Writer(Protocol):
    """Writes one streamed answer as server-sent events. What it returns goes to the caller as it is; empty is nothing."""

    def opened(self) -> bytes:
        """Before the first piece."""
        ...

    def piece(self, delta: Delta, choice: int = 0) -> bytes:
        """A piece of an answer; `choice` counts from 0 where several are wanted."""
        ...

    def closed(self, served: Sequence[Served]) -> bytes:
        """The end of a stream whose answers are whole: finish reasons, usage, the decision where it is wanted."""
        ...

    def failed(self, error: ApiError) -> bytes:
        """The end of a stream that broke: an error that the caller's library raises, never a clean end."""
        ...


class Dialect(Protocol):
    """One format, the same for all requests."""

    @property
    def name(self) -> str:
        """`chat_completions`, `responses` or `messages`."""
        ...

    def asked(self, body: bytes) -> Asked:
        """Read a request. Raises `ApiError` for what is wrong with it."""
        ...

    def answer(self, head: Head, served: Sequence[Served]) -> bytes:
        """Whole answers as one JSON document."""
        ...

    def writer(self, head: Head) -> Writer:
        """What writes a streamed answer."""
        ...

    def error(self, error: ApiError, request_id: str) -> bytes:
        """An error as one JSON document."""
        ...
