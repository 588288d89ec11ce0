"""Patterns of the language: RE2's regular expressions, which match in time linear in the text, whatever the pattern.

The engine is loaded at the first pattern, not when this module is imported.
"""

from collections.abc import Iterator
from typing import Any

import attrs

MAX_PATTERN_BYTES = 10_000
MAX_MEMORY_BYTES = 8 << 20

_LITERALS = {each: f"[{each}]" for each in "*+?.()|[]{}$"} | {"^": r"\^", "\\": r"\\"}
_LOOK_AROUND = ("(?=", "(?!", "(?<", "(?<=", "(?<!")


@attrs.define(init=False)
class PatternError(ValueError):
    """A pattern that cannot be used; `help` says what to write instead."""

    message: str
    help: str | None

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.help = message, help

    def __str__(self) -> str:
        return self.message


@attrs.frozen(eq=False, repr=False)
class CompiledPattern:
    """A pattern that is ready to use. Any text may be searched, even one that is not valid Unicode."""

    text: str
    _regexp: Any

    def matches(self, text: str) -> bool:
        """Whether the text contains a match."""
        return self._regexp.search(_bytes(text)) is not None

    def search(self, text: str) -> tuple[int, int] | None:
        """Start and end, in characters, of the first match; None where there is none."""
        data = _bytes(text)
        if (match := self._regexp.search(data)) is None:
            return None
        start, end = match.span()
        before = len(data[:start].decode())
        return before, before + len(data[start:end].decode())

    def find_all(self, text: str) -> Iterator[str]:
        """The text of each match, left to right, none overlapping another."""
        for match in self._regexp.finditer(_bytes(text)):
            yield match.group().decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"CompiledPattern({self.text!r})"


def compile_pattern(text: str, *, ignore_case: bool = False) -> CompiledPattern:
    """The compiled pattern. Raises `PatternError` where it has a mistake, or asks for what linear time rules out."""
    # Heavy, and only a file that has patterns needs it.
    import re2  # type: ignore[import-untyped]

    if any("\ud800" <= each <= "\udfff" for each in text):
        raise PatternError("the pattern has half of a surrogate pair, which is no character", "write the character itself")
    if len(data := _bytes(text)) > MAX_PATTERN_BYTES:
        raise PatternError(f"the pattern has {len(data)} bytes; at most {MAX_PATTERN_BYTES} are allowed", "split it in several")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = not ignore_case
    options.max_mem = MAX_MEMORY_BYTES
    try:
        return CompiledPattern(text, re2.compile(data, options))
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        raise _explained(text, reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None


def literal(text: str) -> str:
    """The pattern that finds exactly this text, with as few backslashes as can be, which strings have to double."""
    return "".join(_LITERALS.get(each, each) for each in text)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _explained(text: str, reason: str) -> PatternError:
    """RE2's reason (`kind: excerpt`) in our words."""
    kind, _, excerpt = reason.partition(": ")
    shown = f"the pattern `{text if len(text) <= 60 else text[:57] + '…'}`"
    escape = (
        f"to find this very text, write `{literal(text)}`" if len(text) <= 60 else "put a special character in brackets: `[+]`"
    )
    if kind == "invalid perl operator" and excerpt.startswith(_LOOK_AROUND):
        return PatternError(
            f"{shown} looks around with `{excerpt}`, which linear time rules out", "match the text before or after it too"
        )
    if kind == "invalid perl operator" and "(?P=" in text:
        return PatternError(f"{shown} refers back with `(?P=`, which linear time rules out", "write the repeated part out")
    if kind == "invalid perl operator":
        return PatternError(f"{shown} uses `{excerpt}`, which linear time rules out", "write `(?:…)` for a group")
    if kind == "invalid escape sequence" and (excerpt[1:2].isdigit() or excerpt.startswith((r"\k", r"\g"))):
        return PatternError(f"{shown} refers back with `{excerpt}`, which linear time rules out", "write the repeated part out")
    if kind == "invalid escape sequence":
        fix = r"the end of the text is `\z`" if excerpt == r"\Z" else f"write `{literal(excerpt[1:])}` for the character itself"
        return PatternError(f"{shown} has `{excerpt}`, which is no escape", fix)
    if kind == "invalid repetition size":
        return PatternError(
            f"{shown} repeats too often with `{excerpt}`", "repeat at most 1000 times in all, smaller number first"
        )
    if kind.startswith("pattern too large"):
        return PatternError(f"{shown} is too large once its repetitions are written out", "repeat less, or split it in several")
    if kind == "invalid character class range":
        fix = r"write a range upwards, `[a-z]`, or a class, `[[:alpha:]]`, `\d`, `\p{Greek}`"
        return PatternError(f"{shown} has `{excerpt}`, which is no range or class of characters", fix)
    problems = {
        "bad repetition operator": f"repeats a repetition with `{excerpt}`",
        "no argument for repetition operator": f"has nothing to repeat before `{excerpt}`",
        "missing )": "has a `(` that is not closed",
        "missing ]": "has a `[` that is not closed",
        "unexpected )": "has a `)` that closes nothing",
        "trailing \\": "ends in a lone backslash",
        "invalid named capture group": f"has a bad name in `{excerpt}`",
    }
    for start, problem in problems.items():
        if kind.startswith(start):
            return PatternError(f"{shown} {problem}", escape)
    return PatternError(f"{shown} cannot be read: {reason}", escape)
