"""The workflow that shows the whole language: it has no errors, compiles, and is formatted without a change of meaning."""

from pathlib import Path

from vocabulary import Extended

from mmflow import plan
from mmflow.build import build
from mmflow.source import Source
from mmflow.syntax.format import format as formatted
from mmflow.syntax.parse import parse

FILE = Path(__file__).parent / "data" / "support.mmf"


def test_the_workflow_of_the_design_has_no_errors_and_compiles() -> None:
    built = build(Source(str(FILE), FILE.read_text()), Extended())
    assert [each.message for each in built.diagnostics if each.severity == "error"] == []
    compiled = built.plan
    assert compiled is not None
    assert plan.decode(plan.encode(compiled)) == compiled
    flow = compiled.flows["support"]
    assert (flow.budget, flow.cache, flow.prompt, flow.output) == ("daily", "answers", "voice", "reply")
    assert compiled.budgets["daily"].thresholds[1] == plan.Threshold(1.0, "degrade", "fast")
    assert compiled.prompts["voice"].arms[0].parts[0] == "Answer the customer in "


def test_it_is_formatted_once_and_means_the_same() -> None:
    text = FILE.read_text()
    once = formatted(Source("support.mmf", text)).text
    assert once is not None
    assert formatted(Source("support.mmf", once)).text == once
    assert parse(Source("support.mmf", once)).file == parse(Source("support.mmf", text)).file
