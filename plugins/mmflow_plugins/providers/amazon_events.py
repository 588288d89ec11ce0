"""Reads Amazon's binary event streams from bytes, however the bytes are cut.

From the description of the format in Amazon's Smithy documentation (`application/vnd.amazon.eventstream`) and botocore 1.44
(November 2026).
"""

from collections.abc import Iterator
from struct import error as StructError
from struct import unpack_from
from zlib import crc32

import attrs

from mmflow.plugin import CallError

_PRELUDE = 12
_LARGEST = 24 * 1024 * 1024
_STRING = 7
# How many bytes the value of a header has, by its type; those of bytes and strings say it themselves.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


@attrs.frozen
class AmazonEvent:
    """One event: what its headers say in text, and its payload."""

    headers: dict[str, str]
    payload: bytes


class AmazonEvents:
    """Feed it chunks, get the events that they complete. `CallError` of class `protocol` where a chunk is no such stream."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, chunk: bytes) -> Iterator[AmazonEvent]:
        """The events that end in this chunk."""
        self._pending += chunk
        while len(self._pending) >= _PRELUDE:
            total, headers, check = unpack_from(">III", self._pending)
            if crc32(self._pending[:8]) != check or not _PRELUDE + headers + 4 <= total <= _LARGEST:
                raise _broken()
            if len(self._pending) < total:
                return
            message, self._pending = self._pending[:total], self._pending[total:]
            if crc32(message[:-4]) != unpack_from(">I", message, total - 4)[0]:
                raise _broken()
            yield AmazonEvent(_headers(message[_PRELUDE : _PRELUDE + headers]), message[_PRELUDE + headers : -4])


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name, type_ = data[at + 1 : name_end].decode(), data[name_end]
            at = name_end + 1
            size = _SIZES.get(type_)
            if size is None:
                (size,) = unpack_from(">H", data, at)
                at += 2
            if type_ == _STRING:
                found[name] = data[at : at + size].decode()
            at += size
    except (LookupError, UnicodeError, StructError) as error:
        raise _broken() from error
    return found


def _broken() -> CallError:
    return CallError("protocol", "the provider sent an event stream that is damaged")
