"""The classifier `hello.daytime`: looks at the clock, so it is not pure, and no condition may read it."""

from collections.abc import Callable
from datetime import datetime

import attrs
from mmflow.plugin import Ask, Guess, option, options

DAYTIMES = ("day", "night")


def _an_hour(value: int) -> None:
    if not 0 <= value <= 24:
        raise ValueError("an hour is from 0 to 24")


@options
class DaytimeOptions:
    """Tells `day` from `night` by the clock of the machine, whatever the text says."""

    from_: int = option(7, doc="the hour at which the day begins", check=_an_hour)
    until: int = option(19, doc="the hour at which the night begins", check=_an_hour)


@attrs.frozen
class Daytime:
    """Guesses nothing: it looks."""

    options: DaytimeOptions
    now: Callable[[], datetime] = datetime.now

    async def classify(self, text: str, ask: Ask) -> Guess:
        """The time of day, without a doubt."""
        return Guess("day" if self.options.from_ <= self.now().hour < self.options.until else "night", 1.0)
