"""A strategy that begins: one target after the other, with a call summary."""

SUMMARY = "A strategy for mmflow: makes one answer of several targets"

MODULE = '''\
"""The strategy `$name`: one target after the other, until an answer is long enough."""

from collections.abc import Sequence

from mmflow.plugin import (
    Answered,
    CallError,
    Calls,
    Choice,
    Host,
    Request,
    Run,
    StrategyWord,
    hook,
    option,
    options,
)


def _is_positive(words: int) -> None:
    if words < 1:
        raise ValueError("at least 1 word is due")


@options
class ${cls}Options:
    """One target after the other, until an answer is long enough; else the longest."""

    enough: int = option(20, doc="how many words are enough", check=_is_positive)


class ${cls}:
    """Asks targets."""

    def __init__(self, options: ${cls}Options) -> None:
        self.enough = options.enough

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """The first answer that is long enough, else the longest. Raises `CallError`."""
        longest: tuple[int, Answered] | None = None
        failure = CallError("protocol", "there is no target to ask", dispatched="no")
        for target in targets:
            try:
                answered = await run.call(target.name)
            except CallError as error:
                failure = error
                continue
            words = len(answered.reply.text.split())
            if longest is None or words > longest[0]:
                longest = words, answered
            if words >= self.enough:
                break
        if longest is None:
            raise failure
        return longest[1]


def make(options: ${cls}Options, host: Host) -> ${cls}:
    """The strategy of a block; one serves all requests."""
    return ${cls}(options)


def calls(options: ${cls}Options, targets: int) -> Calls:
    """Each target at most once, in turn: from it `mmflow check` knows cost and time."""
    return Calls(targets)


@hook
def mmflow_strategies() -> list[StrategyWord]:
    """The word `$name`."""
    return [StrategyWord("$word", ${cls}Options, make, calls)]
'''

TEST = """\
from pathlib import Path

import pytest
from mmflow.testing import check_strategy, check_workflow

import $module
from $module import ${cls}Options


@pytest.mark.parametrize("enough", [1, 3, 100])
def test_it_keeps_the_promises_of_a_strategy(enough: int) -> None:
    check_strategy($module.mmflow_strategies()[0], ${cls}Options(enough=enough))
"""

EXAMPLE = """\
mmflow 1

provider simulated using sim {}

model small { provider = simulated, id = "small", price = free }
model large { provider = simulated, id = "large", price = free }

strategy both using $name {
  of = [small, large]
  enough = 40
}

flow main { else -> both }
"""
