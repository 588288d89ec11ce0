"""A classifier that begins: it looks for patterns, in linear time."""

SUMMARY = "A classifier for mmflow: labels requests by patterns"

MODULE = '''\
"""The classifier `$name`: the first label whose pattern is found in the text."""

from collections.abc import Mapping

from mmflow.plugin import (
    Ask,
    ClassifierWord,
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


@options
class ${cls}Options:
    """The first label whose pattern is found in the text."""

    patterns: Mapping[str, Pattern] = option(doc="a pattern for each label")
    otherwise: str = option("other", doc="the label of what no pattern fits")

    def __attrs_post_init__(self) -> None:
        for label, pattern in self.patterns.items():
            try:
                compile_pattern(pattern)
            except PatternError as error:
                raise OptionError("patterns", f"the pattern of `{label}` is none: {error}") from error


class ${cls}:
    """Labels texts."""

    def __init__(self, options: ${cls}Options) -> None:
        self.patterns = {label: compile_pattern(each) for label, each in options.patterns.items()}
        self.otherwise = options.otherwise

    async def classify(self, text: str, ask: Ask) -> Guess:
        """The label, and how sure it is."""
        for label, pattern in self.patterns.items():
            if pattern.search(text):
                return Guess(label, confidence=0.9)
        return Guess(self.otherwise, confidence=0.6)


def make(options: ${cls}Options, labels: tuple[str, ...], host: Host) -> ${cls}:
    """The classifier of a block."""
    return ${cls}(options)


def labels_of(options: ${cls}Options) -> tuple[str, ...]:
    """The labels that it can answer, for `mmflow check`."""
    return (*options.patterns, options.otherwise)


@hook
def mmflow_classifiers() -> list[ClassifierWord]:
    """The word `$name`."""
    return [ClassifierWord("$word", ${cls}Options, make, labels_of)]
'''

TEST = """\
import asyncio
from pathlib import Path
from typing import NoReturn

from mmflow.plugin import Guess, Pattern
from mmflow.testing import check_classifier, check_workflow

import $module
from $module import $cls, ${cls}Options

OPTIONS = ${cls}Options(patterns={"refund": Pattern("(?i)refund|money back")})


async def ask_nobody(*_: object, **__: object) -> NoReturn:
    raise AssertionError("it asks no model")


def test_it_keeps_the_promises_of_a_classifier() -> None:
    check_classifier($module.mmflow_classifiers()[0], OPTIONS)


def test_a_pattern_that_is_found_gives_its_label() -> None:
    guess = asyncio.run($cls(OPTIONS).classify("I want my money back", ask_nobody))
    assert guess == Guess("refund", 0.9)
"""

EXAMPLE = """\
mmflow 1

provider simulated using sim {}

model small { provider = simulated, id = "small", price = free }
model large { provider = simulated, id = "large", price = free }

classify about using $name {
  patterns = { refund = "(?i)refund|money back" }
  labels = [refund, other]
  confidence = 0.5
  unsure = other
}

flow main {
  when about == refund -> large
  else -> small
}
"""
