"""What a test expects, held against what came: whether it holds, and what came instead."""

from collections.abc import Iterator, Sequence

import attrs

from mmflow import plan
from mmflow.patterns import compile_pattern
from mmflow.plan import Ask, Expectation, Expected, Plan
from mmflow.runtime.cast import Asked
from mmflow.runtime.cost import dollars
from mmflow.runtime.events import Alerted, BudgetDegraded, SignalRead
from mmflow.runtime.result import Result

LONGEST_SHOWN = 200


@attrs.frozen
class Verdict:
    """An expectation, whether it holds, and what came, in words."""

    expectation: Expectation
    holds: bool
    got: str


@attrs.frozen
class Seen:
    """What came of a test: the result, the calls that reached a model, and what the caller got to read (None: nothing)."""

    plan: Plan
    result: Result
    asked: Sequence[Asked]
    said: str | None


def verdict(expectation: Expectation, seen: Seen) -> Verdict:
    """Whether an expectation holds."""
    got = dict.fromkeys(_got(expectation.test, seen))
    return Verdict(expectation, _holds(expectation.test, seen), "; ".join(got))


def _holds(test: Expected, seen: Seen) -> bool:
    ended = seen.result.ended
    match test:
        case plan.ExpectAll(tests=tests):
            return all(_holds(each, seen) for each in tests)
        case plan.ExpectAny(tests=tests):
            return any(_holds(each, seen) for each in tests)
        case plan.ExpectNot(test=inner):
            return not _holds(inner, seen)
        case plan.ServedBy(target=target):
            return ended.outcome == "served" and target in (ended.model, *(ended.path or "").split("/"))
        case plan.CallsAre(targets=targets):
            return _are([each for each in seen.asked if each.purpose == "answer"], targets, seen.plan)
        case plan.NeverCalled():
            return not _against(test, seen)
        case plan.Measured(what=what, operator=operator, value=value, target=target):
            found = _measure(what, target, seen)
            return found is not None and plan.compare(found, operator, value)
        case plan.Came(what="outcome", value=value):
            return ended.outcome == value
        case plan.Came(what="error", value=value):
            return ended.error_class == value
        case plan.Came(what="output", value=value):
            return seen.said == value
        case plan.Came(value=value):
            return seen.said is not None and compile_pattern(value).matches(seen.said)
        case plan.Happened(what="cached"):
            return seen.result.cached
        case plan.Happened(what="degraded"):
            return ended.degraded is not None or any(isinstance(each, BudgetDegraded) for each in seen.result.events)
        case plan.Happened(channel=channel):
            return any(channel in (None, each.channel) for each in seen.result.events if isinstance(each, Alerted))
        case plan.LabelIs(signal=signal, labels=labels):
            return _label(signal, seen) in labels


def _got(test: Expected, seen: Seen) -> Iterator[str]:
    """What came of the things that an expectation names."""
    ended = seen.result.ended
    match test:
        case plan.ExpectAll(tests=tests) | plan.ExpectAny(tests=tests):
            for each in tests:
                yield from _got(each, seen)
        case plan.ExpectNot(test=inner):
            yield from _got(inner, seen)
        case plan.ServedBy():
            yield f"served by {ended.model} ({ended.path})" if ended.outcome == "served" else _outcome(seen)
        case plan.CallsAre():
            asked = [each.model.name for each in seen.asked if each.purpose == "answer"]
            places = " ".join(f"({each.path})" for each in seen.asked if each.purpose == "answer")
            yield f"calls == [{', '.join(asked)}]" + (f" {places}" if places else "")
        case plan.NeverCalled():
            against = _against(test, seen)
            yield ", ".join(f"{each.model.name} was called ({each.path})" for each in against) or "not called"
        case plan.Measured(what="attempts", target=target):
            yield f"attempts({target}) == {_measure('attempts', target, seen)}"
        case plan.Measured(what="cost"):
            cost = _measure("cost", None, seen)
            yield f"cost == {'unknown' if cost is None else dollars(int(cost))}"
        case plan.Measured():
            yield f"latency == {seen.result.ended.at_s:.3f}s"
        case plan.Came(what="outcome" | "error"):
            yield _outcome(seen)
        case plan.Came():
            shown = repr(seen.said[:LONGEST_SHOWN]) if seen.said is not None else "none"
            yield f"output == {shown}"
        case plan.Happened(what="alerted"):
            channels = [each.channel for each in seen.result.events if isinstance(each, Alerted)]
            yield f"alerted {', '.join(channels)}" if channels else "nobody was alerted"
        case plan.Happened(what=what):
            yield what if _holds(test, seen) else f"not {what}"
        case plan.LabelIs(signal=signal):
            label = _label(signal, seen)
            yield f"{signal} was not read" if label is None else f"{signal} == {label}"


def _outcome(seen: Seen) -> str:
    ended = seen.result.ended
    why = f", error == {ended.error_class}: {ended.message}" if ended.error_class is not None else ""
    return f"outcome == {ended.outcome}{why}"


def _measure(what: str, target: str | None, seen: Seen) -> float | None:
    match what:
        case "cost":
            return seen.result.ended.cost_microusd
        case "latency":
            # What the clock rounds off is no time.
            return round(seen.result.ended.at_s, 6)
        case _:
            return sum(each.is_of(target or "") for each in seen.asked)


def _against(test: plan.NeverCalled, seen: Seen) -> list[Asked]:
    if test.target is not None:
        return [each for each in seen.asked if each.is_of(test.target)]
    return [each for each in seen.asked if plan.meets(each.model, (test.facts,))]


def _label(signal: str, seen: Seen) -> str | None:
    return next((each.label for each in seen.result.events if isinstance(each, SignalRead) and each.signal == signal), None)


def _are(asked: Sequence[Asked], targets: tuple[str, ...], of: Plan) -> bool:
    """Whether calls are these targets in this order: a model is one call, any other target all in a row within it."""
    ends = {0}
    for target in targets:
        is_model = isinstance(of.steps.get(target), Ask)
        reached: set[int] = set()
        for start in ends:
            end = start
            while end < len(asked) and asked[end].is_of(target):
                end += 1
                reached.add(end)
                if is_model:
                    break
        ends = reached
    return len(asked) in ends
