"""Why a load has no bound of its own."""

import attrs


@attrs.frozen
class NoPrice:
    """Nobody knows what a model costs."""

    model: str

    @property
    def text(self) -> str:
        return f"the price of `{self.model}` is unknown"


@attrs.frozen
class LongRequest:
    """Neither the flow nor the window of a model bounds what it reads."""

    model: str

    @property
    def text(self) -> str:
        return f"a request to `{self.model}` may be of any length"


@attrs.frozen
class LongAnswer:
    """Neither the flow nor a model bounds what it writes."""

    model: str

    @property
    def text(self) -> str:
        return f"an answer of `{self.model}` may be of any length"


@attrs.frozen
class OpaqueStrategy:
    """A plugin that does not declare its calls."""

    strategy: str

    @property
    def text(self) -> str:
        return f"strategy `{self.strategy}` does not say how many calls it makes"


@attrs.frozen
class NoTimeout:
    """A call of a model ends only when it ends."""

    model: str

    @property
    def text(self) -> str:
        return f"`{self.model}` has no time-out of its own"


@attrs.frozen
class NoScorerTimeout:
    """The language has no time-out for scorers."""

    scorer: str

    @property
    def text(self) -> str:
        return f"scorer `{self.scorer}` has no time-out"


@attrs.frozen
class AskedToWait:
    """A pause before a retry is as long as the server says."""

    fallback: str

    @property
    def text(self) -> str:
        return f"a server may ask `{self.fallback}` to wait (Retry-After)"


Unknown = NoPrice | LongRequest | LongAnswer | OpaqueStrategy
"""Why dollars have no bound."""

Endless = NoTimeout | NoScorerTimeout | AskedToWait | OpaqueStrategy
"""Why only a deadline bounds the time."""
