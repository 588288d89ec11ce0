"""What a linear model sees of a text: hashed n-grams of words and characters, and a few counts of its surface.

An n-gram's bucket is the CRC-32 of its bytes, begun with a number that tells words from characters, modulo a power of two: the
same on every machine and in every version. Characters are hashed as UTF-32, words as UTF-8 with a space between two.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from math import log2
from typing import Literal, get_args
from unicodedata import normalize
from zlib import crc32

import msgspec

MOST_BUCKETS = 1 << 20
LONGEST_NGRAM = 8
MOST_CHARS = 100_000

SurfaceName = Literal["words", "lines", "questions", "digits", "capitals", "marks", "code", "other_scripts"]
PairName = Literal["empty", "ended", "overlap", "longer", "hedges"]

_WORD = re.compile(r"\w+")
_WORDS_BEGIN, _CHARACTERS_BEGIN = crc32(b"words"), crc32(b"characters")
_CODE = re.compile(r"```|[{};]\n|\w\(\)|=>|==|^def |^class |#include", re.MULTILINE)
_HEDGE = re.compile(
    r"\b(?:i(?:'m| am) (?:not sure|unable|sorry)|i (?:can(?:no|')t|don't know)|as an ai|it depends"
    r"|ich weiß (?:es )?nicht|je ne sais pas|no lo sé)\b"
)


class Features(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which features a model has. `words` and `characters` are the shortest and the longest n-gram, None for none.

    Of a text over `max_chars` characters the first and the last half of so many are read.
    """

    hash: Literal["crc32"] = "crc32"
    buckets: int = 1 << 16
    words: tuple[int, int] | None = (1, 2)
    characters: tuple[int, int] | None = None
    lower_case: bool = True
    max_chars: int = 4_000
    surface: tuple[SurfaceName, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.buckets <= MOST_BUCKETS or self.buckets & (self.buckets - 1):
            raise ValueError(f"`buckets` is {self.buckets}, not a power of two up to {MOST_BUCKETS}")
        for name, lengths in (("words", self.words), ("characters", self.characters)):
            if lengths is not None and not 1 <= lengths[0] <= lengths[1] <= LONGEST_NGRAM:
                raise ValueError(f"`{name}` is {list(lengths)}, not two rising lengths from 1 to {LONGEST_NGRAM}")
        if not 1 <= self.max_chars <= MOST_CHARS:
            raise ValueError(f"`max_chars` is {self.max_chars}, not from 1 to {MOST_CHARS}")

    def read(self, text: str) -> str:
        """The text as n-grams see it."""
        if len(text) > self.max_chars:
            half = max(self.max_chars // 2, 1)
            text = f"{text[:half]} {text[-half:]}"
        if not text.isascii():
            text = normalize("NFKC", text)
        return text.lower() if self.lower_case else text

    def blocks(self, text: str) -> list[set[int]]:
        """The buckets of a text that `read` gave: those of its words, and those of its characters."""
        found = []
        if self.words is not None:
            found.append(_of_words(text, *self.words, self.buckets - 1))
        if self.characters is not None:
            found.append(_of_characters(text, *self.characters, self.buckets - 1))
        return found

    def counts(self, text: str) -> list[float]:
        """The surface of a text, one number for each name."""
        return [_SURFACE[name](text) for name in self.surface]


def _of_words(text: str, shortest: int, longest: int, mask: int) -> set[int]:
    words = [word.encode("utf-8", "surrogatepass") for word in _WORD.findall(text)]
    found: set[int] = set()
    for size in range(shortest, longest + 1):
        grams = words if size == 1 else map(b" ".join, zip(*(words[at:] for at in range(size)), strict=False))
        found.update([crc32(gram, _WORDS_BEGIN) & mask for gram in grams])
    return found


def _of_characters(text: str, shortest: int, longest: int, mask: int) -> set[int]:
    data = f" {' '.join(text.split())} ".encode("utf-32-le", "surrogatepass")
    found: set[int] = set()
    for size in range(4 * shortest, 4 * longest + 1, 4):
        found.update([crc32(data[at : at + size], _CHARACTERS_BEGIN) & mask for at in range(0, len(data) - size + 1, 4)])
    return found


# ---- the surface ------------------------------------------------------------------------------------------------------------


def _share(text: str, is_one: Callable[[str], bool]) -> float:
    return sum(map(is_one, text)) / len(text) if text else 0.0


def _is_mark(character: str) -> bool:
    return not (character.isalnum() or character.isspace())


_SURFACE: Mapping[str, Callable[[str], float]] = {
    "words": lambda text: log2(1 + len(_WORD.findall(text))),
    "lines": lambda text: log2(1 + text.count("\n")),
    "questions": lambda text: float(min(text.count("?") + text.count("？") + text.count("؟"), 5)),
    "digits": lambda text: _share(text, str.isdigit),
    "capitals": lambda text: _share(text, str.isupper),
    "marks": lambda text: _share(text, _is_mark),
    "code": lambda text: float(_CODE.search(text) is not None),
    "other_scripts": lambda text: 1.0 - _share(text, str.isascii) if text else 0.0,
}


def pair_counts(names: Sequence[PairName], prompt: str, answer: str) -> list[float]:
    """Checks of an answer beside its prompt, one number for each name.

    `empty`: it says nothing. `ended`: it ends like a sentence, a value or a block of code. `overlap`: the share of the prompt's
    words that it has. `longer`: how many times as long it is, in doublings. `hedges`: it says that it does not know.
    """
    return [_PAIR[name](prompt, answer) for name in names]


def _overlap(prompt: str, answer: str) -> float:
    asked = set(_WORD.findall(prompt.lower()))
    return len(asked.intersection(_WORD.findall(answer.lower()))) / len(asked) if asked else 0.0


_PAIR: Mapping[str, Callable[[str, str], float]] = {
    "empty": lambda prompt, answer: float(not answer.strip()),
    "ended": lambda prompt, answer: float(
        answer.rstrip().endswith((".", "!", "?", "…", "。", "！", "？", "`", "}", "]", ")", '"'))
    ),
    "overlap": _overlap,
    "longer": lambda prompt, answer: log2((1 + len(answer)) / (1 + len(prompt))),
    "hedges": lambda prompt, answer: float(_HEDGE.search(answer.lower().replace("’", "'")) is not None),
}

assert set(_SURFACE) == set(get_args(SurfaceName))
assert set(_PAIR) == set(get_args(PairName))
