"""Caches: who gets a kept answer, what is kept, identical requests under way, and stores that do not work."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmflow_plugins.caches.exact import Exact, ExactOptions, default_file
from msgspec.structs import replace
from plans import Says, Words, classifier, executor_of, of_type, plan_of, words

from mmflow import plan
from mmflow.options import Surroundings, build
from mmflow.plan import Cache, Plan
from mmflow.plugin import CallError, Delta, Guess, Message, Reply, Request
from mmflow.registry import Registry
from mmflow.report import summary, trace
from mmflow.runtime.caches import InMemory
from mmflow.runtime.events import CacheFailed, CacheHit, CacheMissed, CacheSkipped, CallStarted
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, fail, hang, reply, run_virtual, stream

OURS = Request.of("ours")


def planned(cache: Cache | None = None, *steps: plan.Step, models: tuple[str, ...] = ("m",), **more: Any) -> Plan:
    cache = cache or Cache(name="answers")
    kinds = {each: more.pop(each, {}) for each in ("guards_of", "prompts", "outputs")}
    guards = {each.name: each for each in kinds["guards_of"]}
    made = plan_of(*steps, models=models, cache=cache.name, guards=tuple(guards), **more)
    return Plan(
        providers=made.providers, models=made.models, classifiers=made.classifiers, scorers=made.scorers, steps=made.steps,
        flows=made.flows, caches={cache.name: cache}, guards=guards, prompts=kinds["prompts"], outputs=kinds["outputs"],
    )  # fmt: skip


def asks(text: str = "hello", user: str | None = "ann", **more: Any) -> Request:
    return Request(messages=(Message("user", text),), user=user, **more)


def ran(of: Plan, *requests: Request, script: dict[str, list[Turn]] | None = None, vocabulary: Words | None = None, **more: Any):
    """The results of requests one after the other, and what the models were asked."""
    lab = Scripted(script or {"m": [reply(f"answer {n}") for n in range(1, 20)]})

    async def main() -> list[Result]:
        executor = executor_of(of, lab, vocabulary, **more)
        return [await executor.run("main", each) for each in requests]

    return run_virtual(main()), lab


def texts(results: list[Result]) -> list[str | None]:
    return [each.reply.text if each.reply else None for each in results]


# ---- hits -------------------------------------------------------------------------------------------------------------------


def test_the_same_request_again_asks_no_model_and_costs_nothing() -> None:
    (first, second), lab = ran(planned(), asks(), asks())
    assert texts([first, second]) == ["answer 1", "answer 1"]
    assert len(lab.calls) == 1
    assert (first.cached, second.cached) == (False, True)
    assert (second.ended.outcome, second.ended.cost_microusd, second.ended.model, second.ended.path) == (
        "served",
        0,
        "m",
        "main/m",
    )
    assert of_type(second, CallStarted) == []
    assert len(of_type(first, CacheMissed)) == len(of_type(second, CacheHit)) == 1


def test_a_hit_is_told_in_the_summary_and_in_the_trace() -> None:
    (_, second), _ = ran(planned(), asks(), asks())
    said = summary(second.reply, second.events)
    assert (said.cached, said.answer, said.model, said.calls, said.cost_usd) == (True, "answer 1", "m", [], 0.0)
    assert any(" cached " in line and "answers" in line for line in trace(second.events))


def test_a_stream_gets_the_whole_at_once() -> None:
    heard: list[str] = []

    async def main() -> None:
        async def emit(delta: Delta) -> None:
            heard.append(delta.text)

        executor = executor_of(planned(), Scripted({"m": [stream(["an ", "answer"])]}))
        await executor.run("main", asks(), emit)
        await executor.run("main", asks(), emit)

    run_virtual(main())
    assert heard == ["an ", "answer", "an answer"]


def test_an_answer_is_kept_for_its_time_to_live() -> None:
    async def main() -> list[str | None]:
        executor = executor_of(planned(Cache(name="answers", ttl_s=10.0)), Scripted({"m": [reply("1"), reply("2")]}))
        results = []
        for pause_s in (0.0, 9.9, 0.2):
            await asyncio.sleep(pause_s)
            results.append(await executor.run("main", asks()))
        return texts(results)

    assert run_virtual(main()) == ["1", "1", "2"]


# ---- the key ----------------------------------------------------------------------------------------------------------------

DIFFERENT = [
    {"text": "other"},
    {"temperature": 0.5},
    {"top_p": 0.5},
    {"stop": ("x",)},
    {"seed": 1},
    {"max_output_tokens": 5},
    {"response_format": {"type": "json_object"}},
    {"tools": ({"type": "function", "function": {"name": "f"}},)},
    {"language": "de"},
    {"user": "bob"},
]


@pytest.mark.parametrize("change", DIFFERENT, ids=lambda change: next(iter(change)))
def test_what_changes_the_answer_is_another_request(change: dict[str, Any]) -> None:
    _, lab = ran(planned(), asks(), asks(**change))
    assert len(lab.calls) == 2


def test_what_a_plan_does_not_read_is_not() -> None:
    _, lab = ran(planned(), asks(meta={"trace": "1"}), asks(meta={"trace": "2"}))
    assert len(lab.calls) == 1


def test_two_plans_share_nothing() -> None:
    store = InMemory()
    _, first = ran(planned(), asks(), caches={"answers": store})
    _, second = ran(planned(models=("m", "n")), asks(), caches={"answers": store})
    assert len(first.calls) == len(second.calls) == 1


def test_what_a_condition_reads_of_the_caller_parts_them_by_its_truth() -> None:
    test = plan.RequestIs("meta.tier", "==", "gold")
    route = plan.Route("sort", (plan.Arm(test, "m", "gold"),), "n")
    of = planned(Cache(name="answers", scope="all"), route, models=("m", "n"))
    tiers = ["gold", "gold", "tin", "lead"]
    results, lab = ran(of, *(asks(meta={"tier": each}) for each in tiers), script={})
    assert [each.ended.model for each in results] == ["m", "m", "n", "n"]
    assert len(lab.calls) == 2


def test_what_a_prompt_shows_of_the_caller_parts_them() -> None:
    prompt = plan.Prompt("voice", (plan.PromptArm(None, ("For ", plan.Slot("request.user"))),))
    of = planned(Cache(name="answers", scope="all"), prompts={"voice": prompt}, prompt="voice")
    _, lab = ran(of, asks(user="ann"), asks(user="bob"), asks(user="ann"))
    assert len(lab.calls) == 2


# ---- the scope --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "first", "second", "calls"),
    [
        ("user", {"user": "ann"}, {"user": "ann"}, 1),
        ("user", {"user": "ann"}, {"user": "bob"}, 2),
        ("user", {"user": None}, {"user": None}, 2),
        ("user", {"user": ""}, {"user": ""}, 2),
        ("team", {"meta": {"team": "a"}}, {"meta": {"team": "a"}, "user": "bob"}, 1),
        ("team", {"meta": {"team": "a"}}, {"meta": {"team": "b"}}, 2),
        ("team", {}, {}, 2),
        ("all", {"user": "ann"}, {"user": None}, 1),
    ],
)
def test_an_answer_is_for_those_of_its_scope(scope: Any, first: Any, second: Any, calls: int) -> None:
    _, lab = ran(planned(Cache(name="answers", scope=scope)), asks(**first), asks(**second))
    assert len(lab.calls) == calls


def test_why_a_cache_is_not_used_is_told() -> None:
    (result,), _ = ran(planned(), asks(user=None))
    assert [each.why for each in of_type(result, CacheSkipped)] == ["the request has no user"]


_NAMES = st.text(alphabet='ab:"\\\0, []{}ä\ud800', max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_NAMES, _NAMES, _NAMES), min_size=2, max_size=8))
def test_no_two_users_ever_share_an_answer(visits: list[tuple[str, str, str]]) -> None:
    store = InMemory()
    taken: dict[str, str] = {}

    async def main() -> None:
        lab = Scripted({"m": [reply(f"answer {n}") for n in range(1, 20)]})
        executor = executor_of(planned(), lab, caches={"answers": store})
        for user, text, team in visits:
            result = await executor.run("main", asks(text, user=user, meta={"team": team, "user": user}))
            assert result.reply is not None
            assert taken.setdefault(result.reply.text, user) == user
            assert result.cached is False or user

    run_virtual(main())


# ---- when it is off ---------------------------------------------------------------------------------------------------------


def private(text: str) -> Guess:
    return Guess("high" if "secret" in text else "low", 0.95)


def guarded(cache: Cache, needs: plan.TargetIs | None = None) -> Plan:
    own = needs or plan.TargetIs("zone", "==", "own")
    rule = plan.Rule(plan.LabelIs("data", ("high",)), ((own,),), "when data == high -> target.zone == own")
    made = planned(cache, classifiers=[classifier("data")], guards_of=[plan.Guard("residency", (rule,))])
    return replace(made, models={name: replace(each, zone="own") for name, each in made.models.items()})


def test_a_condition_turns_it_off() -> None:
    data = Says(private)
    of = planned(Cache(name="answers", off=(plan.LabelIs("data", ("high",)),)), classifiers=[classifier("data")])
    results, lab = ran(
        of, asks("a secret"), asks("a secret"), asks("plain"), asks("plain"), vocabulary=words(classifiers={"data": data})
    )
    assert len(lab.calls) == 3
    assert [each.cached for each in results] == [False, False, False, True]
    assert [each.why for each in of_type(results[0], CacheSkipped)] == ["off, because data = high (0.95)"]


@pytest.mark.parametrize(
    ("cache", "calls"),
    [
        (Cache(name="answers", zone="own"), 1),
        (Cache(name="answers", zone="external"), 2),
        (Cache(name="answers"), 2),
        (Cache(name="answers", zone="own", scope="all"), 2),
    ],
)
def test_guarded_data_is_kept_in_its_zone_and_for_its_user_only(cache: Cache, calls: int) -> None:
    says = words(classifiers={"data": Says(private)})
    _, lab = ran(guarded(cache), asks("a secret"), asks("a secret"), vocabulary=says)
    assert len(lab.calls) == calls
    _, lab = ran(guarded(cache), asks("plain"), asks("plain"), vocabulary=says)
    assert len(lab.calls) == 1


def test_a_guard_on_what_a_cache_has_not_keeps_data_out_of_it() -> None:
    of = guarded(Cache(name="answers", zone="own"), needs=plan.TargetIs("region", "==", "eu"))
    (result,), _ = ran(of, asks("a secret"), vocabulary=words(classifiers={"data": Says(private)}))
    assert [each.why.partition(":")[0] for each in of_type(result, CacheSkipped)] == ["guard residency"]


# ---- what is kept -----------------------------------------------------------------------------------------------------------


class Ends:
    """A provider whose answers end in one way."""

    def __init__(self, **how: Any) -> None:
        self.how, self.calls = how, 0

    async def complete(self, call: Any, emit: Any) -> Reply:
        self.calls += 1
        return Reply(**{"text": "an answer", **self.how})


@pytest.mark.parametrize(
    ("how", "calls"),
    [({}, 1), ({"finish": "length"}, 2), ({"finish": "content_filter"}, 2), ({"text": ""}, 2), ({"text": "x" * 1_100_000}, 2)],
)
def test_only_what_is_complete_is_kept(how: dict[str, Any], calls: int) -> None:
    lab = Ends(**how)

    async def main() -> None:
        executor = executor_of(planned(), lab)
        for _ in range(2):
            await executor.run("main", asks())

    run_virtual(main())
    assert lab.calls == calls


def test_an_answer_that_nobody_accepted_is_not_kept() -> None:
    step = plan.Cascade("climb", ("m", "n"), accept=plan.ScoreIs("good", ">=", 0.5), text="good >= 0.5")
    of = planned(None, step, models=("m", "n"), scorers=["good"])
    script = {"m": [reply("weak")], "n": [fail(500)]}
    results, _ = ran(of, asks(), asks(), script=script, vocabulary=words(scorers={"good": Says(lambda text: 0.1)}))
    assert [(each.ended.degraded, each.cached) for each in results] == [("failed", False)] * 2


def test_a_failure_is_not_kept() -> None:
    results, _ = ran(planned(), asks(), asks(), script={"m": [fail(500), reply("yes")]})
    assert [each.ended.outcome for each in results] == ["failed", "served"]


def test_a_kept_answer_must_be_of_the_contract_as_it_is_now(tmp_path: Path) -> None:
    schema = tmp_path / "reply.json"
    of = planned(outputs={"reply": plan.Output(name="reply", format="json", schema_file="reply.json")}, output="reply")
    store = InMemory()

    async def main() -> list[bool]:
        found = []
        for text in ('{"type": "object"}', '{"type": "object", "required": ["b"]}'):
            schema.write_text(text)
            lab = Scripted({"m": [reply('{"a": 1}' if not found else '{"b": 1}')]})
            executor = Executor(
                of, words(), folder=tmp_path, random=Random(1), providers={"lab": lab}, environ={}, caches={"answers": store}
            )
            found.append((await executor.run("main", asks())).cached)
        return found

    assert run_virtual(main()) == [False, False]


def test_a_dry_run_neither_reads_nor_writes() -> None:
    async def main() -> tuple[Result, Result]:
        executor = executor_of(planned())
        await executor.run("main", asks())
        return await executor.decide("main", asks()), await executor.run("main", asks())

    decided, again = run_virtual(main())
    assert decided.ended.outcome == "decided"
    assert of_type(decided, CacheHit, CacheMissed, CacheSkipped) == []
    assert again.cached


def test_a_request_that_is_too_long_is_rejected_before_the_cache() -> None:
    (result,), _ = ran(planned(max_input_tokens=1), asks("word " * 100))
    assert result.ended.outcome == "rejected"
    assert of_type(result, CacheMissed) == []


# ---- identical requests under way -------------------------------------------------------------------------------------------


def together(of: Plan, script: dict[str, list[Turn]], count: int, cancelled: dict[int, float] | None = None, seed: int = 0):
    """Identical requests at a time; some are cancelled after a while. What came of each, and what the models were asked."""
    lab = Scripted(script)

    async def main() -> list[Any]:
        executor = executor_of(of, lab)
        tasks = [asyncio.create_task(executor.run("main", asks())) for _ in range(count)]
        loop = asyncio.get_running_loop()
        for number, after_s in (cancelled or {}).items():
            loop.call_later(after_s, tasks[number].cancel)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return run_virtual(main(), seed), lab


def test_identical_requests_under_way_ask_once() -> None:
    results, lab = together(planned(), {"m": [reply("yes", 2.0)]}, 5)
    assert texts(results) == ["yes"] * 5
    assert len(lab.calls) == 1
    assert [of_type(each, CacheHit)[0].waited for each in results[1:]] == [True] * 4
    assert sum(each.ended.cost_microusd for each in results) == results[0].ended.cost_microusd


def test_others_do_not_wait() -> None:
    async def main() -> list[float]:
        executor = executor_of(planned(), Scripted({"m": [reply("yes", 2.0)]}))
        results = await asyncio.gather(*(executor.run("main", asks(user=user)) for user in ("ann", "bob")))
        return [each.ended.at_s for each in results]

    assert run_virtual(main()) == [2.0, 2.0]


def test_where_the_first_fails_the_next_one_asks() -> None:
    results, lab = together(planned(), {"m": [fail(500, 1.0), reply("yes", 1.0)]}, 4)
    assert [each.ended.outcome for each in results] == ["failed", "served", "served", "served"]
    assert len(lab.calls) == 2


def test_where_the_first_is_cancelled_the_next_one_asks() -> None:
    results, lab = together(planned(), {"m": [reply("yes", 2.0)]}, 3, {0: 1.0})
    assert isinstance(results[0], asyncio.CancelledError)
    assert texts(results[1:]) == ["yes", "yes"]
    assert len(lab.calls) == 2


def test_an_answer_that_may_not_be_kept_makes_nobody_wait_in_line() -> None:
    lab = Ends(finish="length")

    async def main() -> list[Result]:
        executor = executor_of(planned(), lab)
        return await asyncio.gather(*(executor.run("main", asks()) for _ in range(4)))

    results = run_virtual(main())
    assert [each.ended.outcome for each in results] == ["served"] * 4
    assert lab.calls == 4


def test_nobody_waits_for_longer_than_half_of_their_time() -> None:
    script = {"m": [hang(), reply("yes", 1.0)]}
    results, _ = together(planned(deadline_s=10.0), script, 3)
    assert [(each.ended.outcome, each.ended.at_s) for each in results] == [("failed", 10.0), ("served", 6.0), ("served", 6.0)]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 10**6), st.dictionaries(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0])), st.integers(0, 2))
def test_no_answer_is_lost_or_made_twice_whoever_is_cancelled(seed: int, cancelled: dict[int, float], failures: int) -> None:
    script = {"m": [*[fail(500, 0.5)] * failures, reply("yes", 0.5)]}
    results, lab = together(planned(), script, 6, cancelled, seed)
    rest = [each for number, each in enumerate(results) if number not in cancelled]
    assert all(isinstance(each, Result) for each in rest)
    done = [each for each in results if isinstance(each, Result)]
    assert {each.ended.outcome for each in done} <= {"served", "failed"}
    assert sum(each.ended.outcome == "failed" for each in done) <= failures
    assert len([each for each in done if each.ended.outcome == "served" and not each.cached]) <= 1
    gone = sum(isinstance(each, asyncio.CancelledError) for each in results)
    assert len(lab.calls) <= 1 + failures + gone


# ---- stores that do not work ------------------------------------------------------------------------------------------------


class Broken:
    """A store that does what it is told at each call."""

    def __init__(self, does: Callable[[], Any]) -> None:
        self.does = does

    async def get(self, key: str, request: Request) -> bytes | None:
        found = self.does()
        return await found if asyncio.iscoroutine(found) else found

    put: Any = get


def boom() -> Any:
    raise sqlite3.OperationalError("database is locked")


def exits() -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (boom, "OperationalError: database is locked"),
        (exits, "SystemExit"),
        (lambda: asyncio.sleep(60), "longer than 2s"),
        (lambda: b"{}", "cannot be read"),
        (lambda: b"\xff\xfe", "cannot be read"),
        (lambda: "text", "cannot be read"),
        (lambda: 3, "cannot be read"),
    ],
)
def test_a_store_that_fails_is_a_miss_and_a_warning(does: Callable[[], Any], said: str) -> None:
    store = Broken(does)
    store.put = InMemory().put
    (result,), _ = ran(planned(), asks(), caches={"answers": store})
    assert result.ended.outcome == "served"
    assert [said in each.message for each in of_type(result, CacheFailed)] == [True]
    assert any(" warning " in line for line in trace(result.events))


def test_an_answer_that_cannot_be_kept_is_served_all_the_same() -> None:
    store = Broken(lambda: None)

    async def put(*given: Any) -> None:
        raise OSError("no space left on device")

    store.put = put
    (result,), _ = ran(planned(), asks(), caches={"answers": store})
    assert result.ended.outcome == "served"
    assert "no space left" in of_type(result, CacheFailed)[0].message


def test_a_cache_that_cannot_be_made_is_a_miss_and_a_warning() -> None:
    async def main() -> Result:
        executor = Executor(planned(), words(), folder=Path(), random=Random(1), environ={})
        executor._shared.plugins._providers["lab"] = Scripted()
        return await executor.run("main", asks())

    result = run_virtual(main())
    assert result.ended.outcome == "served"
    assert "there is no cache `exact`" in of_type(result, CacheFailed)[0].message


# ---- exact ------------------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_it_gives_what_was_put_until_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    store = Exact(tmp_path / "a" / "answers.sqlite", 10, clock)
    assert await store.get("k", OURS) is None
    await store.put("k", OURS, b"1", 10.0)
    await store.put("k", OURS, b"2", 10.0)
    assert await store.get("k", OURS) == b"2"
    assert await store.get("other", OURS) is None
    clock.now += 10.0
    assert await store.get("k", OURS) is None
    await store.close()


async def test_another_process_finds_it(tmp_path: Path) -> None:
    first, second = (Exact(tmp_path / "answers.sqlite", 10) for _ in range(2))
    await first.put("k", OURS, b"1", 10.0)
    assert await second.get("k", OURS) == b"1"
    await first.close()
    await second.close()


async def test_the_oldest_go_first(tmp_path: Path) -> None:
    clock = Clock()
    store = Exact(tmp_path / "answers.sqlite", 3, clock)
    for number in range(5):
        clock.now += 1
        await store.put(str(number), OURS, b"x", 100.0)
    assert [await store.get(str(number), OURS) for number in range(5)] == [None, None, b"x", b"x", b"x"]
    await store.close()


@pytest.mark.skipif(os.name == "nt", reason="files have no such modes there")
async def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    store = Exact(tmp_path / "new" / "answers.sqlite", 3)
    await store.put("k", OURS, b"x", 100.0)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "new").iterdir()] == [0o600] * 3
    await store.close()


async def test_many_at_a_time_do_not_disturb_one_another(tmp_path: Path) -> None:
    store = Exact(tmp_path / "answers.sqlite", 100)
    await asyncio.gather(*(store.put(str(n), OURS, str(n).encode(), 100.0) for n in range(40)))
    found = await asyncio.gather(*(store.get(str(n), OURS) for n in range(40)))
    assert found == [str(n).encode() for n in range(40)]
    await store.close()


async def test_a_file_that_is_no_database_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_text("not a database, but somebody's letter" * 100)
    store = Exact(path, 10)
    for _ in range(2):
        with pytest.raises(sqlite3.DatabaseError):
            await store.get("k", OURS)
    assert path.read_text().startswith("not a database")
    path.unlink()
    await store.put("k", OURS, b"1", 10.0)
    assert await store.get("k", OURS) == b"1"
    await store.close()


async def test_a_file_that_another_process_holds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmflow_plugins.caches.exact.BUSY_S", 0.01)
    store = Exact(tmp_path / "answers.sqlite", 10)
    await store.put("k", OURS, b"1", 10.0)
    other = sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError):
        await store.put("k", OURS, b"2", 10.0)
    other.execute("ROLLBACK")
    other.close()
    await store.put("k", OURS, b"2", 10.0)
    assert await store.get("k", OURS) == b"2"
    await store.close()


def test_its_file_is_in_the_users_cache_folder_or_where_the_options_say(tmp_path: Path) -> None:
    surroundings = Surroundings(tmp_path, {"MMFLOW_CACHE": "from_env.sqlite"})
    assert build(ExactOptions, {}, surroundings).file == str(tmp_path / "from_env.sqlite")
    assert build(ExactOptions, {"file": "mine.sqlite"}, surroundings).file == str(tmp_path / "mine.sqlite")
    assert build(ExactOptions, {}, Surroundings(tmp_path, {})).file is None
    if os.name == "posix":
        assert default_file({"XDG_CACHE_HOME": "/c"}).name == "answers.sqlite"


async def test_an_executor_keeps_answers_over_a_restart(tmp_path: Path) -> None:
    made = planned(Cache(name="answers", options={"file": "answers.sqlite"}))
    of = replace(made, providers={"lab": plan.Provider(name="lab", word="sim")})
    found = []
    for _ in range(2):
        executor = Executor(of, Registry.installed(), folder=tmp_path, random=Random(1), environ={})
        result = await executor.run("main", asks())
        found.append((result.cached, result.reply))
        assert of_type(result, CacheFailed) == []
        await executor.close()
    assert [cached for cached, _ in found] == [False, True]
    assert found[0][1] == found[1][1]


class NoNetwork:
    """A network without a server."""

    async def post(self, *given: Any) -> Any:
        raise CallError("connect", "no server", dispatched="no")


async def test_what_a_stand_in_said_is_not_served_once_the_key_is_there(tmp_path: Path) -> None:
    made = planned(Cache(name="answers", options={"file": "answers.sqlite"}))
    of = replace(made, providers={"lab": plan.Provider(name="lab", word="openai", without_key="simulate")})
    found = []
    for environ in ({}, {}, {"OPENAI_API_KEY": "key-0123456789"}):
        executor = Executor(of, Registry.installed(), folder=tmp_path, environ=environ, http=NoNetwork())  # type: ignore[arg-type]
        result = await executor.run("main", asks())
        found.append((result.ended.outcome, result.cached))
        await executor.close()
    assert found == [("served", False), ("served", True), ("failed", False)]


def test_a_kept_answer_of_a_simulated_model_is_still_told_as_one() -> None:
    lab = Ends(simulated=True, served_model="m-1")

    async def main() -> list[Result]:
        executor = executor_of(planned(), lab)
        return [await executor.run("main", asks()) for _ in range(2)]

    told = [summary(each.reply, each.events) for each in run_virtual(main())]
    assert [(each.simulated, each.served_model, each.cached) for each in told] == [(True, "m-1", False), (True, "m-1", True)]
