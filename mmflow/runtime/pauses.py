"""The pauses that providers ask for with a 429: until one is over, others are asked first, by all requests alike."""

from mmflow.plugin import CallError, ErrorClass, Model

ASKING: frozenset[ErrorClass] = frozenset({"429", "overloaded"})

LONGEST_S = 24 * 3600.0
"""Who asks for longer does not mean it."""

MOST = 10_000


class Pauses:
    """By provider and the model's name there: what is declared twice is still one model. `now` is on the loop's clock."""

    def __init__(self) -> None:
        self._pauses: dict[tuple[str, str], tuple[float, CallError]] = {}

    def __bool__(self) -> bool:
        """Whether any model was to be left alone of late."""
        return bool(self._pauses)

    def failed(self, model: Model, error: CallError, now: float) -> None:
        """A call failed; where its provider says for how long, the model is left alone."""
        wait_s = error.retry_after_s
        if error.error_class not in ASKING or wait_s is None or not 0 < wait_s <= LONGEST_S:
            return
        key = model.provider, model.id
        if len(self._pauses) >= MOST:
            self._pauses = {each: pause for each, pause in self._pauses.items() if pause[0] > now}
        # A copy: what was raised drags its traceback along.
        last = CallError(error.error_class, error.message, status=error.status, dispatched=error.dispatched)
        self._pauses[key] = now + wait_s, last

    def left(self, model: Model, now: float) -> CallError | None:
        """The failure that asked to leave a model alone, `retry_after_s` from now; None where it may be asked."""
        if (found := self._pauses.get((model.provider, model.id))) is None:
            return None
        ends_at, error = found
        if not 0 < ends_at - now <= LONGEST_S:
            # Over, or of another loop with a clock of its own.
            del self._pauses[model.provider, model.id]
            return None
        return CallError(
            error.error_class, error.message, status=error.status, retry_after_s=ends_at - now, dispatched=error.dispatched
        )
