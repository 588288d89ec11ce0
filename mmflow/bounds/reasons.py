"""Why a load has no bound of its own."""

from typing import ClassVar

import attrs


@attrs.frozen
class Reason:
    """A reason, by the name of what it is about."""

    name: str

    form: ClassVar[str]

    @property
    def text(self) -> str:
        """The reason in words, as `mmflow plan` shows it."""
        return self.form.format(self.name)


class NoPrice(Reason):
    """Nobody knows what a model costs."""

    form = "the price of `{}` is unknown"


class LongRequest(Reason):
    """Neither the flow nor the window of a model bounds what it reads."""

    form = "a request to `{}` may be of any length"


class LongAnswer(Reason):
    """Neither the flow nor a model bounds what it writes."""

    form = "an answer of `{}` may be of any length"


class OpaqueStrategy(Reason):
    """A strategy whose plugin does not declare its calls."""

    form = "strategy `{}` does not say how many calls it makes"


class NoTimeout(Reason):
    """A call of a model that ends only when it ends."""

    form = "`{}` has no time-out of its own"


class NoScorerTimeout(Reason):
    """A scorer: the language has no time-out for it."""

    form = "scorer `{}` has no time-out"


class AskedToWait(Reason):
    """A fallback that tries again: the pause before is as long as the server says."""

    form = "a server may ask `{}` to wait (Retry-After)"


Unknown = NoPrice | LongRequest | LongAnswer | OpaqueStrategy
"""Why dollars have no bound."""

Endless = NoTimeout | NoScorerTimeout | AskedToWait | OpaqueStrategy
"""Why only a deadline bounds the time."""
