"""What must hold of each request when it is over: its record, its time, its money, and what its caller heard."""

import asyncio
from collections.abc import Callable, Iterator

from mmflow.plan import Plan
from mmflow.plugin import Usage
from mmflow.runtime.cost import cost_microusd
from mmflow.runtime.deadline import least
from mmflow.runtime.events import CallEnded, CallStarted, Event, RequestEnded, RequestStarted
from mmflow.testing.simulate.caller import Asked, Caller, CallerBroke
from mmflow.testing.simulate.violation import TICK_S

Check = Callable[[Caller, Plan], Iterator[str]]

OPEN = ("uncertain", "cancelled")
"""Outcomes of calls that may cost more than is known: what was set aside for them stays so."""


def answered(caller: Caller, plan: Plan) -> Iterator[str]:
    """A request ends as its caller was promised: with a result, or in the way that the caller itself ended it."""
    error, result = caller.error, caller.result
    if isinstance(error, CallerBroke):
        return
    if isinstance(error, asyncio.CancelledError):
        if caller.left_at is None:
            yield "the request was cancelled, and nobody wanted that"
    elif error is not None:
        yield f"it raised {error!r}"
    elif result is not None:
        if (result.reply is not None) != (result.ended.outcome == "served"):
            yield f"it is {result.ended.outcome}, and has {'no' if result.reply is None else 'a'} reply"
        if caller.left_at is not None and not caller.is_held_up:
            yield "the caller left, and the request went on to its end"
    if caller.left_at is not None and caller.ended_at is not None:
        late_s = caller.ended_at - caller.left_at
        if late_s > TICK_S and not caller.is_held_up:
            yield f"the caller left, and the request went on for {late_s:g}s"


def recorded(caller: Caller, plan: Plan) -> Iterator[str]:
    """The record has one beginning, one end, and everything between them in the order of time."""
    events = caller.events
    if not events:
        if caller.left_at is None:
            yield "the request has no record"
        return
    if not isinstance(events[0], RequestStarted) or not isinstance(events[-1], RequestEnded):
        yield f"the record begins with {_tag(events[0])} and ends with {_tag(events[-1])}"
    if sum(isinstance(each, RequestEnded) for each in events) != 1:
        yield "the record has more than one end, or none"
    at_s = 0.0
    for each in events:
        if each.at_s < at_s:
            yield f"{_tag(each)} at {each.at_s:g}s is written after {at_s:g}s"
        at_s = each.at_s
    started = [each.call for each in events if isinstance(each, CallStarted)]
    ended = sorted(each.call for each in events if isinstance(each, CallEnded))
    if started != list(range(1, len(started) + 1)):
        yield f"calls are numbered {started}"
    if sorted(started) != ended:
        yield f"calls {started} were started, and {ended} ended"


def in_time(caller: Caller, plan: Plan) -> Iterator[str]:
    """No deadline and no time-out is passed."""
    for each in caller.events:
        if isinstance(each, RequestEnded) and each.at_s > caller.flow.deadline_s + caller.delayed_s + TICK_S:
            yield f"the request took {each.at_s:g}s, and its deadline is {caller.flow.deadline_s:g}s"
        if isinstance(each, CallEnded):
            model = plan.models[each.model]
            most_s = least(model.timeouts.total_s, plan.providers[model.provider].timeouts.total_s)
            took_s = each.at_s - each.started_at_s
            if most_s is not None and took_s > most_s + caller.delayed_s + TICK_S:
                yield f"call {each.call} took {took_s:g}s, and its time-out is {most_s:g}s"


def accounted(caller: Caller, plan: Plan) -> Iterator[str]:
    """The ledger has the calls that were made, each with what it cost, and no others."""
    ended = {each.call: each for each in caller.events if isinstance(each, CallEnded)}
    seen: set[int] = set()
    for asked in caller.asked:
        call = ended.get(asked.number)
        if call is None or asked.number in seen:
            yield f"`{asked.call.model.name}` was asked, and the record does not have it"
            continue
        seen.add(asked.number)
        if (call.model, call.purpose) != (asked.call.model.name, asked.call.purpose):
            yield f"`{asked.call.model.name}` was asked, and the record has `{call.model}`"
        elif call.outcome == "answered":
            yield from _charged(asked, call)
    for number, call in ended.items():
        if call.outcome != "failed" and number not in seen:
            yield f"call {number} is {call.outcome}, and `{call.model}` was not asked"
    costs = [each.cost_microusd for each in ended.values()]
    total = None if None in costs else sum(each for each in costs if each is not None)
    end = caller.events[-1] if caller.events else None
    if isinstance(end, RequestEnded) and end.cost_microusd != total:
        yield f"the request cost {end.cost_microusd} micro-dollars, and its calls {total}"


def _charged(asked: Asked, call: CallEnded) -> Iterator[str]:
    usage = asked.usage
    if asked.is_honest and isinstance(usage, Usage) and (call.estimated or call.usage != usage):
        yield f"call {call.call} used {usage}, and the record has {call.usage}"
    if call.cost_microusd != cost_microusd(call.usage, asked.call.model.prices):
        yield f"call {call.call} cost {call.cost_microusd} micro-dollars, which its tokens do not"


def within_money(caller: Caller, plan: Plan) -> Iterator[str]:
    """`max_cost` holds, and what was set aside is spent or given back."""
    ended = [each for each in caller.events if isinstance(each, CallEnded)]
    spent = sum(each.cost_microusd or 0 for each in ended)
    is_open = any(each.outcome in OPEN for each in ended)
    most = caller.flow.max_cost_microusd
    if most is not None and caller.is_honest and spent > most:
        yield f"{spent} micro-dollars are spent, and `max_cost` is {most}"
    taken = None if caller.calls is None else caller.calls.taken_microusd
    if taken is not None and (taken < spent or (taken > spent and not is_open)):
        yield f"{taken} micro-dollars of `max_cost` are taken in the end, and {spent} are spent"
    if caller.flow.budget is not None:
        settled = caller.settled_microusd
        if settled < spent or (settled > spent and not is_open):
            yield f"{settled} micro-dollars are taken from the budget, and the calls cost {spent}"


def within_size(caller: Caller, plan: Plan) -> Iterator[str]:
    """`max_input` and `max_output` hold."""
    flow = caller.flow
    if flow.max_input_tokens is not None and caller.input_tokens > flow.max_input_tokens and caller.asked:
        yield f"a request of {caller.input_tokens} tokens was let in, and `max_input` is {flow.max_input_tokens}"
    for asked in caller.asked:
        own = (flow.max_output_tokens, caller.request.max_output_tokens) if asked.call.purpose == "answer" else ()
        most = least(asked.call.model.max_output_tokens, *own)
        if most is not None and (asked.call.max_output_tokens is None or asked.call.max_output_tokens > most):
            yield f"call {asked.number} may write {asked.call.max_output_tokens} tokens, and the bound is {most}"


def heard_whole(caller: Caller, plan: Plan) -> Iterator[str]:
    """A caller hears one answer from its beginning, and nothing after the end."""
    if caller.heard_late:
        yield "the caller heard a piece after the request was over"
    text = "".join(caller.heard)
    if not caller.manners.streams or isinstance(caller.error, CallerBroke):
        return
    if caller.result is not None and caller.result.reply is not None:
        if text != caller.result.reply.text:
            yield f"the caller heard {text!r:.80}, and the answer is {caller.result.reply.text!r:.80}"
    elif text:
        if not any(each.text.startswith(text) for each in caller.asked) and not _is_whole(caller, text):
            yield f"the caller heard {text!r:.80}, which no single call said"
        if caller.result is not None and caller.result.ended.outcome != "stream_broken":
            yield f"the caller heard a part of an answer, and the request is {caller.result.ended.outcome}"


def _is_whole(caller: Caller, text: str) -> bool:
    """Whether a text is an answer that was held back, put into the form of its contract or kept in a cache."""
    return (
        caller.flow.output is not None or caller.flow.cache is not None or any(each.text.strip() == text for each in caller.asked)
    )


def served_by_its_call(caller: Caller, plan: Plan) -> Iterator[str]:
    """What is served is the answer of a call at the place that the record names."""
    if caller.result is None or caller.result.reply is None or caller.result.cached:
        return
    end = caller.result.ended
    calls = [each for each in caller.events if isinstance(each, CallEnded) and each.outcome == "answered"]
    if not any((each.model, each.path) == (end.model, end.path) for each in calls):
        yield f"the answer is said to be of `{end.model}` at {end.path}, where no call was answered"


def _tag(event: Event) -> str:
    return str(event.__struct_config__.tag)


CHECKS: dict[str, Check] = {
    "answered": answered,
    "recorded": recorded,
    "in-time": in_time,
    "accounted": accounted,
    "within-money": within_money,
    "within-size": within_size,
    "heard-whole": heard_whole,
    "served-by-its-call": served_by_its_call,
}
"""What holds of each request, by the name of the invariant."""
