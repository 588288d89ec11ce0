"""Faults of callers: they leave at any moment, or read slowly; the upstream is let go, what was used is counted once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import upstream as up
from faulty import asked, calls_in, running, until
from plans import executor_of, plan_of
from upstream import BEHAVIOURS, TEXT, Upstream, Wire, chunk

from mmflow.api import Flow
from mmflow.plugin import Call, Delta, Emit, Reply, Request
from mmflow.runtime.events import Event, RequestEnded, Waiting
from mmflow.runtime.simulate import run_virtual

HELLO = Request.of("hello")
ALONE = "limits = { concurrency = 1 }"
KIB = 1024


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


def flow(of: str) -> str:
    return f"flow main {{ deadline = 30s, max_output = 100, else -> {of} }}"


class Leaves:
    """A caller who is gone at a piece: the first, or the one that completes a text."""

    def __init__(self, heard_all_of: str = "") -> None:
        self.heard, self.all = "", heard_all_of

    async def __call__(self, delta: Delta) -> None:
        self.heard += delta.text
        if len(self.heard) >= len(self.all):
            raise ConnectionResetError("the caller is gone")


@pytest.mark.parametrize(("behaviour", "all_of"), [("hang_mid_stream", ""), ("no_end", "First"), ("ok", TEXT)])
async def test_a_caller_who_leaves_a_stream_lets_the_upstream_go_and_pays_once(
    upstream: Upstream, behaviour: str, all_of: str
) -> None:
    events: list[Event] = []
    async with running(
        upstream, [behaviour, "good"], flow(behaviour) + "\nflow other { else -> good }", fields=ALONE
    ) as executor:
        with pytest.raises(ConnectionResetError):
            await executor.run("main", HELLO, Leaves(all_of), observe=events.append)
        if behaviour != "ok":  # a stream that has ended leaves a connection for the next call
            await until(lambda: upstream.open_connections == 0, upstream)
        _settled_once(events)
        # Its place is free again.
        assert (await executor.run("other", HELLO)).ended.outcome == "served"


async def test_a_caller_who_leaves_before_a_whole_answer_lets_the_upstream_go_and_pays_once(upstream: Upstream) -> None:
    events: list[Event] = []
    async with running(upstream, ["hang", "ok"], flow("hang") + "\nflow other { else -> ok }", fields=ALONE) as executor:
        task = asyncio.create_task(executor.run("main", HELLO, observe=events.append))
        await _asked_for(upstream, 1)
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: upstream.open_connections == 0, upstream)
        _settled_once(events)
        assert (await executor.run("other", HELLO)).ended.outcome == "served"


async def test_a_caller_who_leaves_while_it_waits_its_turn_was_never_sent_and_pays_nothing(upstream: Upstream) -> None:
    events: list[Event] = []
    async with running(upstream, ["hang", "ok"], flow("hang") + "\nflow other { else -> ok }", fields=ALONE) as executor:
        first = asyncio.create_task(executor.run("main", HELLO))
        await _asked_for(upstream, 1)
        second = asyncio.create_task(executor.run("other", HELLO, observe=events.append))
        while not any(isinstance(each, Waiting) for each in events):
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        assert isinstance(events[-1], RequestEnded)
        assert (events[-1].outcome, events[-1].cost_microusd, calls_in(events)) == ("cancelled", 0, [])
        first.cancel()
        await asyncio.wait([first])
        assert (await executor.run("other", HELLO)).ended.outcome == "served"
    assert asked(upstream) == ["hang", "ok"]


async def _asked_for(upstream: Upstream, count: int) -> None:
    while len(upstream.seen) < count:
        await asyncio.sleep(0)


def _settled_once(events: list[Event]) -> None:
    (call,) = calls_in(events)
    assert (call.outcome, call.estimated) == ("cancelled", True)
    assert call.cost_microusd is not None
    assert call.cost_microusd > 0
    assert isinstance(events[-1], RequestEnded)
    assert (events[-1].outcome, events[-1].cost_microusd) == ("cancelled", call.cost_microusd)


async def test_a_caller_who_does_not_read_stops_the_upstream_and_nobody_else(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    async def flood(wire: Wire) -> None:
        nonlocal sent
        await wire.begin_stream()
        while True:
            await wire.event(chunk({"content": "x" * 32 * KIB}))
            sent += 32 * KIB

    async def never(delta: Delta) -> None:
        await asyncio.Event().wait()

    monkeypatch.setitem(BEHAVIOURS, "flood", flood)
    async with running(upstream, ["flood", "ok"], flow("flood") + "\nflow other { else -> ok }") as executor:
        task = asyncio.create_task(executor.run("main", HELLO, never))
        before = -1
        while before != sent:
            before = sent
            for _ in range(5):
                assert (await executor.run("other", HELLO)).ended.outcome == "served"
        assert not task.done()
        # What stands between them: the buffers of two sockets, and one piece.
        assert 0 < sent < 16 * KIB * KIB
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: upstream.open_connections <= 1, upstream)


def test_a_reader_in_python_who_stops_reading_is_not_run_ahead_of() -> None:
    made = 0

    class Long:
        async def complete(self, call: Call, emit: Emit | None) -> Reply:
            nonlocal made
            assert emit is not None
            while made < 1_000:
                made += 1
                await emit(Delta("word "))
            return Reply(text="word " * made)

    async def read_two() -> None:
        of = plan_of(models=["small"])
        async with Flow(of, "main", executor_of(of, Long())) as flow, flow.stream("hello") as pieces:
            heard = 0
            async for _ in pieces:
                heard += 1
                await asyncio.sleep(1)
                assert made <= heard + 2
                if heard == 50:
                    break

    run_virtual(read_two())
    assert made >= 50
