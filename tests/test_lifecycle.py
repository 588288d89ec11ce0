"""Models that vendors end and prices that grow old, by what the catalogue knows and the day on which a file is checked."""

from datetime import date

import pytest

from mmflow import catalogue
from mmflow.build import build
from mmflow.catalogue import Known, known_model
from mmflow.check.imports import no_reader
from mmflow.diagnostics import Diagnostic
from mmflow.registry import Registry
from mmflow.source import Source

TODAY = date(2026, 11, 24)


def found(model: str, today: date = TODAY, before: str = "") -> list[Diagnostic]:
    text = f"mmflow 1\n{before}model m {{ {model} }}\nflow main {{ else -> m }}\n"
    return list(build(Source("life.mmf", text), Registry.installed(), read=no_reader, today=today).diagnostics)


def of(provider: str, id: str, today: date = TODAY) -> list[tuple[str, str]]:
    text = f'provider = {provider}, id = "{id}", price = free'
    return [(each.severity, each.code) for each in found(text, today)]


# ---- models -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "id", "replacement"),
    [
        ("anthropic", "claude-2.1", "claude-opus-4-8"),
        ("anthropic", "claude-instant-1.2", "claude-haiku-4-5"),
        ("anthropic", "claude-3-sonnet-20240229", "claude-sonnet-4-6"),
        ("anthropic", "claude-3-5-sonnet-20240620", "claude-sonnet-4-6"),
        ("anthropic", "claude-3-5-sonnet-20241022", "claude-sonnet-4-6"),
        ("openai", "gpt-4-32k", "gpt-4o"),
        ("openai", "gpt-4-vision-preview", "gpt-4o"),
        ("openai", "gpt-3.5-turbo-0613", "gpt-5.6-terra"),
        ("openai", "text-davinci-003", "gpt-5.6-terra"),
        ("openai", "o1-preview", "gpt-5.6-sol"),
    ],
)
def test_a_model_that_does_not_answer_any_more_is_an_error_with_what_takes_its_place(
    provider: str, id: str, replacement: str
) -> None:
    (retired,) = found(f'provider = {provider}, id = "{id}", price = free')
    assert (retired.severity, retired.code, retired.span.text) == ("error", "retired-model", f'"{id}"')
    known = known_model(provider, id)
    assert known is not None
    assert str(known.retired) in retired.message
    assert replacement in (retired.help or "")


def test_the_day_decides() -> None:
    assert of("openai", "gpt-4.1", date(2027, 1, 13)) == [("warning", "deprecated-model")]
    assert of("openai", "gpt-4.1", date(2027, 1, 14)) == [("error", "retired-model")]


@pytest.mark.parametrize("id", ["claude-3-5-sonnet", "claude-3-5-haiku", "claude-sonnet-4"])
def test_the_name_of_a_family_is_never_retired(id: str) -> None:
    assert of("anthropic", id) == [("warning", "deprecated-model")]
    assert of("anthropic", id, date(2100, 1, 1)) == [("warning", "deprecated-model")]


def test_a_deprecated_model_names_the_date_and_what_takes_its_place() -> None:
    (deprecated,) = found('provider = openai, id = "gpt-4.1", price = free')
    assert "2027-01-14" in deprecated.message
    assert "gpt-6-luna" in (deprecated.help or "")


def test_a_deprecated_model_may_be_allowed_and_a_retired_one_may_not() -> None:
    allow = 'price = free, allow = [deprecated_model("until the migration")]'
    assert found(f'provider = openai, id = "gpt-4.1", {allow}') == []
    refused = found('provider = openai, id = "gpt-4-32k", price = free, allow = [retired_model("no")]')
    assert [each.code for each in refused] == ["retired-model", "out-of-range"]


def test_what_the_catalogue_does_not_have_is_not_told_of() -> None:
    assert of("openai", "gpt-4o") == of("openai", "our-fine-tune") == of("openai", "gpt-4-32k-of-our-own") == []


def test_another_provider_with_a_model_of_the_same_name_is_not_meant() -> None:
    local = 'provider local using openai_compatible { url = "http://localhost:8000/v1" }\n'
    assert found('provider = local, id = "gpt-4-32k", price = free', before=local) == []


# ---- prices -----------------------------------------------------------------------------------------------------------------

DATED = 'provider = openai, id = "our-fine-tune", price = { input = $3/1M, output = $12/1M, as_of = "2026-08-26" }'


def test_a_price_of_the_file_is_old_after_90_days() -> None:
    assert found(DATED, date(2026, 11, 24)) == []
    (old,) = found(DATED, date(2026, 11, 25))
    assert (old.severity, old.code) == ("note", "old-price")
    assert "2026-08-26, 91 days ago" in old.message
    assert 'as_of = "2026-11-25"' in (old.help or "")


def test_a_price_without_a_date_is_not_told_of() -> None:
    assert found(DATED.replace(', as_of = "2026-08-26"', ""), date(2100, 1, 1)) == []


def test_a_price_of_the_catalogue_is_old_after_90_days() -> None:
    known = known_model("openai", "gpt-4o")
    assert known is not None
    from_catalogue = 'provider = openai, id = "gpt-4o"'
    assert found(from_catalogue, known.as_of) == []
    (old,) = found(from_catalogue, date(2030, 1, 1))
    assert (old.code, str(known.as_of) in old.message) == ("old-price", True)
    assert "upgrade mmflow" in (old.help or "")
    assert found(from_catalogue + ", price = free", date(2030, 1, 1)) == []


@pytest.mark.parametrize("wrong", ["2026-13-01", "26-01-31", "20260131", "yesterday", ""])
def test_the_day_of_a_price_is_a_date(wrong: str) -> None:
    (refused,) = found(DATED.replace("2026-08-26", wrong))
    assert refused.code == "out-of-range"
    assert '`"2026-01-31"`' in f"{refused.message} {refused.help}"


def test_a_date_changes_nothing_of_the_plan() -> None:
    def plan_of(text: str) -> object:
        source = Source("a.mmf", f"mmflow 1\nmodel m {{ {text} }}\nflow main {{ else -> m }}\n")
        return build(source, Registry.installed(), today=TODAY).plan

    assert plan_of(DATED) == plan_of(DATED.replace(', as_of = "2026-08-26"', ""))


# ---- the catalogue ----------------------------------------------------------------------------------------------------------

MODELS = list(catalogue._models().values())


def test_each_model_stands_once_with_its_source() -> None:
    assert len(MODELS) == len({(each.provider, each.id) for each in MODELS}) > 100
    assert all(each.source and each.as_of for each in MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.id)
def test_a_record_is_in_itself_right(model: Known) -> None:
    if model.prices is not None:
        assert 0 < model.prices.input <= model.prices.output
        assert model.prices.cached_input is None or model.prices.cached_input < model.prices.input
    assert (model.context_tokens or 2) > 1
    assert (model.max_output_tokens or 0) <= (model.context_tokens or 10**9)
    days = [day for day in (model.released, model.deprecated, model.retired) if day is not None]
    assert days == sorted(days)


def test_what_is_named_instead_of_a_model_has_no_end_itself() -> None:
    by_name = {(each.provider, each.id): each for each in MODELS}
    for model in MODELS:
        if model.replacement is not None:
            instead = by_name[model.provider, model.replacement]
            assert (instead.deprecated, instead.retired) == (None, None), model.id
