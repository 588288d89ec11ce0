"""The file of a tape: one line of JSON for each recorded call, only ever added to, by any number of processes.

A line says its format's version, what was asked, and how it ended: the pieces as they were streamed, then the reply or the error.
Lines stand for themselves, so tapes can be put together with `cat` and cut with any editor. Keys, addresses and headers are never
in it: it holds the messages, the parameters and the answers, which may themselves be confidential.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import msgspec

from mmflow.plugin import Call, CallError, Delta, ErrorClass, Message, Reply

try:
    import fcntl
except ImportError:  # Windows, where an append of one line is all the protection there is
    fcntl = None  # type: ignore[assignment]

VERSION = 1

_ADD = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
_MEND = "mend the line, or delete it and record that call again"


class Asked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What makes two calls the same: the model's id, the messages, and the parameters that are sent."""

    model: str
    messages: tuple[Message, ...]
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None

    @classmethod
    def of(cls, call: Call) -> "Asked":
        request = call.request
        return cls(
            model=call.model.id,
            messages=call.messages,
            max_output_tokens=call.max_output_tokens if call.max_output_tokens is not None else request.max_output_tokens,
            temperature=None if request.temperature is None else float(request.temperature),
            top_p=None if request.top_p is None else float(request.top_p),
            stop=request.stop,
            seed=request.seed,
            tools=request.tools,
            tool_choice=request.tool_choice,
            response_format=request.response_format,
        )

    @property
    def key(self) -> bytes:
        """The same for the same call, whatever process makes it."""
        return blake2b(msgspec.json.encode(self, order="deterministic"), digest_size=16).digest()


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A `CallError` as it was raised."""

    error_class: ErrorClass
    message: str
    status: int | None = None
    retry_after_s: float | None = None
    dispatched: Literal["no", "maybe", "yes"] = "yes"
    help: str | None = None

    @classmethod
    def of(cls, error: CallError) -> "Failure":
        return cls(
            error_class=error.error_class,
            message=error.message,
            status=error.status,
            retry_after_s=error.retry_after_s,
            dispatched=error.dispatched,
            help=error.help,
        )

    def error(self) -> CallError:
        return CallError(
            self.error_class,
            self.message,
            status=self.status,
            retry_after_s=self.retry_after_s,
            dispatched=self.dispatched,
            help=self.help,
        )


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a stream, and when it came: seconds after the call began."""

    at_s: float
    delta: Delta


class Line(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A recorded call: it ended after `took_s` with a reply, or with a failure. `pieces` is None where it was not streamed."""

    tape: int
    asked: Asked
    took_s: float
    reply: Reply | None = None
    failure: Failure | None = None
    pieces: tuple[Piece, ...] | None = None


class _Version(msgspec.Struct):
    tape: int


class TapeError(Exception):
    """A tape that cannot be read or written; the message names the line."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


class TapeFile:
    """A tape on disk, read on as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_bytes = 0
        self._read_lines = 0
        self._calls: dict[bytes, list[Line]] = {}

    def calls(self, key: bytes) -> list[Line]:
        """The recordings of a call so far, oldest first."""
        return self._calls.get(key, [])

    def read_on(self) -> None:
        """Take in what this or another process has added since. A file that is not there is an empty tape."""
        try:
            with open(self.path, "rb") as file, _locked(file.fileno(), shared=True):
                file.seek(self._read_bytes)
                added = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise TapeError(f"the tape {self.path} cannot be read: {error.strerror}", "name a file that can be read") from error
        # All or nothing: a tape with a bad line stays an error, whichever call is asked next.
        lines = [self._decoded(text, self._read_lines + n) for n, text in enumerate(added.split(b"\n"), 1) if text.strip()]
        for line in lines:
            self._calls.setdefault(line.asked.key, []).append(line)
        self._read_lines += added.count(b"\n")
        self._read_bytes += len(added)

    def open(self) -> None:
        """Make sure that lines can be added."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, _ADD, 0o600))
        except OSError as error:
            raise TapeError(f"the tape {self.path} cannot be written: {error.strerror}", "name a file that can be") from error

    def add(self, line: Line) -> None:
        """Write a line, whole or not at all."""
        data = msgspec.json.encode(line) + b"\n"
        try:
            file = os.open(self.path, _ADD, 0o600)
            try:
                with _locked(file, shared=False):
                    end = os.lseek(file, 0, os.SEEK_END)
                    if end and os.lseek(file, end - 1, os.SEEK_SET) >= 0 and os.read(file, 1) != b"\n":
                        data = b"\n" + data
                    if os.write(file, data) < len(data):
                        os.ftruncate(file, end)
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(file)
        except OSError as error:
            message = f"the tape {self.path} cannot be written: {error.strerror}; the call was made and is not on it"
            raise TapeError(message, "make room for it, and record again") from error

    def _decoded(self, text: bytes, number: int) -> Line:
        try:
            if (version := msgspec.json.decode(text, type=_Version).tape) > VERSION:
                raise TapeError(f"{self.path}:{number}: this line has version {version} of the format", "update mmflow")
            line = msgspec.json.decode(text, type=Line)
        # Broken UTF-8 in a string is a ValueError, nesting beyond any use a RecursionError.
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise TapeError(f"{self.path}:{number}: this line is no recorded call: {error}", _MEND) from error
        if (line.reply is None) == (line.failure is None):
            raise TapeError(f"{self.path}:{number}: a recorded call has either a reply or a failure", _MEND)
        return line


@contextmanager
def _locked(file: int, *, shared: bool) -> Iterator[None]:
    """Hold the file's lock: nobody reads half a line, nobody writes into another's."""
    if fcntl is None:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
