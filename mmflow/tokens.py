"""Tokens of a text before a provider has counted them: a central estimate, and an upper bound for money.

Characters are counted by script, told by the leading bytes of their UTF-8, and each script has a figure. The central figures
are those of the large vocabularies in use (100k to 200k entries) on ordinary text. The upper ones hold for code, base64,
digits one by one and smaller vocabularies as well, but not for text that was made to break them.
"""

from math import ceil

import attrs


@attrs.frozen
class Script:
    """A class of characters by leading byte: tokens for each, centrally and at most."""

    name: str
    lead_bytes: bytes
    tokens: float
    at_most: float


def _bytes(*ranges: tuple[int, int]) -> bytes:
    return bytes(byte for first, last in ranges for byte in range(first, last + 1))


_ASCII = (
    Script("letters", _bytes((0x41, 0x5A), (0x61, 0x7A)), 0.18, 0.6),
    Script("digits", _bytes((0x30, 0x39)), 0.45, 1.0),
    Script("spaces", b" \t", 0.0, 0.25),
    Script("line ends and controls", _bytes((0x00, 0x08), (0x0A, 0x1F), (0x7F, 0x7F)), 0.5, 1.0),
    Script("punctuation", _bytes((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)), 0.7, 1.0),
)
_BEYOND_ASCII = (
    Script("accented Latin, IPA", _bytes((0xC2, 0xCB)), 0.6, 2.0),
    Script("Greek, combining marks", _bytes((0xCC, 0xCF)), 0.5, 2.0),
    Script("Cyrillic", _bytes((0xD0, 0xD3)), 0.32, 1.2),
    Script("Armenian, Hebrew, Arabic", _bytes((0xD4, 0xDF)), 0.45, 1.5),
    Script("Indic, Thai", _bytes((0xE0, 0xE0)), 0.5, 2.5),
    Script("Georgian, Khmer and others", _bytes((0xE1, 0xE1)), 0.7, 3.0),
    Script("symbols, typographic punctuation", _bytes((0xE2, 0xE2)), 1.0, 3.0),
    Script("kana, Han", _bytes((0xE3, 0xE9)), 0.8, 2.2),
    Script("Hangul", _bytes((0xEA, 0xED)), 0.65, 2.5),
    Script("wide and private forms", _bytes((0xEE, 0xEF)), 1.0, 3.0),
    Script("emoji and rare planes", _bytes((0xF0, 0xF4)), 2.0, 4.0),
)
SCRIPTS = _ASCII + _BEYOND_ASCII
"""Every leading byte is of one script; continuation bytes count for nothing."""

WORD_TOKENS = 0.3
"""What a word costs beside its letters: a short word is one token, however few letters it has."""


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has; 0 only where it is empty."""
    return ceil(WORD_TOKENS * len(text.split()) + sum(count * script.tokens for script, count in _counts(text)))


def bound_tokens(text: str) -> int:
    """How many tokens a text has at most, short of one that was made to break the figures."""
    return ceil(WORD_TOKENS * len(text.split()) + sum(count * script.at_most for script, count in _counts(text)))


def _counts(text: str) -> list[tuple[Script, int]]:
    """How many characters of each script. Deleting a class in C and looking at the length is the cheapest count there is."""
    rest = text.encode("utf-8", "surrogatepass")
    counts = []
    for script in _ASCII if text.isascii() else SCRIPTS:
        kept = rest.translate(None, script.lead_bytes)
        if len(kept) < len(rest):
            counts.append((script, len(rest) - len(kept)))
            rest = kept
    return counts
