"""The answers of `exact` in a real Redis: shared by processes, and nothing but a miss while Redis is away."""

import asyncio
import json
import time
from collections.abc import Iterator

import pytest
from cli import Shell
from mmflow_plugins.caches.exact_redis import PREFIX, ExactRedis
from redis_server import PASSWORD, RedisServer, running

from mmflow.plugin import Request

HELLO = Request.of("hello")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    yield from running()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests is no Redis that is away."""
    monkeypatch.setattr("mmflow_plugins.caches.exact_redis.TIMEOUT_S", 1.0)


async def test_what_one_process_keeps_another_finds_until_it_is_too_old(server: RedisServer) -> None:
    one, other = ExactRedis(server.url), ExactRedis(server.url)
    assert await one.get("a", HELLO) is None
    await one.put("a", HELLO, b"\x00answer\xff", 300.0)
    assert await other.get("a", HELLO) == b"\x00answer\xff"
    assert 290 < int(server.ask("TTL", f"{PREFIX}a").decode().strip(":\r\n")) <= 300
    await one.put("b", HELLO, b"soon gone", 0.001)
    await asyncio.sleep(0.01)
    assert await other.get("b", HELLO) is None
    for each in (one, other):
        await each.close()
    assert await one.get("a", HELLO) is not None, "a store that was closed can be used again"
    await one.close()


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_a_redis_that_is_away_raises_once_and_is_a_miss_until_it_is_asked_again(
    server: RedisServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ExactRedis(server.url)
    await store.put("a", HELLO, b"answer", 300.0)
    monkeypatch.setattr("mmflow_plugins.caches.exact_redis.TIMEOUT_S", 0.05)
    server.freeze() if how == "frozen" else server.kill()
    with pytest.raises(RuntimeError, match="Redis") as problem:
        await store.get("a", HELLO)
    assert PASSWORD not in str(problem.value)
    began = time.monotonic()
    assert [await store.get("a", HELLO) for _ in range(100)] == [None] * 100
    assert time.monotonic() - began < 1, "none of them waits"
    server.thaw() if how == "frozen" else server.start()
    monkeypatch.setattr("mmflow_plugins.caches.exact_redis.TIMEOUT_S", 1.0)
    store._away_until = 0.0
    assert await store.get("a", HELLO) == (b"answer" if how == "frozen" else None)
    await store.close()


async def test_a_key_of_another_type_is_no_answer(server: RedisServer) -> None:
    server.ask("HSET", f"{PREFIX}a", "field", "value")
    store = ExactRedis(server.url)
    with pytest.raises(RuntimeError, match="cannot be used"):
        await store.get("a", HELLO)
    await store.close()


FLOW = """\
mmflow 1

model a { provider = sim, id = "a" }

cache answers {
  ttl = 10m
  scope = all
  url = URL
}

flow main {
  cache = answers
  else -> a
}
"""


@pytest.mark.parametrize("written", ['secret("REDIS_URL")', None])
def test_runs_share_the_answers_of_a_redis(mmflow: Shell, server: RedisServer, written: str | None) -> None:
    bare = f"unix://:{PASSWORD}@{server.folder}/redis.sock"
    mmflow.write(
        "flow.mmf", FLOW.replace("URL", written or f'"{bare}"', 1) if written is None else FLOW.replace("URL", written, 1)
    )
    mmflow.environ["REDIS_URL"] = server.url
    found = [json.loads(mmflow("run", "flow.mmf", "hello", "--json").out)["cached"] for _ in range(2)]
    assert found == [False, True]
    server.kill()
    done = mmflow("run", "flow.mmf", "hello", "--json", "--trace")
    assert (done.code, json.loads(done.out)["cached"]) == (0, False)
    assert "cannot be used" in done.err
    assert PASSWORD not in done.err


def test_a_url_of_something_else_is_a_warning_and_no_cache(mmflow: Shell) -> None:
    mmflow.write("flow.mmf", FLOW.replace("URL", '"https://example.com"', 1))
    done = mmflow("run", "flow.mmf", "hello", "--trace")
    assert done.code == 0
    assert "it is not the URL of a Redis" in done.err
