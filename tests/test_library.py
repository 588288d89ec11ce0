"""`import "mmflow:tiers"`: the tiers of practice, wherever a file lies and whoever reads the others."""

import json
from datetime import date
from pathlib import Path

import pytest
from cli import Shell

from mmflow import library, plan
from mmflow.build import Build, build
from mmflow.catalogue import known_model
from mmflow.check.imports import no_reader
from mmflow.registry import Registry
from mmflow.source import Source
from mmflow.syntax.format import format

TODAY = date(2026, 11, 24)
THREE_LINES = 'mmflow 1\nimport "mmflow:tiers" as tiers\nflow main { else -> tiers.by_complexity }\n'


def built(text: str, today: date = TODAY, **params: str) -> Build:
    given = {name.replace("__", "."): value for name, value in params.items()}
    return build(Source("main.mmf", text), Registry.installed(), given, no_reader, today)


@pytest.mark.parametrize("path", library.names())
def test_a_library_is_clean_and_in_the_canonical_layout(path: str) -> None:
    source = library.source(path)
    assert build(source, Registry.installed(), today=TODAY).diagnostics == ()
    assert format(source).text == source.text


def test_an_import_and_a_flow_make_a_route() -> None:
    found = built(THREE_LINES)
    assert found.diagnostics == ()
    assert found.plan is not None
    assert isinstance(found.plan.steps["tiers.fast"], plan.Tier)


def test_each_tier_of_practice_has_models_that_the_catalogue_counts_to_it_with_their_prices() -> None:
    found = built(THREE_LINES + "route own { else -> tiers.private }\nflow second { else -> own }\n")
    assert found.plan is not None
    for tier in ("fast", "general", "deep"):
        promised = found.plan.steps[f"tiers.{tier}"]
        assert isinstance(promised, plan.Tier)
        assert len(promised.models) > 1
        for name in promised.models:
            model = found.plan.models[name]
            known = known_model(found.plan.providers[model.provider].word, model.id)
            assert known is not None
            assert tier in known.tiers
            assert model.prices == known.prices
            assert not known.is_ending(TODAY)
    assert {found.plan.models[name].zone for name in found.plan.steps["tiers.private"].models} == {"own"}  # type: ignore[union-attr]


def test_it_is_there_once_on_whatever_ways_it_is_imported(mmflow: Shell) -> None:
    mmflow.write("lib/own.mmf", 'mmflow 1\nimport "mmflow:tiers" as t\nroute hard { else -> t.deep }\n')
    text = THREE_LINES.replace("flow main", 'import "lib/own.mmf" as own\nflow main').replace(
        "else", "when request.tokens > 9k -> own.hard\n else"
    )
    mmflow.write("main.mmf", text)
    done = mmflow("plan", "--json", "main.mmf")
    assert done.code == 0, done.err
    assert {name for name in json.loads(done.out)["models"] if name.endswith("gpt_large")} == {"tiers.gpt_large"}


def test_its_parameters_are_set_by_the_name_it_is_imported_under() -> None:
    text = THREE_LINES.replace("by_complexity", "private")
    found = built(text, tiers__own_url="http://llm.internal:8000/v1", tiers__without_key="refuse")
    assert found.plan is not None
    assert found.plan.providers["tiers.own"].options["url"] == "http://llm.internal:8000/v1"
    assert found.plan.providers["tiers.own"].without_key == "refuse"


def test_what_grows_old_in_it_is_told_only_of_what_a_flow_reaches() -> None:
    found = built(THREE_LINES.replace("by_complexity", "fast"), date(2028, 1, 1))
    assert {each.span.source.path for each in found.diagnostics} == {"mmflow:tiers"}
    assert {each.message.split("`")[1] for each in found.diagnostics} == {"gpt_small", "claude_small"}


def test_a_library_that_does_not_come_with_mmflow_is_told_with_those_that_do() -> None:
    (error,) = built(THREE_LINES.replace("mmflow:tiers", "mmflow:teirs")).diagnostics
    assert (error.code, error.span.text) == ("unreadable-import", '"mmflow:teirs"')
    assert error.help == "did you mean `mmflow:tiers`?"


def test_a_mistake_in_its_use_is_told_in_the_file() -> None:
    (error,) = built(THREE_LINES.replace("by_complexity", "fsat")).diagnostics
    assert (error.code, error.span.source.path) == ("unknown-name", "main.mmf")
    assert "`tiers.fast`" in (error.help or "")


def test_saved_plans_and_commands_work_with_it(mmflow: Shell) -> None:
    mmflow.write("flows/main.mmf", THREE_LINES)
    saved = mmflow("plan", "--json", "flows/main.mmf")
    assert saved.code == 0, saved.err
    mmflow.write("saved.json", saved.out)
    for file in ("flows/main.mmf", "saved.json"):
        done = mmflow("run", file, "What is the capital of France?")
        assert (done.code, done.out.startswith("[simulated by tiers.gpt_small")) == (0, True), done.err
    assert mmflow("diff", "saved.json", "flows/main.mmf").err == "note: no change in behaviour\n"
    assert "tiers.fast" in mmflow("graph", "flows/main.mmf").out
    assert "tiers.deep" in mmflow("explain", "flows/main.mmf", "--given", "tiers.complexity=high").out
    assert not Path("mmflow:tiers").exists()
