"""Whether a source is text at all: encoding, size, and characters that nobody can see."""

import re

from mmflow.diagnostics import Diagnostic, error
from mmflow.source import Source, Span

MAX_BYTES = 5_000_000

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = re.compile(f"[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\u2028\u2029\ufeff{_BIDI}]|\r(?!\n)")
_MAX_UNSEEN = 20


def examine(source: Source) -> tuple[str | None, list[Diagnostic]]:
    """The text to parse, with a space for each character that cannot stay, and what is wrong; None where it is no text."""
    text = source.text
    if len(text) > MAX_BYTES or (len(text) * 4 > MAX_BYTES and len(text.encode(errors="replace")) > MAX_BYTES):
        message = f"the file is larger than {MAX_BYTES // 1_000_000} MB, the limit for a workflow"
        return None, [_not_text(source, 0, 0, message, "split it, and `import` the parts")]
    if source.bad_byte is not None:
        return _examine_bad_byte(source, source.bad_byte)
    if text.startswith("\ufeff"):  # a byte order mark is fine where it belongs
        text = " " + text[1:]
    unseen = list(_UNSEEN.finditer(text))
    if not unseen:
        return text, []
    if len(unseen) > _MAX_UNSEEN:
        first = unseen[0]
        message = f"the file is not text: {len(unseen)} characters cannot be seen, the first is {_name(first[0])}"
        return None, [_not_text(source, first.start(), first.end(), message, "save it as UTF-8 text")]
    diagnostics = [
        _not_text(source, each.start(), each.end(), f"{_name(each[0])} cannot be seen by who reviews the file", _advice(each[0]))
        for each in unseen
    ]
    return _UNSEEN.sub(" ", text), diagnostics


def _examine_bad_byte(source: Source, bad_byte: int) -> tuple[str | None, list[Diagnostic]]:
    text = source.text
    at = len(text.encode(errors="replace")[:bad_byte].decode(errors="ignore"))
    help = "save the file as UTF-8"
    if "\x00" in text:
        help += "; it looks like UTF-16" if bad_byte == 0 else "; it looks like a binary file"
    diagnostic = _not_text(source, at, at + 1, f"byte {bad_byte} of the file is not UTF-8", help)
    return None if "\x00" in text or text.count("\ufffd") > _MAX_UNSEEN else text, [diagnostic]


def _not_text(source: Source, start: int, end: int, message: str, help: str) -> Diagnostic:
    return error("not-text", message, Span(source, start, min(end, len(source.text))), help=help)


def _name(character: str) -> str:
    if character == "\r":
        return "a carriage return without a line feed"
    if character == "\ufeff":
        return "a byte order mark inside the file (U+FEFF)"
    kind = "a control character" if character < "\xa0" else "a character that changes the order of text"
    return f"{kind} (U+{ord(character):04X})"


def _advice(character: str) -> str:
    if re.match(f"[{_BIDI}]", character):
        return "delete it: it makes a reviewer read other code than runs"
    return "use line feeds as line ends" if character == "\r" else f"delete it; inside a string write `\\u{ord(character):04X}`"
