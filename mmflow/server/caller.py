"""Who asks: what a key says of its holder, and nothing that the holder says of itself."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Caller:
    """The holder of a key, or whoever reaches a gateway without keys, which listens on this machine only.

    `flows` are those it may use (None: all). `labels` stand in `request.meta`, over whatever the request says there. `user` is
    who `per = request.user` and `sticky` see; one that `names_users` acts for many, and names them itself: they are kept apart
    from those of other keys as `NAME/USER`. `at_least` raises what a classifier of ordered labels says: `{"data": "internal"}`.
    """

    name: str
    key_id: str | None = None
    flows: frozenset[str] | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)
    user: str | None = None
    names_users: bool = False
    at_least: Mapping[str, str] = attrs.field(factory=dict)

    def may_use(self, flow: str) -> bool:
        """Whether a flow is open to the caller."""
        return self.flows is None or flow in self.flows


ANYBODY = Caller("local", names_users=True)
"""Whoever reaches a gateway that has no keys."""
