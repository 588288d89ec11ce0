"""The retry budget of each target: an outage must not multiply the load that it cannot carry."""

from mmflow.runtime.recent import Recent

SHARE = 0.2
"""Retries by first tries, over the window (Envoy's default is a fifth of active requests)."""

FLOOR = 10
"""So many retries in a window are always allowed: a quiet target's requests may be tried again."""

WINDOW_S = 10.0


class Retries:
    """First tries and retries by target. `now` is an instant on the loop's clock."""

    def __init__(self) -> None:
        self._recent: dict[str, Recent] = {}

    def began(self, target: str, now: float) -> None:
        """A target is tried for the first time by a request."""
        if (recent := self._recent.get(target)) is None:
            recent = self._recent[target] = Recent(WINDOW_S)
        recent.add(now, all=1)

    def allows(self, target: str, now: float) -> bool:
        """Whether a target may be tried again; if so, that counts."""
        first_tries, retries = self._recent[target].counts(now)
        if retries >= max(FLOOR, SHARE * first_tries):
            return False
        self._recent[target].add(now, those=1)
        return True
