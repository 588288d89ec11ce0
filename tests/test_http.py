"""The network as the runtime sees it: real sockets, every fault of the table, each as a `CallError` that says what happened."""

import asyncio
import shutil
import ssl
import subprocess
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import upstream as up
from upstream import Upstream, closed_port

from mmflow.plugin import CallError, Duration, HttpReply, ServerEvent, Timeouts, Tokens, error_of_status, retry_after_s
from mmflow.runtime.http import AioHttp

UNBOUND = Timeouts()
SOON = Timeouts(total_s=0.1)
MIB = 1024 * 1024


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    http = AioHttp(body_limit_bytes=MIB, stream_limit_bytes=2 * MIB)
    yield http
    await http.close()


async def post(http: AioHttp, upstream: Upstream, model: str, timeouts: Timeouts = UNBOUND) -> HttpReply:
    return await http.post(f"{upstream.url}/chat/completions", {"model": model}, {"x-test": "1"}, timeouts)


async def stream(http: AioHttp, upstream: Upstream, model: str, timeouts: Timeouts = UNBOUND) -> list[ServerEvent]:
    body = {"model": model, "stream": True}
    async with http.stream(f"{upstream.url}/chat/completions", body, {}, timeouts) as opened:
        return [event async for event in opened.events()]


async def until_done(http: AioHttp, upstream: Upstream, model: str, timeouts: Timeouts = UNBOUND) -> None:
    async with http.stream(upstream.url, {"model": model, "stream": True}, {}, timeouts) as opened:
        async for event in opened.events():
            if event.data == "[DONE]":
                break


async def fault(http: AioHttp, url: str, timeouts: Timeouts = UNBOUND) -> CallError:
    with pytest.raises(CallError) as caught:
        await http.post(url, {}, {}, timeouts)
    return caught.value


# ---- what works -----------------------------------------------------------------------------------------------------------


async def test_the_bytes_of_a_stream_are_had_as_they_come(http: AioHttp, upstream: Upstream) -> None:
    async def play(wire: up.Wire) -> None:
        await wire.begin_stream()
        for piece in (b"\x00\x01", b"\xff\n", b"data: x\n\n"):
            await wire.piece(piece)
        await wire.end_stream()

    up.BEHAVIOURS["raw_bytes"] = play
    async with http.stream(f"{upstream.url}/chat/completions", {"model": "raw_bytes"}, {}, UNBOUND) as opened:
        assert b"".join([chunk async for chunk in opened.chunks()]) == b"\x00\x01\xff\ndata: x\n\n"


@pytest.mark.parametrize(("model", "error_class"), [("huge_stream", "protocol"), ("hang_mid_stream", "timeout")])
async def test_the_bytes_of_a_stream_are_bounded(http: AioHttp, upstream: Upstream, model: str, error_class: str) -> None:
    async def read() -> None:
        async with http.stream(f"{upstream.url}/chat/completions", {"model": model}, {}, Timeouts(idle_s=0.05)) as opened:
            async for _ in opened.chunks():
                pass

    with pytest.raises(CallError) as caught:
        await read()
    assert caught.value.error_class == error_class


async def test_a_body_goes_out_as_json_and_the_whole_answer_comes_back(http: AioHttp, upstream: Upstream) -> None:
    reply = await post(http, upstream, "good")
    assert (reply.status, reply.headers["x-request-id"]) == (200, "req-1")
    assert b"chat.completion" in reply.body
    (seen,) = upstream.seen
    assert seen.body == {"model": "good"}
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-test"] == "1"
    assert seen.headers["accept-encoding"] == "identity"


async def test_events_come_one_by_one(http: AioHttp, upstream: Upstream) -> None:
    events = await stream(http, upstream, "good")
    assert events[-1] == ServerEvent("[DONE]")
    assert len(events) > 3


@pytest.mark.parametrize("model", ["good", "late_end"])
async def test_a_stream_left_at_its_last_event_keeps_its_connection(http: AioHttp, upstream: Upstream, model: str) -> None:
    for _ in range(3):
        await until_done(http, upstream, model)
    assert upstream.connections == 1


async def test_a_stream_that_never_ends_after_its_last_event_is_left(http: AioHttp, upstream: Upstream) -> None:
    await until_done(http, upstream, "no_end", Timeouts(total_s=30))
    async with asyncio.timeout(5):
        await upstream.closed.wait()


async def test_an_answer_that_is_no_success_can_be_read_from_a_stream(http: AioHttp, upstream: Upstream) -> None:
    async with http.stream(upstream.url, {"model": "429_seconds"}, {}, UNBOUND) as opened:
        assert opened.status == 429
        assert opened.headers["retry-after"] == "7"
        assert b"slow down" in await opened.body()


async def test_a_large_body_goes_out_whole(http: AioHttp, upstream: Upstream) -> None:
    await http.post(upstream.url, {"model": "good", "text": "x" * 3 * MIB}, {}, UNBOUND)
    assert len(upstream.seen[0].body["text"]) == 3 * MIB


def test_each_loop_gets_a_session_of_its_own() -> None:
    http = AioHttp()

    async def call() -> int:
        async with up.running() as upstream:
            try:
                return (await post(http, upstream, "good")).status
            finally:
                await http.close()

    assert [asyncio.run(call()), asyncio.run(call())] == [200, 200]


# ---- connecting -----------------------------------------------------------------------------------------------------------


async def test_a_refused_connection_was_certainly_not_sent(http: AioHttp) -> None:
    port = closed_port()
    error = await fault(http, f"http://127.0.0.1:{port}/v1")
    assert (error.error_class, error.dispatched) == ("connect", "no")
    assert error.message == f"cannot connect to 127.0.0.1:{port}: connection refused"
    assert "url" in (error.help or "")


async def test_a_name_that_does_not_resolve_is_a_connect_error(http: AioHttp) -> None:
    error = await fault(http, "http://no-such-host.invalid/v1", Timeouts(total_s=20))
    assert (error.error_class, error.dispatched) == ("connect", "no")
    assert "no-such-host.invalid" in error.message


@pytest.mark.parametrize("url", ["", "api.example.com/v1", "ftp://example.com", "http://", "http://[::1", "file:///etc/passwd"])
async def test_what_is_not_the_url_of_a_server_is_refused(http: AioHttp, url: str) -> None:
    error = await fault(http, url)
    assert (error.error_class, error.dispatched) == ("connect", "no")


async def test_a_url_with_a_password_is_refused_and_not_shown(http: AioHttp) -> None:
    error = await fault(http, "http://user:hunter2@127.0.0.1:1/")
    assert error.dispatched == "no"
    assert "hunter2" not in f"{error.message} {error.help}"


async def test_a_connection_that_never_comes_about_is_bounded(http: AioHttp, upstream: Upstream) -> None:
    error = await fault(http, f"https://127.0.0.1:{upstream.port}/", Timeouts(connect_s=0.05))
    assert (error.error_class, error.dispatched, error.message) == ("timeout", "no", "no connection within 50ms")


async def test_the_bound_on_connecting_ends_with_the_connection(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError, match="no whole answer within 200ms"):
        await post(http, upstream, "hang", Timeouts(connect_s=0.1, total_s=0.2))


async def test_a_certificate_that_nobody_trusts_is_refused(http: AioHttp, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with up.running(context) as upstream:
        error = await fault(http, f"https://localhost:{upstream.port}/v1")
        assert (error.error_class, error.dispatched) == ("connect", "no")
        assert "certificate" in error.message
        assert upstream.seen == []


async def test_https_where_the_server_speaks_http_is_a_clear_error(http: AioHttp) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        error = await fault(http, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert (error.error_class, error.dispatched) == ("connect", "no")
    assert "TLS" in error.message


# ---- waiting --------------------------------------------------------------------------------------------------------------


async def test_a_server_that_takes_the_request_and_is_silent_may_have_begun(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError) as caught:
        await stream(http, upstream, "hang", Timeouts(first_token_s=0.05))
    error = caught.value
    assert (error.error_class, error.dispatched, error.message) == ("timeout", "maybe", "no first token within 50ms")


@pytest.mark.parametrize("model", ["hang_after_headers", "comments_only"])
async def test_headers_and_comments_are_no_first_token(http: AioHttp, upstream: Upstream, model: str) -> None:
    with pytest.raises(CallError) as caught:
        await stream(http, upstream, model, Timeouts(first_token_s=0.1, idle_s=30))
    assert (caught.value.message, caught.value.dispatched) == ("no first token within 100ms", "yes")


async def test_silence_in_the_middle_of_a_stream_is_bounded(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError) as caught:
        await stream(http, upstream, "hang_mid_stream", Timeouts(first_token_s=30, idle_s=0.05, total_s=30))
    assert (caught.value.error_class, caught.value.message) == ("timeout", "nothing more came for 50ms")


async def test_a_dribble_is_never_idle_but_the_bound_on_the_whole_wins(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError, match="no whole answer within 200ms"):
        await stream(http, upstream, "dribble", Timeouts(first_token_s=30, idle_s=30, total_s=0.2))


async def test_a_slow_caller_is_not_an_idle_provider(http: AioHttp, upstream: Upstream) -> None:
    async with http.stream(upstream.url, {"model": "good", "stream": True}, {}, Timeouts(idle_s=0.05)) as opened:
        events = opened.events()
        await anext(events)
        await asyncio.sleep(0.1)
        assert [event async for event in events][-1].data == "[DONE]"


async def test_a_time_out_of_the_caller_is_not_taken_for_ours(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await post(http, upstream, "hang", Timeouts(total_s=30))


@pytest.mark.parametrize("model", ["hang", "hang_mid_stream"])
async def test_a_cancellation_goes_through_and_closes_the_connection(http: AioHttp, upstream: Upstream, model: str) -> None:
    task = asyncio.create_task(stream(http, upstream, model))
    while not upstream.seen:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await upstream.closed.wait()
    assert upstream.open_connections == 0


async def test_a_time_out_closes_the_connection(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError):
        await post(http, upstream, "hang", SOON)
    async with asyncio.timeout(5):
        await upstream.closed.wait()


# ---- breaking -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["reset", "close"])
async def test_a_connection_lost_before_the_answer_is_not_sent_again(http: AioHttp, upstream: Upstream, model: str) -> None:
    with pytest.raises(CallError) as caught:
        await post(http, upstream, model)
    assert (caught.value.error_class, caught.value.dispatched) == ("connect", "maybe")
    assert len(upstream.seen) == 1


async def test_a_kept_connection_that_fails_is_not_used_for_a_silent_second_try(http: AioHttp, upstream: Upstream) -> None:
    upstream.scripts["mini"] = ["good", "close", "good"]
    await post(http, upstream, "mini")
    with pytest.raises(CallError) as caught:
        await post(http, upstream, "mini")
    assert caught.value.dispatched == "maybe"
    assert [seen.connection for seen in upstream.seen] == [1, 1]


async def test_a_connection_closed_between_calls_is_replaced(http: AioHttp, upstream: Upstream) -> None:
    await post(http, upstream, "ok_then_close")
    async with asyncio.timeout(5):
        await upstream.closed.wait()
    for _ in range(10):  # the loop sees the end of the connection
        await asyncio.sleep(0)
    assert (await post(http, upstream, "good")).status == 200


@pytest.mark.parametrize("model", ["reset_mid_stream", "drop_stream"])
async def test_a_stream_that_breaks_is_an_error_and_not_an_end(http: AioHttp, upstream: Upstream, model: str) -> None:
    with pytest.raises(CallError) as caught:
        await stream(http, upstream, model)
    assert (caught.value.error_class, caught.value.dispatched) == ("connect", "yes")


async def test_a_body_shorter_than_it_said_is_an_error(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError) as caught:
        await post(http, upstream, "short_body")
    assert (caught.value.error_class, caught.value.dispatched) == ("connect", "yes")


@pytest.mark.parametrize("model", ["not_http", "huge_headers", "bad_gzip"])
async def test_what_is_not_proper_http_is_a_protocol_error(http: AioHttp, upstream: Upstream, model: str) -> None:
    with pytest.raises(CallError) as caught:
        await post(http, upstream, model)
    assert caught.value.error_class == "protocol"


async def test_an_error_of_the_callers_own_end_stays_what_it_is(http: AioHttp, upstream: Upstream) -> None:
    async def forward() -> None:
        async with http.stream(upstream.url, {"model": "good", "stream": True}, {}, UNBOUND) as opened:
            async for _ in opened.events():
                raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await forward()


async def test_a_redirect_is_not_followed(http: AioHttp, upstream: Upstream) -> None:
    reply = await post(http, upstream, "redirect")
    assert reply.status == 307
    assert len(upstream.seen) == 1
    error = error_of_status(reply.status, "moved")
    assert (error.error_class, error.dispatched) == ("protocol", "no")


# ---- too much -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["huge", "gzip_bomb"])
async def test_a_body_is_cut_at_the_cap_and_memory_stays_flat(http: AioHttp, upstream: Upstream, model: str) -> None:
    up.bomb()
    await post(http, upstream, "good")
    tracemalloc.start()
    try:
        with pytest.raises(CallError) as caught:
            await post(http, upstream, model)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (caught.value.error_class, caught.value.message) == ("protocol", "the answer is larger than 1 MiB and was cut")
    assert peak_bytes < 8 * MIB


async def test_a_stream_is_cut_at_its_cap(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError, match="larger than 2 MiB"):
        await stream(http, upstream, "huge_stream")


async def test_an_event_is_cut_at_its_cap(upstream: Upstream) -> None:
    http = AioHttp()
    with pytest.raises(CallError, match="an event of more than"):
        await stream(http, upstream, "huge_event")
    await http.close()


# ---- what cannot be sent --------------------------------------------------------------------------------------------------


async def test_half_a_surrogate_pair_is_refused_before_it_is_sent(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError) as caught:
        await http.post(upstream.url, {"text": "\ud83d"}, {}, UNBOUND)
    assert (caught.value.error_class, caught.value.dispatched) == ("4xx", "no")
    assert upstream.seen == []


async def test_a_line_break_in_a_header_is_refused_and_its_value_is_not_shown(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError) as caught:
        await http.post(upstream.url, {}, {"Authorization": "Bearer hunter2\r\nx: y"}, UNBOUND)
    assert caught.value.dispatched == "no"
    assert "hunter2" not in f"{caught.value.message} {caught.value.help}"
    assert upstream.seen == []


async def test_no_error_drags_the_headers_of_the_request_along(http: AioHttp, upstream: Upstream) -> None:
    with pytest.raises(CallError) as caught:
        await http.post(upstream.url, {"model": "not_http"}, {"Authorization": "Bearer hunter2"}, UNBOUND)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# ---- proxies --------------------------------------------------------------------------------------------------------------


async def test_a_proxy_of_the_environment_is_used(http: AioHttp, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", upstream.root)
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await http.post("http://models.invalid/v1", {"model": "good"}, {}, UNBOUND)).status == 200
    assert upstream.seen[0].path == "http://models.invalid/v1"


async def test_no_proxy_and_this_machine_are_reached_directly(
    http: AioHttp, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "models.invalid")
    assert (await post(http, upstream, "good")).status == 200
    error = await fault(http, "http://models.invalid/v1", Timeouts(total_s=20))
    assert "models.invalid:80 cannot be resolved" in error.message


async def test_a_proxy_that_is_away_is_named_as_such(http: AioHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    error = await fault(http, "http://models.invalid/v1")
    assert (error.error_class, error.dispatched) == ("connect", "no")
    assert "proxy" in error.message


# ---- when to come back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "1000000000"}, 1e9),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT", "date": "Sun, 06 Nov 1994 08:49:30 GMT"}, 7.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:30 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:30 GMT"}, 0.0),
        ({"retry-after": "Sun, 99 Nov 1994 08:49:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers) == wait_s


def test_a_date_beyond_every_calendar_is_no_time_to_wait() -> None:
    assert retry_after_s({"retry-after": f"Sun, 06 Nov {'9' * 20} 08:49:37 GMT"}) is None


async def test_quantities_of_the_language_are_sent_as_plain_json() -> None:
    async with up.running() as server:
        http = AioHttp()
        try:
            body = {"model": "ok", "messages": [], "wait": Duration(1.5), "most": Tokens(8)}
            await http.post(f"{server.url}/chat/completions", body, {}, UNBOUND)
        finally:
            await http.close()
        assert (server.seen[-1].body["wait"], server.seen[-1].body["most"]) == (1.5, 8)
