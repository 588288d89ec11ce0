"""Diagnostics in the forms in which people and tools read them: text, JSON, GitHub workflow commands, SARIF."""

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote

from mmflow import __version__
from mmflow.diagnostics import Diagnostic, Note, Severity, pages
from mmflow.source import Span

Format = Literal["text", "json", "github", "sarif"]

_WIDTH = 120  # of a source line that is shown whole
_BEFORE = 40  # columns shown left of the caret where a line is cut
_TAB = 4
_GUTTER = 3  # digits of a line's number, at least

_COLORS: dict[str, str] = {"error": "1;31", "warning": "1;33", "note": "1;36", "bold": "1", "gutter": "1;34"}
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


def render(diagnostics: Sequence[Diagnostic], format: Format = "text", color: bool = False) -> str:
    """The diagnostics as one text that ends with a line end; `color` is for terminals and for the format `text` only.

    Text is empty where there are no diagnostics; JSON and SARIF are always complete documents.
    """
    forms: dict[str, Callable[[Sequence[Diagnostic]], str]] = {"json": _json, "github": _github, "sarif": _sarif}
    return _text(diagnostics, color) if format == "text" else forms[format](diagnostics)


def escape(text: str) -> str:
    """Text that is safe on a terminal: what is not to be seen, line ends included, is written as an escape."""
    return _INVISIBLE.sub(lambda match: _escaped(match[0]), text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


# ---- text ---------------------------------------------------------------------------------------------------------------


def _text(diagnostics: Sequence[Diagnostic], color: bool) -> str:
    def paint(text: str, name: str) -> str:
        return f"\x1b[{_COLORS[name]}m{text}\x1b[0m" if color and text else text

    # What is printed is kept in logs that more people read than the file: no key is shown, whatever the line is shown for.
    leaks = [each for each in diagnostics if each.code == "secret-in-file"]
    spans = [span for each in leaks for span in (each.span, *(note.span for note in each.notes)) if span is not None]
    secrets = [span for span in spans if span.text.startswith('"')]  # a name may stand for one
    parts = [_one(each, paint, secrets) for each in diagnostics]
    if parts:
        parts.append(paint(summary(diagnostics), "bold") + "\n")
    return "\n".join(parts)


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """How many of each severity: `2 errors, 1 warning`."""
    severities: tuple[Severity, ...] = ("error", "warning", "note")
    counts = {severity: sum(each.severity == severity for each in diagnostics) for severity in severities}
    return ", ".join(f"{count} {severity}{'s' * (count > 1)}" for severity, count in counts.items() if count)


def _one(diagnostic: Diagnostic, paint: Callable[[str, str], str], secrets: Sequence[Span]) -> str:
    span = diagnostic.span
    line, column = span.position()
    number = f"{line:>{_GUTTER}}"
    pad = " " * len(number)
    bar = paint("|", "gutter")
    shown, start, width = _window(span, secrets)
    title = paint(f"{diagnostic.severity}[{diagnostic.code}]", diagnostic.severity)
    rows = [
        f"{title}{paint(':', 'bold')} {paint(escape(diagnostic.message), 'bold')}",
        f"  {paint('-->', 'gutter')} {escape(span.source.path)}:{line}:{column}",
        f"{pad} {bar}",
        f"{paint(number, 'gutter')} {bar} {shown}".rstrip(),
        f"{pad} {bar} {' ' * start}{paint('^' * width, diagnostic.severity)}",
        *(f"  {paint('=', 'gutter')} note: {_note(each)}" for each in diagnostic.notes),
    ]
    if diagnostic.help:
        rows.append(f"  {paint('=', 'gutter')} help: {escape(diagnostic.help)}")
    return "\n".join(rows) + "\n"


def _note(note: Note) -> str:
    place = f"{escape(str(note.span))}: " if note.span else ""
    return place + escape(note.message)


def _window(span: Span, secrets: Sequence[Span]) -> tuple[str, int, int]:
    """The first line of a span as it is shown, and where in it the carets begin and how many columns they take."""
    line, column = span.position()
    end_line, end_column = span.end_position()
    begins_at = span.start - column + 1
    secret_here = [(each.start - begins_at, each.end - begins_at) for each in secrets if each.source is span.source]
    text = _masked(span.source.line(line), secret_here)
    last = end_column - 1 if end_line == line else len(text)
    first = min(column - 1, len(text))
    # A line can be megabytes long: only what may be in the window is laid out.
    cut_left = max(0, first - _WIDTH) if len(text) > _WIDTH else 0
    cells = [_cell(each) for each in text[cut_left : first + 2 * _WIDTH]]
    widths = [width for _, width in cells]
    first -= cut_left
    last = max(first, min(last - cut_left, len(cells)))
    left, right = 0, len(cells)
    if cut_left or sum(widths) > _WIDTH:
        left = first
        room = _BEFORE
        while left > 0 and widths[left - 1] <= room:
            left -= 1
            room -= widths[left]
        right, room = left, _WIDTH
        while right < len(cells) and widths[right] <= room:
            room -= widths[right]
            right += 1
    before = "…" if left or cut_left else ""
    after = "…" if right < len(cells) or cut_left + len(cells) < len(text) else ""
    shown = before + "".join(shown for shown, _ in cells[left:right]) + after
    return shown, len(before) + sum(widths[left:first]), max(1, sum(widths[first : min(last, right)]))


def _masked(line: str, secrets: Sequence[tuple[int, int]]) -> str:
    """A line with stars for what is secret in it; a secret may begin and end in other lines."""
    for start, end in secrets:
        if max(start, 0) < min(end, len(line)):
            first = max(start, 0)
            line = line[:first] + re.sub(r'[^"\s]', "*", line[first:end]) + line[end:]
    return line


def _cell(character: str) -> tuple[str, int]:
    """What is shown for a character, and how many columns of a terminal it takes."""
    if character == "\t":
        return " " * _TAB, _TAB
    if _INVISIBLE.match(character):
        shown = _escaped(character)
        return shown, len(shown)
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return character, 0
    return character, 2 if unicodedata.east_asian_width(character) in "WF" else 1


# ---- JSON ---------------------------------------------------------------------------------------------------------------


def _json(diagnostics: Sequence[Diagnostic]) -> str:
    return json.dumps({"schema": 1, "diagnostics": [_record(each) for each in diagnostics]}, indent=2) + "\n"


def _record(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "span": _place(diagnostic.span),
        "notes": [{"message": note.message, "span": _place(note.span) if note.span else None} for note in diagnostic.notes],
        "help": diagnostic.help,
    }


def _place(span: Span) -> dict[str, Any]:
    line, column = span.position()
    end_line, end_column = span.end_position()
    return {"file": span.source.path, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


# ---- GitHub -------------------------------------------------------------------------------------------------------------


def _github(diagnostics: Sequence[Diagnostic]) -> str:
    return "".join(f"{_command(each)}\n" for each in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    place = _place(diagnostic.span)
    level = {"note": "notice"}.get(diagnostic.severity, diagnostic.severity)
    properties = {
        "file": place["file"],
        "line": place["line"],
        "endLine": place["end_line"],
        "col": place["column"],
        "endColumn": place["end_column"],
        "title": f"{diagnostic.severity}[{diagnostic.code}]",
    }
    if place["line"] != place["end_line"]:  # GitHub refuses columns of a range of lines
        del properties["col"], properties["endColumn"]
    notes = [f"note: {f'{note.span}: ' if note.span else ''}{note.message}" for note in diagnostic.notes]
    lines = [diagnostic.message, *notes, *([f"help: {diagnostic.help}"] if diagnostic.help else [])]
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{level} {listed}::{_data(chr(10).join(lines))}"


def _data(text: str) -> str:
    kept = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escape(kept)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# ---- SARIF --------------------------------------------------------------------------------------------------------------


def _sarif(diagnostics: Sequence[Diagnostic]) -> str:
    codes = sorted({each.code for each in diagnostics})
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "mmflow",
                        "version": __version__,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, codes.index(each.code)) for each in diagnostics],
            }
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    if code not in pages.codes():
        return {"id": code}
    page = pages.page(code)
    return {
        "id": code,
        "shortDescription": {"text": page.summary},
        "help": {"text": page.text, "markdown": page.text},
        "defaultConfiguration": {"level": page.severity},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    text = diagnostic.message if diagnostic.help is None else f"{diagnostic.message}\nhelp: {diagnostic.help}"
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity,
        "message": {"text": text},
        "locations": [_location(diagnostic.span)],
    }
    related = [_location(note.span) | {"message": {"text": note.message}} for note in diagnostic.notes if note.span]
    if related:
        result["relatedLocations"] = related
    return result


def _location(span: Span) -> dict[str, Any]:
    place = _place(span)
    path = PurePath(place["file"])
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri},
            "region": {
                "startLine": place["line"],
                "startColumn": place["column"],
                "endLine": place["end_line"],
                "endColumn": place["end_column"],
            },
        }
    }
