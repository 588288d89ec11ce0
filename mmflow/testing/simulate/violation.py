"""What a run must not do: an invariant, how it was broken, and the request that shows it."""

import attrs

from mmflow.testing.simulate.caller import Caller

TICK_S = 1e-6
"""As close as two instants of the virtual clock count as one."""


@attrs.frozen
class Violation:
    """`invariant` is a short name that stays the same, `message` says what happened; `caller` is None for the run as a whole."""

    invariant: str
    message: str
    caller: Caller | None = None
