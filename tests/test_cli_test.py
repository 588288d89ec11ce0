"""`mmflow test`: what it runs, what it says, and its exit codes."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli import Shell

FLOW = """mmflow 1

param bar = 2k

model small { provider = openai, id = "gpt-4o-mini", latency = { p95 = 300ms } }
model large { provider = openai, id = "gpt-4o" }

flow main {
  when request.tokens <= bar -> small
  else -> large
}
"""
SHORT = 'test "a short request goes to the small model" {\n  request = { tokens = 100 }\n  expect = [served_by(small)]\n}\n'
LONG = 'test "a long one does not" {\n  request = { tokens = 9k }\n  expect = [served_by(large), cost < $1]\n}\n'
WRONG = 'test "this is wrong" {\n  request = { tokens = 9k }\n  expect = [served_by(small), cost < $1]\n}\n'


def test_success_is_one_line(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + SHORT + LONG)
    mmflow.write("b.mmf", FLOW + SHORT)
    done = mmflow("test", "a.mmf", "b.mmf")
    assert (done.code, done.out, done.err) == (0, "3 passed in 2 files\n", "")


def test_a_failure_says_where_what_was_expected_and_what_was_decided(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + SHORT + WRONG)
    done = mmflow("test", "a.mmf")
    assert done.code == 1
    assert done.out.splitlines() == [
        'failed: a.mmf:16: test "this is wrong"',
        "  expected  served_by(small)",
        "  got       served by large (main/large)",
        "     0.000s request   flow main, about 9000 input tokens",
        "     0.000s no        when request.tokens <= 2k -> small  because request.tokens = 9000",
        "     0.000s yes       else -> large",
        "     0.000s asked     large  main/large",
        "     0.000s answered  large  9000 + 500 tokens  $0.027500",
        "     0.000s served    large  main/large  total $0.027500 in 0.000s",
        "",
        "1 failed, 1 passed in 1 file",
    ]


def test_a_folder_is_all_the_workflows_in_it(mmflow: Shell) -> None:
    mmflow.write("w/a.mmf", FLOW + SHORT)
    mmflow.write("w/deep/b.mmf", FLOW + SHORT)
    mmflow.write("w/readme.md", "no workflow")
    assert mmflow("test", "w", "w/a.mmf").out == "2 passed in 2 files\n"
    mmflow.write("empty/readme.md", "no workflow")
    done = mmflow("test", "empty")
    assert (done.code, "there are no workflows in `empty`" in done.err) == (2, True)


def test_a_file_with_errors_fails_and_the_others_are_run(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + 'test "x" { expect = [served_by(smal)] }\n')
    mmflow.write("b.mmf", FLOW + SHORT)
    done = mmflow("test", "a.mmf", "b.mmf")
    assert (done.code, done.out) == (1, "1 passed in 2 files, 1 with errors\n")
    assert "error[unknown-name]" in done.err
    assert "did you mean `small`?" in done.err


def test_without_tests_there_is_nothing_to_fail(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW)
    done = mmflow("test", "a.mmf")
    assert (done.code, done.out) == (0, "no tests in 1 file\n")


@pytest.mark.parametrize(("pattern", "found"), [("LONG ONE", 1), ("s", 2), ("a*model", 1), ("a ?ong", 1)])
def test_a_pattern_chooses_by_name(mmflow: Shell, pattern: str, found: int) -> None:
    mmflow.write("a.mmf", FLOW + SHORT + LONG)
    assert mmflow("test", "a.mmf", "-k", pattern).out == f"{found} passed in 1 file\n"


def test_a_pattern_that_no_name_has_is_wrong_use(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + SHORT + LONG)
    done = mmflow("test", "a.mmf", "-k", "nothing")
    assert (done.code, done.out) == (2, "")
    assert "no test has `nothing` in its name" in done.err


def test_wrong_use(mmflow: Shell) -> None:
    assert mmflow("test").code == 2
    assert mmflow("test", "gone.mmf").code == 2
    mmflow.write("plan.json", "{}")
    assert "is a saved plan" in mmflow("test", "plan.json").err
    mmflow.write("a.mmf", FLOW + SHORT)
    assert mmflow("test", "a.mmf", "--set", "gone=1").code == 2
    assert mmflow("test", "a.mmf", "--junit", "no/such/folder.xml").code == 2


def test_parameters_are_set(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + WRONG)
    assert mmflow("test", "a.mmf").code == 1
    assert mmflow("test", "a.mmf", "--set", "bar=10k").code == 0


def test_standard_input_is_a_file(mmflow: Shell) -> None:
    assert mmflow("test", "-", stdin=(FLOW + SHORT).encode()).out == "1 passed in 1 file\n"


def test_coverage_names_the_arms_that_no_test_took(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + SHORT)
    assert mmflow("test", "a.mmf", "--coverage").out.splitlines() == [
        "coverage of a.mmf: main: 1 of 2 arms (50%)",
        "  not taken: main: else",
        "1 passed in 1 file",
    ]
    mmflow.write("a.mmf", FLOW + SHORT + LONG)
    assert "2 of 2 arms (100%)" in mmflow("test", "a.mmf", "--coverage").out


def test_a_live_test_is_marked(mmflow: Shell) -> None:
    heuristic = "classify level using heuristic { labels = low < high, confidence = 0.5, unsure = up }\n"
    live = 'test "a greeting is easy" {\n  input = "Hi."\n  expect = [level == low, served_by(small)]\n}\n'
    mmflow.write("a.mmf", FLOW.replace("flow main {", heuristic + "flow main {\n  when level == high -> large") + live)
    assert mmflow("test", "a.mmf").out == "1 passed in 1 file, 1 live\n"
    assert mmflow("test", "a.mmf", "-v").out.startswith('passed: a.mmf:14: test "a greeting is easy" (live)\n')


def test_json_has_every_test_with_its_decision(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + SHORT + WRONG)
    mmflow.write("b.mmf", "mmflow 1\nflow main {}\n")
    done = mmflow("test", "a.mmf", "b.mmf", "--json")
    found = json.loads(done.out)
    assert done.code == 1
    assert (found["schema"], found["passed"], found["failed"], found["live"]) == (1, 1, 1, 0)
    short, wrong = found["tests"]
    assert (short["name"], short["file"], short["line"], short["passed"]) == (
        "a short request goes to the small model",
        "a.mmf",
        12,
        True,
    )
    assert short["latency_s"] == 0.3
    assert wrong["expectations"][0] == {
        "text": "served_by(small)",
        "line": 18,
        "passed": False,
        "got": "served by large (main/large)",
    }
    assert wrong["expectations"][1]["passed"]
    assert any("else -> large" in line for line in wrong["decision"])
    assert [(each["file"], each["errors"]) for each in found["files"]] == [("a.mmf", False), ("b.mmf", True)]
    assert found["files"][0]["coverage"] == [{"flow": "main", "arms": 2, "taken": 2, "not_taken": []}]


def test_junit_is_what_ci_servers_read(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + SHORT + WRONG.replace("this is wrong", "<wrong> & \\u001bodd"))
    mmflow.write("b.mmf", "mmflow 1\nflow main {}\n")
    assert mmflow("test", "a.mmf", "b.mmf", "--junit", "report.xml").code == 1
    root = ElementTree.fromstring(Path("report.xml").read_text())
    assert [(each.get("name"), each.get("tests"), each.get("failures"), each.get("errors")) for each in root] == [
        ("a.mmf", "2", "1", "0"),
        ("b.mmf", "1", "0", "1"),
    ]
    passed, failed = root[0]
    assert (passed.get("name"), passed.get("time"), len(passed)) == ("a short request goes to the small model", "0.300", 0)
    assert (failed.get("name") or "").startswith("<wrong> & ")
    assert "expected served_by(small), got served by large" in (failed[0].get("message") or "")
    assert "else -> large" in (failed[0].text or "")


def test_files_that_they_name_are_found_beside_the_workflow(mmflow: Shell) -> None:
    mmflow.write("w/lib.mmf", 'mmflow 1\nmodel far { provider = openai, id = "gpt-4o" }\n')
    text = 'mmflow 1\nimport "lib.mmf" as lib\nflow main { else -> lib.far }\ntest "it" { expect = [served_by(lib.far)] }\n'
    mmflow.write("w/a.mmf", text)
    assert mmflow("test", "w/a.mmf").out == "1 passed in 1 file\n"


def test_a_thousand_tests_are_one_command(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + "".join(LONG.replace("one", f"one {number}") for number in range(1000)))
    assert mmflow("test", "a.mmf").out == "1000 passed in 1 file\n"


def test_several_files_are_tested_at_a_time_and_told_in_their_order(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + SHORT + WRONG)
    mmflow.write("b.mmf", FLOW + LONG)
    assert mmflow("test", "a.mmf", "b.mmf", "-j", "2", "-v").out == mmflow("test", "a.mmf", "b.mmf", "-v").out
    assert mmflow("test", "a.mmf", "gone.mmf", "-j", "2").code == 2
    assert mmflow("test", "a.mmf", "-j", "0").code == 2


def test_the_configuration_may_set_how_many(mmflow: Shell) -> None:
    mmflow.write("a.mmf", FLOW + SHORT)
    mmflow.write("mmflow.toml", "[test]\njobs = 2\nverbose = true\n")
    assert mmflow("test", "a.mmf").out.startswith("passed: a.mmf:12")
    mmflow.write("mmflow.toml", '[test]\njobs = "many"\n')
    assert "`test.jobs` must be a whole number" in mmflow("test", "a.mmf").err
