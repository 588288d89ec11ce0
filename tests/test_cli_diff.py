"""`mmflow diff`: files, saved plans and revisions; what is shown, and when it fails."""

import json
import subprocess

import pytest
from cli import Shell

from mmflow.cli.failure import FOUND, WRONG_USE

OLD = """\
mmflow 1

param most = $2/1M

provider near using sim { zone = own }
provider far using sim { zone = external }

model small { provider = near, id = "s", price = { input = $1/1M, output = $2/1M } }
model large { provider = far, id = "l", price = { input = $3/1M, output = most } }

flow main {
  max_input = 1k
  max_output = 100
  when request.tokens <= 100 -> small
  else -> large
}
"""
NEW = OLD.replace("<= 100", "<= 50")


@pytest.fixture
def pair(mmflow: Shell) -> Shell:
    mmflow.write("old.mmf", OLD)
    mmflow.write("new.mmf", NEW)
    return mmflow


def git(shell: Shell, *arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *names, *arguments], cwd=shell.folder, check=True, capture_output=True)


@pytest.fixture
def repository(mmflow: Shell) -> Shell:
    """A repository whose last two commits hold the old and the new version."""
    git(mmflow, "init")
    for text in (OLD, NEW):
        mmflow.write("flows/a.mmf", text)
        git(mmflow, "add", ".")
        git(mmflow, "commit", "-m", "a")
    return mmflow


def test_what_changes_is_shown_by_situation(pair: Shell) -> None:
    done = pair("diff", "old.mmf", "new.mmf")
    assert (done.code, done.err) == (0, "")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[:2] == ["flow main", "when request.tokens = 51 to 100"]
    for line in (
        "target small => large",
        "worst $ $0.0003 => $0.0005 (+67%)",
        "zones own => external (privacy: external is new)",
    ):
        assert line in lines


def test_the_same_behaviour_is_silent_on_standard_output(pair: Shell) -> None:
    pair.write("same.mmf", OLD.replace("large", "big").replace("big {", "large {").replace("-> big", "-> large") + "# the end\n")
    done = pair("diff", "old.mmf", "same.mmf", "--fail-on", "privacy,cost,time,target")
    assert (done.code, done.out) == (0, "")
    assert "no change in behaviour" in done.err


def test_it_is_printed_as_json(pair: Shell) -> None:
    found = json.loads(pair("diff", "old.mmf", "new.mmf", "--json").out)
    assert found["harms"] == ["privacy", "cost", "target"]
    (change,) = found["flows"][0]["changes"]
    assert change["situations"] == ["request.tokens = 51 to 100"]
    assert (change["before"]["target"], change["after"]["bound"]["calls"]) == ("small", 1)
    same = json.loads(pair("diff", "old.mmf", "old.mmf", "--json").out)
    assert (same["flows"], same["harms"]) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "fail_on", "code"),
    [
        ("old.mmf", "new.mmf", "privacy", FOUND),
        ("old.mmf", "new.mmf", "time, cost", FOUND),
        ("old.mmf", "new.mmf", "time", 0),
        ("new.mmf", "old.mmf", "privacy,cost,time", 0),
        ("new.mmf", "old.mmf", "target", FOUND),
    ],
)
def test_it_fails_on_what_it_is_asked_to(pair: Shell, old: str, new: str, fail_on: str, code: int) -> None:
    done = pair("diff", old, new, "--fail-on", fail_on)
    assert done.code == code
    assert ("error: the change touches" in done.err) == bool(code)
    assert done.out


def test_params_hold_for_both(pair: Shell) -> None:
    plain, dear = (pair("diff", "old.mmf", "new.mmf", *more).out for more in ([], ["--set", "most=$9/1M"]))
    assert "$0.0005" in plain
    assert "$0.0012" in dear


def test_saved_plans_and_standard_input_are_compared(pair: Shell) -> None:
    pair.write("old.json", pair("plan", "old.mmf", "--json").out)
    shown = pair("diff", "old.mmf", "new.mmf").out
    assert pair("diff", "old.json", "new.mmf").out == shown
    assert pair("diff", "old.mmf", "-", stdin=NEW.encode()).out == shown


def test_revisions_are_compared(repository: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    done = repository("diff", "HEAD~1:flows/a.mmf", "HEAD:flows/a.mmf", "--fail-on", "privacy")
    assert done.code == FOUND
    assert "small => large" in done.out
    assert repository("diff", "HEAD~1:flows/a.mmf", "flows/a.mmf").out == done.out
    monkeypatch.chdir(repository.folder / "flows")
    assert repository("diff", "HEAD~1:./a.mmf", "a.mmf").out == done.out


def test_a_file_with_a_colon_in_its_name_is_a_file(repository: Shell) -> None:
    repository.write("HEAD:flows", OLD)
    assert repository("diff", "HEAD:flows", "flows/a.mmf").code == 0


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("HEAD~7:flows/a.mmf", "cannot be had from git"),
        ("HEAD:nothing.mmf", "cannot be had from git"),
        ("HEAD:flows", "is a folder"),
        ("HEAD:", "neither a file nor a revision"),
        (":", "neither a file nor a revision"),
        ("--output=x:a.mmf", "--output"),
        ("nothing.mmf", "there is no file"),
    ],
)
def test_what_cannot_be_read_is_wrong_use(repository: Shell, where: str, said: str) -> None:
    done = repository("diff", where, "flows/a.mmf")
    assert (done.code, done.out) == (WRONG_USE, "")
    assert said in done.err
    assert not (repository.folder / "x").exists()


def test_outside_of_a_repository_it_says_so(pair: Shell) -> None:
    pair.environ["GIT_CEILING_DIRECTORIES"] = str(pair.folder.parent)
    done = pair("diff", "HEAD:old.mmf", "new.mmf")
    assert done.code == WRONG_USE
    assert "is in no git repository" in done.err


def test_without_git_it_says_so(pair: Shell) -> None:
    pair.environ["PATH"] = str(pair.folder)
    done = pair("diff", "HEAD:old.mmf", "new.mmf")
    assert done.code == WRONG_USE
    assert "git is not installed" in done.err


@pytest.mark.parametrize(
    "arguments", [["--fail-on", "privcy"], ["--fail-on", ""], ["--flow", "mian"], ["--set", "other=1"]], ids=" ".join
)
def test_a_flag_that_makes_no_sense_is_wrong_use(pair: Shell, arguments: list[str]) -> None:
    done = pair("diff", "old.mmf", "new.mmf", *arguments)
    assert (done.code, done.out) == (WRONG_USE, "")
    assert "= help: " in done.err


def test_a_version_with_errors_is_told_with_its_place(repository: Shell) -> None:
    repository.write("flows/a.mmf", OLD.replace("-> large", "-> nobody"))
    git(repository, "commit", "-am", "broken")
    done = repository("diff", "HEAD:flows/a.mmf", "HEAD~1:flows/a.mmf")
    assert done.code == FOUND
    assert "HEAD:flows/a.mmf:15" in done.err


def test_what_a_revision_imports_is_read_from_that_revision(repository: Shell) -> None:
    model = 'mmflow 1\nmodel m {{ provider = sim, id = "a", price = {} }}\n'
    repository.write("lib.mmf", model.format("free"))
    repository.write("flow.mmf", 'mmflow 1\nimport "lib.mmf" as lib\nflow main { else -> lib.m }\n')
    git(repository, "add", ".")
    git(repository, "commit", "-m", "a library")
    repository.write("lib.mmf", model.format("{ input = $1/1M, output = $1/1M }"))
    assert "$1/1M" in repository("diff", "HEAD:flow.mmf", "flow.mmf").out
    assert repository("diff", "HEAD:flow.mmf", "HEAD:flow.mmf").out == ""
    (repository.folder / "lib.mmf").unlink()
    assert repository("diff", "HEAD:flow.mmf", "HEAD:./flow.mmf").code == 0
