"""Budgets, caches, prompts, outputs, experiments, strategies and scorecards of an imported file mean what they mean in it."""

import json
from pathlib import Path

import pytest
from vocabulary import Extended

from mmflow.build import Build, build
from mmflow.plan import LabelIs, PromptArm, Slot, Strategy, TargetIs, Threshold, Tier
from mmflow.source import Source

LIBRARY = """mmflow 1
use acme.choice as choice
let tone = "Be brief."
model fast { provider = openai, id = "gpt-4o-mini" }
model slow { provider = openai, id = "gpt-4o" }
classify task using keywords { patterns = { code = ["x"] }, labels = [code, other], unsure = other }
scorer long using length { min = 3 }
budget daily { limit = $5/day, when spent >= 80% -> degrade(fast) }
cache kept { when task == code -> off }
prompt voice { when target.name == fast -> "{{ tone }} {{ task }}", else -> "{{ tone }}" }
output reply { format = json, schema = file("reply.json") }
experiment trial { 10% -> fast, else -> slow, metric = long }
scorecard card { from = file("card.json") }
tier good { models = [fast, slow], min_quality = 0.5 }
strategy best using choice.best { of = [fast, slow], scorer = long }
"""
MAIN = """mmflow 1
import "lib/all.mmf" as lib
budget own { limit = $3/day, when spent >= 50% -> degrade(lib.best) }
prompt mine { when target.name == lib.fast -> "{{ lib.tone }} {{ lib.task }}", else -> "PLACE" }
flow f {
  budget = lib.daily
  cache = lib.kept
  prompt = lib.voice
  output = lib.reply
  when request.tokens < 5 -> lib.trial
  when lib.task == code -> lib.good
  else -> lib.slow
}
flow g { budget = own, prompt = mine, else -> lib.slow }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "all.mmf").write_text(LIBRARY)
    (tmp_path / "lib" / "reply.json").write_text("{}")
    figures = {"fast": {"code": {"quality": 0.9}}, "openai/gpt-4o": {"*": {"quality": 0.6}}}
    (tmp_path / "lib" / "card.json").write_text(json.dumps({"schema": 1, "by": "task", "models": figures}))
    return tmp_path


def built(folder: Path, main: str = MAIN) -> Build:
    return build(Source(str(folder / "main.mmf"), main), Extended())


def test_names_and_files_are_those_of_the_imported_file(folder: Path) -> None:
    plan = built(folder).plan
    assert plan is not None
    assert plan.budgets["lib.daily"].thresholds == (Threshold(0.8, "degrade", "lib.fast"),)
    assert plan.caches["lib.kept"].off == (LabelIs("lib.task", ("code",)),)
    first = PromptArm(((TargetIs("name", "==", "lib.fast"),),), ("Be brief. ", Slot("lib.task")))
    assert plan.prompts["lib.voice"].arms[0] == plan.prompts["mine"].arms[0] == first
    assert plan.outputs["lib.reply"].schema_file == "lib/reply.json"
    assert (plan.scorecards["lib.card"].file, plan.scorecards["lib.card"].by) == ("lib/card.json", "lib.task")
    assert plan.steps["lib.good"] == Tier("lib.good", ("lib.fast", "lib.slow"), min_quality=0.5, scorecard="lib.card")
    best = plan.steps["lib.best"]
    assert isinstance(best, Strategy)
    assert (best.steps, best.scorers) == (("lib.fast", "lib.slow"), ("lib.long",))


def test_a_place_that_an_imported_file_does_not_have_is_told_in_its_place(folder: Path) -> None:
    (diagnostic,) = [
        each for each in built(folder, MAIN.replace("PLACE", "{{ lib.tsk }}")).diagnostics if each.severity == "error"
    ]
    assert (diagnostic.code, diagnostic.span.text, diagnostic.help) == ("unknown-name", "lib.tsk", "did you mean `lib.task`?")


def test_a_mistake_in_a_template_of_an_imported_file_is_told_there_by_its_own_names(folder: Path) -> None:
    (folder / "lib" / "all.mmf").write_text(LIBRARY.replace("{{ tone }}", "{{ ton }}"))
    found = [each for each in built(folder).diagnostics if each.severity == "error"]
    assert {each.help for each in found} == {"did you mean `tone`?"}
    assert {each.span.source.path for each in found} == {str(folder / "lib" / "all.mmf")}
