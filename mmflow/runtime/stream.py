"""The pieces of an answer on their way to the caller. The first one commits: from then on nobody else can answer instead."""

from asyncio import CancelledError
from collections.abc import Callable

from mmflow.plugin import CallError, Delta, Emit, Reply


class StreamBroken(Exception):
    """A call failed after the caller had received a part of its answer: no other step can make up for it."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.message)
        self.error = error


class Pieces:
    """What one call hands to the caller: an `Emit` that remembers when the first piece came and what was said.

    `caller_error` is what the caller's own end raised, `caller_left` whether it was cancelled there. Once closed, it lets
    nothing more through.
    """

    def __init__(self, emit: Emit, now: Callable[[], float]) -> None:
        self._emit = emit
        self._now = now
        self._said: list[str] = []
        self.first_at_s: float | None = None
        self.caller_error: Exception | None = None
        self.caller_left = False
        self.closed = False

    async def __call__(self, delta: Delta) -> None:
        if self.closed or not (delta.text or delta.reasoning or delta.tool_calls):
            return
        # Before the caller hears it: a plugin may say what is no text.
        self._said.append("".join((delta.reasoning, delta.text)))
        if self.first_at_s is None:
            self.first_at_s = self._now()
        try:
            await self._emit(delta)
        except CancelledError:
            self.caller_left = True
            raise
        except Exception as error:
            # Whatever the caller raises is the caller's, and must not pass for a fault of the provider.
            self.caller_error = error
            raise

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._said)


def whole(reply: Reply) -> Delta:
    """An answer that was held back, as one piece."""
    calls = tuple(
        {
            "index": index,
            "id": call.id,
            "type": call.type,
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for index, call in enumerate(reply.tool_calls)
    )
    return Delta(text=reply.text, tool_calls=calls)
