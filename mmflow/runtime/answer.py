"""What a step comes to."""

import msgspec

from mmflow.plugin import Reply


class Answer(msgspec.Struct, frozen=True):
    """What a step came to: the reply, whose it is, and why a cascade gave it without having accepted it."""

    reply: Reply
    model: str
    path: str
    degraded: str | None = None
    cached: bool = False
