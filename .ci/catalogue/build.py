"""Writes mmflow/catalogue/models.json from models.toml and the installed `genai-prices`.

Its argument is the day of that data, such as `2026-11-23`. Run it in an environment of its own: `pip install genai-prices`, a
library of Pydantic under the MIT licence.
"""

import json
import re
import sys
import tomllib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from genai_prices.data import providers

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "mmflow" / "catalogue" / "models.json"
PRICES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}
DAY = r"-(20\d\d)-?([01]\d)-?([0-3]\d)$"
FAMILIES = {
    "gpt": r"(openai/)?gpt-|chatgpt-|text-|code-davinci|davinci|babbage",
    "o": r"o\d",
    "mistral": r"mistral-|ministral-|codestral-|mixtral-",
    "kimi": r"moonshotai/kimi-",
    "gemma": r"gemma",
    "qwen": r"qwen/",
    **{name: name for name in ("claude", "gemini", "deepseek", "llama")},
}


def main(as_of: date) -> None:
    """Write the catalogue, sorted by vendor and in the order of the file."""
    given = tomllib.loads((HERE / "models.toml").read_text())
    longest = {name: int(tokens) for tokens, names in given["max_output_tokens"].items() for name in names}
    lives = {
        (of_vendor["vendor"], name): {**each, "source": of_vendor["source"]}
        for of_vendor in given["life"]
        for each in of_vendor["models"]
        for name in each["ids"]
    }
    also = dict(given["also"])
    vendors = {name: each for name, each in given.items() if isinstance(each, dict) and "ids" in each}
    records = []
    for vendor, each in vendors.items():
        source = next((found for found in providers if found.id == each.get("in_genai_prices")), None)
        for name in each["ids"]:
            priced = next((model for model in source.models if model.is_match(name)), None) if source else None
            life = lives.pop((vendor, name), {})
            history = history_of(priced, as_of) if priced else []
            history += [
                seeded(row, given["seeds"]) for row in given["seeds"]["rows"] if (row["provider"], row["id"]) == (vendor, name)
            ]
            history.sort(key=lambda one: one["from"] or date.min)
            if priced is None and history:
                last = history[-1]
                prices, day, sources = {kind: last[kind] for kind in ("input", "output")}, last["from"], [last["source"]]
            else:
                prices, day = prices_of(priced, as_of) if priced else None, as_of
                sources = [f"genai-prices {version('genai-prices')} (MIT)"]
            record = {
                "provider": vendor,
                "id": name,
                "also": also.pop(name, None),
                "tiers": [tier for tier, pattern in given["tiers"].items() if re.search(pattern, name)] or None,
                "prices": prices,
                "batch": prices_of(priced, as_of, {"processing": "batch"}) if priced and has_batch(priced, as_of) else None,
                "context_tokens": priced.context_window if priced and vendor != "deepseek" else given["context_tokens"].get(name),
                "max_output_tokens": longest.pop(name, None),
                "family": next(family for family, pattern in FAMILIES.items() if re.match(pattern, name)),
                "capabilities": next((can["capabilities"] for can in given["can"] if name.startswith(tuple(can["names"]))), None),
                "released": released(name, each["ids"]) or given["released"].get(name),
                "deprecated": life.get("deprecated"),
                "retired": life.get("retired"),
                "replacement": life.get("replacement"),
                "history": history if len(history) > 1 else None,
                "source": "; ".join(filter(None, (*sources, life.get("source")))),
                "as_of": day,
            }
            records.append({key: value for key, value in record.items() if value is not None})
    if lives or longest or also:
        sys.exit(f"not among the ids of a vendor: {sorted(lives)} {sorted(longest)} {sorted(also)}")
    follow_replacements(records)
    lines = ",\n".join(json.dumps(record, default=str) for record in records)
    TARGET.write_text(f"[\n{lines}\n]\n")


def prices_of(model: object, as_of: date, context: dict[str, str] | None = None) -> dict[str, int] | None:
    """Micro-dollars for a million tokens on a day, of the dearest hour, below a surcharge for long inputs."""
    hours = (datetime(as_of.year, as_of.month, as_of.day, hour, 45, tzinfo=UTC) for hour in range(24))
    dearest = max((model.get_prices(hour, context) for hour in hours), key=lambda price: micro(price.input_mtok) or 0)
    found = {name: micro(getattr(dearest, field, None)) for name, field in PRICES.items()}
    if found["input"] is None or found["output"] is None:
        return None
    return {name: price for name, price in found.items() if price is not None}


def has_batch(model: object, as_of: date) -> bool:
    """Whether a model has prices of its own for batches on a day."""
    noon = datetime(as_of.year, as_of.month, as_of.day, 12, tzinfo=UTC)
    variants = (each for each in model.price_variants or () if each.when == {"processing": "batch"})
    return any(each.constraint is None or each.constraint.active(noon) for each in variants)


def history_of(model: object, as_of: date) -> list[dict[str, object]]:
    """What a model cost from which day on; the first is without a day where others follow, the last is the price of `as_of`."""
    conditions = [each.constraint for each in model.prices] if isinstance(model.prices, list) else []
    starts = sorted({day for each in conditions if (day := getattr(each, "start_date", None)) and day <= as_of})
    found: list[dict[str, object]] = []
    for since in [None, *starts]:
        before = min(starts) - timedelta(days=1) if since is None and starts else as_of
        prices = prices_of(model, since or before)
        if prices is None:
            return []
        if not found or [found[-1][key] for key in ("input", "output")] != [prices[key] for key in ("input", "output")]:
            source = f"genai-prices {version('genai-prices')} (MIT)"
            found.append({"from": since, "input": prices["input"], "output": prices["output"], "source": source})
    if len(found) == 1:
        found[0]["from"] = as_of
    return found


def seeded(row: dict[str, object], seeds: dict[str, object]) -> dict[str, object]:
    """A line of the seeds' table, as it has it."""
    return {"from": seeds["as_of"], "input": micro(row["input"]), "output": micro(row["output"]), "source": seeds["source"]}


def released(name: str, ids: list[str]) -> date | None:
    """The day in the name of a snapshot, or in that of the first snapshot of a name without one."""
    named = [name] if re.search(DAY, name) else [each for each in ids if re.sub(DAY, "", each) == name]
    snapshots = (re.search(DAY, each) for each in named)
    return min((date(*map(int, found.groups())) for found in snapshots if found), default=None)


def micro(price: object) -> int | None:
    """Dollars as micro-dollars; the lowest tier of those that rise with the input."""
    dollars = getattr(price, "base", price)
    return None if dollars is None else int(Decimal(str(dollars)) * 1_000_000)


def follow_replacements(records: list[dict[str, object]]) -> None:
    """Name a replacement whose own end is not known where that of the one that the vendor named is."""
    by_name = {(each["provider"], each["id"]): each for each in records}
    for record in records:
        name = record.get("replacement")
        while (after := by_name.get((record["provider"], name))) and "replacement" in after:
            name = after["replacement"]
        if name is not None:
            record["replacement"] = name


if __name__ == "__main__":
    main(date.fromisoformat(sys.argv[1]))
