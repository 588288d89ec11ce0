"""What is known of well-known models: prices, windows and capabilities, dated, with their source."""

from datetime import date
from functools import cache
from pathlib import Path

import msgspec

from mmflow.plugin import Prices


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One model as its vendor publishes it. Prices are micro-dollars for a million tokens."""

    provider: str
    id: str
    prices: Prices
    context_tokens: int
    max_output_tokens: int
    family: str
    capabilities: tuple[str, ...]
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
