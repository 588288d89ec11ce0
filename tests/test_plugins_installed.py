"""Plugins as strangers install them: a good one, a broken one and an impostor, in a fresh environment."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fresh_environment import ROOT, Environment, distribution

HELLO = ROOT / "plugins" / "mmflow-hello"

STRATEGY = """
print("noise at import")
from mmflow.plugin import PickWord, hook

@hook
def mmflow_strategies():
    return [PickWord("{name}", lambda candidates, random: candidates[::-1], "From the last to the first.")]
"""
IMPOSTOR = """
from mmflow.plugin import ProviderWord, hook, options

@options
class Nothing:
    pass

@hook
def mmflow_providers():
    return [ProviderWord("sim", Nothing, len)]
"""

MODELS = """mmflow 1
provider here using {word} {{ {options} }}
model small {{ provider = here, id = "small", price = free }}
flow main {{ else -> small }}
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with mmflow-hello, a plugin that cannot be imported, one that claims `sim`, and one that prints."""
    folder = tmp_path_factory.mktemp("strangers")
    environment = Environment.create(folder / "venv")
    hello = shutil.copytree(HELLO, folder / "hello")
    broken = {"acme_broken": "import a_module_that_nobody_has"}
    environment.install(
        hello,
        distribution(folder / "broken", "acme-broken", "0.3", {"acme.broken": "acme_broken"}, broken),
        distribution(folder / "impostor", "impostor", "6.6", {"sim": "impostor"}, {"impostor": IMPOSTOR}),
        distribution(folder / "loud", "loud", "1.1", {"backwards": "loud"}, {"loud": STRATEGY.format(name="backwards")}),
    )
    return environment


@pytest.fixture(scope="module")
def listed(environment: Environment) -> dict[tuple[str, str], dict[str, Any]]:
    """What `mmflow plugins --json` says, by plugin and distribution."""
    plugins = json.loads(environment.mmflow("plugins", "--json").stdout)["plugins"]
    return {(each["name"], each["distribution"]): each for each in plugins}


def test_the_list_has_every_word_with_its_distribution_and_version(environment: Environment) -> None:
    done = environment.mmflow("plugins")
    rows = [line.split() for line in done.stdout.split("\n\n")[0].splitlines()]
    assert rows[0] == ["WORD", "KIND", "DISTRIBUTION", "STATUS"]
    assert ["hello", "provider", "mmflow-hello", "0.1.0", "ok"] in rows
    assert ["hello.mood", "classifier", "mmflow-hello", "0.1.0", "ok"] in rows
    assert ["hello.politeness", "scorer", "mmflow-hello", "0.1.0", "ok"] in rows
    assert ["hello.alphabetical", "pick", "mmflow-hello", "0.1.0", "ok"] in rows
    assert ["backwards", "pick", "loud", "1.1", "ok"] in rows
    assert ["acme.broken", "-", "acme-broken", "0.3", "broken"] in rows
    assert ["sim", "provider", "impostor", "6.6", "ambiguous"] in rows
    assert any(row[:3] == ["keywords", "classifier", "mmflow"] and row[-1] == "ok" for row in rows)


def test_the_list_says_what_is_broken_and_why_and_fails(environment: Environment) -> None:
    done = environment.mmflow("plugins")
    assert done.returncode == 1
    missing = "(ModuleNotFoundError: No module named 'a_module_that_nobody_has')"
    assert f"error: the plugin `acme.broken` (acme-broken 0.3) cannot be imported {missing}" in done.stdout
    assert "acme_broken.py:1" in done.stdout
    assert "= help: uninstall `impostor`" in done.stdout
    assert done.stdout.count("`sim` is claimed by") == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_the_list_as_json_has_the_same(listed: dict[tuple[str, str], dict[str, Any]]) -> None:
    hello = listed["hello", "mmflow-hello"]
    assert hello["status"] == "ok"
    assert hello["version"] == "0.1.0"
    assert hello["module"] == "mmflow_hello"
    assert hello["words"] == {
        "provider": ["hello"],
        "classifier": ["hello.daytime", "hello.mood"],
        "scorer": ["hello.politeness"],
        "pick": ["hello.alphabetical"],
        "strategy": ["hello.patient", "hello.stubborn"],
    }
    assert listed["acme.broken", "acme-broken"]["status"] == "broken"
    assert {name for name, distribution in listed if distribution == "mmflow"} >= {"openai", "anthropic", "sim", "tape", "judge"}
    assert {listed["sim", owner]["status"] for owner in ("mmflow", "impostor")} == {"ambiguous"}


def test_without_a_problem_the_list_succeeds_and_is_quiet(tmp_path: Path) -> None:
    done = Environment.create(tmp_path / "venv").mmflow("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    assert "error" not in done.stdout


def test_a_word_is_shown_with_its_fields(environment: Environment) -> None:
    done = environment.mmflow("plugins", "show", "hello")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a provider of mmflow-hello 0.1.0" in done.stdout
    assert "provider x using hello" in done.stdout
    assert "delay: a duration such as `800ms`" in done.stdout
    assert "the word that every answer begins with" in done.stdout
    assert 'greeting: a string; by default "Hello"' in done.stdout
    assert "style: `plain` or `cheerful`; by default plain" in done.stdout


def test_a_word_that_cannot_be_shown_is_an_error_with_the_reason(environment: Environment) -> None:
    unknown = environment.mmflow("plugins", "show", "helo")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "did you mean `hello`?" in unknown.stderr
    broken = environment.mmflow("plugins", "show", "acme.broken")
    assert (broken.returncode, broken.stdout) == (1, "")
    assert "cannot be imported" in broken.stderr


def test_a_workflow_of_an_installed_plugin_checks_and_runs(environment: Environment, tmp_path: Path) -> None:
    workflow = Path(shutil.copy(HELLO / "hello.mmf", tmp_path))
    checked = environment.mmflow("check", str(workflow))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    done = environment.mmflow("run", str(workflow), "Good morning, I love this!")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello! You said: Good morning, I love this!\n", "")


def test_each_word_of_the_plugin_takes_part_in_the_decision(environment: Environment) -> None:
    done = environment.mmflow("run", str(HELLO / "hello.mmf"), "You are the worst", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    # The mood is cross, so the answer is judged; `alphabetical` puts alice before bob, who is listed first.
    assert answer["model"] == "alice"
    assert answer["path"].startswith("main/careful/")


def test_the_checker_knows_the_fields_and_units_of_an_installed_plugin(environment: Environment, tmp_path: Path) -> None:
    workflow = tmp_path / "wrong.mmf"
    workflow.write_text(MODELS.format(word="hello", options="dealy = 20ms, delay = 20, style = loud"))
    done = environment.mmflow("check", str(workflow))
    assert done.returncode == 1
    assert "did you mean `delay`?" in done.stdout
    assert "a duration needs a unit" in done.stdout
    assert "expected `plain` or `cheerful`" in done.stdout


def test_the_checker_asks_the_plugin_what_it_allows(environment: Environment, tmp_path: Path) -> None:
    workflow = tmp_path / "refused.mmf"
    workflow.write_text(MODELS.format(word="hello", options='greeting = "good day"'))
    done = environment.mmflow("check", str(workflow))
    assert done.returncode == 1
    assert "a greeting is one word" in done.stdout


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("acme.broken", "No module named 'a_module_that_nobody_has'"),
        ("sim", "is claimed by"),
        ("hello.mood", "`hello.mood` is a classifier, not a provider"),
        ("helo", "did you mean `hello`?"),
    ],
)
def test_a_word_that_cannot_be_used_stops_the_file_that_needs_it(
    environment: Environment, tmp_path: Path, word: str, reason: str
) -> None:
    workflow = tmp_path / "needs.mmf"
    workflow.write_text(MODELS.format(word=word, options=""))
    for command in (["check", str(workflow)], ["run", str(workflow), "Hello?"]):
        done = environment.mmflow(*command)
        assert done.returncode == 1, done.stderr
        assert reason in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_what_a_plugin_prints_stays_out_of_the_answer(environment: Environment, tmp_path: Path) -> None:
    workflow = tmp_path / "loud.mmf"
    models = MODELS.format(word="hello", options="") + "tier all { models = [small], pick = backwards }\n"
    workflow.write_text(models.replace("else -> small", "else -> all"))
    done = environment.mmflow("run", str(workflow), "Hi")
    assert (done.returncode, done.stdout) == (0, "Hello. You said: Hi\n")
    assert "noise at import" in done.stderr


def test_the_template_passes_its_own_tests_where_it_is_installed(environment: Environment, tmp_path: Path) -> None:
    project = shutil.copytree(HELLO, tmp_path / "hello")
    done = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=project)
    assert done.returncode == 0, done.stdout


def test_the_template_is_typed(environment: Environment, tmp_path: Path) -> None:
    project = shutil.copytree(HELLO, tmp_path / "hello")
    done = environment.run("-m", "mypy", f"--cache-dir={tmp_path / 'cache'}", folder=project)
    assert done.returncode == 0, done.stdout
