"""Files that a workflow names: one that is not there is told, and a scorecard decides whether members keep a tier's promise."""

import json
from pathlib import Path

import pytest

from mmflow.build import build
from mmflow.check import check
from mmflow.diagnostics import Diagnostic
from mmflow.plan import Plan, Tier
from mmflow.registry import Registry
from mmflow.source import Source
from mmflow.syntax.parse import parse

HEAD = """mmflow 1
model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o", quality = 0.9 }
classify task using keywords { patterns = { code = ["def "] }, labels = [code, other], unsure = other }
"""
TIER = """
scorecard quarter { from = file("cards/q4.json") }
tier fast { models = [cheap, strong], min_quality = 0.7 }
flow f { when task == code -> fast, else -> strong }
"""


def found(text: str, folder: Path) -> list[Diagnostic]:
    return list(build(Source(str(folder / "main.mmf"), text), Registry.installed()).diagnostics)


def plan_of(text: str, folder: Path) -> Plan:
    built = build(Source(str(folder / "main.mmf"), text), Registry.installed())
    assert built.plan is not None, built.diagnostics
    return built.plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cards").mkdir()
    return tmp_path


def card(folder: Path, by: str = "task", **models: dict[str, float]) -> None:
    figures = {name: {label: {"quality": each, "n": 400} for label, each in of.items()} for name, of in models.items()}
    (folder / "cards" / "q4.json").write_text(json.dumps({"schema": 1, "by": by, "models": figures}))


# ---- files that are not there -------------------------------------------------------------------------------------------------

OUTPUT = 'output reply { format = json, schema = file("reply.json") }\n'
JSON_FLOW = HEAD + OUTPUT + "flow f { output = reply\n when task == code -> cheap, else -> strong }"


def test_a_file_that_is_not_there_is_told_where_it_is_named(folder: Path) -> None:
    (diagnostic,) = found(JSON_FLOW, folder)
    assert (diagnostic.code, diagnostic.severity, diagnostic.span.text) == ("missing-file", "warning", 'file("reply.json")')
    (folder / "reply.json").write_text("{}")
    assert found(JSON_FLOW, folder) == []


def test_a_file_of_an_imported_file_is_looked_for_beside_that_file(folder: Path) -> None:
    library = "mmflow 1\n" + OUTPUT
    (folder / "cards" / "lib.mmf").write_text(library)
    text = HEAD + 'import "cards/lib.mmf" as lib\nflow f { output = lib.reply\n when task == code -> cheap, else -> strong }'
    (diagnostic,) = found(text, folder)
    assert diagnostic.code == "missing-file"
    (folder / "cards" / "reply.json").write_text("{}")
    assert found(text, folder) == []


def test_a_file_in_an_option_of_a_word_is_looked_for(folder: Path) -> None:
    text = HEAD + 'provider old using tape { from = file("old.tape") }\nmodel m { provider = old, id = "m", price = free }\n'
    text += "flow f { when task == code -> m, when request.has_tools -> cheap, else -> strong }"
    (diagnostic,) = found(text, folder)
    assert (diagnostic.code, "`old.tape`" in diagnostic.message) == ("missing-file", True)


@pytest.mark.parametrize(
    "declared",
    [
        'provider t using tape { from = file("t"), record = openai }\nmodel m { provider = t, id = "gpt-4o" }\ncache kept {}',
        'model m { provider = openai, id = "gpt-4o-mini" }\ncache kept { file = file("kept.sqlite") }',
    ],
)
def test_a_file_that_the_workflow_writes_need_not_be_there(declared: str, folder: Path) -> None:
    text = f"mmflow 1\n{declared}\nprovider openai {{}}\nflow f {{ cache = kept\n else -> m }}"
    assert "missing-file" not in [each.code for each in found(text, folder)]


def test_that_a_file_is_not_there_may_be_allowed_with_a_reason(folder: Path) -> None:
    text = JSON_FLOW.replace("format = json,", 'format = json, allow = [missing_file("made by the build")],')
    assert found(text, folder) == []


def test_a_check_that_sees_no_disk_says_nothing_of_files() -> None:
    assert check(parse(Source("main.mmf", JSON_FLOW)).file, Registry.installed()).diagnostics == ()


# ---- scorecards ---------------------------------------------------------------------------------------------------------------


def test_a_member_that_reaches_the_bar_for_one_label_is_not_below_it(folder: Path) -> None:
    card(folder, cheap={"code": 0.5, "other": 0.75}, strong={"*": 0.8})
    assert found(HEAD + TIER, folder) == []


def test_a_member_below_the_bar_for_every_label_is_below_it(folder: Path) -> None:
    card(folder, cheap={"code": 0.5, "other": 0.65}, strong={"*": 0.8})
    (diagnostic,) = found(HEAD + TIER, folder)
    assert (diagnostic.code, diagnostic.severity) == ("below-bar", "error")
    assert "0.65" in diagnostic.message


def test_what_was_measured_counts_before_what_the_file_says(folder: Path) -> None:
    card(folder, cheap={"*": 0.8}, strong={"*": 0.2})
    assert [each.code for each in found(HEAD + TIER, folder)] == ["below-bar"]


def test_a_model_may_stand_under_its_provider_and_id(folder: Path) -> None:
    card(folder, **{"openai/gpt-4o-mini": {"*": 0.8}})
    assert found(HEAD + TIER, folder) == []


def test_a_member_without_figures_is_unknown_and_the_nearest_name_is_shown(folder: Path) -> None:
    card(folder, cheep={"*": 0.8})
    (diagnostic,) = found(HEAD + TIER, folder)
    assert (diagnostic.code, diagnostic.severity) == ("unknown-quality", "warning")
    assert "`cheep`" in (diagnostic.help or "")


def test_a_scorecard_that_is_not_there_decides_nothing(folder: Path) -> None:
    assert [each.code for each in found(HEAD + TIER, folder)] == ["missing-file"]


def test_a_label_that_the_classifier_does_not_have_is_told(folder: Path) -> None:
    card(folder, cheap={"cod": 0.8, "other": 0.9})
    (diagnostic,) = found(HEAD + TIER, folder)
    assert (diagnostic.code, diagnostic.help) == ("unknown-label", "did you mean `code`?")


def test_a_classifier_that_is_not_declared_is_told(folder: Path) -> None:
    card(folder, by="kind", cheap={"prose": 0.8})
    (diagnostic,) = found(HEAD + TIER, folder)
    assert (diagnostic.code, diagnostic.span.text) == ("unknown-name", 'file("cards/q4.json")')


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema": 2, "models": {}}', '{"schema": 1, "models": {"a": {"*": {"quality": 81, "n": 3}}}}', "\x00"],
)
def test_a_file_that_is_no_scorecard_is_told(folder: Path, text: str) -> None:
    (folder / "cards" / "q4.json").write_text(text)
    (diagnostic,) = found(HEAD + TIER, folder)
    assert (diagnostic.code, '"schema": 1' in (diagnostic.help or "")) == ("out-of-range", True)


def test_the_plan_has_the_scorecard_its_classifier_and_the_bar(folder: Path) -> None:
    card(folder, cheap={"code": 0.8})
    compiled = plan_of(HEAD + TIER, folder)
    assert (compiled.scorecards["quarter"].file, compiled.scorecards["quarter"].by) == ("cards/q4.json", "task")
    assert compiled.steps["fast"] == Tier("fast", ("cheap", "strong"), min_quality=0.7, scorecard="quarter")


def test_of_two_scorecards_a_tier_names_its_own(folder: Path) -> None:
    card(folder, cheap={"*": 0.8})
    two = TIER + 'scorecard other { from = file("cards/q4.json"), by = task }\n'
    step = plan_of(HEAD + two.replace("min_quality = 0.7", "min_quality = 0.7, scorecard = other"), folder).steps["fast"]
    assert isinstance(step, Tier)
    assert step.scorecard == "other"
    step = plan_of(HEAD + two, folder).steps["fast"]
    assert isinstance(step, Tier)
    assert step.scorecard is None
