"""Recorded calls: `record` names the provider that is recorded to the file `from`; without it, the file is replayed.

- A call that is on the tape is replayed, never made, so that a tape only grows; with `record`, one that is not on it is made and
  added. Without `record` it is refused before anything is sent.
- What is replayed is what was recorded: text, tool calls, finish, usage, the pieces of the stream, and failures, also those in
  the middle of a stream. A call that was recorded whole and is streamed now comes in one piece.
- The same call recorded several times (a retry, say) replays in that order. After the last one, `record` makes the call anew; a
  mere replay repeats the last.
- Replay takes no time. The tape has the times, for people and tools.
- Two calls are the same when the model's id, the messages and the parameters that are sent are the same.

A call that is cancelled is not recorded. The file is small and read at once, when the first call comes.
"""

import asyncio
from pathlib import Path

from mmflow.plugin import (
    Call,
    CallError,
    Delta,
    Emit,
    File,
    Host,
    MissingSecret,
    Provider,
    ProviderName,
    ProviderWord,
    Reply,
    hook,
    option,
    options,
)
from mmflow_plugins.providers.tape_file import VERSION, Asked, Failure, Line, Piece, TapeError, TapeFile


@options
class TapeOptions:
    """Fields of `provider x using tape`."""

    from_: File = option(doc="The tape: a file with one recorded call a line.")
    record: ProviderName | None = option(None, doc="The provider that calls are made through and recorded from.")


class Tape:
    """A provider that answers from a recording."""

    def __init__(self, options: TapeOptions, host: Host) -> None:
        self._file = TapeFile(Path(options.from_))
        self._record, self._host = options.record, host
        self._replayed: dict[bytes, int] = {}
        self._opened = False

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        """The recorded reply, or the recorded `CallError`. A call that is not on the tape is made and recorded, or refused."""
        asked = Asked.of(call)
        key = asked.key
        position = self._replayed.get(key, 0)
        try:
            if len(self._file.calls(key)) <= position:
                self._file.read_on()
            recordings = self._file.calls(key)
            if len(recordings) <= position and self._record is not None and not self._opened:
                self._file.open()
                self._opened = True
        except TapeError as error:
            raise CallError("protocol", str(error), dispatched="no", help=error.help) from error
        self._replayed[key] = position + 1
        if position < len(recordings):
            return await _replay(recordings[position], emit)
        if self._record is not None:
            return await self._made(self._record, call, asked, emit)
        if recordings:
            return await _replay(recordings[-1], emit)
        raise self._refusal(call)

    async def _made(self, record: ProviderName, call: Call, asked: Asked, emit: Emit | None) -> Reply:
        """Make the call through the recorded provider, and add it to the tape however it ends."""
        try:
            provider: Provider = self._host.provider(record)
        except MissingSecret as error:
            help_ = f"set {error.name} to record, or leave out `record` to replay"
            raise CallError("auth", f"`{record}` cannot be recorded: {error}", dispatched="no", help=help_) from error
        if provider is self:
            raise CallError("protocol", f"`{record}` records itself", dispatched="no", help="let `record` name a live provider")
        clock = asyncio.get_running_loop().time
        started_at = clock()
        pieces: list[Piece] = []

        async def heard(delta: Delta) -> None:
            pieces.append(Piece(at_s=round(clock() - started_at, 6), delta=delta))
            if emit is not None:
                await emit(delta)

        reply: Reply | None = None
        failure: CallError | None = None
        try:
            reply = await provider.complete(call, heard if emit is not None else None)
        except CallError as error:
            failure = error
        line = Line(
            tape=VERSION,
            asked=asked,
            took_s=round(clock() - started_at, 6),
            reply=reply,
            failure=None if failure is None else Failure.of(failure),
            pieces=tuple(pieces) if emit is not None else None,
        )
        try:
            self._file.add(line)
        except TapeError as error:
            raise CallError(
                "protocol", f"{error}; the call was made and is not on it", help="make room, then record again"
            ) from error
        if failure is not None:
            raise failure
        assert reply is not None
        return reply

    def _refusal(self, call: Call) -> CallError:
        asked = next((message.text for message in reversed(call.messages) if message.role == "user"), "")
        start = " ".join(asked[:200].split())
        shown = start if len(start) <= 60 else start[:59] + "…"
        if not self._file.path.exists():
            message = f"there is no tape {self._file.path}"
        else:
            message = f"the tape {self._file.path} has no call of `{call.model.id}` that asks “{shown}” with these parameters"
        return CallError("protocol", message, dispatched="no", help="record it: give this provider `record = …`, a live provider")


async def _replay(line: Line, emit: Emit | None) -> Reply:
    if emit is not None:
        if line.pieces is not None:
            for piece in line.pieces:
                await emit(piece.delta)
        elif line.reply is not None:
            await emit(_in_one_piece(line.reply))
    if line.failure is not None:
        raise line.failure.error()
    assert line.reply is not None
    return line.reply


def _in_one_piece(reply: Reply) -> Delta:
    calls = tuple(
        {
            "index": index,
            "id": each.id,
            "type": each.type,
            "function": {"name": each.function.name, "arguments": each.function.arguments},
        }
        for index, each in enumerate(reply.tool_calls)
    )
    return Delta(text=reply.text, tool_calls=calls)


def _make(options: TapeOptions, host: Host) -> Tape:
    return Tape(options, host)


def _stores(options: TapeOptions) -> str | None:
    return str(options.from_) if options.record is not None else None


@hook
def mmflow_providers() -> list[ProviderWord]:
    return [ProviderWord("tape", TapeOptions, _make, stores=_stores)]
