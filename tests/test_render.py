"""Diagnostics as people and tools read them."""

import json
import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.diagnostics import Diagnostic, Note, error, note, warning
from mmflow.diagnostics.render import escape, render
from mmflow.source import Source, Span

TEXT = "mmflow 1\n\nroute support {\n  when task == code -> code_answer\n}\n"


def span(text: str, part: str, path: str = "support.mmf") -> Span:
    start = text.index(part)
    return Span(Source(path, text), start, start + len(part))


def broken() -> Diagnostic:
    return error(
        "guard-broken",
        "guard `residency` is broken",
        span(TEXT, "when task == code -> code_answer"),
        notes=[Note("the rule", span(TEXT, "route")), Note("a remark")],
        help="path: support -> code_answer",
    )


def test_text_has_the_form_of_the_design() -> None:
    assert render([broken()], "text", False) == (
        """\
error[guard-broken]: guard `residency` is broken
  --> support.mmf:4:3
    |
  4 |   when task == code -> code_answer
    |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = note: support.mmf:3:1: the rule
  = note: a remark
  = help: path: support -> code_answer

1 error
"""
    )


def test_text_ends_with_one_line_of_counts() -> None:
    here = span(TEXT, "route")
    found = [error("a", "one", here), error("b", "two", here), warning("c", "three", here), note("d", "four", here)]
    assert render(found).splitlines()[-1] == "2 errors, 1 warning, 1 note"
    assert render([]) == ""


def test_long_numbers_of_lines_keep_the_bars_in_one_column() -> None:
    text = "\n" * 12344 + "x = 1\n"
    rows = render([error("a", "b", span(text, "x"))]).splitlines()
    assert {row.index("|") for row in rows if "|" in row} == {6}


def caret_columns(rendered: str) -> tuple[str, int, int]:
    """The source line as shown, and the columns of a terminal at which the carets begin and end."""
    _, _, _, line, carets, *_ = rendered.splitlines()
    start = carets.index("^")
    return line, start, carets.rindex("^") + 1


def columns(text: str) -> int:
    return sum(0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


@pytest.mark.parametrize(
    "text",
    [
        "x = bad",
        "\tx\t= bad",
        'n = "日本語" bad',
        'n = "e\u0301e\u0301" bad',
        'n = "\x1b[31m" bad',
        "y = " + "a" * 500 + " bad " + "b" * 500,
        "日" * 300 + " bad",
        "bad" + "b" * 500,
        " " * 119 + "bad",
    ],
)
def test_carets_stand_below_what_they_mean(text: str) -> None:
    line, start, end = caret_columns(render([error("a", "b", span(text + "\n", "bad"))]))
    before, _, _ = line.partition("bad")
    assert (start, end) == (columns(before), columns(before) + 3)
    assert columns(line) < 140


def test_a_line_of_megabytes_is_cut_to_what_matters() -> None:
    text = "x = [" + "a, " * 1_000_000 + "?" + ", b" * 1_000_000 + "]"
    rendered = render([error("a", "b", span(text, "?"))])
    line, start, end = caret_columns(rendered)
    assert line[start:end] == "?"
    assert line.endswith("…")
    assert "| …" in line
    assert len(rendered) < 500


def test_a_span_over_lines_is_underlined_to_the_end_of_its_first() -> None:
    text = 'x = """\nmore\n"""\n'
    line, start, end = caret_columns(render([error("a", "b", span(text, '"""\nmore\n"""'))]))
    assert line[start:end] == '"""'


@pytest.mark.parametrize("text", ["", "x", "x\n"])
def test_the_end_of_a_file_has_one_caret(text: str) -> None:
    source = Source("a.mmf", text)
    assert render([error("a", "b", Span(source, len(text), len(text)))]).count("^") == 1


def test_nothing_that_a_terminal_obeys_is_sent_raw() -> None:
    text = "x = \x1b[2J\u202e\x9b\n"
    hostile = error("a", "bad \x1b]0;title\x07", span(text, "x", "dir\n\x1b[31m.mmf"), help="\x1b[0m", notes=[Note("\r\x08")])
    rendered = render([hostile])
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", rendered)
    assert "\\x1b[2J" in rendered
    assert rendered.splitlines()[0] == "error[a]: bad \\x1b]0;title\\x07"


def test_color_only_adds_escapes() -> None:
    colored = render([broken()], "text", True)
    assert "\x1b[1;31m" in colored
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == render([broken()], "text", False)


def test_json_is_the_record() -> None:
    assert json.loads(render([broken()], "json")) == {
        "schema": 1,
        "diagnostics": [
            {
                "code": "guard-broken",
                "severity": "error",
                "message": "guard `residency` is broken",
                "span": {"file": "support.mmf", "line": 4, "column": 3, "end_line": 4, "end_column": 35},
                "notes": [
                    {
                        "message": "the rule",
                        "span": {"file": "support.mmf", "line": 3, "column": 1, "end_line": 3, "end_column": 6},
                    },
                    {"message": "a remark", "span": None},
                ],
                "help": "path: support -> code_answer",
            }
        ],
    }
    assert json.loads(render([], "json")) == {"schema": 1, "diagnostics": []}


def test_columns_are_characters() -> None:
    record = json.loads(render([error("a", "b", span('x = "😀é" bad', "bad"))], "json"))
    assert record["diagnostics"][0]["span"]["column"] == 10


def test_github_commands_are_escaped() -> None:
    hostile = warning("a", "100% of\nit\r::error::x", span(TEXT, "route", "a,b:c.mmf"), help="do")
    (line,) = render([hostile], "github").splitlines()
    assert line == (
        "::warning file=a%2Cb%3Ac.mmf,line=3,endLine=3,col=1,endColumn=6,title=warning[a]::100%25 of%0Ait%0D::error::x%0Ahelp: do"
    )
    assert render([note("a", "b", span(TEXT, "route"))], "github").startswith("::notice ")
    assert render([], "github") == ""


def test_github_gets_no_columns_of_several_lines() -> None:
    assert "col=" not in render([error("a", "b", span(TEXT, "support {\n"))], "github")


def test_sarif_is_complete() -> None:
    found = [error("open-brace", "x", span(TEXT, "{")), broken(), warning("open-brace", "y", span(TEXT, "}"), help="do")]
    document = json.loads(render(found, "sarif"))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [each["id"] for each in rules] == ["guard-broken", "open-brace"]
    assert rules[1]["defaultConfiguration"] == {"level": "error"}
    assert rules[1]["shortDescription"]["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        (location,) = result["locations"]
        region = location["physicalLocation"]["region"]
        assert min(region.values()) >= 1
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "support.mmf"
    assert run["results"][1]["relatedLocations"][0]["message"] == {"text": "the rule"}
    assert json.loads(render([], "sarif"))["runs"][0]["results"] == []


@pytest.mark.parametrize(("path", "uri"), [("a b/c#d.mmf", "a%20b/c%23d.mmf"), ("/x/a b.mmf", "file:///x/a%20b.mmf")])
def test_sarif_names_files_by_uri(path: str, uri: str) -> None:
    (run,) = json.loads(render([error("a", "b", span("x", "x", path))], "sarif"))["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


@given(st.text(), st.data(), st.sampled_from(["text", "json", "github", "sarif"]))
def test_any_text_is_rendered_safely(text: str, data: st.DataObject, format: str) -> None:
    ends = st.integers(0, len(text))
    start, end = sorted((data.draw(ends), data.draw(ends)))
    rendered = render([error("a", text, Span(Source(text, text), start, end), help=text)], format)  # type: ignore[arg-type]
    assert rendered.endswith("\n")
    rendered.encode()
    if format == "text":
        assert escape(rendered.replace("\n", "")) == rendered.replace("\n", "")
    parsers: dict[str, Callable[[str], object]] = {"json": json.loads, "sarif": json.loads}
    parsers.get(format, str)(rendered)


def test_a_key_is_not_shown_whatever_its_line_is_shown_for() -> None:
    text = 'mmflow 1\nprovider p { key = "sk-first-1", keyy = 1, headers = { x = """\n  Bearer sk-second-2\n  """ } }\n'
    source = Source("p.mmf", text)

    def at(part: str) -> Span:
        return Span(source, text.index(part), text.index(part) + len(part))

    also = Note("another", at('"""\n  Bearer sk-second-2\n  """'))
    found = [error("secret-in-file", "a secret", at('"sk-first-1"'), notes=[also])]
    found += [error("unknown-field", "no such field", at(part)) for part in ("keyy", "Bearer")]
    shown = render(found, "text", False)
    assert 'key = "**********", keyy = 1' in shown
    assert "|   ****** ***********\n" in shown
    assert not [form for form in ("text", "json", "github", "sarif") if "sk-" in render(found, form)]
