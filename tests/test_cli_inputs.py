"""Reading files and INPUT: from where it comes, and a clear error for whatever cannot be read."""

import io
import os
import sys
from pathlib import Path

import pytest
from cli import Terminal

from mmflow.cli.failure import WrongUse
from mmflow.cli.inputs import MAX_INPUT_BYTES, MAX_WORKFLOW_BYTES, read_input, read_source


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> "type[Pipe]":
    Pipe.patch = monkeypatch
    return Pipe


class Pipe:
    """Standard input with these bytes piped into it."""

    patch: pytest.MonkeyPatch

    def __init__(self, data: bytes) -> None:
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


def test_an_argument_is_the_text() -> None:
    assert read_input("Why?") == "Why?"


def test_a_file_is_read_without_its_last_end_of_line_and_its_mark() -> None:
    Path("ticket.txt").write_bytes(b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe\r\n\nB\r\n")
    assert read_input("@ticket.txt") == "Grüße\r\n\nB"


def test_two_at_signs_stand_for_one() -> None:
    assert read_input("@@anna, please answer") == "@anna, please answer"


@pytest.mark.parametrize("argument", [None, "-"])
def test_what_is_piped_is_read(pipe: type[Pipe], argument: str | None) -> None:
    pipe("Grüße\n".encode())
    assert read_input(argument) == "Grüße"


def test_an_argument_leaves_the_pipe_alone(pipe: type[Pipe]) -> None:
    pipe(b"piped")
    assert read_input("given") == "given"


def refusal(argument: str | None) -> WrongUse:
    with pytest.raises(WrongUse) as refused:
        read_input(argument)
    return refused.value


def test_a_terminal_is_not_waited_for() -> None:
    assert refusal(None).message == "there is no input"


@pytest.mark.parametrize("argument", ["", "  \n", "\ufeff"])
def test_an_empty_argument_is_refused(argument: str) -> None:
    assert refusal(argument).message == "the input is empty"


def test_an_empty_pipe_is_refused(pipe: type[Pipe]) -> None:
    pipe(b"\n")
    assert refusal(None).message == "standard input is empty"


def test_a_closed_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert refusal(None).message == "there is no input"
    assert refusal("-").message == "standard input is closed"


def test_bytes_that_are_not_utf_8_are_refused(pipe: type[Pipe]) -> None:
    pipe(b"caf\xe9")
    assert refusal("-").message == "standard input is not UTF-8 (byte 4 is 0xe9)"
    assert refusal(os.fsdecode(b"caf\xe9")).message == "the input is not UTF-8 (byte 4 is 0xe9)"


def test_an_input_has_a_limit(pipe: type[Pipe]) -> None:
    pipe(b"x" * (MAX_INPUT_BYTES + 1))
    assert refusal("-").message == "standard input is too large: an input has at most 32 MB"


def test_a_missing_file_is_named_with_the_one_that_was_meant() -> None:
    Path("ticket.txt").touch()
    missing = refusal("@tiket.txt")
    assert missing.message == "there is no file `tiket.txt`"
    assert missing.help == "did you mean `ticket.txt`?"
    assert refusal("@nowhere/x").help == "there is no folder `nowhere` either"
    assert refusal("@").message == "`@` names no file"


def source_refusal(file: str) -> WrongUse:
    with pytest.raises(WrongUse) as refused:
        read_source(file)
    return refused.value


def test_a_workflow_may_be_piped(pipe: type[Pipe]) -> None:
    pipe(b"mmflow 1\n")
    assert read_source("-").text == "mmflow 1\n"


def test_a_forgotten_ending_is_suggested() -> None:
    Path("support.mmf").touch()
    assert source_refusal("support").help == "did you mean `support.mmf`?"
    assert source_refusal("suport.mff").help == "did you mean `support.mmf`?"


def test_what_is_like_no_file_of_the_folder_is_told_what_there_is() -> None:
    assert source_refusal("quarterly-report.mmf").help == "`mmflow init` writes a first workflow"
    for name in "gfedcba":
        Path(f"{name}.mmf").touch()
    assert source_refusal("absent.mmf").help == "workflows in that folder: `a.mmf`, `b.mmf`, `c.mmf`, `d.mmf`, `e.mmf`, …"
    assert refusal("@home please call").help == "to send a text that starts with `@`, write `@@home please call`"


def test_a_folder_is_no_file() -> None:
    Path("flows").mkdir()
    assert source_refusal("flows").message == "`flows` is a folder"
    Path("flows/a.mmf").touch()
    assert source_refusal("flows").help == "name a workflow file in it, such as `flows/a.mmf`"


def test_a_file_as_a_folder_is_refused() -> None:
    Path("support.mmf").touch()
    assert source_refusal("support.mmf/x").message == "`support.mmf/x` cannot be read: not a directory"


def test_a_name_that_is_too_long_is_refused() -> None:
    assert "cannot be read: file name too long" in source_refusal("x" * 5000).message


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused() -> None:
    Path("support.mmf").touch(mode=0)
    assert source_refusal("support.mmf").message == "`support.mmf` cannot be read: permission denied"


def test_a_workflow_of_10_mb_is_refused_unread() -> None:
    Path("big.mmf").write_bytes(b"#" * 10_000_000)
    assert MAX_WORKFLOW_BYTES == 1_000_000
    assert source_refusal("big.mmf").message == "`big.mmf` is too large: a workflow file has at most 1 MB"
    assert "`import`" in (source_refusal("big.mmf").help or "")


def test_a_source_that_is_not_utf_8_is_left_to_the_checker() -> None:
    Path("latin.mmf").write_bytes(b"mmflow 1 # caf\xe9")
    assert read_source("latin.mmf").bad_byte == 14
