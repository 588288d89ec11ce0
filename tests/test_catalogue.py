"""The project's own catalogue in `check` and in plans, prices over time, and the note where a file has another price."""

from datetime import date

import pytest

from mmflow.build import Build, build
from mmflow.catalogue import known_model, known_models
from mmflow.catalogue.own import CatalogueError, decode_own
from mmflow.plugin import Prices
from mmflow.registry import Registry
from mmflow.source import Source

TODAY = date(2026, 11, 24)
ENTRY = '"provider": "openai", "id": "gpt-4o", "as_of": "2026-11-24"'


def own(*entries: str) -> str:
    return f'{{"schema": 1, "models": [{", ".join(f"{{{each}}}" for each in entries)}]}}'


def built(model: str, catalogue: str | None = None, before: str = "") -> Build:
    """A file in `flows/` with one model, and a catalogue beside it."""
    files = {} if catalogue is None else {"flows/mmflow.catalogue.json": catalogue}

    def read(path: str) -> Source:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return Source(path, files[path])

    text = f"mmflow 1\n{before}model m {{ {model} }}\nflow main {{ else -> m }}\n"
    return build(Source("flows/main.mmf", text), Registry.installed(), read=read, today=TODAY)


def prices(found: Build) -> Prices | None:
    assert found.plan is not None, found.diagnostics
    return found.plan.models["m"].prices


# ---- the project's own --------------------------------------------------------------------------------------------------------


def test_a_projects_price_is_taken_in_place_of_the_vendors() -> None:
    found = built('provider = openai, id = "gpt-4o"', own(f'{ENTRY}, "price": {{"input": "$2/1M", "output": "$8/1M"}}'))
    assert prices(found) == Prices(2_000_000, 8_000_000)
    assert found.plan is not None
    assert found.plan.models["m"].context_tokens == 128_000  # which it leaves as it was
    assert found.diagnostics == ()


def test_what_the_file_says_wins_over_the_projects_catalogue() -> None:
    text = 'provider = openai, id = "gpt-4o", price = { input = $2.50/1M, output = $10/1M }'
    found = built(text, own(f'{ENTRY}, "price": {{"input": "$2/1M", "output": "$8/1M"}}'))
    assert prices(found) == Prices(2_500_000, 10_000_000)
    (note,) = found.diagnostics
    assert (note.code, note.severity) == ("other-price", "note")
    assert "input $2/1M, not $2.5/1M, output $8/1M, not $10/1M" in note.message


@pytest.mark.parametrize("provider", ["lab", "openai_compatible"])
def test_a_model_that_no_vendor_sells_is_known_by_its_provider_or_its_word(provider: str) -> None:
    entry = f'"provider": "{provider}", "id": "our-tune", "as_of": "2026-11-24", "price": "free", "context": "128k"'
    before = 'provider lab using openai_compatible { url = "http://lab.internal/v1" }\n'
    found = built('provider = lab, id = "our-tune"', own(entry), before)
    assert prices(found) == Prices(0, 0)
    assert found.plan is not None
    assert found.plan.models["m"].context_tokens == 128_000


def test_a_projects_own_end_of_a_model_is_told() -> None:
    (ended,) = built('provider = openai, id = "gpt-4o"', own(f'{ENTRY}, "retired": "2026-11-01"')).diagnostics
    assert (ended.code, ended.severity) == ("retired-model", "error")


def test_an_old_price_of_a_project_is_told() -> None:
    entry = f'{ENTRY.replace("2026-11-24", "2026-01-01")}, "price": {{"input": "$2/1M", "output": "$8/1M"}}'
    assert [each.code for each in built('provider = openai, id = "gpt-4o"', own(entry)).diagnostics] == ["old-price"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "truncated"),
        ('{"schema": 2, "models": []}', "schema"),
        (own('"provider": "openai", "id": "gpt-4o"'), "as_of"),
        (own(f'{ENTRY}, "prise": "free"'), "prise"),
        (own(f'{ENTRY}, "price": {{"input": "$2", "output": "$8/1M"}}'), "`openai/gpt-4o`: a price is for a number of tokens"),
        (own(ENTRY, ENTRY), "stands in it twice"),
    ],
)
def test_a_catalogue_that_cannot_be_read_is_an_error_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        decode_own(text)
    found = built('provider = openai, id = "gpt-4o"', text)
    assert found.plan is None
    (error,) = found.diagnostics
    assert (error.severity, error.span.source.path) == ("error", "flows/mmflow.catalogue.json")
    assert said in error.message


def test_a_catalogue_that_is_there_and_not_to_be_had_is_an_error() -> None:
    def read(path: str) -> Source:
        raise (
            PermissionError(13, "Permission denied", path)
            if path.endswith("catalogue.json")
            else FileNotFoundError(2, "no", path)
        )

    text = 'mmflow 1\nmodel m { provider = openai, id = "gpt-4o" }\nflow main { else -> m }\n'
    (error,) = build(Source("main.mmf", text), Registry.installed(), read=read, today=TODAY).diagnostics
    assert "cannot be read: permission denied" in error.message


# ---- other prices -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "price",
    ["{ input = $0.15/1M, output = $0.60/1M }", "{ input = $0.15/1M, output = $0.60/1M, reasoning = $9/1M }", "free"],
)
def test_a_price_that_is_the_catalogues_or_that_it_does_not_have_is_not_noted(price: str) -> None:
    assert built(f'provider = openai, id = "gpt-4o-mini", price = {price}').diagnostics == ()


def test_an_earlier_price_is_told_as_such() -> None:
    text = 'provider = openai, id = "o3", price = { input = $10/1M, output = $40/1M }'
    found = {each.code: each for each in built(text).diagnostics}
    assert (found["other-price"].help or "").startswith("it is an earlier price")


def test_a_contract_is_allowed() -> None:
    text = 'provider = openai, id = "gpt-4o", price = { input = $1/1M, output = $1/1M }, allow = [other_price("our contract")]'
    assert built(text).diagnostics == ()


# ---- the data -----------------------------------------------------------------------------------------------------------------


def test_the_last_of_a_history_is_the_price_of_today() -> None:
    for model in known_models():
        days = [each.since or date.min for each in model.history]
        assert days == sorted(days)
        if model.history:
            assert model.prices is not None
            assert (model.history[-1].input, model.history[-1].output) == (model.prices.input, model.prices.output), model.id


@pytest.mark.parametrize(
    ("provider", "id", "input", "output"),
    [
        ("openai", "gpt-4o", 2_500_000, 10_000_000),
        ("openai", "gpt-4o-mini", 150_000, 600_000),
        ("anthropic", "claude-3-5-sonnet", 3_000_000, 15_000_000),
        ("anthropic", "claude-3-5-haiku", 250_000, 1_250_000),
        ("deepseek", "deepseek-reasoner", 550_000, 2_190_000),
    ],
)
def test_the_seeds_table_stands_beside_todays_prices(provider: str, id: str, input: int, output: int) -> None:
    known = known_model(provider, id)
    assert known is not None
    assert [(each.input, each.output) for each in known.history if each.source == "seeds"] == [(input, output)]


def test_self_hosted_weights_have_the_seeds_price_alone() -> None:
    known = known_model("self-hosted", "llama-3.1-70b")
    assert known is not None
    assert (known.prices, known.source) == (Prices(100_000, 100_000), "seeds")


def test_a_batch_never_costs_more() -> None:
    found = [each for each in known_models() if each.batch is not None]
    assert len(found) > 20
    assert all(each.prices and each.batch and each.batch.output <= each.prices.output for each in found)
