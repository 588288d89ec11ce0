"""What is known of well-known models: prices, windows, capabilities and lives, dated, with their source.

`.ci/catalogue` writes the data.
"""

from datetime import date
from functools import cache
from pathlib import Path

import msgspec

from mmflow.plugin import Prices


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One model as its vendor publishes it; None is not known.

    `prices` are micro-dollars for a million tokens, as of `as_of`, below what some vendors ask more for long inputs.
    """

    provider: str
    id: str
    prices: Prices | None = None
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
    source: str
    as_of: date


@cache
def _models() -> dict[tuple[str, str], Known]:
    data = Path(__file__).with_name("models.json").read_bytes()
    models = msgspec.json.decode(data, type=tuple[Known, ...])
    return {(model.provider, model.id): model for model in models}


def known_model(provider: str, model_id: str) -> Known | None:
    """What is known of a model of a provider (its word, such as `openai`), or None. A dated id is looked up as it is."""
    return _models().get((provider, model_id))
