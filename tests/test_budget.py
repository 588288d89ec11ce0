"""Budgets: money is promised before a call is sent and spent afterwards, thresholds act, and no interleaving passes a limit."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cli import Shell
from plans import Says, classifier, executor_of, model, of_type, plan_of, run, words

from mmflow import load, plan
from mmflow.plan import Budget, Plan, Threshold
from mmflow.plugin import Delta, Guess, Message, Prices, Request, Usage
from mmflow.report import summary, trace
from mmflow.runtime.events import Alerted, BudgetDegraded, CallEnded, CallStarted
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, fail, hang, reply, run_virtual, stream
from mmflow.runtime.state import Balance, MemoryStore, Promise, StateError, Store, Window, window_at
from mmflow.runtime.state_file import StateFile, state_file

DAY_S = 86_400
NOON = 20_000 * DAY_S + DAY_S / 2

ALERT_80 = Threshold(0.8, "alert", "ops")
DEGRADE_100 = Threshold(1.0, "degrade", "cheap")

COSTS_20 = Usage(input_tokens=10, output_tokens=5)


class Wall:
    """A wall clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def budgeted(limit: int, *thresholds: Threshold, per: str | None = None, steps: tuple[plan.Step, ...] = (), **flow: Any) -> Plan:
    """A flow over `dear` (`cheap` stands by) under a budget a day. The worst of a call of "hello" is `WORST`."""
    models = flow.pop("models", ["dear", "cheap"])
    made = plan_of(*steps, models=models, budget="daily", **{"max_input_tokens": 26, "max_output_tokens": 20, **flow})
    budget = Budget(name="daily", limit_microusd=limit, period_s=DAY_S, per=per, thresholds=thresholds)
    return plan.Plan(**{each: getattr(made, each) for each in made.__struct_fields__} | {"budgets": {"daily": budget}})


WORST = 59
"""19 tokens in at most, 20 out."""


def answers(of: Plan, count: int, *, wall: Wall | None = None, state: Store | None = None, **script: Any) -> list[Result]:
    """So many requests one after another, each of whose calls costs 20 where the script does not say otherwise."""
    lab = Scripted({name: script.get(name, [reply("yes", usage=COSTS_20)]) for name in of.models})
    executor = executor_of(of, lab, state=state, wall=wall or Wall())
    requests = script.get("requests", ["hello"] * count)

    async def all_of_them() -> list[Result]:
        return [await executor.run("main", Request.of(each) if isinstance(each, str) else each) for each in requests]

    return run_virtual(all_of_them())


def spent(store: Store, window: Window, now: float = NOON) -> Balance:
    return run_virtual(store.balance(window, now))


def daily(key: str = "daily", now: float = NOON) -> Window:
    return window_at(f"{Path('').absolute()}#{key}", DAY_S, now)


# ---- reserve, settle, release -------------------------------------------------------------------------------------------


def test_a_call_spends_what_it_cost_and_gives_the_rest_back() -> None:
    store = MemoryStore()
    (result,) = answers(budgeted(100), 1, state=store)
    assert result.ended.outcome == "served"
    assert spent(store, daily()) == Balance(20, 0)


def test_while_a_call_is_under_way_its_worst_is_promised() -> None:
    store = MemoryStore()
    executor = executor_of(budgeted(100), Scripted({"dear": [reply("yes", 1.0, usage=COSTS_20)]}), state=store, wall=Wall())

    async def look() -> Balance:
        task = asyncio.create_task(executor.run("main", Request.of("hello")))
        await asyncio.sleep(0.5)
        found = await store.balance(daily(), NOON)
        await task
        return found

    assert run_virtual(look()) == Balance(0, WORST)


def test_what_does_not_fit_is_refused_before_it_is_sent_and_says_budget_amount_and_renewal() -> None:
    first, second = answers(budgeted(WORST + 10), 2)
    assert first.ended.outcome == "served"
    ended = second.ended
    assert (ended.outcome, ended.error_class, ended.cost_microusd) == ("failed", "budget", 0)
    assert [each.outcome for each in of_type(second, CallEnded)] == ["failed"]
    assert ended.message == (
        "budget `daily`: `dear` may cost up to $0.000059, and $0.000020 of $0.000069/day is spent; "
        "it renews at 2024-10-05 00:00 UTC"
    )
    assert ended.help


def test_once_the_limit_is_spent_requests_are_rejected_at_the_door() -> None:
    store = MemoryStore()
    store.settle(Promise("x", daily(), 0, NOON), 100)
    (result,) = answers(budgeted(100), 1, state=store)
    assert (result.ended.outcome, result.ended.error_class) == ("rejected", "budget")
    assert of_type(result, CallStarted) == []


def test_a_fallback_does_not_catch_a_refusal_of_the_budget() -> None:
    step = plan.Fallback(name="main", steps=("dear", "cheap"), on=("429", "5xx", "budget"))
    (result,) = answers(budgeted(10, steps=(step,)), 1)
    assert [each.model for each in of_type(result, CallStarted)] == ["dear"]
    assert result.ended.error_class == "budget"


@pytest.mark.parametrize(("failing", "left"), [(429, 0), (401, 0), ("connect", 0), (500, WORST), ("timeout", WORST)])
def test_a_failed_call_gives_its_money_back_unless_it_may_be_charged(failing: Any, left: int) -> None:
    store = MemoryStore()
    answers(budgeted(100), 1, state=store, dear=[fail(failing)])
    assert spent(store, daily()) == Balance(left, 0)


def test_a_cancelled_call_spends_what_it_used() -> None:
    store = MemoryStore()
    executor = executor_of(
        budgeted(1_000), Scripted({"dear": [stream(["one ", "two ", "three"], 3.0)]}), state=store, wall=Wall()
    )

    async def cut() -> Result | None:
        async def emit(delta: Delta) -> None:
            pass

        task = asyncio.create_task(executor.run("main", Request.of("hello"), emit))
        await asyncio.sleep(2.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    run_virtual(cut())
    found = spent(store, daily())
    assert 0 < found.spent_microusd < WORST
    assert found.promised_microusd == 0


def test_an_unknown_price_is_refused_and_a_free_model_costs_nothing() -> None:
    unknown, free = model("dear", prices=None), model("dear", prices=plan_prices(0, 0))
    (result,) = answers(budgeted(100, models=[unknown, "cheap"]), 1)
    assert (result.ended.error_class, of_type(result, CallStarted)[0].model) == ("budget", "dear")
    assert "price of `dear` is unknown, and budget `daily` holds" in (result.ended.message or "")
    assert [each.ended.outcome for each in answers(budgeted(1, models=[free, "cheap"]), 3)] == ["served"] * 3


def plan_prices(read: int, wrote: int) -> Any:
    return model("any").prices.__class__(input=read, output=wrote)  # type: ignore[union-attr]


def test_judges_and_classifiers_pay_from_the_same_budget() -> None:
    store = MemoryStore()
    step = plan.Cascade("main", ("dear", "cheap"), plan.ScoreIs("rating", ">=", 0.5), "rating >= 0.5")
    made = budgeted(10_000, steps=(step,), models=["dear", "cheap", "judge"])
    rating = plan.Scorer(name="rating", word="judge", options={"model": "judge"})
    made = plan.Plan(**{each: getattr(made, each) for each in made.__struct_fields__} | {"scorers": {"rating": rating}})
    (result,) = answers(made, 1, state=store, judge=[reply("0.9", usage=COSTS_20)])
    assert result.ended.cost_microusd == 40
    assert spent(store, daily()).spent_microusd == 40


# ---- periods and keys -----------------------------------------------------------------------------------------------------


def test_a_new_day_begins_at_midnight_utc_with_new_money() -> None:
    wall, store = Wall(), MemoryStore()
    of = budgeted(WORST)
    assert [each.ended.outcome for each in answers(of, 2, wall=wall, state=store)] == ["served", "failed"]
    wall.now = 20_001 * DAY_S - 0.001
    assert answers(of, 1, wall=wall, state=store)[0].ended.outcome == "failed"
    wall.now = 20_001 * DAY_S
    assert answers(of, 1, wall=wall, state=store)[0].ended.outcome == "served"


def test_each_value_of_per_has_money_of_its_own_and_those_without_share_one() -> None:
    store = MemoryStore()
    requests = [Request(messages=(Message("user", "hello"),), user=user) for user in ("ada", "bob", "ada", None, None)]
    results = answers(budgeted(WORST, per="user"), 0, state=store, requests=requests)
    assert [each.ended.outcome for each in results] == ["served", "served", "failed", "served", "failed"]
    assert spent(store, daily("daily[user=ada]")).spent_microusd == 20


def test_a_field_of_meta_and_a_very_long_value_are_keys_too() -> None:
    store = MemoryStore()
    requests = [Request(messages=(Message("user", "hello"),), meta={"team": team}) for team in ("x" * 9_999, "y" * 9_999)]
    results = answers(budgeted(WORST, per="meta.team"), 0, state=store, requests=requests)
    assert [each.ended.outcome for each in results] == ["served", "served"]
    assert max(len(each.key) for each in store._accounts) < 300


# ---- thresholds -----------------------------------------------------------------------------------------------------------


def test_an_alert_is_told_once_in_a_period_by_the_request_that_passes_the_share() -> None:
    wall, store = Wall(), MemoryStore()
    of = budgeted(100, Threshold(0.4, "alert", "ops"))
    results = answers(of, 2, wall=wall, state=store) + answers(of, 1, wall=wall, state=store)
    told = [of_type(each, Alerted) for each in results]
    assert [len(each) for each in told] == [0, 1, 0]
    (alerted,) = told[1]
    assert (alerted.channel, alerted.share, alerted.spent_microusd, alerted.key) == ("ops", 0.4, 40, "daily")
    assert any("ops: daily: $0.000040 of $0.000100 spent, told from 40% on" in line for line in trace(results[1].events))
    wall.now += DAY_S
    assert [len(of_type(each, Alerted)) for each in answers(of, 2, wall=wall, state=store)] == [0, 1]


def test_a_refusal_alerts_whoever_waits_for_the_limit_and_not_those_of_shares_that_are_not_reached() -> None:
    first, second = answers(budgeted(WORST + 10, ALERT_80, Threshold(1.0, "alert", "boss")), 2)
    assert of_type(first, Alerted) == []
    assert [each.channel for each in of_type(second, Alerted)] == ["boss"]


def test_promises_count_for_an_alert_where_they_keep_others_from_being_served() -> None:
    executor = executor_of(budgeted(WORST + 10, ALERT_80), Scripted({"dear": [reply("yes", 1.0)]}), wall=Wall())

    async def two() -> list[Result]:
        return list(await asyncio.gather(*(executor.run("main", Request.of("hello")) for _ in range(2))))

    results = run_virtual(two())
    assert sorted(each.ended.outcome for each in results) == ["failed", "served"]
    assert [each.channel for result in results for each in of_type(result, Alerted)] == ["ops"]


def test_from_its_share_on_degrade_runs_another_step() -> None:
    results = answers(budgeted(100, Threshold(0.2, "degrade", "cheap")), 2)
    assert [each.ended.model for each in results] == ["dear", "cheap"]
    (degraded,) = of_type(results[1], BudgetDegraded)
    assert (degraded.target, degraded.share, degraded.spent_microusd) == ("cheap", 0.2, 20)
    assert results[1].ended.degraded == "budget"
    assert summary(results[1].reply, results[1].events).degraded == "budget"
    assert any("daily: $0.000020 of $0.000100 spent; from 20% on cheap is asked instead" in x for x in trace(results[1].events))


def test_below_the_limit_a_degraded_request_may_not_pass_it_either() -> None:
    results = answers(budgeted(WORST + 10, Threshold(0.2, "degrade", "cheap")), 2)
    assert [(each.ended.outcome, each.ended.error_class) for each in results] == [("served", None), ("failed", "budget")]


def test_what_does_not_fit_any_more_goes_to_the_degraded_step_which_a_free_model_serves_to_the_end() -> None:
    free = model("cheap", prices=plan_prices(0, 0))
    store = MemoryStore()
    of = budgeted(WORST + 10, Threshold(0.9, "degrade", "cheap"), models=["dear", free])
    assert [each.ended.model for each in answers(of, 3, state=store)] == ["dear", "cheap", "cheap"]
    store.settle(Promise("x", daily(), 0, NOON), 1_000)
    assert [each.ended.model for each in answers(of, 1, state=store)] == ["cheap"]


def test_degrade_at_the_limit_goes_on_with_its_step_which_counts_and_is_not_refused() -> None:
    store = MemoryStore()
    results = answers(budgeted(WORST + 10, DEGRADE_100), 6, state=store)
    assert [each.ended.model for each in results] == ["dear", "cheap", "cheap", "cheap", "cheap", "cheap"]
    assert {each.ended.outcome for each in results} == {"served"}
    assert spent(store, daily()).spent_microusd == 120


def test_a_request_whose_own_step_does_not_fit_any_more_goes_on_with_the_degraded_step() -> None:
    _, second = answers(budgeted(WORST + 10, DEGRADE_100), 2)
    assert [(each.model, each.outcome) for each in of_type(second, CallEnded)] == [("dear", "failed"), ("cheap", "answered")]
    assert second.ended.degraded == "budget"


def test_a_refusal_of_max_cost_is_not_one_of_the_budget() -> None:
    (result,) = answers(budgeted(10_000, DEGRADE_100, max_cost_microusd=10), 1)
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "budget")
    assert [each.model for each in of_type(result, CallStarted)] == ["dear"]


def test_reject_above_a_degrade_at_the_limit_is_a_hard_end() -> None:
    store = MemoryStore()
    results = answers(budgeted(100, DEGRADE_100, Threshold(1.5, "reject")), 9, state=store)
    assert [each.ended.outcome for each in results] == ["served"] * 5 + ["failed"] * 4
    assert spent(store, daily()).spent_microusd == 100


def test_reject_below_the_limit_is_the_limit() -> None:
    store = MemoryStore()
    results = answers(budgeted(200, Threshold(0.5, "reject"), DEGRADE_100), 9, state=store)
    assert {each.ended.outcome for each in results[3:]} == {"failed"}
    assert spent(store, daily()).spent_microusd <= 100


def test_of_several_degrades_the_last_that_is_reached_holds() -> None:
    thresholds = (Threshold(0.04, "degrade", "mid"), Threshold(0.08, "degrade", "cheap"))
    results = answers(budgeted(500, *thresholds, models=["dear", "mid", "cheap"]), 3)
    assert [each.ended.model for each in results] == ["dear", "mid", "cheap"]


def test_guards_leave_the_members_of_a_degraded_step_that_they_allow() -> None:
    models = ["dear", "far", model("near", zone="own")]
    guard = plan.Guard(
        "residency", (plan.Rule(plan.RequestIs("user", "==", "ada"), ((plan.TargetIs("zone", "==", "own"),),), "…"),)
    )
    steps = (
        plan.Ask("main", "dear"),
        plan.Fallback(name="stand_by", steps=("far", "near"), on=("429",)),
    )
    made = budgeted(1_000, Threshold(0.0, "degrade", "stand_by"), steps=steps, models=models, guards=("residency",))
    made = plan.Plan(**{each: getattr(made, each) for each in made.__struct_fields__} | {"guards": {"residency": guard}})
    requests = [Request(messages=(Message("user", "hello"),), user=user) for user in ("ada", "bob")]
    ada, bob = answers(made, 0, requests=requests)
    assert [each.ended.model for each in (ada, bob)] == ["near", "far"]


def test_a_dry_run_shows_the_degraded_step_and_neither_spends_nor_alerts() -> None:
    store = MemoryStore()
    store.settle(Promise("x", daily(), 0, NOON), 100)
    executor = executor_of(budgeted(100, ALERT_80, DEGRADE_100), state=store, wall=Wall())
    result = run_virtual(executor.decide("main", Request.of("hello")))
    assert (result.ended.outcome, result.ended.model) == ("decided", "cheap")
    assert of_type(result, Alerted) == []
    assert spent(store, daily()) == Balance(100, 0)


# ---- nothing passes a limit -------------------------------------------------------------------------------------------------


class Watched(MemoryStore):
    """A store that answers late, and notes the most that was ever taken."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random, self.most = random, 0

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        await asyncio.sleep(self.random.choice([0, 0, 0.1]))
        found = await super().reserve(promise, limit_microusd, now)
        self.most = max(self.most, found.spent_microusd + found.promised_microusd)
        try:
            await asyncio.sleep(self.random.choice([0, 0, 0.1]))
        except asyncio.CancelledError:
            self.settle(promise, 0)
            raise
        return found


class Careless(Watched):
    """A store with a race: it looks, waits, and promises then. The property below must find it."""

    async def reserve(self, promise: Promise, limit_microusd: int | None, now: float) -> Balance:
        found = await self.balance(promise.window, now)
        await asyncio.sleep(0.1)
        if (
            limit_microusd is not None
            and found.spent_microusd + found.promised_microusd + promise.amount_microusd > limit_microusd
        ):
            return Balance(found.spent_microusd, found.promised_microusd, granted=False)
        return await super().reserve(promise, None, now)


def storm(seed: int, store_of: type[Watched], limit: int = 400) -> tuple[Watched, list[Any]]:
    """Thirty requests at random times, some failing, hanging or cancelled, for money that does not suffice."""
    random = Random(seed)
    store = store_of(random)
    turns = [reply("yes", 0.3, usage=COSTS_20), reply("no", 1.0, usage=COSTS_20), fail(429, 0.1), fail(500, 0.2), hang()]
    lab = Scripted({name: random.choices(turns, k=40) for name in ("dear", "cheap")})
    step = plan.Fallback(name="main", steps=("dear", "cheap"), on=("429", "5xx"), retry_times=1)
    executor = executor_of(budgeted(limit, ALERT_80, steps=(step,), deadline_s=3.0), lab, state=store, wall=Wall())

    async def one() -> Any:
        await asyncio.sleep(random.choice([0, 0, 0.1, 0.2, 1.0]))
        return await executor.run("main", Request.of("hello"))

    async def everyone() -> list[Any]:
        tasks = [asyncio.create_task(one()) for _ in range(30)]
        await asyncio.sleep(random.choice([0.05, 0.3, 0.6]))
        for task in random.sample(tasks, 5):
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return store, run_virtual(everyone(), seed=seed)


@pytest.mark.parametrize("seed", range(1, 101))
def test_no_interleaving_of_requests_passes_the_limit_and_all_promises_end(seed: int) -> None:
    store, results = storm(seed, Watched)
    assert store.most <= 400
    found = spent(store, daily())
    assert found.promised_microusd == 0
    assert found.spent_microusd <= 400
    done = [each for each in results if isinstance(each, Result)]
    assert len(done) >= 25
    assert sum(len(of_type(each, Alerted)) for each in done) <= 1


def test_the_property_finds_a_race() -> None:
    assert any(storm(seed, Careless)[0].most > 400 for seed in range(1, 10))


# ---- leases -----------------------------------------------------------------------------------------------------------------


def test_a_promise_that_nobody_settles_ends_with_its_lease() -> None:
    store = MemoryStore()
    lost = Promise("lost", daily(), 90, NOON + 80)

    async def play() -> list[bool]:
        await store.reserve(lost, 100, NOON)
        later = [await store.reserve(Promise(f"at {at}", daily(), 90, NOON + 999), 100, NOON + at) for at in (79, 80)]
        return [each.granted for each in later]

    assert run_virtual(play()) == [False, True]


def test_a_promise_lasts_longer_than_its_call_may() -> None:
    store = MemoryStore()
    executor = executor_of(budgeted(100, deadline_s=500.0), Scripted({"dear": [hang()]}), state=store, wall=Wall())

    async def look() -> float:
        task = asyncio.create_task(executor.run("main", Request.of("hello")))
        await asyncio.sleep(1)
        (account,) = store._accounts.values()
        task.cancel()
        return account.lapses_at - NOON

    assert run_virtual(look()) > 500


def test_many_users_over_many_periods_leave_memory_flat() -> None:
    store = MemoryStore()

    async def years() -> int:
        most = 0
        for day in range(200):
            now = NOON + day * DAY_S
            for user in range(50):
                promise = Promise("x", window_at(f"user {user}", DAY_S, now), 5, now + 60)
                await store.reserve(promise, 10, now)
                store.settle(promise, 5)
            most = max(most, len(store._accounts))
        return most

    assert run_virtual(years()) <= 1_050


# ---- the state file -----------------------------------------------------------------------------------------------------------


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    path, window = tmp_path / "deep" / "state.sqlite", daily()
    one = StateFile(path)
    promise = Promise("one", window, 66, NOON + 60)
    assert await one.reserve(promise, 100, NOON) == Balance(0, 66)
    assert (await one.reserve(Promise("two", window, 66, NOON + 60), 100, NOON)) == Balance(0, 66, granted=False)
    one.settle(promise, 20)
    assert await one.mark(window, "alert")
    await one.close()
    other = StateFile(path)
    assert await other.balance(window, NOON) == Balance(20, 0)
    assert not await other.mark(window, "alert")
    await other.close()
    assert await other.balance(window, NOON) == Balance(20, 0), "a store that was closed can be used again"
    await other.close()


async def test_in_the_file_a_promise_of_a_killed_process_ends_with_its_lease(tmp_path: Path) -> None:
    store = StateFile(tmp_path / "state.sqlite")
    await store.reserve(Promise("lost", daily(), 90, NOON + 80), 100, NOON)
    assert not (await store.reserve(Promise("one", daily(), 90, NOON + 999), 100, NOON + 79)).granted
    assert (await store.reserve(Promise("two", daily(), 90, NOON + 999), 100, NOON + 80)).granted
    await store.close()


async def test_a_reservation_that_is_cancelled_takes_nothing(tmp_path: Path) -> None:
    store = StateFile(tmp_path / "state.sqlite")
    tasks = [asyncio.create_task(store.reserve(Promise(f"{n}", daily(), 5, NOON + 60), 1_000, NOON)) for n in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    granted = sum(isinstance(each, Balance) for each in done)
    assert await store.balance(daily(), NOON) == Balance(0, 5 * granted)
    assert granted == 10
    await store.close()


RESERVE_50 = """
import asyncio, sys
from pathlib import Path
from mmflow.runtime.state import Promise, Window
from mmflow.runtime.state_file import StateFile

async def main():
    store, window, granted = StateFile(Path(sys.argv[1])), Window("shared", 0, 100), 0
    async def one(number):
        nonlocal granted
        promise = Promise(f"{sys.argv[2]} {number}", window, 10, 60.0)
        if (await store.reserve(promise, 200, 1.0)).granted:
            granted += 1
            store.settle(promise, 10)
    await asyncio.gather(*map(one, range(50)))
    await store.close()
    print(granted)

asyncio.run(main())
"""


def test_several_processes_share_one_limit(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    start = [sys.executable, "-c", RESERVE_50, str(path)]
    processes = [subprocess.Popen([*start, str(each)], stdout=subprocess.PIPE, text=True) for each in range(4)]
    granted = [int(process.communicate()[0]) for process in processes]
    assert sum(granted) == 20
    assert asyncio.run(_balance(path, Window("shared", 0, 100))) == Balance(200, 0)


async def _balance(path: Path, window: Window) -> Balance:
    store = StateFile(path)
    try:
        return await store.balance(window, 1.0)
    finally:
        await store.close()


async def test_a_file_that_cannot_be_used_refuses_requests_and_says_which(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"this is not a database, whatever its name says" * 50)
    store = StateFile(path)
    with pytest.raises(StateError, match=r"state file .*cannot be used"):
        await store.balance(daily(), NOON)
    executor = executor_of(budgeted(100), state=store, wall=Wall())
    ended = (await executor.run("main", Request.of("hello"))).ended
    assert (ended.outcome, ended.error_class) == ("rejected", "budget")
    assert str(path) in (ended.message or "")
    assert "MMFLOW_STATE" in (ended.help or "")
    await executor.close()


async def test_what_could_not_be_settled_is_settled_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmflow.runtime import allowance
    from mmflow.runtime import state_file as module

    monkeypatch.setattr(allowance, "FRESH_S", -1.0)
    store = StateFile(tmp_path / "state.sqlite")
    promise = Promise("one", daily(), 66, NOON + 60)
    await store.reserve(promise, 100, NOON)
    settle = module._settle
    monkeypatch.setattr(module, "_settle", _full_disk)
    store.settle(promise, 20)
    with pytest.raises(StateError, match="disk is full"):
        await store.balance(daily(), NOON)
    monkeypatch.setattr(module, "_settle", settle)
    assert await store.balance(daily(), NOON) == Balance(20, 0)
    await store.close()


def _full_disk(*_: object) -> None:
    import sqlite3

    raise sqlite3.OperationalError("database or disk is full")


async def test_an_executor_over_a_file_remembers_across_executors(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    outcomes = []
    for _ in range(3):
        lab = Scripted({"dear": [reply("yes", usage=COSTS_20)]})
        executor = executor_of(budgeted(WORST + 20), lab, state=StateFile(path), wall=Wall())
        outcomes.append((await executor.run("main", Request.of("hello"))).ended.outcome)
        await executor.close()
    assert outcomes == ["served", "served", "failed"]


async def test_old_windows_are_forgotten(tmp_path: Path) -> None:
    store = StateFile(tmp_path / "state.sqlite")
    for day in (0, 30):
        now = NOON + day * DAY_S
        promise = Promise(f"{day}", daily(now=now), 5, now + 60)
        await store.reserve(promise, 100, now)
        store.settle(promise, 5)
    assert await store.balance(daily(), NOON) == Balance(0, 0)
    await store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="owners are of Unix")
async def test_the_file_is_its_users_own(tmp_path: Path) -> None:
    store = StateFile(tmp_path / "state.sqlite")
    await store.balance(daily(), NOON)
    assert store.path.stat().st_mode & 0o077 == 0
    await store.close()


def test_where_the_file_is() -> None:
    assert state_file("here.sqlite", {"MMFLOW_STATE": "/there"}) == Path("here.sqlite")
    assert state_file(None, {"MMFLOW_STATE": "/there"}) == Path("/there")
    if sys.platform != "win32":
        assert state_file(None, {"XDG_STATE_HOME": "/x"}) == Path("/x/mmflow/state.sqlite")
        assert state_file(None, {}) == Path.home() / ".local/state/mmflow/state.sqlite"


def test_a_plan_without_a_budget_opens_no_state() -> None:
    class Never(MemoryStore):
        async def balance(self, window: Window, now: float) -> Balance:
            raise AssertionError("no flow has a budget")

    executor: Executor = executor_of(plan_of(models=["small"]), state=Never())
    assert run_virtual(executor.run("main", Request.of("hi"))).ended.outcome == "served"


def test_labels_of_a_request_are_read_before_a_budget_sends_it_elsewhere_only_where_needed() -> None:
    """A degraded request goes to the step of its threshold without asking the classifiers of the route that it leaves."""
    says = Says(lambda text: Guess("low", 0.9))
    route = plan.Route("main", (plan.Arm(plan.LabelIs("complexity", ("low",)), "dear", "complexity == low"),), "dear")
    made = plan_of(route, models=["dear", "cheap"], classifiers=[classifier("complexity")], budget="daily", max_output_tokens=20)
    budget = Budget(name="daily", limit_microusd=100, period_s=DAY_S, thresholds=(Threshold(0.0, "degrade", "cheap"),))
    made = plan.Plan(**{each: getattr(made, each) for each in made.__struct_fields__} | {"budgets": {"daily": budget}})
    result = run(made, vocabulary=words(classifiers={"complexity": says}))
    assert result.ended.model == "cheap"
    assert says.asked == 0


# ---- on the command line and in Python ----------------------------------------------------------------------------------------

FLOW = """\
mmflow 1

model dear { provider = sim, id = "a", price = { input = $1/1M, output = $2/1M } }
model cheap { provider = sim, id = "b", price = free }

budget daily {
  limit = $0.0004/day
  when spent >= 10% -> alert("ops")
  when spent >= 100% -> degrade(cheap)
}

flow main {
  max_input = 100
  max_output = 100
  budget = daily
  else -> dear
}
"""


def test_runs_of_the_command_share_the_state_file(mmflow: Shell) -> None:
    mmflow.write("flow.mmf", FLOW)
    done = [mmflow("run", "flow.mmf", "hello", "--state", "state.sqlite", "--json") for _ in range(6)]
    assert [each.code for each in done] == [0] * 6
    models = [json.loads(each.out)["model"] for each in done]
    assert (models[0], models[-1]) == ("dear", "cheap")
    assert sum("alert at 10%, for ops" in each.err for each in done) == 1
    assert "the budget put another step" in done[-1].err
    mmflow.environ["MMFLOW_STATE"] = str(mmflow.folder / "state.sqlite")
    assert json.loads(mmflow("run", "flow.mmf", "hello", "--json").out)["model"] == "cheap"


def test_without_a_name_the_state_is_in_the_users_folder_and_python_finds_it_there(
    mmflow: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    mmflow.write("flow.mmf", FLOW)
    monkeypatch.setitem(mmflow.environ, "XDG_STATE_HOME", str(mmflow.folder / "state"))
    monkeypatch.setitem(mmflow.environ, "LOCALAPPDATA", str(mmflow.folder / "state"))
    assert json.loads(mmflow("run", "flow.mmf", "hello", "--json").out)["model"] == "dear"
    assert (mmflow.folder / "state" / "mmflow" / "state.sqlite").is_file()
    assert {load("flow.mmf").run_sync("hello").model for _ in range(5)} == {"dear", "cheap"}
    assert load("flow.mmf", state="other.sqlite").run_sync("hello").model == "dear"


def test_a_file_without_a_budget_leaves_no_state(mmflow: Shell) -> None:
    mmflow.write("flow.mmf", 'mmflow 1\n\nmodel a { provider = sim, id = "a" }\n\nflow main { else -> a }\n')
    assert mmflow("run", "flow.mmf", "hello", "--state", "state.sqlite").code == 0
    assert not (mmflow.folder / "state.sqlite").exists()


def test_a_state_file_that_cannot_be_used_is_one_line(mmflow: Shell) -> None:
    mmflow.write("flow.mmf", FLOW)
    mmflow.write("state.sqlite", "no database " * 100)
    done = mmflow("run", "flow.mmf", "hello", "--state", "state.sqlite")
    assert done.code == 1
    assert "the state file state.sqlite cannot be used: file is not a database" in done.err
    assert "Traceback" not in done.err


# ---- what the simulator found -----------------------------------------------------------------------------------------------


class Slow(MemoryStore):
    """A store that takes its time."""

    async def balance(self, window: Window, now: float) -> Balance:
        await asyncio.sleep(3.0)
        return await super().balance(window, now)


def test_a_store_that_is_slow_does_not_hold_a_request_beyond_its_deadline() -> None:
    (result,) = answers(budgeted(1_000, deadline_s=2.0), 1, state=Slow())
    assert (result.ended.at_s, result.ended.outcome, result.ended.error_class) == (2.0, "rejected", "budget")
    assert "could not be asked within the deadline" in str(result.ended.message)


def test_alerts_that_a_slow_store_holds_up_do_not_hold_up_the_answer_beyond_the_deadline() -> None:
    (result,) = answers(budgeted(1_000, Threshold(0.5, "alert", "ops"), deadline_s=5.0), 1, state=Slow())
    assert (result.ended.at_s, result.ended.outcome) == (5.0, "served")


def test_where_only_the_window_bounds_an_answer_it_may_fill_what_a_short_prompt_leaves() -> None:
    priced = model("dear", prices=Prices(1_000_000, 2_000_000), context_tokens=60)
    of = budgeted(100, models=[priced], max_output_tokens=None, max_input_tokens=None)
    (result,) = answers(of, 1, dear=[reply("yes", usage=Usage(1, output_tokens=59))])
    # All of the window at the price of the dearer tokens is 120, whatever is set aside for the prompt.
    assert (result.ended.error_class, result.ended.cost_microusd) == ("budget", 0)
