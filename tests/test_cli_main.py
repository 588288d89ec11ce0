"""The command itself: help, version, its errors, exit codes, colour, and what is not imported on the way."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from cli import Shell

import mmflow as package
from mmflow.cli import group
from mmflow.cli.group import VERBS, cli

WRONG_USE = 2


def python(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, **options)


def modules_of(*arguments: str) -> set[str]:
    """What a command imports."""
    code = "import sys; from mmflow.cli.main import main; main(sys.argv[1:]); sys.stderr.write('\\n'.join(sys.modules))"
    done = python("-c", code, *arguments)
    assert done.stdout, done.stderr
    return set(done.stderr.split())


def test_the_version_costs_next_to_nothing() -> None:
    assert not {"click", "attr", "asyncio", "lark", "msgspec", "pathlib", "inspect", "dataclasses"} & modules_of("--version")


@pytest.mark.parametrize("arguments", [["--help"], ["init", "--help"], ["check", "--help"], ["completion", "bash"]], ids=" ".join)
def test_help_imports_nothing_of_the_runtime(arguments: list[str]) -> None:
    assert not {"aiohttp", "asyncio", "lark", "uvloop"} & modules_of(*arguments)


def test_the_version(mmflow: Shell) -> None:
    for arguments in (["--version"], ["-V"], ["--config", "x", "--version"]):
        assert mmflow(*arguments).out == f"mmflow {package.__version__}\n"


def test_python_dash_m_is_the_same_command() -> None:
    assert python("-m", "mmflow", "--version").stdout == f"mmflow {package.__version__}\n"


def test_help_names_every_verb_and_shows_examples(mmflow: Shell) -> None:
    done = mmflow("--help")
    assert done.code == 0
    assert all(f"  {verb} " in done.out for verb in VERBS)
    assert "Examples:" in done.out
    assert "MMFLOW_CONFIG" in done.out


def test_no_verb_is_wrong_use(mmflow: Shell) -> None:
    done = mmflow()
    assert done.code == WRONG_USE
    assert done.out == ""
    assert done.err.startswith("Usage: mmflow")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_help_with_the_variable_of_each_flag(verb: str, mmflow: Shell) -> None:
    done = mmflow(verb, "--help")
    assert done.code == 0
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    text = "".join(done.out.split())
    for name in group.flags_of(command):
        assert f"MMFLOW_{verb}_{name}".upper() in text


@pytest.mark.parametrize(
    ("arguments", "message", "help"),
    [
        (["chek"], "there is no command `chek`", "did you mean `check`?"),
        (["frobnicate"], "there is no command `frobnicate`", "`mmflow --help`"),
        (["support.mmf"], "`support.mmf` is a file, not a command", "`mmflow run support.mmf`"),
        (["init", "--forse"], "`mmflow init` has no flag `--forse`", "did you mean `--force`?"),
        (["--colour"], "`mmflow` has no flag `--colour`", "`mmflow --help`"),
        (["init", "a", "b"], "unexpected extra argument (b)", "`mmflow init --help`"),
        (["completion", "tcsh"], "`tcsh` is not one of `bash`, `zsh`, `fish`", "`mmflow completion --help`"),
        (["--config"], "option `--config` requires an argument", "`mmflow --help`"),
        (["init", "-5"], "has no flag `-5`", "write `--` before"),
    ],
)
def test_wrong_use_is_an_error_with_help(mmflow: Shell, arguments: list[str], message: str, help: str) -> None:
    done = mmflow(*arguments)
    assert done.code == WRONG_USE
    assert done.out == ""
    error, advice = done.err.splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert advice.startswith("  = help: ")
    assert help in advice


def test_a_fault_of_ours_is_one_line_without_the_message_of_the_exception(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: list[str]) -> int:
        raise RuntimeError("with a key: sk-secret")

    monkeypatch.setattr(group, "dispatch", broken)
    done = mmflow("init")
    assert done.code == 70
    assert done.err.startswith("error: internal error: RuntimeError in test_cli_main.py:")
    assert "MMFLOW_DEBUG=1" in done.err
    assert "Traceback" not in done.err
    assert "secret" not in done.err
    mmflow.environ["MMFLOW_DEBUG"] = "1"
    assert "Traceback" in mmflow("init").err


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
    ],
)
def test_colour_is_for_who_wants_it(mmflow: Shell, environ: dict[str, str], coloured: bool) -> None:
    mmflow.environ.update(environ)
    assert ("\x1b[" in mmflow("chek").err) is coloured


def test_what_others_wrote_cannot_move_the_cursor(mmflow: Shell) -> None:
    assert mmflow("\x1b[2J\x07").err.startswith("error: there is no command `\\x1b[2J\\x07`\n")


def test_a_reader_that_leaves_is_no_error() -> None:
    """`mmflow --help | true`, with the pipe closed before anything is written."""
    reader, writer = os.pipe()
    os.close(reader)
    for arguments in (["--help"], ["--version"]):
        done = subprocess.run([sys.executable, "-m", "mmflow", *arguments], stdout=writer, stderr=subprocess.PIPE, timeout=60)
        assert done.stderr == b""
        assert done.returncode == 141
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="it needs a device that is full")
def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "mmflow", "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output: no space left on device\n"


def test_ctrl_c_is_silent(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: list[str]) -> int:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    monkeypatch.setattr(group, "dispatch", interrupted)
    done = mmflow("init")
    assert (done.code, done.out, done.err) == (130, "", "")


def test_closed_streams_are_no_error() -> None:
    done = subprocess.run(["sh", "-c", f'"{sys.executable}" -m mmflow --help >&- 2>&- <&-'], timeout=60)
    assert done.returncode == 0


# ---- completion -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(mmflow: Shell, shell: str) -> None:
    done = mmflow("completion", shell)
    assert done.code == 0
    assert f"_MMFLOW_COMPLETE={shell}_complete" in done.out


def test_completion_works_beside_a_broken_configuration(mmflow: Shell) -> None:
    mmflow.write("mmflow.toml", "[nonsense")
    assert mmflow("completion", "bash").code == 0


def test_the_shell_of_the_user_is_the_default(mmflow: Shell) -> None:
    mmflow.environ["SHELL"] = "/usr/bin/zsh"
    assert mmflow("completion").out == mmflow("completion", "zsh").out
    mmflow.environ["SHELL"] = "/bin/tcsh"
    assert mmflow("completion").code == WRONG_USE


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("mmflow co", ["plain,completion"]),
        ("mmflow check --format s", ["plain,sarif"]),
        ("mmflow explain unknown-na", ["plain,unknown-name"]),
        ("mmflow run support.mmf --flow tr", ["plain,triage"]),
        ("mmflow run support.mmf --set da", ["plain,daily="]),
        ("mmflow run missing.mmf --flow tr", []),
        ("mmflow run s", ["file,s"]),
    ],
)
def test_the_script_gets_its_answers(mmflow: Shell, capsys: pytest.CaptureFixture[str], typed: str, suggested: list[str]) -> None:
    mmflow.write("support.mmf", "mmflow 1\nparam daily = $5\nflow triage { else -> }\nflow other { }\n")
    mmflow.environ |= {"_MMFLOW_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    with pytest.raises(SystemExit):
        mmflow()
    assert capsys.readouterr().out.split() == suggested


# ---- init -----------------------------------------------------------------------------------------------------------------


def test_init_writes_a_workflow_and_a_configuration(mmflow: Shell) -> None:
    done = mmflow("init", "new/folder")
    assert done.code == 0
    assert "wrote new/folder/workflow.mmf" in done.out
    assert "mmflow run new/folder/workflow.mmf" in done.out
    assert (mmflow.folder / "new/folder/workflow.mmf").read_text().startswith("mmflow 1\n")
    assert (mmflow.folder / "new/folder/mmflow.toml").exists()


def test_init_replaces_nothing_without_being_told(mmflow: Shell) -> None:
    mine = mmflow.write("workflow.mmf", "mine")
    done = mmflow("init")
    assert done.code == 1
    assert done.err == "error: `workflow.mmf` is there already; nothing was written\n  = help: replace with `--force`\n"
    assert mine.read_text() == "mine"
    assert not (mmflow.folder / "mmflow.toml").exists()
    assert "replaced workflow.mmf\nwrote mmflow.toml\n" in mmflow("init", "--force").out


def test_init_needs_a_folder(mmflow: Shell) -> None:
    mmflow.write("file", "")
    assert mmflow("init", "file").code == WRONG_USE
    assert "Traceback" not in mmflow("init", "file/under").err
