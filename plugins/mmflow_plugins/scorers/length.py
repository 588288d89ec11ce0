"""`scorer x using length`: whether an answer is as long as it should be.

Length is counted in words: runs of letters and digits; in scripts without spaces between words (Chinese, Japanese, Thai and
their like) each character counts as one. From `min` to `max` words the score is 1. Below it is words ÷ `min`, above it is
`max` ÷ words. An answer without a word scores 0.
"""

import re

from mmflow.plugin import Ask, Host, OptionError, Reply, Request, ScorerWord, hook, option, options

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:['’.,-][^\W_{_UNSPACED}]+)*")


def _is_positive(value: int) -> None:
    if value < 1:
        raise ValueError("at least 1 word is due")


@options
class LengthOptions:
    """1 from `min` to `max` words, less in proportion outside; one of the two is due."""

    min: int | None = option(None, doc="Words that a full answer has at least.", check=_is_positive)
    max: int | None = option(None, doc="Words that a good answer has at most.", check=_is_positive)

    def __attrs_post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise OptionError("min", "`length` has no bound", "give `min` or `max`, in words")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise OptionError("max", f"`max` = {self.max} is below `min` = {self.min}", "swap them")


class Length:
    """1 within the bounds, falling in proportion outside."""

    def __init__(self, options: LengthOptions) -> None:
        self._min, self._max = options.min, options.max

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        words = count_words(reply.text)
        if words == 0:
            return 0.0
        if self._min is not None and words < self._min:
            return words / self._min
        if self._max is not None and words > self._max:
            return self._max / words
        return 1.0


def count_words(text: str) -> int:
    """The words of a text by the rule of this module."""
    return sum(1 for _ in _WORD.finditer(text))


def _make(options: LengthOptions, host: Host) -> Length:
    return Length(options)


@hook
def mmflow_scorers() -> list[ScorerWord]:
    return [ScorerWord("length", LengthOptions, _make)]
