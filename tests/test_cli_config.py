"""Where flags come from: the command line, `MMFLOW_*`, `mmflow.toml` or `[tool.mmflow]`, and `.env` for the environment."""

from pathlib import Path

import pytest
from cli import Shell

from mmflow.cli.config import find

WRONG_USE = 2


def forced(mmflow: Shell) -> bool:
    """Whether `--force` holds without being on the command line."""
    mmflow.write("workflow.mmf", "mine")
    return mmflow("init").code == 0


def test_a_flag_is_off_by_default(mmflow: Shell) -> None:
    assert not forced(mmflow)


@pytest.mark.parametrize(
    ("name", "text"),
    [("mmflow.toml", "[init]\nforce = true\n"), ("pyproject.toml", "[tool.mmflow.init]\nforce = true\n")],
)
def test_a_file_sets_a_flag(mmflow: Shell, name: str, text: str) -> None:
    mmflow.write(name, text)
    mmflow.write("workflow.mmf", "mine")
    assert "replaced workflow.mmf" in mmflow("init", ".").out


def test_a_variable_sets_a_flag(mmflow: Shell) -> None:
    mmflow.environ["MMFLOW_INIT_FORCE"] = "1"
    assert forced(mmflow)


def test_a_variable_wins_over_a_file(mmflow: Shell) -> None:
    mmflow.write("pyproject.toml", "[tool.mmflow.init]\nforce = true\n")
    mmflow.environ["MMFLOW_INIT_FORCE"] = "false"
    assert not forced(mmflow)


def test_an_empty_variable_counts_as_unset(mmflow: Shell) -> None:
    mmflow.write("pyproject.toml", "[tool.mmflow.init]\nforce = true\n")
    mmflow.environ["MMFLOW_INIT_FORCE"] = ""
    assert forced(mmflow)


def test_a_variable_of_the_wrong_type_is_refused(mmflow: Shell) -> None:
    mmflow.environ["MMFLOW_INIT_FORCE"] = "perhaps"
    done = mmflow("init")
    assert done.code == WRONG_USE
    assert done.err.startswith("error: the variable MMFLOW_INIT_FORCE: `perhaps` is neither true nor false\n")


def test_a_variable_that_is_no_flag_is_told(mmflow: Shell) -> None:
    mmflow.environ["MMFLOW_INIT_FORSE"] = "1"
    done = mmflow("init")
    assert done.code == 0
    assert "warning: MMFLOW_INIT_FORSE is set" in done.err
    assert "did you mean MMFLOW_INIT_FORCE?" in done.err


def test_the_search_goes_upwards_and_stops_at_the_first(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    mmflow.write("mmflow.toml", "[nonsense]\n")
    near = mmflow.write("a/pyproject.toml", "[tool.mmflow.init]\nforce = true\n")
    (mmflow.folder / "a/b").mkdir()
    found = find(mmflow.folder / "a/b")
    assert found is not None
    assert found.file == near


def test_a_pyproject_without_our_table_is_passed_by(mmflow: Shell) -> None:
    outer = mmflow.write("mmflow.toml", "")
    mmflow.write("a/pyproject.toml", '[project]\ndependencies = ["mmflow"]\n')
    mmflow.write("a/b/pyproject.toml", "this is [not toml")
    found = find(mmflow.folder / "a/b")
    assert found is not None
    assert found.file == outer


def test_the_file_that_is_named_is_the_one_that_is_read(mmflow: Shell) -> None:
    mmflow.write("mmflow.toml", "[nonsense]\n")
    mmflow.write("other.toml", "[init]\nforce = true\n")
    mmflow.write("workflow.mmf", "mine")
    assert mmflow("--config", "other.toml", "init").code == 0
    assert mmflow("--config", "missing.toml", "init").code == WRONG_USE
    mmflow.environ["MMFLOW_CONFIG"] = "other.toml"
    assert mmflow("init").code == 0


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("[init]\nforse = true\n", "`mmflow init` has no flag `forse`", "did you mean `force`?"),
        ("[inti]\nforce = true\n", "there is no section `inti`", "did you mean `init`?"),
        ("colour = 1\n", "there is no section `colour`", "sections are"),
        ("init = true\n", "`init` must be a table of flags", "[init]"),
        ('[init]\nforce = "yes"\n', '`init.force` must be true or false, not "yes"', None),
        ("[check]\nformat = 5\n", "`check.format` must be one of `text`, `json`, `github`, `sarif`, not 5", None),
        ('[run]\nflow = ""\n', "`run.flow` must be a string", None),
        ("[run.set]\nlimit = [1]\n", "`run.set` must be a table of names and values", None),
        ("[check]\nforce = true\n", "`mmflow check` has no flag `force`", "flags of `check` are"),
        ("[init\n", "is not TOML", None),
        (b"\xff", "is not UTF-8", None),
    ],
)
def test_what_a_file_cannot_say_is_refused(mmflow: Shell, text: str | bytes, message: str, help: str | None) -> None:
    file = mmflow.write("mmflow.toml", text)
    done = mmflow("init")
    assert done.code == WRONG_USE
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert str(file) in done.err
    assert message in done.err
    assert help is None or help in done.err
    assert not (mmflow.folder / "workflow.mmf").exists()


def test_two_configurations_in_a_folder_are_refused(mmflow: Shell) -> None:
    mmflow.write("mmflow.toml", "")
    mmflow.write("pyproject.toml", "[tool.mmflow]\n")
    done = mmflow("init")
    assert done.code == WRONG_USE
    assert "both" in done.err


def test_help_does_not_need_a_good_configuration(mmflow: Shell) -> None:
    mmflow.write("mmflow.toml", "[nonsense")
    assert mmflow("init", "--help").code == 0


# ---- .env -----------------------------------------------------------------------------------------------------------------


def test_dotenv_completes_the_environment(mmflow: Shell) -> None:
    mmflow.write(".env", "export MMFLOW_INIT_FORCE=1\n# a remark\nOTHER='a ${HOME} b'\n")
    assert forced(mmflow)
    assert mmflow.environ["OTHER"] == "a ${HOME} b"


def test_dotenv_never_overrides_the_environment(mmflow: Shell) -> None:
    mmflow.write(".env", "A_KEY=from the file\nB_KEY=from the file\n")
    mmflow.environ |= {"A_KEY": "from outside", "B_KEY": ""}
    mmflow("init")
    assert mmflow.environ["A_KEY"] == "from outside"
    assert mmflow.environ["B_KEY"] == ""


def test_dotenv_is_read_beside_the_configuration(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    mmflow.write("mmflow.toml", "")
    mmflow.write(".env", "WHERE=above\n")
    mmflow.write("below/.env", "WHERE=below\n")
    monkeypatch.chdir(mmflow.folder / "below")
    mmflow("init")
    assert mmflow.environ["WHERE"] == "above"


def test_a_line_of_dotenv_that_cannot_be_read_is_told_without_its_text(mmflow: Shell) -> None:
    mmflow.write(".env", "A=1\n\nsk-very-secret and so on\nB\nC=3\n")
    done = mmflow("init")
    assert done.code == 0
    assert ".env:3:" in done.err
    assert ".env:4:" in done.err
    assert "secret" not in done.err
    assert (mmflow.environ["A"], mmflow.environ["C"]) == ("1", "3")
    assert "B" not in mmflow.environ


def test_a_folder_named_dotenv_is_no_dotenv(mmflow: Shell) -> None:
    (mmflow.folder / ".env").mkdir()
    assert mmflow("init").err == ""


def test_a_dotenv_that_is_not_utf_8_is_told(mmflow: Shell) -> None:
    mmflow.write(".env", b"A=\xff\n")
    done = mmflow("init")
    assert done.code == 0
    assert "not UTF-8" in done.err


def test_the_folder_may_be_gone(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = mmflow.folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert mmflow("init", str(Path(mmflow.folder, "new"))).code == 0
