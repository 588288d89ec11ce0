"""Tokens of a text before a provider has counted them: a central estimate, and an upper bound for money.

Characters are counted by script, told by the leading bytes of their UTF-8, and each script has two figures. The central ones lie
between those of the vocabularies of GPT-4 (100k entries) and of GPT-4o (200k): within a tenth on English prose, chat and code,
within a third on most else. The upper ones hold for both, and for base64, random letters and digits as well, but not for a
text that was made to break them.
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
    Script("small letters", _bytes((0x61, 0x7A)), 0.18, 0.45),
    Script("spaces", b" \t", 0.0, 0.25),
    Script("punctuation", _bytes((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)), 0.7, 1.0),
    Script("capitals", _bytes((0x41, 0x5A)), 0.3, 0.7),
    Script("line ends and controls", _bytes((0x00, 0x08), (0x0A, 0x1F), (0x7F, 0x7F)), 0.5, 1.0),
    Script("digits", _bytes((0x30, 0x39)), 0.45, 1.0),
)
_BEYOND_ASCII = (
    Script("accented Latin, IPA", _bytes((0xC2, 0xCB)), 0.7, 2.0),
    Script("Greek, combining marks", _bytes((0xCC, 0xCF)), 0.6, 2.0),
    Script("Cyrillic", _bytes((0xD0, 0xD3)), 0.33, 1.2),
    Script("Armenian, Hebrew, Arabic", _bytes((0xD4, 0xDF)), 0.55, 1.7),
    Script("Indic, Thai", _bytes((0xE0, 0xE0)), 0.65, 2.5),
    Script("Georgian, Khmer and others, accented Latin of Vietnamese", _bytes((0xE1, 0xE1)), 1.0, 3.0),
    Script("symbols, typographic punctuation", _bytes((0xE2, 0xE2)), 1.0, 3.0),
    Script("kana, Han", _bytes((0xE3, 0xE9)), 0.95, 2.2),
    Script("Hangul", _bytes((0xEA, 0xED)), 0.85, 2.5),
    Script("wide and private forms", _bytes((0xEE, 0xEF)), 1.0, 3.0),
    Script("emoji and rare planes", _bytes((0xF0, 0xF4)), 2.0, 4.0),
)
SCRIPTS = _ASCII + _BEYOND_ASCII
"""Every leading byte is of one script, the commonest first; continuation bytes count for nothing."""

WORD_TOKENS = 0.3
"""What a word costs beside its characters: a short one is one token, however few they are."""

WORD_LETTERS = 12
LONG_WORD_TOKENS = 0.4
"""What each further letter costs besides where words have more than `WORD_LETTERS` on average: no vocabulary has base64."""


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has; 0 only where it is empty."""
    return _tokens(text, _CENTRAL_ASCII, _CENTRAL) if text else 0


def bound_tokens(text: str) -> int:
    """How many tokens a text has at most, short of one that was made to break the figures."""
    return _tokens(text, _AT_MOST_ASCII, _AT_MOST) if text else 0


_LETTERS = b"".join(script.lead_bytes for script in _ASCII if script.name in ("small letters", "capitals"))
_Figures = tuple[tuple[bytes, float], ...]
_CENTRAL_ASCII: _Figures = tuple((script.lead_bytes, script.tokens) for script in _ASCII)
_CENTRAL: _Figures = tuple((script.lead_bytes, script.tokens) for script in SCRIPTS)
_AT_MOST_ASCII: _Figures = tuple((script.lead_bytes, script.at_most) for script in _ASCII)
_AT_MOST: _Figures = tuple((script.lead_bytes, script.at_most) for script in SCRIPTS)


def _tokens(text: str, ascii_figures: _Figures, figures: _Figures) -> int:
    """Deleting a class of bytes in C and looking at what is left is the cheapest count there is."""
    is_ascii = text.isascii()
    rest = text.encode("utf-8", "surrogatepass")
    words, left = len(text.split()), len(rest)
    total = WORD_TOKENS * words
    if is_ascii and left > (WORD_LETTERS + 1) * words:
        letters = left - len(rest.translate(None, _LETTERS))
        total += LONG_WORD_TOKENS * max(0, letters - WORD_LETTERS * words)
    for lead_bytes, each in ascii_figures if is_ascii else figures:
        before, rest = left, rest.translate(None, lead_bytes)
        left = len(rest)
        total += each * (before - left)
        if not left:
            break
    return max(1, ceil(total))
