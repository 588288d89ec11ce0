"""Awaiting what mostly need not be waited for."""

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Begun(Generic[_T]):
    """A coroutine that was begun by hand, with `send(None)`, and gave what it waits for first: the rest of it is awaited here."""

    __slots__ = ("_first", "_work")

    def __init__(self, work: Coroutine[Any, Any, _T], first: Any) -> None:
        self._work, self._first = work, first

    def __await__(self) -> Generator[Any, Any, _T]:
        waits_for = self._first
        try:
            while True:
                try:
                    sent = yield waits_for
                except GeneratorExit:
                    self._work.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - it is for the work: a cancellation above all
                    waits_for = self._work.throw(error)
                else:
                    waits_for = self._work.send(sent)
        except StopIteration as done:
            found: _T = done.value
            return found
