"""Reads server-sent events from bytes, however the bytes are cut."""

from mmflow.plugin import CallError, ServerEvent

_BOM = b"\xef\xbb\xbf"


class EventParser:
    """Feed it chunks, get the events that they complete.

    Lines end in CRLF, LF or CR; text is UTF-8, and what is not becomes U+FFFD. An event larger than `limit_bytes` is a
    `CallError` of class `protocol`.
    """

    __slots__ = ("_after_cr", "_at_start", "_data", "_event", "_limit_bytes", "_pending", "_pending_bytes", "_size_bytes")

    def __init__(self, limit_bytes: int = 8 * 1024 * 1024) -> None:
        self._limit_bytes = limit_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._data: list[bytes] = []
        self._event = b""
        self._size_bytes = 0
        self._after_cr = False
        self._at_start = True

    @property
    def is_within(self) -> bool:
        """Whether a part of an event was fed, and not yet its end."""
        return bool(self._pending or self._data)

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that end in this chunk."""
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = chunk.split(b"\n")
        events: list[ServerEvent] = []
        for line in lines:
            if self._pending:
                # A line is put together once, when it ends: adding each piece to a buffer would be quadratic.
                line = b"".join((*self._pending, line))
                self._pending.clear()
                self._pending_bytes = 0
            self._line(line, events)
        if rest:
            self._pending.append(rest)
            self._pending_bytes += len(rest)
        if self._size_bytes + self._pending_bytes > self._limit_bytes:
            raise CallError("protocol", f"the provider sent an event of more than {self._limit_bytes} bytes")
        return events

    def finish(self) -> list[ServerEvent]:
        """The last event of a stream whose server left out the blank line after it."""
        return self.feed(b"\n\n")

    def _line(self, line: bytes, events: list[ServerEvent]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                events.append(ServerEvent(data.decode("utf-8", "replace"), self._event.decode("utf-8", "replace")))
                self._data = []
            self._event, self._size_bytes = b"", 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size_bytes += len(value)
        elif field == b"event":
            self._event = value.removeprefix(b" ")
