"""`classify x using keywords`: the label whose patterns the text contains.

Patterns are RE2's, so the time is linear in the text whatever they are; case is ignored. A pattern that starts with a letter or a
digit is found only at the start of a word: `prove` finds "proves" and "proven", not "improve". In scripts that write no spaces
(Chinese, Japanese, Thai and their like) it is found anywhere. To end at the end of a word, write `\\b` after it.

Let h be the number of *different* patterns of a label that are found. The label with the largest h wins, the first in the file
among equals, and the confidence is

    h ÷ (sum of h over all labels) × (1 − 0.2^h)

| found                              | confidence |
|------------------------------------|-----------:|
| one pattern, of one label          |       0.80 |
| two patterns of one label          |       0.96 |
| two of one label, one of another   |       0.64 |
| one of one label, one of another   |       0.40 |
| none: the last label of the file   |       0.00 |

Of a text over 100,000 characters, the first and the last 50,000 are read.
"""

from collections.abc import Mapping, Sequence
from unicodedata import normalize

from mmflow.plugin import (
    Ask,
    ClassifierWord,
    CompiledPattern,
    Guess,
    Host,
    OptionError,
    Pattern,
    PatternError,
    compile_pattern,
    hook,
    option,
    options,
)

MAX_CHARS = 100_000
DOUBT_OF_ONE_HIT = 0.2

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD_START = rf"(?:\A|[^\pL\pM\pN_]|[{_UNSPACED}])"


@options
class KeywordsOptions:
    """The label most of whose patterns are found; the last label with a confidence of 0 where none is.

    Case is ignored, and a pattern that begins with a letter is found at the start of a word. One pattern found gives a confidence
    of 0.80, two of the same label 0.96; where several labels have some, they share it.
    """

    patterns: Mapping[str, tuple[Pattern, ...]] = option(doc="For each label, the patterns that speak for it.")

    def __attrs_post_init__(self) -> None:
        if not any(self.patterns.values()):
            raise OptionError("patterns", "`keywords` has no pattern", 'write `patterns = { code = ["stack trace"] }`')
        for label, patterns in self.patterns.items():
            for pattern in patterns:
                if not pattern.strip() or _is_everywhere(pattern):
                    message = f"the pattern `{pattern}` of `{label}` is found in every text"
                    raise OptionError("patterns", message, "let it match at least one character")


class Keywords:
    """Counts which patterns are found."""

    def __init__(self, options: KeywordsOptions, labels: Sequence[str]) -> None:
        for label in options.patterns:
            if label not in labels:
                message = f"`{label}` has patterns but is not one of the labels"
                raise OptionError("patterns", message, f"add `{label}` to `labels`")
        # In the order of the file's labels, which is the order among equals.
        written = {label: tuple(dict.fromkeys(options.patterns.get(label, ()))) for label in labels}
        self._patterns = {label: tuple(map(_ready, each)) for label, each in written.items()}
        self._any = _any_of([pattern for each in written.values() for pattern in each])
        self._last = labels[-1]

    async def classify(self, text: str, ask: Ask) -> Guess:
        """The label and its confidence, by the formula of this module."""
        text = _capped(text)
        if self._any is not None and not self._any.matches(text):  # one pass over most texts
            return Guess(self._last, 0.0)
        hits = {label: sum(pattern.matches(text) for pattern in patterns) for label, patterns in self._patterns.items()}
        label = max(hits, key=hits.__getitem__)
        if hits[label] == 0:
            return Guess(self._last, 0.0)
        return Guess(label, hits[label] / sum(hits.values()) * (1 - DOUBT_OF_ONE_HIT ** hits[label]))


def _ready(pattern: str) -> CompiledPattern:
    pattern = normalize("NFC", pattern)
    compile_pattern(pattern)  # so that a mistake is told of the pattern as written
    return compile_pattern(f"{_WORD_START}(?:{pattern})" if _starts_a_word(pattern) else pattern, ignore_case=True)


def _is_everywhere(pattern: str) -> bool:
    try:
        return compile_pattern(pattern).matches("")
    except PatternError:
        return False  # the checker tells of it, with its place


def _any_of(patterns: Sequence[str]) -> CompiledPattern | None:
    """One pattern that is found where any of them is; None where that would be too large."""
    words = "|".join(f"(?:{normalize('NFC', each)})" for each in patterns if _starts_a_word(each))
    others = [f"(?:{normalize('NFC', each)})" for each in patterns if not _starts_a_word(each)]
    try:
        return compile_pattern("|".join([*([f"{_WORD_START}(?:{words})"] if words else []), *others]), ignore_case=True)
    except PatternError:
        return None


def _starts_a_word(pattern: str) -> bool:
    """Whether it starts with a letter or a digit of a script that writes spaces."""
    return pattern[0].isalnum() and not compile_pattern(rf"\A[{_UNSPACED}]").matches(pattern)


def _capped(text: str) -> str:
    if len(text) > MAX_CHARS:
        text = f"{text[: MAX_CHARS // 2]}\n{text[-MAX_CHARS // 2 :]}"
    return normalize("NFC", text)


def _labels(options: KeywordsOptions) -> tuple[str, ...]:
    return tuple(options.patterns)


def _most_confident(options: KeywordsOptions, labels: tuple[str, ...]) -> float:
    """That of a text in which every pattern of the label that has most of them is found, and no other."""
    most = max((len(set(each)) for each in options.patterns.values()), default=0)
    return 1 - DOUBT_OF_ONE_HIT**most if most else 0.0


def _make(options: KeywordsOptions, labels: tuple[str, ...], host: Host) -> Keywords:
    return Keywords(options, labels)


@hook
def mmflow_classifiers() -> list[ClassifierWord]:
    return [ClassifierWord("keywords", KeywordsOptions, _make, _labels, most_confident=_most_confident)]
