"""Names that hide one another, scores that are no match, and fields that another replaces."""

from pathlib import Path

import attrs
import pytest
from vocabulary import Extended

from mmflow.build import build
from mmflow.diagnostics import Diagnostic
from mmflow.options import option, options
from mmflow.plugin import ScorerWord, Word
from mmflow.source import Source
from mmflow.vocabulary import WordKind

HEAD = """mmflow 1
model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
classify task using keywords { patterns = { code = ["def "] }, labels = [code, other], unsure = other }
"""
TAIL = "flow f { deadline = code, when task != other -> cheap, else -> strong }"


def found(text: str, vocabulary: Extended | None = None) -> list[Diagnostic]:
    return list(build(Source("test.mmf", text), vocabulary or Extended()).diagnostics)


# ---- hidden names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["let", "param"])
def test_a_label_that_a_value_hides_is_told_at_the_labels(word: str) -> None:
    (diagnostic,) = found(HEAD + f"{word} code = 5s\n" + TAIL)
    assert (diagnostic.code, diagnostic.severity, diagnostic.span.text) == ("hidden-name", "warning", "[code, other]")
    assert diagnostic.notes[0].span is not None


def test_a_label_hides_a_value_of_the_same_name_where_a_label_is_due() -> None:
    text = (
        HEAD
        + "let code = 5s\nflow f { deadline = code, when task == code -> cheap, when task in [code] -> strong, else -> strong }\n"
    )
    text += 'test "code" { given = { task = code }, expect = [served_by(cheap)] }'
    assert [each.code for each in found(text) if each.severity != "note"] == ["hidden-name", "copied-arm"]


def test_a_label_that_is_also_a_plugin_is_told() -> None:
    text = HEAD + "use acme.judge as code\nscorer q using code.rubric { model = cheap }\n"
    text += "cascade c { steps = [cheap, strong], accept = q > 0.5 }\n"
    codes = [each.code for each in found(text + "flow f { when task != other -> c, else -> strong }")]
    assert codes.count("hidden-name") == 1


def test_a_label_that_is_hidden_may_be_allowed_with_a_reason() -> None:
    text = (HEAD + "let code = 5s\n" + TAIL).replace("unsure = other", 'unsure = other, allow = [hidden_name("an old name")]')
    assert found(text) == []


def test_a_word_of_the_language_that_a_let_hides_is_told_where_it_stands() -> None:
    text = HEAD + 'let own = external\nprovider p using openai_compatible { url = "http://h/v1", zone = own }\n'
    text += 'model m { provider = p, id = "m", price = free }\n'
    text += "flow f { when task == code -> m, when request.has_tools -> cheap, else -> strong }"
    assert [(each.code, each.span.text) for each in found(text) if each.code == "hidden-name"] == [("hidden-name", "own")]


def test_a_label_of_an_imported_classifier_that_a_value_hides_is_told_at_the_value(tmp_path: Path) -> None:
    (tmp_path / "lib.mmf").write_text(HEAD)
    text = 'mmflow 1\nimport "lib.mmf" as lib\nlet code = 5s\nflow f { deadline = code\n'
    text += "when lib.task != other -> lib.cheap\nelse -> lib.strong }"
    found = build(Source(str(tmp_path / "main.mmf"), text), Extended()).diagnostics
    assert [(each.code, each.span.text) for each in found] == [("hidden-name", "code")]


def test_a_let_of_another_name_hides_nothing() -> None:
    text = HEAD + "let long = 5s\n" + TAIL.replace("= code", "= long")
    assert found(text) == []


# ---- scores of several kinds --------------------------------------------------------------------------------------------------

SCORERS = """use acme.judge as judge
scorer quality using judge.rubric { model = cheap }
scorer tone like quality {}
scorer short using length { max = 200 }
scorer clean using pattern { forbid = "sorry" }
"""


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("quality >= short", "mixed-scores"),
        ("short < tone", "mixed-scores"),
        ("quality >= tone", "wrong-type"),
        ("short >= clean", "wrong-type"),
    ],
)
def test_two_scores_are_not_compared(accept: str, code: str) -> None:
    text = (
        HEAD
        + SCORERS
        + f"cascade c {{ steps = [cheap, strong], accept = {accept} }}\nflow f {{ when task == code -> c, else -> strong }}"
    )
    (diagnostic,) = [each for each in found(text) if each.severity == "error"]
    assert diagnostic.code == code
    assert "and" in (diagnostic.help or "")


# ---- deprecated fields --------------------------------------------------------------------------------------------------------


@options
class Renamed:
    """A scorer whose field has a new name."""

    least: int | None = option(None, doc="the old name", replaced_by="min")
    min: int | None = option(None, doc="the least")


@attrs.frozen
class WithRenamed(Extended):
    def find(self, kind: WordKind, word: str) -> Word:
        if word == "renamed":
            return ScorerWord("renamed", Renamed, lambda options, host: None)  # type: ignore[arg-type, return-value]
        return super().find(kind, word)


def test_a_field_that_another_replaces_is_told_and_still_counts() -> None:
    text = HEAD + "scorer s using renamed { least = 3 }\ncascade c { steps = [cheap, strong], accept = s > 0.5 }\n"
    text += "flow f { when task == code -> c, else -> strong }"
    built = build(Source("test.mmf", text), WithRenamed())
    (diagnostic,) = [each for each in built.diagnostics if each.code == "deprecated-field"]
    assert (diagnostic.severity, diagnostic.span.text, "`min`" in (diagnostic.help or "")) == ("warning", "least", True)
    assert built.plan is not None
    assert built.plan.scorers["s"].options == {"least": 3}
