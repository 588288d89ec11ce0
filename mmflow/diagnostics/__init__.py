"""Diagnostics: what is wrong with a file, where, and what to do, as records that are rendered in several forms."""

import difflib
from collections.abc import Iterable
from typing import Literal

import attrs

from mmflow.source import Span

Severity = Literal["error", "warning", "note"]


@attrs.frozen
class Note:
    """A remark that belongs to a diagnostic, with its place where it has one."""

    message: str
    span: Span | None = None


@attrs.frozen
class Diagnostic:
    """One cause. `code` is stable and has a page (`mmflow explain CODE`); messages are lower case without a full stop."""

    code: str
    severity: Severity
    message: str
    span: Span
    notes: tuple[Note, ...] = ()
    help: str | None = None


def error(code: str, message: str, span: Span, *, help: str | None = None, notes: Iterable[Note] = ()) -> Diagnostic:
    """A diagnostic that keeps a file from running."""
    return Diagnostic(code, "error", message, span, tuple(notes), help)


def warning(code: str, message: str, span: Span, *, help: str | None = None, notes: Iterable[Note] = ()) -> Diagnostic:
    """A diagnostic of something that runs and is probably not meant."""
    return Diagnostic(code, "warning", message, span, tuple(notes), help)


def note(code: str, message: str, span: Span, *, help: str | None = None, notes: Iterable[Note] = ()) -> Diagnostic:
    """A diagnostic of something worth knowing."""
    return Diagnostic(code, "note", message, span, tuple(notes), help)


def sort(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """In the order of the text."""
    return sorted(diagnostics, key=lambda d: (d.span.source.path, d.span.start, d.span.end, d.code))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to a misspelt one, or None where none is near."""
    candidates = list(known)
    lowered = {each.lower(): each for each in candidates}
    if word.lower() in lowered:
        return lowered[word.lower()]
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return near[0] if near else None
