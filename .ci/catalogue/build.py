"""Writes mmflow/catalogue/models.json from models.toml and the installed `genai-prices`.

Its argument is the day of that data, such as `2026-11-23`. Run it in an environment of its own: `pip install genai-prices`, a
library of Pydantic under the MIT licence.
"""

import json
import re
import sys
import tomllib
from datetime import UTC, date, datetime
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
    vendors = {name: each for name, each in given.items() if isinstance(each, dict) and "ids" in each}
    records = []
    for vendor, each in vendors.items():
        source = next(found for found in providers if found.id == each["in_genai_prices"])
        for name in each["ids"]:
            priced = next((model for model in source.models if model.is_match(name)), None)
            life = lives.pop((vendor, name), {})
            record = {
                "provider": vendor,
                "id": name,
                "prices": prices_of(priced, as_of) if priced else None,
                "context_tokens": priced.context_window if priced and vendor != "deepseek" else None,
                "max_output_tokens": longest.pop(name, None),
                "family": next(family for family, pattern in FAMILIES.items() if re.match(pattern, name)),
                "capabilities": next((can["capabilities"] for can in given["can"] if name.startswith(tuple(can["names"]))), None),
                "released": released(name),
                "deprecated": life.get("deprecated"),
                "retired": life.get("retired"),
                "replacement": life.get("replacement"),
                "source": "; ".join(filter(None, (f"genai-prices {version('genai-prices')} (MIT)", life.get("source")))),
                "as_of": as_of,
            }
            records.append({key: value for key, value in record.items() if value is not None})
    if lives or longest:
        sys.exit(f"not among the ids of a vendor: {sorted(lives)} {sorted(longest)}")
    follow_replacements(records)
    lines = ",\n".join(json.dumps(record, default=str) for record in records)
    TARGET.write_text(f"[\n{lines}\n]\n")


def prices_of(model: object, as_of: date) -> dict[str, int] | None:
    """Micro-dollars for a million tokens on a day, of the dearest hour, below a surcharge for long inputs."""
    hours = (datetime(as_of.year, as_of.month, as_of.day, hour, 45, tzinfo=UTC) for hour in range(24))
    dearest = max((model.get_prices(hour) for hour in hours), key=lambda price: micro(price.input_mtok) or 0)
    found = {name: micro(getattr(dearest, field, None)) for name, field in PRICES.items()}
    if found["input"] is None or found["output"] is None:
        return None
    return {name: price for name, price in found.items() if price is not None}


def released(name: str) -> date | None:
    """The day in the name of a snapshot."""
    found = re.search(r"-(20\d\d)-?([01]\d)-?([0-3]\d)$", name)
    return date(*map(int, found.groups())) if found else None


def micro(price: object) -> int | None:
    """Dollars as micro-dollars; the lowest tier of those that rise with the input."""
    dollars = getattr(price, "base", price)
    return None if dollars is None else int(Decimal(dollars) * 1_000_000)


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
