"""Faults of upstreams and of the network, met by whole workflows over real sockets: who is asked, what it costs, what is said."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import upstream as up
from faulty import KEY, Heard, asked, calls_in, running, until
from mmflow_plugins.strategies import fastest
from plans import Words, executor_of, model, plan_of, words
from upstream import BEHAVIOURS, Upstream, Wire, chat, closed_port

from mmflow import plan
from mmflow.plugin import Call, CallError, Emit, Reply, Request, Timeouts
from mmflow.runtime.breaker import FEWEST_CALLS
from mmflow.runtime.executor import Executor
from mmflow.runtime.http import AioHttp
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, run_virtual

HELLO = Request.of("hello")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


def flow(of: str, **more: str) -> str:
    fields = "".join(f", {name} = {value}" for name, value in more.items())
    return f"flow main {{ deadline = 30s, max_output = 100{fields}, else -> {of} }}"


def pair(first: str, on: str, then: str = "ok", retry: str = "") -> str:
    return f"fallback pair {{ try = [{first}, {then}], on = [{on}]{retry} }}\n" + flow("pair")


async def run(executor: Executor, emit: Emit | None = None, request: Request = HELLO) -> Result:
    return await executor.run("main", request, emit)


# ---- 1 to 6: connections and streams that fail ----------------------------------------------------------------------------


async def test_where_nobody_listens_the_next_is_asked_at_once_for_nothing(upstream: Upstream) -> None:
    away = f'provider away using openai_compatible {{ url = "http://127.0.0.1:{closed_port()}" }}\n'
    away += 'model gone { provider = away, id = "gone", price = { input = $1/1M, output = $2/1M }, context = 8k }\n'
    rest = away + "tier any { models = [gone, ok] }\n" + flow("any")
    async with running(upstream, ["ok"], rest) as executor:
        results = [await run(executor) for _ in range(FEWEST_CALLS + 1)]
    failed, answered = calls_in(results[0].events)
    assert (failed.outcome, failed.error_class, failed.cost_microusd) == ("failed", "connect", 0)
    assert (answered.outcome, results[0].ended.outcome) == ("answered", "served")
    # It counted each time: now it is passed over.
    assert [each.model for each in calls_in(results[-1].events)] == ["ok"]


async def test_one_that_takes_the_request_and_is_silent_may_have_run_it(upstream: Upstream) -> None:
    async with running(upstream, ["hang", "ok"], pair("hang", "5xx"), "first_token = 50ms") as executor:
        result = await run(executor)
    (call,) = calls_in(result.events)
    assert (call.outcome, call.error_class, call.estimated) == ("uncertain", "timeout", True)
    assert call.cost_microusd is not None
    assert call.cost_microusd > 0
    assert asked(upstream) == ["hang"]
    await until(lambda: upstream.open_connections == 0, upstream)


async def test_only_a_fallback_that_lists_timeout_goes_on_after_silence(upstream: Upstream) -> None:
    async with running(upstream, ["hang", "ok"], pair("hang", "timeout"), "first_token = 50ms") as executor:
        result = await run(executor)
    assert result.ended.outcome == "served"
    assert asked(upstream) == ["hang", "ok"]


async def test_a_stream_that_stalls_is_broken_for_who_heard_it_and_made_up_for_otherwise(upstream: Upstream) -> None:
    heard = Heard()
    rest = pair("hang_mid_stream", "timeout")
    async with running(upstream, ["hang_mid_stream", "ok"], rest, "idle = 50ms, first_token = 30s") as executor:
        broken, made_up_for = await run(executor, heard), await run(executor)
    assert (broken.ended.outcome, broken.reply, heard.text) == ("stream_broken", None, "First")
    (call,) = calls_in(broken.events)
    assert (call.outcome, call.estimated, call.usage.output_tokens > 0) == ("uncertain", True, True)
    assert made_up_for.ended.outcome == "served"
    assert asked(upstream) == ["hang_mid_stream", "hang_mid_stream", "ok"]


async def test_a_dribble_ends_with_the_deadline_of_the_flow(upstream: Upstream) -> None:
    rest = "flow main { deadline = 150ms, else -> dribble }"
    async with running(upstream, ["dribble"], rest, "idle = 30s") as executor:
        result = await run(executor, Heard())
    assert (result.ended.outcome, result.ended.error_class) == ("stream_broken", "timeout")
    assert "deadline of 150ms" in (result.ended.message or "")
    await until(lambda: upstream.open_connections == 0, upstream)


@pytest.mark.parametrize("behaviour", ["reset", "close"])
async def test_a_connection_that_breaks_once_the_request_is_out_is_not_sent_again(upstream: Upstream, behaviour: str) -> None:
    async with running(upstream, [behaviour, "ok"], pair(behaviour, "429, 5xx, timeout")) as executor:
        result = await run(executor)
    (call,) = calls_in(result.events)
    assert (call.outcome, call.error_class) == ("uncertain", "connect")
    assert asked(upstream) == [behaviour]


@pytest.mark.parametrize("behaviour", ["cut_stream", "drop_stream"])
async def test_a_stream_without_its_end_is_no_success_and_is_not_kept(upstream: Upstream, behaviour: str) -> None:
    upstream.scripts["m"] = [behaviour, "ok"]
    rest = "cache answers { ttl = 1h, scope = all }\n" + flow("m", cache="answers")
    async with running(upstream, ["m"], rest, "idle = 30s", providers={}) as executor:
        results = [await run(executor) for _ in range(3)]
    assert [each.ended.outcome for each in results] == ["failed", "served", "served"]
    assert [each.ended.cached for each in results] == [False, False, True]
    assert len(upstream.seen) == 2


# ---- 7 to 14: answers that are none ---------------------------------------------------------------------------------------


async def _raw_events(wire: Wire) -> None:
    """One answer in server-sent events as servers write them, good and bad, cut within a character."""
    text = "data:" + '{"choices":[{"delta":{"content":"Gr' + 'üße"}}]}' + "\r\n\r\n: ping\r\r"
    text += 'event: message\ndata: {"choices":\ndata: [{"delta":{"content":" 世界"},"finish_reason":"stop"}]}\n\n'
    data = b"\xef\xbb\xbf" + text.encode() + b"data: [DONE]\n\n"
    await wire.begin_stream()
    for at in range(0, len(data), 7):
        await wire.piece(data[at : at + 7])
    await wire.end_stream()


async def test_events_in_every_form_that_servers_write_are_one_answer(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BEHAVIOURS, "odd", _raw_events)
    heard = Heard()
    async with running(upstream, ["odd"], flow("odd")) as executor:
        result = await run(executor, heard)
    assert result.reply is not None
    assert heard.text == result.reply.text == "Grüße 世界"


@pytest.mark.parametrize(
    ("behaviour", "error_class", "said"),
    [
        ("empty", "protocol", "an empty answer"),
        ("no_content", "protocol", "an empty answer"),
        ("html", "protocol", "a web page"),
        ("truncated", "protocol", "cannot be read"),
        ("no_choices", "protocol", ""),
        ("error_in_200", "5xx", "upstream fell over"),
    ],
)
async def test_a_success_that_is_none_goes_to_the_next(upstream: Upstream, behaviour: str, error_class: str, said: str) -> None:
    async with running(upstream, [behaviour, "ok"], pair(behaviour, "protocol, 5xx")) as executor:
        result = await run(executor)
    assert result.ended.outcome == "served"
    first, second = calls_in(result.events)
    assert (first.outcome, first.error_class, first.model, second.model) == ("uncertain", error_class, behaviour, "ok")
    assert said in (first.message or "")


async def test_servers_that_send_no_answer_of_their_api_open_the_breaker(upstream: Upstream) -> None:
    rest = "fallback any { try = [html, ok], on = [protocol] }\n" + flow("any")
    async with running(upstream, ["html", "ok"], rest) as executor:
        for _ in range(FEWEST_CALLS + 3):
            assert (await run(executor)).ended.outcome == "served"
    assert asked(upstream).count("html") == FEWEST_CALLS


@pytest.mark.parametrize("form", ["429_ms", "429_absurd", "429_negative", "429_nan"])
async def test_retry_after_in_any_form_is_waited_for_or_left_and_never_past_the_deadline(upstream: Upstream, form: str) -> None:
    upstream.scripts["m"] = [form, "ok"]
    rest = "fallback again { try = [m], on = [429], retry = { times = 1, backoff = 1ms } }\n" + flow("again")
    async with running(upstream, ["m"], rest) as executor:
        assert (await run(executor)).ended.outcome == "served"
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("form", ["429_seconds", "429_date"])
async def test_a_wait_that_passes_the_deadline_moves_on_at_once(upstream: Upstream, form: str) -> None:
    upstream.scripts["m"] = [form]
    rest = "fallback pair { try = [m, ok], on = [429], retry = { times = 3, backoff = 1ms } }\n"
    rest += "flow main { deadline = 6s, else -> pair }"
    async with running(upstream, ["m", "ok"], rest) as executor:
        result = await run(executor)
    assert result.ended.outcome == "served"
    assert asked(upstream) == ["m", "ok"]
    assert result.ended.at_s < 6


@pytest.mark.parametrize("status", ["500", "502", "503", "504", "529"])
async def test_a_burst_of_failures_is_not_multiplied(upstream: Upstream, status: str) -> None:
    on = "overloaded" if status == "529" else "5xx"
    rest = f"fallback again {{ try = [m], on = [{on}], retry = {{ times = 3, backoff = 1ms }} }}\n" + flow("again")
    upstream.scripts["m"] = [status]
    async with running(upstream, ["m"], rest) as executor:
        for _ in range(4):
            await asyncio.gather(*(run(executor) for _ in range(25)))
    # Ten retries are always allowed, then a fifth: of a hundred requests, twenty.
    assert 100 < len(upstream.seen) <= 120


@pytest.mark.parametrize("status", ["401", "403"])
async def test_a_refused_key_is_tried_once_and_not_shown(upstream: Upstream, status: str) -> None:
    rest = f"fallback again {{ try = [m{status}], on = [429, 5xx], retry = {{ times = 3, backoff = 1ms }} }}\n" + flow("again")
    upstream.scripts[f"m{status}"] = ["echo_key" if status == "401" else status]
    async with running(upstream, [f"m{status}"], rest) as executor:
        result = await run(executor)
    assert (result.ended.outcome, result.ended.error_class, len(upstream.seen)) == ("failed", "auth", 1)
    assert KEY not in repr(result)
    assert result.ended.cost_microusd == 0


async def test_a_text_too_long_for_one_model_goes_to_a_longer_one_and_is_not_tried_twice(upstream: Upstream) -> None:
    rest = pair("overflow", "context_overflow, 5xx") + "\n"
    async with running(upstream, ["overflow", "ok"], rest) as executor:
        result = await run(executor)
    assert [(each.error_class, each.outcome) for each in calls_in(result.events)] == [
        ("context_overflow", "failed"),
        (None, "answered"),
    ]
    again = "fallback again { try = [overflow], on = [429, 5xx], retry = { times = 3, backoff = 1ms } }\n" + flow("again")
    async with running(upstream, ["overflow"], again) as executor:
        result = await run(executor)
    assert (result.ended.error_class, len(calls_in(result.events))) == ("context_overflow", 1)
    assert "8192 tokens" in (result.ended.message or "")


CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("body", "finish", "moves_on"),
    [
        (chat("Half an ans", finish="content_filter"), "content_filter", False),
        (chat(None, finish="content_filter"), None, True),
        (chat(None, refusal="I will not."), "content_filter", False),
        (chat(""), "stop", False),
        (chat(None, tool_calls=[CALL], finish="tool_calls"), "tool_calls", False),
    ],
)
async def test_what_is_no_plain_answer_has_a_type(upstream: Upstream, body: Any, finish: str | None, moves_on: bool) -> None:
    upstream.bodies["m"] = body
    async with running(upstream, ["m", "ok"], pair("m", "content_filter")) as executor:
        result = await run(executor)
    assert result.reply is not None
    assert (asked(upstream) == ["m", "ok"]) == moves_on
    assert moves_on or result.reply.finish == finish


# ---- 15 and 16: what a server says of itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": -20, "completion_tokens": 9},
        {"prompt_tokens": 20, "completion_tokens": 10**15},
        {"prompt_tokens": "20", "completion_tokens": "9"},
    ],
)
async def test_usage_that_cannot_be_is_estimated_said_to_be_and_never_negative(upstream: Upstream, usage: Any) -> None:
    upstream.bodies["m"] = chat("A short answer.", usage=usage)
    async with running(upstream, ["m"], flow("m", max_cost="$0.01")) as executor:
        result = await run(executor)
    (call,) = calls_in(result.events)
    assert call.estimated
    assert 0 < call.usage.total_tokens < 100
    assert 0 < (call.cost_microusd or 0) < 200


# ---- 17 to 21: sizes, redirects, names, connections -----------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["gzip_bomb", "huge", "huge_headers"])
async def test_an_answer_without_an_end_is_cut_and_the_next_is_asked(upstream: Upstream, behaviour: str) -> None:
    async with running(upstream, [behaviour, "ok"], pair(behaviour, "protocol")) as executor:
        result = await run(executor)
    assert [each.error_class for each in calls_in(result.events)] == ["protocol", None]
    assert result.ended.outcome == "served"


async def test_a_redirect_to_another_address_takes_no_key_there(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    async with up.running() as metadata:

        async def away(wire: Wire) -> None:
            await wire.reply(307, b"", {"location": f"{metadata.root}/latest/meta-data/"})

        monkeypatch.setitem(BEHAVIOURS, "away", away)
        async with running(upstream, ["away"], flow("away")) as executor:
            result = await run(executor)
        assert (result.ended.outcome, result.ended.error_class) == ("failed", "protocol")
        assert metadata.seen == []


async def test_a_slow_name_server_holds_nobody_else_and_is_bounded(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, asked_for = asyncio.get_running_loop(), asyncio.Event()
    resolve = loop.getaddrinfo

    async def slow(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "slow.example":
            return await resolve(host, *rest, **more)
        asked_for.set()
        return await asyncio.Event().wait()

    monkeypatch.setattr(loop, "getaddrinfo", slow)
    http = AioHttp()
    slow_one = asyncio.create_task(http.post("http://slow.example/v1", {}, {}, Timeouts(connect_s=0.2)))
    await asked_for.wait()
    assert (await http.post(upstream.url, {"model": "ok"}, {}, Timeouts(total_s=30))).status == 200
    with pytest.raises(CallError) as caught:
        await slow_one
    assert (caught.value.error_class, caught.value.dispatched) == ("timeout", "no")
    assert "no connection within 200ms" in caught.value.message
    await http.close()


async def test_a_kept_connection_that_the_server_closed_loses_no_request_and_doubles_none(upstream: Upstream) -> None:
    upstream.scripts["m"] = ["ok_then_close", "ok", "close", "ok"]
    async with running(upstream, ["m"], flow("m")) as executor:
        first = await run(executor)
        await until(lambda: upstream.open_connections == 0, upstream)
        for _ in range(10):  # the loop sees the end of the connection
            await asyncio.sleep(0)
        second, third = await run(executor), await run(executor)
    assert [each.ended.outcome for each in (first, second, third)] == ["served", "served", "failed"]
    assert (len(upstream.seen), upstream.connections) == (3, 2)


# ---- 22 to 24: endpoints that get worse, on a virtual clock ---------------------------------------------------------------


class Clocked(Scripted):
    """Models that answer after a time, or fail, as a function of the model and the clock says."""

    def __init__(self, behaves: Any) -> None:
        super().__init__()
        self.behaves = behaves

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        self.calls.append(call)
        now = asyncio.get_running_loop().time()
        took_s = self.behaves(call.model.name, now)
        if took_s is None:
            raise CallError("5xx", "down", status=500)
        await asyncio.sleep(took_s)
        return Reply(text="Yes.")


def spaced(executor: Executor, count: int, apart_s: float) -> list[Result]:
    async def play() -> list[Result]:
        tasks = []
        for _ in range(count):
            tasks.append(asyncio.create_task(executor.run("main", HELLO)))
            await asyncio.sleep(apart_s)
        return await asyncio.gather(*tasks)

    return run_virtual(play())


FASTEST = plan.Tier("main", ("one", "two"), "fastest")


(BY_P95,) = fastest.mmflow_strategies()


def test_traffic_leaves_an_endpoint_that_became_slow_and_comes_back_to_one_that_recovered() -> None:
    def behaves(name: str, now: float) -> float:
        if name == "two":
            return 0.5
        return 2.0 if 60 <= now < 120 else 0.2

    of = plan_of(FASTEST, models=[model("one", p95_s=0.3), model("two", p95_s=0.6)])
    results = spaced(executor_of(of, Clocked(behaves), Words({**words().words, ("pick", "fastest"): BY_P95})), 2_400, 1.0)
    served = [each.ended.model for each in results]
    assert set(served[:60]) == {"one"}
    # A few slow answers among a hundred make the p95.
    assert set(served[75:120]) == {"two"}
    slow = sum(each.ended.at_s > 1 for each in results)
    assert slow < 20
    # What was slow is forgotten after a quarter of an hour, and it gets another chance.
    assert set(served[-500:]) == {"one"}


def test_an_endpoint_that_fails_half_the_time_does_not_swing_and_every_request_is_answered() -> None:
    random = Random(7)
    lab = Clocked(lambda name, now: None if name == "one" and random.random() < 0.5 else 0.1)
    results = spaced(executor_of(plan_of(plan.Tier("main", ("one", "two")), models=["one", "two"]), lab), 3_000, 0.1)
    assert {each.ended.outcome for each in results} == {"served"}
    firsts = [calls_in(each.events)[0].model for each in results]
    turns = sum(before != after for before, after in pairwise(firsts))
    # Five minutes: at most two turns for each time that it may open, and it cools for five seconds and more.
    assert turns <= 2 * 300 / 3.75
    assert len(lab.calls) < 1.2 * len(results)
