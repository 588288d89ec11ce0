"""Models of the catalogue as people read them: in a table, one by one, and side by side with what they cost."""

from collections.abc import Iterable, Sequence
from datetime import date

import attrs

from mmflow.catalogue import Known, Priced
from mmflow.plugin import Prices
from mmflow.units import MICROUSD_PER_USD, TOKENS_PER_PRICE, Price, Tokens, text_of

SEEDS = "seeds"


@attrs.frozen
class Load:
    """What a comparison reckons with: a number of calls, and the tokens of each."""

    calls: int
    input: int
    output: int


def table(models: Sequence[Known], today: date) -> str:
    """One line for each model, and where its price is from."""
    rows = [("MODEL", "PROVIDER", "INPUT/1M", "OUTPUT/1M", "CACHED/1M", "CONTEXT", "MAX OUT", "CAN", "PRICE OF")]
    for each in models:
        prices = each.prices
        rows.append(
            (
                each.id,
                each.provider,
                _dollars(None if prices is None else prices.input),
                _dollars(None if prices is None else prices.output),
                _dollars(None if prices is None else prices.cached_input),
                _count(each.context_tokens),
                _count(each.max_output_tokens),
                ",".join(each.capabilities) or "-",
                f"{_age(each.as_of, today)}{_ending(each, today)}",
            )
        )
    return "\n".join([*columns(rows, right=range(2, 7)), "", *_sources(models)])


def shown(models: Sequence[Known], today: date) -> str:
    """All that is known of each model."""
    return "\n\n".join("\n".join(_facts(each, today)) for each in models)


def compared(models: Sequence[Known], load: Load, today: date) -> str:
    """The models side by side: what they are, and what the same calls cost with each, by today's prices and the seeds'."""
    names = [each.id for each in models]
    rows = [("", *names)]
    facts = [dict(_fields(each, today)) for each in models]
    for label in dict.fromkeys(label for each in facts for label in each):
        rows.append((label, *(each.get(label, "-") for each in facts)))
    lines = [*columns(rows, right=range(1, len(models) + 1)), ""]
    each_has = f"{_count(load.input)} input tokens" + (f" and {_count(load.output)} output tokens" if load.output else "")
    lines.append(f"{_count(load.calls)} calls of {each_has}:")
    rows = [("", *names, "ratio")]
    for label, costs_microusd in _priced(models, load):
        known = [cost for cost in costs_microusd if cost is not None]
        ratio = f"{max(known) / min(known):.1f}x" if len(known) > 1 and min(known) else "-"
        rows.append((label, *(_money(cost) for cost in costs_microusd), ratio))
    return "\n".join([*lines, *columns(rows, right=range(1, len(models) + 2)), "", *_sources(models)])


def costs(models: Sequence[Known], load: Load) -> list[dict[str, object]]:
    """What the calls cost, for a program: by the prices of a source, model by model in micro-dollars, and the ratio."""
    found: list[dict[str, object]] = []
    for label, costs_microusd in _priced(models, load):
        known = [cost for cost in costs_microusd if cost is not None]
        found.append(
            {
                "prices": label,
                "cost_microusd": {f"{each.provider}/{each.id}": cost for each, cost in zip(models, costs_microusd, strict=True)},
                "ratio": max(known) / min(known) if len(known) > 1 and min(known) else None,
            }
        )
    return found


def _priced(models: Sequence[Known], load: Load) -> Iterable[tuple[str, list[int | None]]]:
    yield "today", [_cost(each.prices, load) for each in models]
    batch = [_cost(each.batch, load) for each in models]
    if any(cost is not None for cost in batch):
        yield "in a batch", batch
    seeds = [_cost(_seeds_of(each), load) for each in models]
    if any(cost is not None for cost in seeds):
        yield "seeds' table", seeds


def _seeds_of(model: Known) -> Prices | Priced | None:
    """What the seeds' table has for a model."""
    earlier = next((one for one in model.history if one.source == SEEDS), None)
    return model.prices if earlier is None and model.source == SEEDS else earlier


def _cost(prices: Prices | Priced | None, load: Load) -> int | None:
    if prices is None:
        return None
    return load.calls * (prices.input * load.input + prices.output * load.output) // TOKENS_PER_PRICE


# ---- one model ----------------------------------------------------------------------------------------------------------------


def _facts(model: Known, today: date) -> list[str]:
    rows = [(f"  {label}", text) for label, text in _fields(model, today)]
    lines = [f"{model.provider}/{model.id}", *columns(rows), f"  source: {model.source}, {_age(model.as_of, today)}"]
    if model.history:
        lines.append("  prices over time, input and output for 1M:")
        history = [
            (f"    {one.since or 'before'}", _dollars(one.input), _dollars(one.output), one.source) for one in model.history
        ]
        lines += columns(history, right=(1, 2))
    return lines


def _fields(model: Known, today: date) -> Iterable[tuple[str, str]]:
    prices, batch = model.prices, model.batch
    yield "provider", model.provider
    if prices is None:
        yield "price", "unknown"
    else:
        for kind in prices.__struct_fields__:
            if (price := getattr(prices, kind)) is not None:
                yield f"{kind.replace('_', ' ')}/1M", _dollars(price)
    if batch is not None:
        yield "batch/1M", f"{_dollars(batch.input)} and {_dollars(batch.output)}"
    yield "context", _count(model.context_tokens)
    yield "longest answer", _count(model.max_output_tokens)
    yield "can", ",".join(model.capabilities) or "-"
    yield "tier", ",".join(model.tiers) or "-"
    yield "released", str(model.released or "-")
    if model.is_ending(today):
        yield "ends", str(model.retired or f"announced {model.deprecated}")
    if model.replacement is not None:
        yield "in its stead", model.replacement
    yield "price of", _age(model.as_of, today)


def _sources(models: Sequence[Known]) -> list[str]:
    """Where the prices are from, each source once with its day."""
    found = dict.fromkeys((each.source.partition(";")[0], each.as_of) for each in models)
    return [f"prices: {source}, {as_of}" for source, as_of in found]


def _ending(model: Known, today: date) -> str:
    if model.retired is not None:
        return f"; {'ended' if model.retired <= today else 'ends'} {model.retired}"
    return "; to end" if model.is_ending(today) else ""


def _age(as_of: date, today: date) -> str:
    days = max((today - as_of).days, 0)
    return f"{as_of} ({'today' if days == 0 else '1 day' if days == 1 else f'{days} days'}{' ago' * (days > 0)})"


def _dollars(price: int | None) -> str:
    return "-" if price is None else text_of(Price(price)).removesuffix("/1M")


def _money(microusd: int | None) -> str:
    return "-" if microusd is None else f"${microusd / MICROUSD_PER_USD:,.2f}"


def _count(tokens: int | None) -> str:
    return "-" if tokens is None else text_of(Tokens(tokens))


def columns(rows: Sequence[tuple[str, ...]], right: Iterable[int] = ()) -> list[str]:
    """The rows in columns as wide as what they hold; those of `right` end together."""
    at_right = set(right)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number in at_right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
