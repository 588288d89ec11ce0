"""What a provider of `zone = external` cannot reach: link-local and metadata addresses, by whatever name."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import upstream as up
from provider_calls import KEY
from upstream import Upstream

from mmflow.plan import Plan, Provider
from mmflow.plugin import Call, CallError, Host, Http, Model, ProviderWord, Reply, Request, Timeouts, Zone, option, options
from mmflow.registry import Registry
from mmflow.runtime.http import AioHttp
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.reach import is_out_of_reach

NAME = "innocent.example"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


@pytest.fixture
async def outside() -> AsyncIterator[AioHttp]:
    http = AioHttp(zone="external")
    yield http
    await http.close()


async def fault(http: Http, url: str) -> CallError:
    with pytest.raises(CallError) as caught:
        await http.post(url, {}, {"authorization": f"Bearer {KEY.reveal()}"}, Timeouts(total_s=5))
    return caught.value


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "100.100.100.200",
    ],
)
def test_link_local_and_metadata_addresses_are_known(address: str) -> None:
    assert is_out_of_reach(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1", "8.8.8.8", "::ffff:10.0.0.1", "name"]
)
def test_other_addresses_are_not_those(address: str) -> None:
    assert not is_out_of_reach(address)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata",
        "2852039166",
        "0xa9fea9fe",
        "169.254.43518",
    ],
)  # the last three are refused as hosts of a URL, before anybody looks where they lead
async def test_no_spelling_of_such_an_address_is_reached(outside: AioHttp, host: str) -> None:
    error = await fault(outside, f"http://{host}/latest/meta-data")
    assert (error.error_class, error.dispatched) == ("connect", "no")
    assert KEY.reveal() not in f"{error.message} {error.help}"


def resolves(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Make a name resolve to these addresses, one list for each time it is asked for; the last stays."""
    asked = list(answers)
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host != NAME:
            return real(host, port, *args, **more)
        addresses = asked.pop(0) if len(asked) > 1 else asked[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


async def test_a_name_that_leads_there_is_refused(outside: AioHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, ["169.254.169.254"])
    error = await fault(outside, f"http://{NAME}/v1")
    assert NAME in error.message
    assert error.dispatched == "no"


async def test_of_several_addresses_the_others_serve(
    outside: AioHttp, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves(monkeypatch, ["169.254.169.254", "127.0.0.1"])
    reply = await outside.post(f"http://{NAME}:{upstream.port}/v1/chat/completions", {"model": "good"}, {}, Timeouts(total_s=5))
    assert reply.status == 200


async def test_a_name_that_changes_its_address_is_looked_at_again(
    outside: AioHttp, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    monkeypatch.setattr("aiohttp.connector._DNSCacheTable.expired", lambda self, key: True)

    async def play(wire: up.Wire) -> None:
        await wire.reply(200, {}, {"connection": "close"})

    up.BEHAVIOURS["last_word"] = play
    url = f"http://{NAME}:{upstream.port}/v1/chat/completions"
    reply = await outside.post(url, {"model": "last_word"}, {}, Timeouts(total_s=5))
    assert reply.status == 200
    assert "zone = external" in (await fault(outside, url)).message


async def test_private_addresses_are_reached_from_outside_too(outside: AioHttp, upstream: Upstream) -> None:
    reply = await outside.post(f"{upstream.url}/chat/completions", {"model": "good"}, {}, Timeouts(total_s=5))
    assert reply.status == 200


async def test_a_proxy_does_not_lead_there(outside: AioHttp, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", upstream.root)
    monkeypatch.delenv("no_proxy", raising=False)
    assert "zone = external" in (await fault(outside, "http://169.254.169.254/latest")).message
    assert upstream.seen == []


@options
class _Fields:
    """Where it is."""

    url: str = option(doc="the address")


class _Reaching:
    """A provider that does nothing but reach."""

    def __init__(self, fields: _Fields, host: Host) -> None:
        self._url, self._host = fields.url, host

    async def complete(self, call: Call, emit: object) -> Reply:
        await self._host.http.post(self._url, {}, {}, Timeouts(total_s=0.2))
        return Reply(text="")


@pytest.mark.parametrize(("zone", "refused"), [("external", True), ("own", False)])
async def test_the_zone_of_its_declaration_holds_for_a_provider(tmp_path: Path, zone: Zone, refused: bool) -> None:
    declared = Provider(name="p", word="reaching", options={"url": "http://metadata.google.internal:1/"}, zone=zone)
    vocabulary = Registry.of({"reaching": [ProviderWord("reaching", _Fields, _Reaching)]})
    plan = Plan(providers={"p": declared})
    plugins = Plugins(plan, vocabulary, folder=tmp_path, random=Random(0))
    call = Call(model=Model(name="m", id="m", provider="p"), messages=(), request=Request.of("hi"))
    with pytest.raises(CallError) as caught:
        await plugins.provider("p").complete(call, None)
    assert ("zone = external" in caught.value.message) is refused
    await plugins.close()
