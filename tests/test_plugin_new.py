"""`mmflow plugin new`: what it writes installs, is typed, tests itself, and a workflow uses it."""

from pathlib import Path

import pytest
from cli import Shell
from fresh_environment import Environment

KINDS = ("provider", "classifier", "scorer", "strategy")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment.create(tmp_path_factory.mktemp("new") / "venv")


@pytest.mark.parametrize("kind", KINDS)
def test_a_stranger_has_a_green_installed_plugin(environment: Environment, tmp_path: Path, kind: str) -> None:
    name = f"acme.my_{kind}"
    made = environment.mmflow("plugin", "new", name, f"--{kind}", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    project = tmp_path / name
    # Before it is installed, and after.
    green = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=project)
    assert green.returncode == 0, green.stdout
    environment.install(project)
    shown = environment.mmflow("plugins", "show", name)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"{name}: a {kind} of mmflow-acme-my-{kind} 0.1.0\n")
    checked = environment.mmflow("check", "--strict", "example.mmf", folder=project)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout
    cache = f"--cache-dir={tmp_path / 'cache'}"
    typed = environment.run("-m", "mypy", cache, folder=project)
    assert typed.returncode == 0, typed.stdout
    for arguments in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        tidy = environment.run("-m", "ruff", *arguments, folder=project)
        assert tidy.returncode == 0, tidy.stdout
    formatted = environment.mmflow("fmt", "--check", "example.mmf", folder=project)
    assert formatted.returncode == 0, formatted.stdout


def test_a_plugin_has_the_files_of_a_distribution(mmflow: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = mmflow("plugin", "new", "brevity", "--scorer")
    assert done.code == 0, done.err
    assert sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "brevity").rglob("*") if path.is_file()) == [
        "brevity/.github/workflows/ci.yml",
        "brevity/.gitignore",
        "brevity/README.md",
        "brevity/example.mmf",
        "brevity/mmflow_brevity/__init__.py",
        "brevity/mmflow_brevity/py.typed",
        "brevity/pyproject.toml",
        "brevity/tests/test_mmflow_brevity.py",
    ]


def test_what_is_there_is_never_written_over(mmflow: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    done = mmflow("plugin", "new", "mine", "--scorer")
    assert (done.code, list((tmp_path / "mine").iterdir())) == (1, [])
    assert "`mine` is there already" in done.err


@pytest.mark.parametrize("name", ["my-scorer", "1st", "a..b", ".a", "a/b", "../up", "", "naïve", "a b"])
def test_a_bad_name_is_refused(mmflow: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    done = mmflow("plugin", "new", name, "--scorer")
    assert (done.code, list(tmp_path.iterdir())) == (2, [])
    assert "is no name for a plugin" in done.err


def test_the_name_of_an_installed_plugin_is_taken(mmflow: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = mmflow("plugin", "new", "openai", "--provider")
    assert (done.code, list(tmp_path.iterdir())) == (1, [])
    assert "acme.openai" in done.err


def test_the_kind_is_not_guessed(mmflow: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = mmflow("plugin", "new", "mine")
    assert (done.code, list(tmp_path.iterdir())) == (2, [])
    assert "`--scorer`" in done.err
