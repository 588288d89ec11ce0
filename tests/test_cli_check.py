"""`mmflow check` and `mmflow explain`: what they print, and their exit codes."""

import json

import pytest
from cli import Shell

WRONG_USE = 2

GOOD = """\
mmflow 1

model small { provider = sim, id = "small", price = free, latency = { first_token = 1ms, p95 = 2ms } }

flow main { else -> small }
"""
WRONG_NAME = GOOD.replace("else -> small", "else -> smal")
WARNED = GOOD + '\nmodel idle { provider = sim, id = "idle", price = free }\n'


@pytest.fixture
def good(mmflow: Shell) -> str:
    mmflow.write("good.mmf", GOOD)
    return "good.mmf"


@pytest.fixture
def wrong(mmflow: Shell) -> str:
    mmflow.write("wrong.mmf", WRONG_NAME)
    return "wrong.mmf"


@pytest.fixture
def warned(mmflow: Shell) -> str:
    mmflow.write("warned.mmf", WARNED)
    return "warned.mmf"


def test_success_is_silent(mmflow: Shell, good: str) -> None:
    done = mmflow("check", good)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_an_error_is_shown_on_standard_output(mmflow: Shell, wrong: str) -> None:
    done = mmflow("check", wrong)
    assert done.code == 1
    assert done.out.startswith("error[unknown-name]: ")
    assert "--> wrong.mmf:5:21" in done.out
    assert "did you mean `small`?" in done.out
    assert done.out.endswith("\n1 error\n")
    assert done.err == ""


def test_a_warning_is_shown_and_passes_unless_strict(mmflow: Shell, warned: str) -> None:
    done = mmflow("check", warned)
    assert done.code == 0
    assert "warning[unused]" in done.out
    assert mmflow("check", warned, "--strict").code == 1
    mmflow.write("mmflow.toml", "[check]\nstrict = true\n")
    assert mmflow("check", warned).code == 1
    assert mmflow("check", warned, "--no-strict").code == 0


def test_several_files_are_checked_in_one_run(mmflow: Shell, good: str, wrong: str, warned: str) -> None:
    done = mmflow("check", good, wrong, warned, wrong)
    assert done.code == 1
    assert done.out.count("error[") == 1
    assert "warned.mmf" in done.out


def test_a_file_that_cannot_be_read_hides_nothing_of_the_others(mmflow: Shell, wrong: str) -> None:
    (mmflow.folder / "folder").mkdir()
    done = mmflow("check", "missing.mmf", "folder", wrong)
    assert done.code == WRONG_USE
    assert "error: there is no file `missing.mmf`" in done.err
    assert "error: `folder` is a folder" in done.err
    assert "error[unknown-name]" in done.out


def test_standard_input_is_checked(mmflow: Shell) -> None:
    done = mmflow("check", "-", stdin=WRONG_NAME.encode())
    assert done.code == 1
    assert "<stdin>:5:21" in done.out


def test_no_file_is_wrong_use(mmflow: Shell) -> None:
    done = mmflow("check")
    assert done.code == WRONG_USE
    assert done.err.startswith("error: `mmflow check` needs `FILE...`")


def test_json_is_one_object_of_the_documented_form(mmflow: Shell, good: str, wrong: str) -> None:
    assert json.loads(mmflow("check", good, "--format", "json").out) == {"schema": 1, "diagnostics": []}
    done = mmflow("check", wrong, "--format", "json")
    assert done.code == 1
    assert done.err == ""
    document = json.loads(done.out)
    (diagnostic,) = document["diagnostics"]
    assert document["schema"] == 1
    assert diagnostic["code"] == "unknown-name"
    assert diagnostic["severity"] == "error"
    assert diagnostic["span"] == {"file": "wrong.mmf", "line": 5, "column": 21, "end_line": 5, "end_column": 25}


def test_github_annotates_the_line(mmflow: Shell, good: str, wrong: str) -> None:
    assert mmflow("check", good, "--format", "github").out == ""
    done = mmflow("check", wrong, "--format", "github")
    assert done.code == 1
    assert done.out.startswith("::error file=wrong.mmf,line=5,")


def test_sarif_is_a_whole_document(mmflow: Shell, good: str, wrong: str) -> None:
    assert json.loads(mmflow("check", good, "--format", "sarif").out)["runs"][0]["results"] == []
    document = json.loads(mmflow("check", wrong, "--format", "sarif").out)
    assert document["version"] == "2.1.0"
    assert document["runs"][0]["results"][0]["ruleId"] == "unknown-name"


def test_colour_only_where_it_is_wanted(mmflow: Shell, wrong: str) -> None:
    assert "\x1b[" not in mmflow("check", wrong).out
    mmflow.environ["FORCE_COLOR"] = "1"
    assert "\x1b[" in mmflow("check", wrong).out
    assert "\x1b[" not in mmflow("check", wrong, "--format", "json").out


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xff\xfe\x00",
        b"mmflow 1\n\0\n",
        b"mmflow 1\nlet x = " + b"(" * 10_000,
        b"mmflow 1\n" + b"flow main { " * 10_000,
        b"mmflow 1\nlet x = " + b"not " * 10_000 + b"true\n",
        b"mmflow 1\nlet x = " + b"[" * 10_000 + b"]" * 10_000,
        b"mmflow 1\r\nlet x = \r\n",
        b"mmflow 99\n",
        "mmflow 1\nflow \u202emain { }\n".encode(),
        b"\x1b[2Jmmflow 1\n",
    ],
)
def test_bad_files_are_errors_and_never_faults_of_ours(mmflow: Shell, content: bytes) -> None:
    mmflow.write("bad.mmf", content)
    done = mmflow("check", "bad.mmf")
    assert done.code == 1
    assert "error[" in done.out
    assert "Traceback" not in done.out + done.err
    assert "internal" not in done.err
    assert "\x1b" not in done.out + done.err


def test_errors_of_a_run_go_to_standard_error(mmflow: Shell, wrong: str) -> None:
    done = mmflow("run", wrong, "Hi")
    assert done.code == 1
    assert done.out == ""
    assert "error[unknown-name]" in done.err
    assert done.err.endswith("\n1 error\n")


def test_a_warning_of_a_run_takes_one_line(mmflow: Shell, warned: str) -> None:
    done = mmflow("run", warned, "Hi")
    assert done.code == 0
    assert done.err.splitlines()[0].startswith("warning: warned.mmf:7:7: ")
    assert done.err.splitlines()[0].endswith("[unused]")


# ---- explain --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["unknown-name", "unknown_name", "error[unknown-name]", "error[unknown-name]:", "Unknown-Name"])
def test_a_code_is_explained(mmflow: Shell, code: str) -> None:
    done = mmflow("explain", code)
    assert done.code == 0
    assert "unknown-name" in done.out


def test_without_a_code_they_are_all_listed(mmflow: Shell) -> None:
    assert {"unknown-name", "cycle"} <= set(mmflow("explain").out.split())


@pytest.mark.parametrize(
    ("code", "help"), [("unknown-nam", "did you mean `unknown-name`?"), ("../x", "there is no file `../x`"), ("", "lists them")]
)
def test_an_unknown_code_is_wrong_use(mmflow: Shell, code: str, help: str) -> None:
    done = mmflow("explain", code)
    assert done.code == WRONG_USE
    assert help in done.err
