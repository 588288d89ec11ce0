"""The strategy `hello.stubborn`: asks until there is a whole answer, and cannot say beforehand how often that is."""

from collections.abc import Sequence

import attrs
from mmflow.plugin import Answered, Choice, Request, Run, options


@options
class StubbornOptions:
    """Asks the first target again and again until its answer comes to an end by itself."""


@attrs.frozen
class Stubborn:
    """Does not give up."""

    options: StubbornOptions

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """An answer that was not cut. A failure ends it."""
        while True:
            answered = await run.call(targets[0].name)
            if answered.reply.finish != "length":
                return answered
