"""The pause that a provider asks for: all requests leave the model alone until it is over, where another can answer."""

import asyncio
from typing import Any

from plans import executor_of, of_type, plan_of

from mmflow import plan
from mmflow.plan import Plan
from mmflow.plugin import CallError, Request
from mmflow.report import trace
from mmflow.runtime.events import CoolingDown
from mmflow.runtime.pauses import LONGEST_S, Pauses
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, reply, run_virtual

PAIR = plan.Fallback(name="main", steps=("one", "two"), on=("429",))


def limited(wait_s: float | None) -> Turn:
    return Turn(error=CallError("429", "too many", status=429, retry_after_s=wait_s, dispatched="no"))


def requests(of: Plan, lab: Scripted, *at_s: float) -> list[Result]:
    """Requests at so many instants."""
    executor = executor_of(of, lab)

    async def all_of_them() -> list[Result]:
        results = []
        for each in at_s:
            await asyncio.sleep(each - asyncio.get_running_loop().time())
            results.append(await executor.run("main", Request.of("hello")))
        return results

    return run_virtual(all_of_them())


def asked(lab: Scripted) -> list[str]:
    return [call.model.name for call in lab.calls]


def of(*steps: Any, models: Any = ("one", "two")) -> Plan:
    return plan_of(*steps, models=models, deadline_s=600.0)


def test_a_model_that_asked_for_a_pause_is_left_alone_by_other_requests_until_it_is_over() -> None:
    lab = Scripted({"one": [limited(30.0), reply("yes")]})
    results = requests(of(PAIR), lab, 0.0, 10.0, 29.0, 31.0)
    assert asked(lab) == ["one", "two", "two", "two", "one"]
    (cooling,) = of_type(results[1], CoolingDown)
    assert (cooling.target, cooling.reason, cooling.wait_s) == ("one", "429", 20.0)
    assert any("one goes last for 20.000s, as its provider asked (429)" in line for line in trace(results[1].events))
    assert not of_type(results[3], CoolingDown)


def test_a_tier_asks_its_other_members_meanwhile() -> None:
    lab = Scripted({"one": [limited(30.0), reply("yes")]})
    requests(of(plan.Tier("main", ("one", "two"))), lab, 0.0, 10.0, 40.0)
    assert asked(lab) == ["one", "two", "two", "one"]


def test_a_model_without_another_is_asked_all_the_same() -> None:
    lab = Scripted({"one": [limited(30.0), reply("yes")]})
    results = requests(of(models=("one",)), lab, 0.0, 10.0)
    assert [each.ended.outcome for each in results] == ["failed", "served"]


def test_a_fallback_that_would_not_go_on_after_a_429_keeps_its_order() -> None:
    lab = Scripted({"one": [limited(30.0), reply("yes")]})
    requests(of(plan.Fallback(name="main", steps=("one", "two"), on=("5xx",))), lab, 0.0, 10.0)
    assert asked(lab) == ["one", "one"]


def test_without_a_time_nothing_is_paused() -> None:
    lab = Scripted({"one": [limited(None), reply("yes")]})
    requests(of(PAIR), lab, 0.0, 1.0)
    assert asked(lab) == ["one", "two", "one"]


def test_what_is_declared_twice_is_one_model_at_its_provider() -> None:
    made = of(models=("one", "two"))
    one, two = made.models.values()
    pauses = Pauses()
    pauses.failed(one, limited(30.0).error or CallError("429", "too many"), 0.0)
    assert pauses.left(one, 29.0) is not None
    assert (pauses.left(two, 29.0) is None) == ((one.provider, one.id) != (two.provider, two.id))
    assert pauses.left(one, 30.0) is None
    assert not pauses


def test_a_pause_of_days_is_not_meant() -> None:
    lab = Scripted({"one": [limited(LONGEST_S + 1), reply("yes")]})
    requests(of(PAIR), lab, 0.0, 1.0)
    assert asked(lab) == ["one", "two", "one"]
