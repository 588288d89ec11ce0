"""The truth of conditions, with the facts that decided it."""

import operator
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import msgspec

from mmflow import plan
from mmflow.patterns import CompiledPattern, compile_pattern
from mmflow.plugin import Request
from mmflow.runtime.cost import images_in
from mmflow.runtime.signals import Signal

_COMPARE: dict[plan.Operator, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Truth(msgspec.Struct, frozen=True):
    """Whether a condition holds. `because` has the facts that decided it, as text: `complexity = high (0.92)`.

    What rests on a score that is not there does not hold, and neither does its opposite.
    """

    holds: bool
    because: tuple[str, ...]
    is_known: bool = True


class Facts(msgspec.Struct, frozen=True):
    """What conditions see: the request, its signals, and the scores of an answer while it is judged."""

    request: Request
    input_tokens: int
    signal: Callable[[str], Awaitable[Signal]]
    score: Callable[[str], Awaitable[float | None]] | None = None


async def truth(test: plan.Test, facts: Facts) -> Truth:
    """Evaluate a condition in the order it is written, no further than it takes."""
    match test:
        case plan.LabelIs(signal=signal, labels=labels):
            found = await facts.signal(signal)
            return Truth(found.label in labels, (found.fact(signal),))
        case plan.RequestIs(field=name, operator=sign, value=value):
            return _request_is(name, sign, value, facts)
        case plan.TextMatches(pattern=pattern):
            matches = _compiled(pattern).matches(last_user_text(facts.request))
            return Truth(matches, (f'request.text {"matches" if matches else "does not match"} "{pattern}"',))
        case plan.ScoreIs(scorer=scorer, operator=sign, value=bound):
            score = None if facts.score is None else await facts.score(scorer)
            if score is None:
                return Truth(False, (f"{scorer} has no score",), is_known=False)
            return Truth(_COMPARE[sign](score, bound), (f"{scorer} = {score:.2f}",))
        case plan.Not(test=inner):
            of_inner = await truth(inner, facts)
            return Truth(of_inner.is_known and not of_inner.holds, of_inner.because, of_inner.is_known)
        case plan.All(tests=tests):
            return await _first_that(False, tests, facts)
        case plan.Any_(tests=tests):
            return await _first_that(True, tests, facts)


async def _first_that(decides: bool, tests: tuple[plan.Test, ...], facts: Facts) -> Truth:
    """The first test that settles the whole, else all of them together."""
    because: dict[str, None] = {}
    is_known = True
    for test in tests:
        each = await truth(test, facts)
        if each.holds is decides:
            return each
        because.update(dict.fromkeys(each.because))
        is_known &= each.is_known
    return Truth(not decides, tuple(because), is_known)


def _request_is(name: str, sign: plan.Operator, value: object, facts: Facts) -> Truth:
    found = facts.input_tokens if name == "tokens" else field_of(facts.request, name)
    if found is None:
        return Truth(sign == "!=", (f"request.{name} is not set",))
    shown = str(found).lower() if isinstance(found, bool) else f'"{found}"' if isinstance(found, str) else str(found)
    if isinstance(found, str) != isinstance(value, str):
        return Truth(sign == "!=", (f"request.{name} = {shown}",))
    return Truth(_COMPARE[sign](found, value), (f"request.{name} = {shown}",))


def field_of(request: Request, name: str) -> str | bool | None:
    """A field of a request as conditions name it; None where the request does not have it."""
    match name:
        case "user":
            return request.user
        case "language":
            return request.language
        case "has_images":
            return any(map(images_in, request.messages))
        case "has_tools":
            return bool(request.tools)
        case _:
            return request.meta.get(name.removeprefix("meta."))


def last_user_text(request: Request) -> str:
    """The text of the last user turn."""
    return next((message.text for message in reversed(request.messages) if message.role == "user"), "")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> CompiledPattern:
    return compile_pattern(pattern)
