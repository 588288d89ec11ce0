"""`mmflow graph`: what it writes and where, and its exit codes."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli import Shell

WORKFLOWS = Path(__file__).parents[1] / "workflows"
SMALL = """\
mmflow 1
param much = 2k
model a { provider = sim, id = "a", price = free }
model b { provider = sim, id = "b", price = free }
flow main {
  when request.tokens > much -> a
  else -> b
}
flow other { else -> b }
"""


def test_mermaid_goes_to_standard_output(mmflow: Shell) -> None:
    mmflow.write("a.mmf", SMALL)
    done = mmflow("graph", "a.mmf")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("flowchart LR\n")
    assert 'flow_main -->|"1: request.tokens #62; 2k"| model_a' in done.out


def test_one_flow_is_drawn(mmflow: Shell) -> None:
    mmflow.write("a.mmf", SMALL)
    done = mmflow("graph", "a.mmf", "--flow", "other")
    assert "flow_other" in done.out
    assert "flow_main" not in done.out
    assert "model_a" not in done.out


def test_an_unknown_flow_is_wrong_use(mmflow: Shell) -> None:
    mmflow.write("a.mmf", SMALL)
    done = mmflow("graph", "a.mmf", "--flow", "mian")
    assert done.code == 2
    assert "main" in done.err


@pytest.mark.parametrize(
    ("name", "start"),
    [("g.svg", "<svg "), ("g.SVG", "<svg "), ("g.dot", "digraph "), ("g.gv", "digraph "), ("g.mmd", "flowchart ")],
)
def test_a_file_gets_the_form_that_its_name_tells(mmflow: Shell, name: str, start: str) -> None:
    mmflow.write("a.mmf", SMALL)
    done = mmflow("graph", "a.mmf", "-o", name)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (mmflow.folder / name).read_text(encoding="utf-8").startswith(start)


def test_a_name_that_tells_no_form_asks_for_one(mmflow: Shell) -> None:
    mmflow.write("a.mmf", SMALL)
    done = mmflow("graph", "a.mmf", "-o", "g.png")
    assert done.code == 2
    assert "`g.png` tells no format" in done.err
    assert not (mmflow.folder / "g.png").exists()
    assert mmflow("graph", "a.mmf", "-o", "g.txt", "--format", "dot").code == 0
    assert (mmflow.folder / "g.txt").read_text().startswith("digraph ")


def test_the_workflow_is_never_written_over(mmflow: Shell) -> None:
    file = mmflow.write("a.mmf", SMALL)
    done = mmflow("graph", "a.mmf", "--format", "dot", "-o", "./a.mmf")
    assert done.code == 2
    assert file.read_text() == SMALL


def test_a_file_that_cannot_be_written_is_told(mmflow: Shell) -> None:
    mmflow.write("a.mmf", SMALL)
    done = mmflow("graph", "a.mmf", "-o", "none/g.svg")
    assert done.code == 1
    assert done.err == "error: `none/g.svg` cannot be written: no such file or directory\n"


def test_an_unknown_form_is_wrong_use(mmflow: Shell) -> None:
    mmflow.write("a.mmf", SMALL)
    assert mmflow("graph", "a.mmf", "--format", "png").code == 2


def test_a_saved_plan_and_standard_input_are_drawn_alike(mmflow: Shell) -> None:
    mmflow.write("a.mmf", SMALL)
    mmflow.write("a.json", mmflow("plan", "a.mmf", "--json").out)
    drawn = mmflow("graph", "a.mmf").out
    assert mmflow("graph", "a.json").out == drawn
    assert mmflow("graph", "-", stdin=SMALL.encode()).out == drawn


def test_params_are_set(mmflow: Shell) -> None:
    mmflow.write("a.mmf", SMALL)
    assert mmflow("graph", "a.mmf", "--set", "much=3k").code == 0
    assert mmflow("graph", "a.mmf", "--set", "mcuh=3k").code == 2


def test_a_broken_workflow_is_not_drawn(mmflow: Shell) -> None:
    mmflow.write("a.mmf", "mmflow 1\nflow main { else -> nobody }\n")
    done = mmflow("graph", "a.mmf", "-o", "g.svg")
    assert done.code == 1
    assert "nobody" in done.err
    assert not (mmflow.folder / "g.svg").exists()


@pytest.mark.parametrize("file", sorted(WORKFLOWS.glob("*.mmf")), ids=lambda file: file.stem)
def test_the_workflows_of_the_project_are_drawn(mmflow: Shell, file: Path) -> None:
    done = mmflow("graph", str(file), "--format", "svg")
    assert done.code == 0
    assert ElementTree.fromstring(done.out).get("role") == "img"
