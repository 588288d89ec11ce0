"""A scorer that begins: a rule on the text of an answer."""

SUMMARY = "A scorer for mmflow: judges answers by the words that they should have"

MODULE = '''\
"""The scorer `$name`: the share of the wanted words that an answer has."""

from mmflow.plugin import Ask, Host, Reply, Request, ScorerWord, hook, option, options


def _is_not_empty(words: tuple[str, ...]) -> None:
    if not any(each.strip() for each in words):
        raise ValueError("name at least one word")


@options
class ${cls}Options:
    """The share of the wanted words that an answer has, in whatever case."""

    words: tuple[str, ...] = option(("because",), doc="what a good answer has", check=_is_not_empty)


class ${cls}:
    """Scores answers."""

    def __init__(self, options: ${cls}Options) -> None:
        self.words = [each.casefold() for each in options.words if each.strip()]

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        """0 where none of the words is there, 1 where all are."""
        text = reply.text.casefold()
        return sum(word in text for word in self.words) / len(self.words)


def make(options: ${cls}Options, host: Host) -> ${cls}:
    """The scorer of a block."""
    return ${cls}(options)


@hook
def mmflow_scorers() -> list[ScorerWord]:
    """The word `$name`."""
    return [ScorerWord("$word", ${cls}Options, make)]
'''

TEST = """\
import asyncio
from pathlib import Path
from typing import NoReturn

import pytest
from mmflow.plugin import Reply, Request
from mmflow.testing import check_scorer, check_workflow

import $module
from $module import $cls, ${cls}Options


async def ask_nobody(*_: object, **__: object) -> NoReturn:
    raise AssertionError("it asks no model")


def test_it_keeps_the_promises_of_a_scorer() -> None:
    check_scorer($module.mmflow_scorers()[0], ${cls}Options(words=("parcel", "Thursday")))


@pytest.mark.parametrize(("text", "score"), [("No.", 0.0), ("A parcel?", 0.5), ("Parcel: Thursday", 1.0)])
def test_the_score_is_the_share_of_the_words(text: str, score: float) -> None:
    scorer = $cls(${cls}Options(words=("parcel", "Thursday")))
    assert asyncio.run(scorer.score(Request.of("?"), Reply(text=text), ask_nobody)) == score
"""

EXAMPLE = """\
mmflow 1

provider simulated using sim {}

model small { provider = simulated, id = "small", price = free }
model large { provider = simulated, id = "large", price = free }

scorer good using $name { words = ["because", "therefore"] }

cascade careful {
  steps = [small, large]
  accept = good >= 0.5
  allow = [late_first_token("an answer is judged before anybody sees it")]
}

flow main { else -> careful }
"""
