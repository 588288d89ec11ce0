"""Texts in a picture: without what breaks a format, in lines, and how wide they are about."""

import textwrap
import unicodedata

# Advance widths in em of DejaVu Sans, the widest of the usual sans-serif fonts: what fits in it fits in the others.
_WIDTHS = {
    0.30: "'IJijl",
    0.35: " ,./:;\\|·",
    0.40: "()-[]ft",
    0.45: "!r",
    0.50: '"*_`',
    0.55: "?csz",
    0.60: "FLkvxy",
    0.65: "$0123456789EPSTYabdeghnopqu{}",
    0.70: "ABCKRVXZ",
    0.75: "NU",
    0.80: "&DGHOQ",
    0.85: "#+<=>^w~",
    1.00: "%@MWm",
}
_WIDTH_OF = {character: width for width, characters in _WIDTHS.items() for character in characters}
_BOLD = 1.15

_JOINERS = "\u200c\u200d"


def clean(text: str) -> str:
    """The text in one line, with what cannot be seen, or stands in no XML, written as `\\x00`."""
    line = " ".join(text.split("\n")) if "\n" in text else text
    return "".join(each if each.isprintable() or each in _JOINERS else ascii(each)[1:-1] for each in line)


def wrapped(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many characters, broken at spaces where there are any."""
    return textwrap.wrap(text, columns, break_on_hyphens=False) or [""]


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide a line is, in the unit of the font's size; never much too small."""
    return sum(map(_em, text)) * size * (_BOLD if bold else 1)


def _em(character: str) -> float:
    if character in _WIDTH_OF:
        return _WIDTH_OF[character]
    if unicodedata.combining(character) or character in _JOINERS:
        return 0
    return 1.4 if ord(character) > 0x1F000 else 1.05 if unicodedata.east_asian_width(character) in "WFA" else 0.9
