"""A project's own catalogue, `mmflow.catalogue.json` beside its workflows: prices and limits that differ from the vendors'.

Quantities are written as in a workflow: `"price": {"input": "$2/1M", "output": "$8/1M"}`, `"context": "128k"`.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

import msgspec

from mmflow.catalogue import Known, Priced, known_model
from mmflow.plugin import Prices
from mmflow.units import Price, Tokens, UnitError, coerce, parse_quantity

FILE = "mmflow.catalogue.json"

Text = Annotated[str, msgspec.Meta(min_length=1)]
Capability = Literal["tools", "images", "json", "json_schema", "reasoning", "streaming"]


class CatalogueError(ValueError):
    """What is wrong with a project's catalogue."""


class _Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: str
    output: str
    cached_input: str | None = None
    cache_write: str | None = None
    reasoning: str | None = None


class _Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    provider: Text
    id: Text
    as_of: date
    source: Text = FILE
    price: _Prices | Literal["free"] | None = None
    batch: _Prices | None = None
    context: str | None = None
    max_output: str | None = None
    family: Text | None = None
    capabilities: tuple[Capability, ...] | None = None
    tiers: tuple[Literal["fast", "general", "deep", "private"], ...] | None = None
    released: date | None = None
    deprecated: date | None = None
    retired: date | None = None
    replacement: Text | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=1, tag_field="schema"):
    models: tuple[_Model, ...]


def decode_own(text: str) -> Mapping[tuple[str, str], Known]:
    """The models of a project's catalogue, by provider and id, with what is known of them elsewhere. Raises `CatalogueError`."""
    try:
        file = msgspec.json.decode(text, type=_File)
    except msgspec.MsgspecError as problem:
        raise CatalogueError(str(problem)[:1].lower() + str(problem)[1:]) from None
    found: dict[tuple[str, str], Known] = {}
    for model in file.models:
        key = model.provider, model.id
        if key in found:
            raise CatalogueError(f"`{model.provider}/{model.id}` stands in it twice")
        try:
            found[key] = _known(model)
        except UnitError as problem:
            help = f": {problem.help}" if problem.help else ""
            raise CatalogueError(f"`{model.provider}/{model.id}`: {problem.message}{help}") from None
    return found


def _known(model: _Model) -> Known:
    before = known_model(model.provider, model.id)
    base = before or Known(provider=model.provider, id=model.id, family=model.id, source=model.source, as_of=model.as_of)
    if model.price is not None:
        base = msgspec.structs.replace(base, batch=None)  # whose price goes with that of the vendor
    given: dict[str, object] = {
        "family": model.family,
        "capabilities": model.capabilities,
        "tiers": model.tiers,
        "released": model.released,
        "deprecated": model.deprecated,
        "retired": model.retired,
        "replacement": model.replacement,
        "context_tokens": _tokens(model.context),
        "max_output_tokens": _tokens(model.max_output),
        "batch": _prices(model.batch),
    }
    if (prices := _prices(model.price)) is not None:
        earlier = base.history
        if not earlier and base.prices is not None:
            earlier = (Priced(since=base.as_of, input=base.prices.input, output=base.prices.output, source=base.source),)
        latest = Priced(since=model.as_of, input=prices.input, output=prices.output, source=model.source)
        given |= {
            "prices": prices,
            "history": (*earlier, latest) if earlier else (),
            "as_of": model.as_of,
            "source": model.source,
        }
    return msgspec.structs.replace(base, **{name: value for name, value in given.items() if value is not None})


def _prices(given: _Prices | str | None) -> Prices | None:
    if given is None:
        return None
    if not isinstance(given, _Prices):
        return Prices(0, 0)
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    return Prices(**{name: _whole(text, Price) for name, text in fields.items() if text is not None})


def _tokens(text: str | None) -> int | None:
    return None if text is None else _whole(text, Tokens)


def _whole(text: str, wanted: type) -> int:
    quantity = coerce(parse_quantity(text), wanted)
    assert isinstance(quantity, int)
    return int(quantity)
