"""Where text is: a source file and spans within it."""

from bisect import bisect_right
from functools import cached_property

import attrs


@attrs.frozen(slots=False, eq=False, repr=False)
class Source:
    """One file's text, under the name that messages use for it.

    `bad_byte` is the offset in bytes of the first byte that is not UTF-8, or None.
    """

    path: str
    text: str
    bad_byte: int | None = None

    @classmethod
    def from_bytes(cls, path: str, data: bytes) -> "Source":
        """Decode a file; a byte that is not UTF-8 becomes U+FFFD and is remembered in `bad_byte`."""
        try:
            return cls(path, data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            return cls(path, data.decode("utf-8-sig", errors="replace"), bad_byte=error.start)

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        find = self.text.find
        at = find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1, columns in characters."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (from 1) without its end; empty past the last line."""
        starts = self._line_starts
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def __repr__(self) -> str:
        return f"Source({self.path!r})"


@attrs.frozen
class Span:
    """A half-open range of characters `start`..`end` in a source."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: "Span") -> "Span":
        """From the start of this span to the end of the other."""
        return Span(self.source, self.start, max(self.end, other.end))

    def position(self) -> tuple[int, int]:
        return self.source.position(self.start)

    def end_position(self) -> tuple[int, int]:
        return self.source.position(self.end)

    def __str__(self) -> str:
        line, column = self.position()
        return f"{self.source.path}:{line}:{column}"
