"""`mmflow fmt`: what it writes and where, and its exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli import Shell

WRONG_USE = 2

UGLY = 'mmflow 1\n\nmodel  m{provider=sim , id="m"}  # ours\nflow main{ else->m }\n'
CLEAN = 'mmflow 1\n\nmodel m { provider = sim, id = "m" }  # ours\nflow main { else -> m }\n'
BROKEN = "mmflow 1\n\nmodel m { provider = \n}\n"


def test_a_file_is_formatted_in_its_place_and_silently(mmflow: Shell) -> None:
    file = mmflow.write("a.mmf", UGLY)
    done = mmflow("fmt", "a.mmf")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert file.read_text() == CLEAN
    assert [each.name for each in mmflow.folder.iterdir()] == ["a.mmf"]


def test_a_formatted_file_is_not_written(mmflow: Shell) -> None:
    file = mmflow.write("a.mmf", CLEAN)
    before = file.stat()
    assert mmflow("fmt", "a.mmf").code == 0
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_standard_input_goes_to_standard_output(mmflow: Shell, arguments: list[str]) -> None:
    done = mmflow("fmt", *arguments, stdin=UGLY.encode())
    assert (done.code, done.out, done.err) == (0, CLEAN, "")
    assert mmflow("fmt", *arguments, stdin=CLEAN.encode()).out == CLEAN


def test_nobody_waits_for_a_person_to_type_a_workflow(mmflow: Shell) -> None:
    done = mmflow("fmt")
    assert done.code == WRONG_USE
    assert done.err.startswith("error: there is nothing to format\n")


def test_line_ends_and_a_byte_order_mark_are_written_as_bytes(mmflow: Shell) -> None:
    file = mmflow.write("a.mmf", b"\xef\xbb\xbf" + CLEAN.replace("\n", "\r\n").replace("ours", "unsere für Köln").encode())
    assert mmflow("fmt", "--check", "a.mmf").code == 1
    assert mmflow("fmt", "a.mmf").code == 0
    assert file.read_bytes() == CLEAN.replace("ours", "unsere für Köln").encode()


# ---- --check and --diff


def test_check_lists_what_would_change_and_writes_nothing(mmflow: Shell) -> None:
    file = mmflow.write("ugly.mmf", UGLY)
    mmflow.write("clean.mmf", CLEAN)
    done = mmflow("fmt", "--check", "ugly.mmf", "clean.mmf")
    assert (done.code, done.out, done.err) == (1, "ugly.mmf\n", "")
    assert file.read_text() == UGLY
    assert mmflow("fmt", "--check", "clean.mmf") == mmflow("fmt", "clean.mmf")
    assert mmflow("fmt", "--check", "-", stdin=UGLY.encode()).out == "<stdin>\n"


@pytest.mark.parametrize("before", [UGLY, UGLY.replace("\n", "\r\n"), UGLY.rstrip(), "\ufeff" + CLEAN, CLEAN.rstrip() + "\n\n"])
def test_a_diff_is_one_that_patch_takes(mmflow: Shell, before: str) -> None:
    file = mmflow.write("a.mmf", before)
    done = mmflow("fmt", "--diff", "a.mmf")
    assert done.code == 1
    assert done.out.startswith("--- a.mmf\n+++ a.mmf\n@@ ")
    assert file.read_bytes() == before.encode()
    subprocess.run(["patch", "--binary", "a.mmf"], input=done.out.encode(), check=True, capture_output=True, cwd=mmflow.folder)
    assert file.read_text() == CLEAN
    done = mmflow("fmt", "--diff", "a.mmf")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_diff_of_standard_input(mmflow: Shell) -> None:
    done = mmflow("fmt", "--diff", stdin=UGLY.encode())
    assert done.code == 1
    assert {"-flow main{ else->m }", "+flow main { else -> m }"} < set(done.out.splitlines())


# ---- files that cannot be formatted


def test_a_file_with_errors_is_left_alone_and_the_others_are_formatted(mmflow: Shell) -> None:
    broken, ugly = mmflow.write("broken.mmf", BROKEN), mmflow.write("ugly.mmf", UGLY)
    done = mmflow("fmt", "broken.mmf", "ugly.mmf")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error[value-missing]: ")
    assert "--> broken.mmf:3:" in done.err
    assert (broken.read_text(), ugly.read_text()) == (BROKEN, CLEAN)


def test_broken_standard_input_gives_no_output(mmflow: Shell) -> None:
    done = mmflow("fmt", stdin=BROKEN.encode())
    assert (done.code, done.out) == (1, "")
    assert "error[value-missing]" in done.err


def test_a_newer_edition_is_left_alone(mmflow: Shell) -> None:
    mmflow.write("a.mmf", UGLY.replace("mmflow 1", "mmflow 2"))
    done = mmflow("fmt", "a.mmf")
    assert done.code == 1
    assert "error[edition-newer]" in done.err


def test_a_plugin_that_is_not_installed_does_not_matter(mmflow: Shell) -> None:
    file = mmflow.write("a.mmf", "mmflow 1\nscorer s using nobody.has_this{ a=1 }\n")
    assert mmflow("fmt", "a.mmf").code == 0
    assert file.read_text() == "mmflow 1\nscorer s using nobody.has_this { a = 1 }\n"


def test_files_that_cannot_be_read_hide_nothing_of_the_others(mmflow: Shell) -> None:
    file = mmflow.write("ugly.mmf", UGLY)
    (mmflow.folder / "folder").mkdir()
    mmflow.write("plan.json", "{}")
    done = mmflow("fmt", "missing.mmf", "folder", "plan.json", "ugly.mmf")
    assert done.code == WRONG_USE
    assert "error: there is no file `missing.mmf`" in done.err
    assert "error: `folder` is a folder" in done.err
    assert "error: `plan.json` is a saved plan, not a workflow" in done.err
    assert file.read_text() == CLEAN


# ---- writing


def test_permissions_stay(mmflow: Shell) -> None:
    file = mmflow.write("a.mmf", UGLY)
    file.chmod(0o640)
    assert mmflow("fmt", "a.mmf").code == 0
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(mmflow: Shell) -> None:
    file = mmflow.write("folder/a.mmf", UGLY)
    link = mmflow.folder / "link.mmf"
    link.symlink_to(Path("folder") / "a.mmf")
    assert mmflow("fmt", "link.mmf").code == 0
    assert link.is_symlink()
    assert file.read_text() == CLEAN


def test_a_file_is_replaced_as_a_whole_or_not_at_all(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    file = mmflow.write("a.mmf", UGLY)
    monkeypatch.setattr(os, "replace", full)
    done = mmflow("fmt", "a.mmf")
    assert done.code == 1
    assert done.err == "error: `a.mmf` cannot be written: no space left on device\n"
    assert file.read_text() == UGLY
    assert [each.name for each in mmflow.folder.iterdir()] == ["a.mmf"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="it needs pipes with names")
def test_what_is_no_file_is_not_replaced_by_one(mmflow: Shell) -> None:
    reader, writer = os.pipe()
    os.write(writer, UGLY.encode())
    os.close(writer)
    done = mmflow("fmt", f"/dev/fd/{reader}")
    os.close(reader)
    assert done.code == WRONG_USE
    assert "is not a regular file" in done.err


def test_neither_the_checker_nor_plugins_nor_the_network_are_imported(tmp_path: Path) -> None:
    (tmp_path / "a.mmf").write_text(UGLY)
    code = "import sys; from mmflow.cli.main import main; main(['fmt', 'a.mmf']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "mmflow.cli.fmt" in imported
    assert not {"aiohttp", "asyncio", "pluggy", "mmflow.check", "mmflow.registry", "mmflow.api"} & imported
    assert (tmp_path / "a.mmf").read_text() == CLEAN
