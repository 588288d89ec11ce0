"""`scorer x using pattern`: 1 where the answer contains a match of `match` and none of `forbid`, else 0.

Patterns are RE2's: linear in time, and mindful of case unless they begin with `(?i)`.
"""

from mmflow.plugin import (
    Ask,
    Host,
    OptionError,
    Pattern,
    Reply,
    Request,
    ScorerWord,
    compile_pattern,
    hook,
    option,
    options,
)


@options
class PatternOptions:
    """1 where the answer contains `match` and does not contain `forbid`, else 0; one of the two is due."""

    match: Pattern | None = option(None, doc="What a good answer contains.")
    forbid: Pattern | None = option(None, doc="What a good answer does not contain.")

    def __attrs_post_init__(self) -> None:
        if self.match is None and self.forbid is None:
            raise OptionError("match", "`pattern` has nothing to look for", "give `match` or `forbid`")


class PatternScorer:
    """1 or 0."""

    def __init__(self, options: PatternOptions) -> None:
        self._match = None if options.match is None else compile_pattern(options.match)
        self._forbid = None if options.forbid is None else compile_pattern(options.forbid)

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        missed = self._match is not None and not self._match.matches(reply.text)
        broken = self._forbid is not None and self._forbid.matches(reply.text)
        return 0.0 if missed or broken else 1.0


def _make(options: PatternOptions, host: Host) -> PatternScorer:
    return PatternScorer(options)


@hook
def mmflow_scorers() -> list[ScorerWord]:
    return [ScorerWord("pattern", PatternOptions, _make)]
