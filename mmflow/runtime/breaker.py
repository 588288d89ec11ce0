"""The breaker of each model: one that mostly fails cools down, and others are asked first, until a single probe is answered."""

from random import Random

import attrs

from mmflow.plugin import CallError, ErrorClass
from mmflow.runtime.recent import Recent

WINDOW_S = 30.0
FEWEST_CALLS = 10
"""Fewer say nothing of a rate."""

FAILURE_RATE = 0.5

COOLING_S = 5.0
"""How long a model cools down at first, give or take a quarter; twice as long after each probe that fails."""

LONGEST_COOLING_S = 60.0

BLAMED: frozenset[ErrorClass] = frozenset({"429", "5xx", "timeout", "connect", "overloaded", "protocol"})
"""Failures that say something of the model's health; the others are of the request, or of the key."""


@attrs.define
class _Breaker:
    recent: Recent
    last: CallError
    opened: int = 0
    """How often in a row it opened; 0 while it is closed."""
    probe_at: float = 0.0
    is_probed: bool = False


class Breakers:
    """The breakers of the models that failed of late; one that never fails has none. `now` is on the loop's clock."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.known: dict[str, _Breaker] = {}
        """Those of models that failed of late."""

    def __bool__(self) -> bool:
        """Whether any model failed of late."""
        return bool(self.known)

    @property
    def is_any_open(self) -> bool:
        """Whether any model is cooling down."""
        return any(each.opened for each in self.known.values())

    def cooling(self, model: str, now: float) -> CallError | None:
        """How a model failed last that is to be asked only where no other answers; None where it may be asked."""
        breaker = self.known.get(model)
        if breaker is None or not breaker.opened or breaker.probe_at - now > 2 * LONGEST_COOLING_S:
            return None
        return breaker.last if breaker.is_probed or now < breaker.probe_at else None

    def begins(self, model: str, now: float) -> bool:
        """A call is sent. Whether it is the probe of a model that has cooled down."""
        breaker = self.known.get(model)
        if breaker is None or not breaker.opened or breaker.is_probed or now < breaker.probe_at:
            return False
        breaker.is_probed = True
        return True

    def ended(self, model: str, error: CallError | None, now: float, *, was_probe: bool) -> None:
        """A call was answered, or failed."""
        breaker = self.known.get(model)
        if error is None or error.error_class not in BLAMED:
            if breaker is None:
                return
            breaker.recent.add(now, all=1)
            if was_probe or (not breaker.opened and breaker.recent.counts(now)[1] == 0):
                del self.known[model]
            return
        if error.error_class == "timeout" and error.dispatched == "no":
            # The deadline was over before the model could be asked.
            if was_probe:
                self.gave_up(model)
            return
        # A copy: what was raised drags its traceback along.
        last = CallError(error.error_class, error.message, status=error.status, dispatched=error.dispatched)
        if breaker is None:
            breaker = self.known[model] = _Breaker(Recent(WINDOW_S), last)
        breaker.last = last
        breaker.recent.add(now, all=1, those=1)
        all_, failed = breaker.recent.counts(now)
        if was_probe or (not breaker.opened and all_ >= FEWEST_CALLS and failed >= FAILURE_RATE * all_):
            cooling_s = min(LONGEST_COOLING_S, COOLING_S * 2**breaker.opened)
            breaker.opened = min(breaker.opened + 1, 10)
            breaker.probe_at = now + cooling_s * self._random.uniform(0.75, 1.25)
            breaker.is_probed = False

    def gave_up(self, model: str) -> None:
        """A probe was cancelled, or not sent: it says nothing, and the next call is the probe."""
        if (breaker := self.known.get(model)) is not None:
            breaker.is_probed = False
