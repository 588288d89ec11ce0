"""What a run gives back."""

import msgspec

from mmflow.plugin import Reply
from mmflow.runtime.events import Event, RequestEnded


class Result(msgspec.Struct, frozen=True):
    """The answer, or None where there is none, and the record of the run, which ends with `RequestEnded`."""

    reply: Reply | None
    events: tuple[Event, ...]

    @property
    def ended(self) -> RequestEnded:
        """How the request ended."""
        last = self.events[-1]
        assert isinstance(last, RequestEnded)
        return last

    @property
    def cached(self) -> bool:
        """Whether the answer was kept from an earlier request."""
        return self.ended.cached
