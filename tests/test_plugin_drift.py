"""Versions of plugins: what `use name@2` asks for, what the lock beside a file has, and what is installed."""

import json
from collections.abc import Mapping

import pytest
from cli import Shell

from mmflow.build import build
from mmflow.check.plugins import is_of
from mmflow.diagnostics import Diagnostic
from mmflow.plugin import ScorerWord, option, options
from mmflow.registry import Registry
from mmflow.registry.entry_points import EntryPoint, scan
from mmflow.source import Source


@options
class NoOptions:
    """Nothing to say."""

    phrases: tuple[str, ...] = option((), doc="phrases")


class Judge:
    """A plugin of another's distribution."""

    @staticmethod
    def words() -> list[ScorerWord]:
        return [ScorerWord("rubric", NoOptions, make=lambda options, host: None)]  # type: ignore[arg-type, return-value]


def registry(version: str) -> Registry:
    """The installed words, and `acme.judge.rubric` in a version."""
    found = Registry(scan())
    given = Registry.of({"acme.judge": Judge.words()})
    (owner,) = given._owners["acme.judge"]
    owner.entry = EntryPoint("acme.judge", "acme_judge", "acme-judge", version)
    found._owners["acme.judge"] = [owner]
    return found


FILE = """mmflow 1
use acme.judge{} as judge
model own {{ provider = sim, id = "own", price = free }}
model other {{ provider = sim, id = "other", price = free }}
scorer quality using judge.rubric
cascade answer {{ steps = [own, other], accept = quality >= 0.5 }}
flow main {{
  allow = [late_first_token("nobody streams")]
  else -> answer
}}
"""


def found(asked: str, version: str, files: Mapping[str, str] = {}) -> list[Diagnostic]:
    def read(path: str) -> Source:
        if path not in files:
            raise FileNotFoundError(2, "not there", path)
        return Source(path, files[path])

    source = Source("flows/a.mmf", FILE.format(asked).replace("rubric\n", "rubric { }\n"))
    built = build(source, registry(version), read=read)
    return [each for each in built.diagnostics if each.code not in ("late-first-token", "idle-allow")]


@pytest.mark.parametrize(
    ("version", "asked", "fits"),
    [
        ("2.0.1", "2", True),
        ("2.11.0", "2", True),
        ("2.1.7", "2.1", True),
        ("2.10.0", "2.1", False),
        ("20.0", "2", False),
        ("3.0", "2", False),
        ("2", "2", True),
        ("2", "2.0", False),
        ("2.1.7+local", "2.1.7", True),
    ],
)
def test_the_parts_that_are_written_are_the_first_of_the_version(version: str, asked: str, fits: bool) -> None:
    assert is_of(version, asked) is fits
    assert [each.code for each in found(f"@{asked}", version)] == ([] if fits else ["plugin-drift"])


def test_without_a_version_nothing_is_asked_for() -> None:
    assert found("", "2.0.1") == []


def test_another_version_is_a_warning_that_names_both() -> None:
    (drift,) = found("@2", "3.1.0")
    assert (drift.severity, drift.span.text) == ("warning", "use acme.judge@2 as judge")
    assert "`use acme.judge@2`" in drift.message
    assert "acme-judge 3.1.0 is installed" in drift.message
    assert "`@3`" in (drift.help or "")


def lock(**plugins: str) -> dict[str, str]:
    listed = {name.replace("_", "."): {"distribution": "acme-judge", "version": each} for name, each in plugins.items()}
    return {"flows/mmflow.lock": json.dumps({"schema": 1, "plugins": listed})}


def test_what_is_as_locked_is_fine() -> None:
    assert found("@2", "2.0.1", lock(acme_judge="2.0.1")) == []


def test_another_version_than_the_locked_one_is_a_warning() -> None:
    (drift,) = found("@2", "2.0.2", lock(acme_judge="2.0.1"))
    assert drift.code == "plugin-drift"
    assert "`mmflow.lock` has acme-judge 2.0.1: acme-judge 2.0.2 is installed" in drift.message
    assert "mmflow plugins lock flows/a.mmf" in (drift.help or "")


def test_a_plugin_that_the_lock_does_not_have_is_a_warning() -> None:
    (drift,) = found("", "2.0.1", lock())
    assert "does not have it" in drift.message


@pytest.mark.parametrize("broken", ["", "{", '{"schema": 2, "plugins": {}}', '{"schema": 1}', "[]"])
def test_a_lock_that_cannot_be_read_is_a_warning_in_its_own_place(broken: str) -> None:
    (drift,) = found("", "2.0.1", {"flows/mmflow.lock": broken})
    assert (drift.code, drift.span.source.path) == ("plugin-drift", "flows/mmflow.lock")
    assert "mmflow plugins lock flows/a.mmf" in (drift.help or "")


def test_the_words_of_mmflow_stand_in_no_lock(mmflow: Shell) -> None:
    mmflow.write(
        "a.mmf", 'mmflow 1\nuse sim@0\nmodel own { provider = sim, id = "own", price = free }\nflow main { else -> own }\n'
    )
    done = mmflow("plugins", "lock", "a.mmf")
    assert (done.code, done.out, done.err) == (0, "mmflow.lock:\n", "")
    assert json.loads((mmflow.folder / "mmflow.lock").read_text()) == {"schema": 1, "plugins": {}}
    assert mmflow("check", "a.mmf").out == ""


def test_what_is_locked_is_what_check_compares(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "installed", lambda: registry("2.0.1"))
    mmflow.write("flows/a.mmf", FILE.format("@2").replace("rubric\n", "rubric { }\n"))
    mmflow.write("flows/b.mmf", 'mmflow 1\nmodel own { provider = sim, id = "own", price = free }\nflow main { else -> own }\n')
    done = mmflow("plugins", "lock", "flows/b.mmf", "flows/a.mmf")
    assert (done.code, done.out) == (0, "flows/mmflow.lock:\n  acme.judge: acme-judge 2.0.1\n")
    assert "plugin-drift" not in mmflow("check", "flows/a.mmf").out
    monkeypatch.setattr(Registry, "installed", lambda: registry("2.0.2"))
    assert "`mmflow.lock` has acme-judge 2.0.1" in mmflow("check", "flows/a.mmf").out
    assert mmflow("plugins", "lock", "flows/a.mmf").code == 0
    assert "plugin-drift" not in mmflow("check", "flows/a.mmf").out


def test_a_file_with_an_error_is_not_locked(mmflow: Shell) -> None:
    mmflow.write("a.mmf", "mmflow 1\nflow main { else -> nobody }\n")
    done = mmflow("plugins", "lock", "a.mmf")
    assert (done.code, done.out) == (1, "")
    assert "unknown-name" in done.err
    assert not (mmflow.folder / "mmflow.lock").exists()


def test_only_workflow_files_are_locked(mmflow: Shell) -> None:
    assert mmflow("plugins", "lock", "-").code == 2
    assert mmflow("plugins", "lock", "plan.json").code == 2
