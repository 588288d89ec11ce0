"""`scorer x using json_valid`: 1 where the answer is one JSON value and nothing else, else 0.

A code fence around the whole value is allowed, since models like to write one. `NaN` and `Infinity` are not JSON.
"""

import re

import msgspec

from mmflow.plugin import Ask, Host, Reply, Request, ScorerWord, hook, options

_FENCE = re.compile(r"```[ \t]*(?:json|JSON)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


@options
class JsonValidOptions:
    """`json_valid` has no fields."""


class JsonValid:
    """1 or 0."""

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        try:
            msgspec.json.decode(unfenced(reply.text))
        # A lone surrogate is a ValueError, nesting beyond any use a RecursionError.
        except (msgspec.DecodeError, ValueError, RecursionError):
            return 0.0
        return 1.0


def unfenced(text: str) -> str:
    """The text without the code fence around it, where there is one."""
    text = text.strip()
    fenced = _FENCE.fullmatch(text)
    return fenced[1].strip() if fenced else text


def _make(options: JsonValidOptions, host: Host) -> JsonValid:
    return JsonValid()


@hook
def mmflow_scorers() -> list[ScorerWord]:
    return [ScorerWord("json_valid", JsonValidOptions, _make)]
