"""No guard is broken: neither by a call, nor by a cache that gives away what another one may not see."""

from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from mmflow.plan import Cache, Plan, Rule, meets
from mmflow.plugin import Model
from mmflow.runtime.conditions import Facts, truth
from mmflow.runtime.events import CallStarted, SignalRead
from mmflow.runtime.signals import Signal
from mmflow.testing.simulate.caller import Caller
from mmflow.testing.simulate.violation import TICK_S
from mmflow.testing.simulate.world import World

_T = TypeVar("_T")


class _NotRead(Exception):
    """A classifier that had said nothing by then."""


def guarded(caller: Caller, plan: Plan) -> Iterator[str]:
    """No model is asked that a guard forbids for the request."""
    rules = [(name, rule) for name in caller.flow.guards for rule in plan.guards[name].rules]
    if not rules or not caller.asked:
        return
    known = _known_at_calls(caller)
    for asked in caller.asked:
        for name, rule in rules:
            if meets(asked.call.model, rule.needs):
                continue
            try:
                is_forbidden = _holds(rule, caller, known.get(asked.number, {}))
            except _NotRead as signal:
                yield f"`{asked.call.model.name}` was asked before guard `{name}` had read `{signal}`"
            else:
                if is_forbidden:
                    yield f"`{asked.call.model.name}` was asked, which guard `{name}` forbids: {rule.text}"


def kept_apart(caller: Caller, world: World) -> Iterator[str]:
    """An answer from a cache was given to the same question, of somebody who may share it, not too long ago."""
    plan, name = world.scene.plan, caller.flow.cache
    if caller.result is None or not caller.result.cached or caller.result.reply is None or name is None:
        return
    cache, text = plan.caches[name], caller.result.reply.text
    origins = [
        each
        for each in world.callers
        if each is not caller
        and each.flow is caller.flow
        and each.request.messages == caller.request.messages
        and any(text in (asked.text, asked.text.strip()) for asked in each.asked)
    ]
    if not origins:
        yield "an answer from the cache was never given to this question"
    elif not any(_whose(cache, each) == _whose(cache, caller) for each in origins):
        yield f"an answer from the cache was given to somebody else, and its scope is {cache.scope}"
    elif all(each.ended_at is not None and caller.began_at - each.ended_at > cache.ttl_s + TICK_S for each in origins):
        yield f"an answer from the cache is older than {cache.ttl_s:g}s"
    known = _labels(caller)
    for guard in caller.flow.guards:
        for rule in plan.guards[guard].rules:
            is_met = cache.zone is not None and cache.scope == "user"
            if is_met and meets(Model(name=name, id="", provider="", zone=cache.zone or "external"), rule.needs):
                continue
            if _holds(rule, caller, known):
                yield f"the cache keeps what guard `{guard}` forbids it: {rule.text}"


def _known_at_calls(caller: Caller) -> dict[int, dict[str, str]]:
    """What classifiers had said when each call began."""
    labels: dict[str, str] = {}
    known: dict[int, dict[str, str]] = {}
    for each in caller.events:
        if isinstance(each, SignalRead):
            labels = {**labels, each.signal: each.label}
        elif isinstance(each, CallStarted):
            known[each.call] = labels
    return known


def _labels(caller: Caller) -> dict[str, str]:
    return {each.signal: each.label for each in caller.events if isinstance(each, SignalRead)}


def _holds(rule: Rule, caller: Caller, labels: dict[str, str]) -> bool:
    async def signal(name: str) -> Signal:
        if name not in labels:
            raise _NotRead(name)
        return Signal(labels[name], unsure="as read")

    found = _at_once(truth(rule.test, Facts(caller.request, caller.input_tokens, signal)))
    return found.holds


def _at_once(work: Coroutine[Any, Any, _T]) -> _T:
    """What a coroutine gives that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        found: _T = done.value
        return found
    raise AssertionError("it waits for something")


def _whose(cache: Cache, caller: Caller) -> str | None:
    match cache.scope:
        case "user":
            return caller.request.user
        case "team":
            return caller.request.meta.get("team")
        case _:
            return None
