"""What is known of well-known models: prices, windows, capabilities and lives, dated, with their source.

`.ci/catalogue` writes the data; a project adds its own in `mmflow.catalogue.json` (see `own`).
"""

from datetime import date
from functools import cache
from pathlib import Path

import msgspec

from mmflow.plugin import Prices


class Priced(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from"}):
    """What a source has as the price from a day on, micro-dollars for a million tokens; no day: before the next one."""

    since: date | None = None
    input: int
    output: int
    source: str


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One model as its vendor publishes it; None is not known.

    `prices` are micro-dollars for a million tokens, as of `as_of`, below what some vendors ask more for long inputs.
    """

    provider: str
    id: str
    also: tuple[str, ...] = ()
    """Other names that people look for."""
    tiers: tuple[str, ...] = ()
    """The tiers of practice that it suits: `fast`, `general`, `deep`; `private` where its weights can be had."""
    prices: Prices | None = None
    batch: Prices | None = None
    """What its vendor asks where an answer may take hours."""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    family: str
    capabilities: tuple[str, ...] = ()
    released: date | None = None
    deprecated: date | None = None
    """When its vendor announced its end."""
    retired: date | None = None
    """The day from which on it does not answer; it may be to come."""
    replacement: str | None = None
    """The id that its vendor names in its stead, or in the stead of that one; its own end was not known on `as_of`."""
    history: tuple[Priced, ...] = ()
    """Its prices in the order of their days, other sources' among them; the last are `prices`. Empty where those are all."""
    source: str
    as_of: date

    def is_ending(self, today: date) -> bool:
        """Whether its vendor has ended it, or announced that it will."""
        return self.retired is not None or (self.deprecated is not None and self.deprecated <= today)


@cache
def _models() -> dict[tuple[str, str], Known]:
    data = Path(__file__).with_name("models.json").read_bytes()
    models = msgspec.json.decode(data, type=tuple[Known, ...])
    return {(model.provider, model.id): model for model in models}


def known_models() -> tuple[Known, ...]:
    """All models that are known, by provider."""
    return tuple(_models().values())


def known_model(provider: str, model_id: str) -> Known | None:
    """What is known of a model of a provider (its word, such as `openai`), or None. A dated id is looked up as it is."""
    return _models().get((provider, model_id))
