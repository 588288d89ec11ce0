"""`strategy x using vote`: all targets at once; the answer that most of them agree on."""

import json
import re
from collections.abc import Sequence
from decimal import Decimal

from mmflow.plugin import Answered, CallError, Calls, Choice, Host, Reply, Request, Run, StrategyWord, hook, option, options
from mmflow_plugins.strategies.together import as_they_come, failure

NUMBER = re.compile(r"[-+]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d*)?(?:e[-+]?\d{1,3})?")


def _at_least_one(value: int) -> None:
    if value < 1:
        raise ValueError("it must be at least 1")


@options
class VoteOptions:
    """All targets at once: the answer that most of them give. It is known as soon as the others cannot change it."""

    quorum: int | None = option(
        None, doc="how many must agree; where fewer do, the vote fails with `invalid_output`", check=_at_least_one
    )


class Vote:
    """Counts equal answers; of equally many, the one of the first target in the list."""

    def __init__(self, options: VoteOptions) -> None:
        self._quorum = options.quorum or 1

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """The answer of the first target of the largest party. `CallError` where no party has a quorum, or all targets failed."""
        parties: dict[object, dict[int, Answered]] = {}
        last: CallError | None = None
        left = len(targets)
        async for position, found in as_they_come(targets, run):
            left -= 1
            if isinstance(found, Answered):
                parties.setdefault(meaning(found.reply), {})[position] = found
            else:
                last = found
            sizes = sorted(map(len, parties.values()), reverse=True) or [0]
            if sizes[0] >= self._quorum and sizes[0] > left + (sizes[1] if len(sizes) > 1 else 0):
                break
            if sizes[0] + left < self._quorum:
                break
        if not parties:
            raise failure(last)
        party = min(parties.values(), key=lambda party: (-len(party), min(party)))
        if len(party) < self._quorum:
            message = f"at most {len(party)} of {len(targets)} targets agree, and the quorum is {self._quorum}"
            raise CallError("invalid_output", message, help="lower `quorum`, or ask for shorter answers")
        return party[min(party)]


def meaning(reply: Reply) -> object:
    """What makes two answers equal: the same number, the same JSON, or the same words in any case, spacing and emphasis."""
    called = tuple((each.function.name, _plain(each.function.arguments)) for each in reply.tool_calls)
    return (_plain(reply.text), called)


def _plain(text: str) -> object:
    text = " ".join(text.split()).casefold().strip("*_`\"'.!?:; ")
    if NUMBER.fullmatch(text):
        return Decimal(text.replace(",", ""))
    if text[:1] in ("{", "["):
        try:
            return json.dumps(json.loads(text), sort_keys=True)
        except (ValueError, RecursionError):
            pass
    return text


def _make(options: VoteOptions, host: Host) -> Vote:
    return Vote(options)


@hook
def mmflow_strategies() -> list[StrategyWord]:
    return [StrategyWord("vote", VoteOptions, _make, lambda options, targets: Calls(targets, parallel=True))]
