"""The requests of a run, made from what the plan tells apart: its users, labels, patterns and lengths."""

import re
from collections.abc import Sequence
from functools import cached_property
from random import Random
from typing import Any

import attrs
from msgspec.structs import replace

from mmflow.plan import Flow, Plan, RequestIs, Route, Test, TextMatches
from mmflow.plugin import Message, Request
from mmflow.runtime.cost import input_tokens
from mmflow.situations import atoms
from mmflow.testing.simulate.caller import Caller, Manners

_TEXTS = ("hello", "where is my parcel?", "what is the sum of it", "an error in my code")
_TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
_LONGEST_WORDS = 20_000


@attrs.frozen(slots=False)
class Traffic:
    """Makes requests for a plan."""

    plan: Plan

    @cached_property
    def _compared(self) -> dict[str, list[Any]]:
        """The values that the plan compares fields of the request with."""
        found: dict[str, list[Any]] = {}
        for each in self._tests:
            if isinstance(each, RequestIs):
                found.setdefault(each.field, []).append(each.value)
        return found

    @cached_property
    def _tests(self) -> list[Test]:
        """What the plan asks of a request."""
        plan = self.plan
        tests = [arm.test for step in plan.steps.values() if isinstance(step, Route) for arm in step.arms]
        tests += [rule.test for guard in plan.guards.values() for rule in guard.rules]
        tests += [test for cache in plan.caches.values() for test in cache.off]
        return list(atoms(tests))

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        patterns = [each.pattern for each in self._tests if isinstance(each, TextMatches)]
        words = [word for each in patterns for word in re.findall(r"[A-Za-z0-9äöüß]{2,}", re.sub(r"\\.", " ", each))]
        return (*_TEXTS, *(f"about {word} again" for word in dict.fromkeys(words)))

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        """Words of a request."""
        bounds = [each for each in self._compared.get("tokens", ()) if isinstance(each, int)]
        bounds += [flow.max_input_tokens for flow in self.plan.flows.values() if flow.max_input_tokens is not None]
        near = [size for each in bounds for size in (each - 8, each - 8, each + 8) if 0 < size <= _LONGEST_WORDS]
        # Most requests are short, however many bounds there are.
        return (*[1] * 3 * max(1, len(near)), 30, *near)

    def caller(self, number: int, flow: Flow, random: Random, level: float, earlier: Sequence[Caller]) -> Caller:
        """A request of a flow, now and then the same as an earlier one."""
        manners = _manners(random, level)
        again = [each for each in earlier[-10:] if each.flow is flow] if flow.cache is not None else []
        if again and random.random() < 0.5:
            before = random.choice(again)
            request = before.request
            if random.random() < 0.4:
                # The same words of somebody else.
                request = replace(request, user=random.choice((None, "ada", "bo")), meta={**request.meta, "team": "green"})
            return Caller(number, flow, request, before.input_tokens, manners)
        request = self._request(random)
        return Caller(number, flow, request, input_tokens(request.messages, request), manners)

    def _request(self, random: Random) -> Request:
        compared = self._compared
        text = random.choice(self._texts) + " word" * random.choice(self._sizes)
        content: Any = text
        if "has_images" in compared and random.random() < 0.3:
            content = ({"type": "text", "text": text}, _IMAGE)
        messages: tuple[Message, ...] = (Message("user", content),)
        if random.random() < 0.2:
            messages = (Message("user", "an earlier turn"), Message("assistant", "yes"), *messages)
        meta = {
            field.removeprefix("meta."): random.choice([*map(str, values), "another"])
            for field, values in compared.items()
            if field.startswith("meta.") and random.random() < 0.8
        }
        if random.random() < 0.5:
            meta.setdefault("team", random.choice(("red", "blue")))
        return Request(
            messages=messages,
            user=random.choice((None, "ada", "bo", *_strings(compared.get("user")))),
            language=random.choice((None, "en", *_strings(compared.get("language")))),
            meta=meta,
            tools=(_TOOL,) if "has_tools" in compared and random.random() < 0.3 else (),
            max_output_tokens=random.choice((None, None, None, 3, 40)),
            temperature=random.choice((None, None, 0.0)),
        )


def _manners(random: Random, level: float) -> Manners:
    streams = random.random() < 0.5
    # Drawn in any case, so that fewer faults leave the other requests as they are.
    leaves_after_s = random.choice((0.0, random.random() * 0.01, random.random(), random.random() * 10))
    again_s = random.choice((None, 0.0, random.random() * 0.1))
    fate, reads_s, breaks_at = random.random(), random.choice((0.0, 0.01, 1.0, 20.0)), random.randrange(3)
    if fate >= level:
        return Manners(streams)
    match int(fate / level * 4):
        case 0 | 1:
            return Manners(streams, leaves_after_s, again_s)
        case 2:
            return Manners(True, reads_s=reads_s)
        case _:
            return Manners(True, breaks_at=breaks_at)


def _strings(values: Sequence[Any] | None) -> list[str]:
    return [each for each in values or () if isinstance(each, str)]
