"""What a file may not bring along, and what its conditions and strategies promise."""

import pytest

from mmflow.build import build
from mmflow.check.imports import no_reader
from mmflow.diagnostics import Diagnostic
from mmflow.plugin import Calls, ClassifierWord, StrategyWord, options
from mmflow.registry import Registry
from mmflow.registry.entry_points import scan
from mmflow.source import Source

MODELS = """mmflow 1
model own { provider = sim, id = "own", price = free, timeout = 9s }
model other { provider = sim, id = "other", price = free, timeout = 9s }
"""
ARMS = "flow main {\n  when request.has_tools -> own\n  else -> other\n}\n"


@options
class NoOptions:
    """Nothing to say."""


def with_words(*words: ClassifierWord | StrategyWord) -> Registry:
    """The installed words, and `lab.…`."""
    registry = Registry(scan())
    registry._owners |= Registry.of({"lab": list(words)})._owners
    return registry


CLOCK = ClassifierWord("clock", NoOptions, make=lambda options, labels, host: None, pure=False)  # type: ignore[arg-type, return-value]
OPAQUE = StrategyWord("opaque", NoOptions, make=lambda options, host: None)  # type: ignore[arg-type, return-value]
CLEAR = StrategyWord("clear", NoOptions, make=lambda options, host: None, calls=lambda options, n: Calls(n))  # type: ignore[arg-type, return-value]


def found(text: str) -> list[Diagnostic]:
    built = build(Source("a.mmf", MODELS + text), with_words(CLOCK, OPAQUE, CLEAR), read=no_reader)
    return list(built.diagnostics)


def codes(text: str) -> list[str]:
    return [each.code for each in found(text)]


# ---- Python -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.py", "x.PY", "x.pyc", "deep/er/x.so", "x.pkl", "x.pickle", "x.joblib"])
def test_a_file_of_code_or_a_pickle_is_refused_and_never_opened(name: str) -> None:
    opened: list[str] = []

    def read(path: str) -> Source:
        opened.append(path)
        raise FileNotFoundError(2, "not there", path)

    text = MODELS + f'import "{name}" as x\n' + ARMS
    built = build(Source("a.mmf", text), Registry.installed(), read=read)
    assert {(each.code, each.severity) for each in built.diagnostics} == {("python-not-allowed", "error")}
    assert name not in opened

    (refused,) = found(f'output o {{ format = json, schema = file("{name}") }}\n' + ARMS.replace("{\n", "{\n  output = o\n", 1))
    assert (refused.code, refused.span.text) == ("python-not-allowed", f'file("{name}")')


def test_what_to_do_is_said() -> None:
    assert "plugin" in (found('import "x.py" as x\n' + ARMS)[0].help or "")
    assert "weights" in (found('import "x.pkl" as x\n' + ARMS)[0].help or "")


@pytest.mark.parametrize(
    "text",
    [
        "use python\n" + ARMS,
        "use python.judge as judge\n" + ARMS,
        "scorer s using python { }\ncascade c { steps = [own, other], accept = s >= 0.5 }\n" + ARMS,
        "classify s using python.embedded { labels = [a, b], unsure = a }\n" + ARMS,
    ],
)
def test_python_is_no_word(text: str) -> None:
    assert "python-not-allowed" in codes(text)
    assert "unknown-word" not in codes(text)


def test_other_files_are_none_of_its_business() -> None:
    assert codes('output o { format = json, schema = file("python.json") }\n' + ARMS.replace("{\n", "{\n  output = o\n", 1)) == []


# ---- purity -----------------------------------------------------------------------------------------------------------------

CLASSIFY = "classify now using lab.clock {\n  labels = [day, night]\n  unsure = day\n}\n"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (CLASSIFY + "flow main {\n  when now == day -> own\n  else -> other\n}\n", "when now == day -> own"),
        (
            CLASSIFY + "route r {\n  when request.has_tools and now == day -> own\n  else -> other\n}\nflow main { else -> r }\n",
            "when request.has_tools and now == day -> own",
        ),
        (
            CLASSIFY + "guard g { when now == day -> target.zone == external }\n" + ARMS.replace("{\n", "{\n  guards = [g]\n", 1),
            "when now == day -> target.zone == external",
        ),
        (
            CLASSIFY + "cache c { when now == day -> off }\n" + ARMS.replace("{\n", "{\n  cache = c\n", 1),
            "when now == day -> off",
        ),
    ],
)
def test_a_condition_reads_no_classifier_that_may_guess_otherwise(text: str, where: str) -> None:
    (impure,) = found(text)
    assert (impure.code, impure.severity, impure.span.text) == ("impure-condition", "error", where)
    assert "`lab.clock`" in impure.message


def test_a_prompt_may_show_what_no_condition_may_read() -> None:
    prompt = 'prompt p {\n  else -> """It is {{ now }}."""\n}\n'
    assert codes(CLASSIFY + prompt + ARMS.replace("{\n", "{\n  prompt = p\n", 1)) == []


# ---- strategies -------------------------------------------------------------------------------------------------------------


def strategy(word: str, more: str = "") -> list[Diagnostic]:
    return found(f"strategy s using {word} {{\n  of = [own, other]\n{more}}}\nflow main {{ else -> s }}\n")


def test_a_strategy_without_a_call_summary_is_a_warning() -> None:
    (opaque,) = strategy("lab.opaque")
    assert (opaque.code, opaque.severity, opaque.span.text) == ("opaque-strategy", "warning", "lab.opaque")
    assert "`s`" in opaque.message


def test_one_with_a_call_summary_is_fine_and_one_without_may_be_allowed() -> None:
    assert strategy("lab.clear") == []
    assert strategy("lab.opaque", '  allow = [opaque_strategy("a batch job")]\n') == []


# ---- keys ---------------------------------------------------------------------------------------------------------------------


def test_the_usual_variable_of_a_provider_is_named_for_its_key() -> None:
    for provider, variable in (("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")):
        (leak,) = [each for each in found(f'provider {provider} {{ key = "not-a-key" }}\n' + ARMS) if each.code != "unused"]
        assert leak.code == "secret-in-file"
        assert f'`secret("{variable}")`' in (leak.help or "")
    local = 'provider p using openai_compatible { url = "http://localhost:1/v1", key = "not-a-key" }\n'
    (leak,) = [each for each in found(local + ARMS) if each.code != "unused"]
    assert '`secret("PROVIDER_API_KEY")`' in (leak.help or "")
