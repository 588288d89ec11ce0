"""Budgets in a real Redis: several processes share a limit, whatever happens to them, to the server and to the clocks."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cli import Shell
from plans import executor_of, of_type, plan_of
from redis_server import PASSWORD, RedisServer, running

from mmflow import plan
from mmflow.plan import Budget
from mmflow.plugin import Request
from mmflow.runtime.events import StateChanged
from mmflow.runtime.redis_link import RedisLink, address_of
from mmflow.runtime.state import Balance, MemoryStore, Promise, StateError, Window, window_at
from mmflow.runtime.state_file import StateFile
from mmflow.runtime.state_redis import RedisStore

DAY_S = 86_400


@pytest.fixture
def server() -> Iterator[RedisServer]:
    yield from running()


Make = Callable[..., RedisStore]


@pytest.fixture
async def store_of(server: RedisServer) -> AsyncIterator[Make]:
    """Stores as of so many processes."""
    made: list[RedisStore] = []

    def make(query: str = "", **more: Any) -> RedisStore:
        made.append(RedisStore(address_of(server.url + (query or "?timeout=2s")), **more))
        return made[-1]

    yield make
    server.thaw_if_running()
    for each in made:
        await each.close()


def today(key: str = "team#daily") -> Window:
    return window_at(key, DAY_S, time.time())


def promise(id: str, microusd: int, lease_s: float = 60.0, window: Window | None = None) -> Promise:
    return Promise(id, window or today(), microusd, time.time() + lease_s)


# ---- one limit for all --------------------------------------------------------------------------------------------------------


async def test_what_one_process_promises_and_spends_another_sees(store_of: Make) -> None:
    one, other = store_of(), store_of()
    assert await one.reserve(promise("a", 60), 100, time.time()) == Balance(0, 60)
    assert await other.reserve(promise("b", 60), 100, time.time()) == Balance(0, 60, granted=False)
    one.settle(promise("a", 60), 30)
    while (await other.balance(today(), time.time())) != Balance(30, 0):
        await asyncio.sleep(0)
    assert await other.reserve(promise("b", 60), 100, time.time()) == Balance(30, 60)
    assert (await other.reserve(promise("c", 11), 100, time.time())).granted is False
    assert (await other.reserve(promise("d", 900), None, time.time())).granted, "no limit is no limit"


async def test_only_the_first_mark_of_a_window_is_the_first(store_of: Make) -> None:
    one, other = store_of(), store_of()
    assert [await each.mark(today(), "alert ops 0.8") for each in (one, other, one)] == [True, False, False]
    assert await other.mark(today(), "alert ops 0.9")


async def test_a_store_that_was_closed_can_be_used_again_and_leaves_only_what_is_spent(
    store_of: Make, server: RedisServer
) -> None:
    store = store_of()
    await store.reserve(promise("a", 60), 100, time.time())
    store.settle(promise("a", 60), 20)
    await store.close()
    (key,) = [each for each in server.ask("KEYS", "*").decode().split("\r\n") if each.startswith("mmflow:")]
    assert server.ask("HKEYS", key).decode().split("\r\n")[2::2] == ["spent"]
    assert await store.balance(today(), time.time()) == Balance(20, 0)
    assert int(server.ask("TTL", key).decode().strip(":\r\n")) > 0, "nothing is kept for ever"


async def test_a_reservation_that_is_cancelled_takes_nothing(store_of: Make) -> None:
    store, other = store_of(), store_of()
    tasks = [asyncio.create_task(store.reserve(promise(f"{n}", 5), 1_000, time.time())) for n in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.sleep(0.001)
    for task in tasks[1::4]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    granted = sum(isinstance(each, Balance) for each in done)
    assert granted >= 10
    while (found := await other.balance(today(), time.time())) != Balance(0, 5 * granted):
        assert found.promised_microusd >= 5 * granted
        await asyncio.sleep(0.001)


RESERVE_50 = """
import asyncio, sys, time
from mmflow.runtime.redis_link import address_of
from mmflow.runtime.state import Promise, Window
from mmflow.runtime.state_redis import RedisStore

async def main():
    store, granted = RedisStore(address_of(sys.argv[1])), 0
    window = Window("shared", 0, 4_000_000_000)
    async def one(number):
        nonlocal granted
        promise = Promise(f"{sys.argv[2]} {number}", window, 10, time.time() + 60)
        if (await store.reserve(promise, 200, time.time())).granted:
            granted += 1
            await asyncio.sleep(0.001)
            store.settle(promise, 10)
    await asyncio.gather(*map(one, range(50)))
    await store.close()
    print(granted)

asyncio.run(main())
"""


def test_four_processes_with_200_requests_and_money_for_20_send_20(server: RedisServer) -> None:
    start = [sys.executable, "-c", RESERVE_50, f"{server.url}?timeout=5s"]
    processes = [subprocess.Popen([*start, str(each)], stdout=subprocess.PIPE, text=True) for each in range(4)]
    assert sum(int(process.communicate()[0]) for process in processes) == 20
    key = "mmflow:1:budget:shared:0-4000000000"
    assert b"\r\n200\r\n" in server.ask("HGET", key, "spent")


HOLD = """
import asyncio, sys, time
from mmflow.runtime.redis_link import address_of
from mmflow.runtime.state import Promise, Window
from mmflow.runtime.state_redis import RedisStore

async def main():
    store = RedisStore(address_of(sys.argv[1]))
    window = Window("shared", 0, 4_000_000_000)
    now = time.time()
    await store.reserve(Promise("spent", window, 30, now + 60), 200, now)
    store.settle(Promise("spent", window, 30, now + 60), 30)
    await store.reserve(Promise("held", window, 90, now + float(sys.argv[2])), 200, now)
    print("held", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


async def test_what_a_killed_process_held_is_free_after_its_lease_and_what_it_spent_stays(
    server: RedisServer, store_of: Make
) -> None:
    window = Window("shared", 0, 4_000_000_000)
    process = subprocess.Popen([sys.executable, "-c", HOLD, f"{server.url}?timeout=5s", "70"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = store_of()
    assert await store.balance(window, time.time()) == Balance(30, 90)
    assert not (await store.reserve(promise("a", 90, window=window), 200, time.time())).granted
    # The clock of Redis cannot be set: the lease of the dead is moved back instead.
    key = "mmflow:1:budget:shared:0-4000000000"
    field = next(each for each in server.ask("HKEYS", key).decode().split("\r\n") if each.startswith("p:"))
    server.ask("HSET", key, field, f"30 90 {time.time() - 0.001:.3f}")
    assert (await store.reserve(promise("b", 90, window=window), 200, time.time())).granted
    assert await store.balance(window, time.time()) == Balance(30, 90)


async def test_a_lease_lasts_as_long_as_the_call_may(store_of: Make, server: RedisServer) -> None:
    store = store_of()
    await store.reserve(promise("long", 10, lease_s=500), 100, time.time())
    await store.reserve(promise("short", 10, lease_s=5), 100, time.time())
    (key,) = [each for each in server.ask("KEYS", "*").decode().split("\r\n") if each.startswith("mmflow:")]
    until = float(server.ask("HVALS", key).decode().split("20 ")[1].split()[0])
    assert 495 < until - time.time() <= 500.5


async def test_clocks_that_are_an_hour_apart_agree_on_the_period(store_of: Make) -> None:
    def late() -> float:
        return time.time() - 3_600

    one, other = store_of(), store_of(wall=late)
    now = time.time()
    assert abs(await one.clock(now) - now) < 1
    assert abs(await other.clock(late()) - now) < 1
    made = money(limit_microusd=10**9, period_s=60)
    keys = []
    for store, wall in ((one, time.time), (other, late)):
        executor = executor_of(made, state=store, wall=wall)
        assert (await executor.run("main", Request.of("hello"))).ended.outcome == "served"
        keys += [key for key in store._accounts if key not in keys]
        # As another turn of the minute may come in between, two are as good as one.
    assert all(abs(key.starts_at - now) < 180 for key in keys), "a period of an hour ago is nobody's"


# ---- Redis loses what it had --------------------------------------------------------------------------------------------------


async def test_processes_that_live_bring_back_what_redis_lost(store_of: Make, server: RedisServer) -> None:
    one, other = store_of(), store_of()
    for store, cost in ((one, 40), (other, 50)):
        await store.reserve(promise("a", cost), 200, time.time())
        store.settle(promise("a", cost), cost)
        assert (await store.balance(today(), time.time())).promised_microusd == 0
    await one.balance(today(), time.time())
    await one.reserve(promise("open", 20), 200, time.time())
    server.ask("FLUSHALL")
    assert await other.balance(today(), time.time()) == Balance(90, 0)
    assert await one.balance(today(), time.time()) == Balance(90, 20)
    assert await other.reserve(promise("b", 91), 200, time.time()) == Balance(90, 20, granted=False)
    assert (await other.reserve(promise("c", 90), 200, time.time())).granted


async def test_a_restart_of_the_server_loses_nothing_that_a_process_saw(store_of: Make, server: RedisServer) -> None:
    store = store_of()
    await store.reserve(promise("a", 40), 100, time.time())
    store.settle(promise("a", 40), 40)
    await store.balance(today(), time.time())
    server.kill()
    with pytest.raises(StateError, match="cannot be used"):
        await store.balance(today(), time.time())
    server.start()
    await until_back(store)
    assert await store.balance(today(), time.time()) == Balance(40, 0)


# ---- Redis is away ------------------------------------------------------------------------------------------------------------


async def until_back(store: RedisStore) -> None:
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        with suppress(StateError):
            await store.balance(today(), time.time())
            if not store.link.is_away:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come back")


async def test_a_frozen_server_is_waited_for_once_and_then_left_alone(store_of: Make, server: RedisServer) -> None:
    store = store_of("?timeout=250ms")
    await until_back(store)
    server.freeze()
    began = asyncio.get_running_loop().time()
    for _ in range(500):
        with pytest.raises(StateError, match="did not answer within 250ms"):
            await store.reserve(promise("a", 1), 100, time.time())
    # Five hundred times as long would be two minutes; six seconds is what redis-py takes for one on its own.
    assert asyncio.get_running_loop().time() - began < 5
    assert "is away" in (store.news() or "")
    assert store.news() is None, "told once"
    server.thaw()
    await until_back(store)
    assert "answers again" in (store.news() or "")
    assert await store.balance(today(), time.time()) == Balance(0, 0), "what was asked of a frozen server promises nothing"


async def test_what_could_not_be_settled_is_said_when_redis_is_back(store_of: Make, server: RedisServer) -> None:
    store, other = store_of("?timeout=250ms"), store_of()
    await until_back(store)
    await store.reserve(promise("a", 60), 100, time.time())
    server.freeze()
    store.settle(promise("a", 60), 25)
    with pytest.raises(StateError):
        await store.balance(today(), time.time())
    server.thaw()
    ends_at = time.monotonic() + 30
    while (await other.balance(today(), time.time())) != Balance(25, 0):
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.05)


async def test_local_goes_on_with_a_share_of_what_was_left(store_of: Make, server: RedisServer) -> None:
    one, other, late = store_of("?away=local&timeout=1s"), store_of("?away=local&timeout=1s"), store_of("?away=local&timeout=1s")
    for store in (one, other, one):
        await store.reserve(promise(f"{id(store)}", 10), 100, time.time())
        store.settle(promise(f"{id(store)}", 10), 10)
        await store.balance(today(), time.time())
    await other.balance(today(), time.time())
    server.kill()
    granted = {}
    for store in (one, other):
        granted[id(store)] = sum([(await store.reserve(promise(f"{n}", 5), 100, time.time())).granted for n in range(20)])
    assert list(granted.values()) == [7, 7], "70 are left for two"
    with pytest.raises(StateError):
        await late.reserve(promise("late", 5), 100, time.time())
    server.start()
    await until_back(one)
    await until_back(other)
    assert await one.balance(today(), time.time()) == Balance(30, 70)


async def test_a_full_server_refuses_and_is_not_taken_for_dead(store_of: Make, server: RedisServer) -> None:
    store = store_of()
    await until_back(store)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StateError, match="maxmemory"):
        await store.reserve(promise("a", 1), 100, time.time())
    assert "refuses" in (store.news() or "")
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert (await store.reserve(promise("a", 1), 100, time.time())).granted


async def test_a_replica_refuses_until_it_is_the_master(store_of: Make, server: RedisServer) -> None:
    store = store_of()
    server.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StateError):
        await store.reserve(promise("a", 1), 100, time.time())
    server.ask("REPLICAOF", "NO", "ONE")
    await until_back(store)
    assert (await store.reserve(promise("a", 1), 100, time.time())).granted


async def test_what_is_of_another_type_spoils_only_its_own_window(store_of: Make, server: RedisServer) -> None:
    store = store_of()
    window = today("other#daily")
    server.ask("SET", f"mmflow:1:budget:{window.key}:{window.starts_at}-{window.ends_at}", "hello")
    with pytest.raises(StateError, match="WRONGTYPE"):
        await store.reserve(promise("a", 1, window=window), 100, time.time())
    assert (await store.reserve(promise("b", 1), 100, time.time())).granted


# ---- what people see ----------------------------------------------------------------------------------------------------------


def money(**of: Any) -> plan.Plan:
    made = plan_of(models=["dear"], budget="daily", max_output_tokens=20)
    budget = Budget(name="daily", **({"limit_microusd": 10**9, "period_s": DAY_S} | of))
    return plan.Plan(**{each: getattr(made, each) for each in made.__struct_fields__} | {"budgets": {"daily": budget}})


@pytest.mark.parametrize("away", ["refuse", "local"])
async def test_a_request_without_redis_is_refused_or_served_as_declared_and_told_once(
    store_of: Make, server: RedisServer, away: str
) -> None:
    store = store_of(f"?away={away}&timeout=500ms")
    executor = executor_of(money(), state=store, wall=time.time)
    assert (await executor.run("main", Request.of("hello"))).ended.outcome == "served"
    server.kill()
    results = [await executor.run("main", Request.of("hello")) for _ in range(3)]
    expected = ("rejected", "budget") if away == "refuse" else ("served", None)
    assert {(each.ended.outcome, each.ended.error_class) for each in results} == {expected}
    told = [event.message for each in results for event in of_type(each, StateChanged)]
    assert len(told) == 1
    assert "is away" in told[0]
    for each in [*told, *(each.ended.message or "" for each in results)]:
        assert PASSWORD not in each
    server.start()
    await until_back(store)
    assert (await executor.run("main", Request.of("hello"))).ended.outcome == "served"


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


def test_runs_of_the_command_share_redis_whatever_the_folder(mmflow: Shell, server: RedisServer) -> None:
    mmflow.write("one/flow.mmf", FLOW)
    mmflow.write("two/flow.mmf", FLOW)
    done = [
        mmflow("run", f"{where}/flow.mmf", "hello", "--state", f"{server.url}?timeout=2s", "--json")
        for where in ("one", "two", "one", "two", "one", "two")
    ]
    assert [each.code for each in done] == [0] * 6, done[0].err
    models = [json.loads(each.out)["model"] for each in done]
    assert (models[0], models[-1]) == ("dear", "cheap")
    assert sum("alert at 10%, for ops" in each.err for each in done) == 1
    other = mmflow("run", "one/flow.mmf", "hello", "--state", f"{server.url}?timeout=2s&namespace=staging", "--json")
    assert json.loads(other.out)["model"] == "dear", "another namespace is another budget"
    server.kill()
    mmflow.environ["MMFLOW_STATE"] = server.url
    done = [mmflow("run", "one/flow.mmf", "hello", "--json")]
    assert done[0].code == 1
    assert "budget `daily` cannot be asked: the state in Redis at redis://127.0.0.1:" in done[0].err
    assert PASSWORD not in done[0].err + done[0].out
    assert "Traceback" not in done[0].err


def test_a_url_says_where_redis_is_and_shows_no_password() -> None:
    address = address_of("rediss://me:hunter22@cache.example:6380/3?namespace=a&away=local&timeout=100ms&ssl_cert_reqs=none")
    assert (address.namespace, address.away, address.timeout_s) == ("a", "local", 0.1)
    assert address.url == "rediss://me:hunter22@cache.example:6380/3?ssl_cert_reqs=none"
    assert address.shown == "rediss://cache.example:6380/3"
    assert "hunter22" not in repr(address)
    assert (address_of("redis://host").timeout_s, address_of("redis://host").away) == (0.05, "refuse")
    assert address_of("unix:///run/redis.sock").shown == "unix:///run/redis.sock"


@pytest.mark.parametrize(
    "url",
    [
        "redis://", "redis://:hunter22@host:notaport/0", "redis://:hunter22@host/name", "redis://:hunter22@host/0?away=maybe",
        "redis://:hunter22@host/0?timeout=soon", "redis://:hunter22@host/0?timeout=0ms", "unix://",
    ],
)  # fmt: skip
def test_a_url_that_says_nothing_useful_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(StateError) as problem:
        address_of(url)
    assert "hunter22" not in f"{problem.value.message} {problem.value.help}"


async def test_a_wrong_password_is_told_and_never_shown(server: RedisServer) -> None:
    link = RedisLink(address_of(f"redis://:wrong-{PASSWORD}@127.0.0.1:{server.port}/0?timeout=2s"))
    with pytest.raises(StateError) as problem:
        await link.run("return {1, 2}", (), ())
    assert "password" in problem.value.message.lower() or "auth" in problem.value.message.lower()
    assert PASSWORD not in problem.value.message
    await link.close()


async def test_a_socket_is_as_good_as_a_port(server: RedisServer) -> None:
    store = RedisStore(address_of(f"unix://:{PASSWORD}@{server.folder}/redis.sock?timeout=2s"))
    assert await store.balance(today(), time.time()) == Balance(0, 0)
    await store.close()


def test_a_file_is_told_by_its_path_on_one_machine_and_by_its_name_on_several(tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "flow.mmf", tmp_path / "two" / "flow.mmf"
    for store in (MemoryStore(), StateFile(tmp_path / "state.sqlite")):
        assert store.name_of(one) != store.name_of(other)
    assert RedisStore(address_of("redis://host/0")).name_of(one) == "flow.mmf"
    assert RedisStore(address_of("redis://host/0?namespace=team")).name_of(one) == "team"


def test_without_the_package_it_is_said_how_to_install_it(mmflow: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    mmflow.write("flow.mmf", FLOW)
    done = mmflow("run", "flow.mmf", "hello", "--state", "redis://localhost/0")
    assert done.code == 1
    assert "state in Redis needs the package `redis`" in done.err
    assert "pip install 'mmflow[redis]'" in done.err
    with pytest.raises(StateError, match="package `redis`"):
        RedisStore(address_of("redis://localhost/0"))
