"""What people see: errors and notes on standard error, colour where it is wanted, nothing that moves a terminal's cursor."""

import os
import sys
from collections.abc import Iterable
from typing import TextIO

_RESET = "\x1b[0m"
_STYLES = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m", "help": "\x1b[1;36m"}

# What a terminal acts on: C0 and C1 controls, without tab and newline; and the marks that reorder text.
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = {code: ascii(chr(code))[1:-1] for code in _CONTROLS}
_VISIBLE_IN_TEXT = {code: shown for code, shown in _VISIBLE.items() if chr(code) not in "\t\n"}


def wants_colour(stream: TextIO) -> bool:
    """Whether a stream gets colour: on a terminal, unless `NO_COLOR`; `FORCE_COLOR` and `CLICOLOR_FORCE` ask for it anywhere."""
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb" and os.environ.get("CLICOLOR") != "0"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is at the other end; a closed or missing stream is nobody's."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def one_line(text: str) -> str:
    """The text with its controls and newlines made visible, for a message that quotes what others wrote."""
    return text.translate(_VISIBLE)


def harmless(text: str) -> str:
    """The text without what a terminal would act on: for a model's answer that is shown to a person."""
    return text.translate(_VISIBLE_IN_TEXT)


def complain(message: str, help: str | None = None) -> None:
    """`error: …` and `= help: …` on standard error."""
    _tell("error", message)
    if help:
        _write(f"  = {_paint('help', 'help')}: {one_line(help)}")


def warn(message: str) -> None:
    """`warning: …` on standard error."""
    _tell("warning", message)


def remark(message: str) -> None:
    """`note: …` on standard error."""
    _tell("note", message)


def _tell(kind: str, message: str) -> None:
    _write(f"{_paint(kind, kind)}: {one_line(message)}")


def _paint(style: str, text: str) -> str:
    return f"{_STYLES[style]}{text}{_RESET}" if sys.stderr is not None and wants_colour(sys.stderr) else text


def _write(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr)


def say(text: str) -> None:
    """Write to standard output at once; what a terminal would act on is made visible there, and left alone in a pipe."""
    if sys.stdout is not None:
        sys.stdout.write(harmless(text) if is_terminal(sys.stdout) else text)
        sys.stdout.flush()


def put(text: str, stream: TextIO | None) -> None:
    """Write what is fit for a terminal already: it may have colours."""
    if stream is not None:
        stream.write(text)
        stream.flush()


def say_lines(lines: Iterable[str]) -> None:
    """Write lines to standard error."""
    for line in lines:
        _write(harmless(line))


def write_bytes(document: bytes) -> None:
    """Write to standard output as it is, whatever the locale: for JSON, which is UTF-8."""
    if sys.stdout is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(document)
        sys.stdout.flush()
