"""Calls of a provider as the executor makes them."""

from random import Random
from typing import Any

import attrs
import pytest

from mmflow.plugin import Call, CallError, Delta, Http, Message, Model, Provider, ProviderName, Reply, Request, Secret

KEY = Secret("TEST_KEY", "sk-canary-0123456789")


@attrs.frozen
class LentHost:
    """A host that lends the network and nothing else."""

    http: Http
    random: Random = attrs.field(factory=Random)

    def provider(self, name: ProviderName) -> Provider:
        raise NotImplementedError


def call(model: str = "good", text: str = "hi", *, messages: tuple[Message, ...] = (), **more: Any) -> Call:
    """A call; `timeouts` and `max_output_tokens` are the call's, everything else is the request's."""
    turns = messages or (Message("user", text),)
    own = {name: more.pop(name) for name in ("timeouts", "max_output_tokens") if name in more}
    return Call(model=Model(name="m", id=model, provider="p"), messages=turns, request=Request(messages=turns, **more), **own)


async def ask(provider: Provider, call: Call, *, streamed: bool = False) -> Reply:
    """The reply; its deltas, where it is streamed, must say the same."""
    if not streamed:
        return await provider.complete(call, None)
    deltas: list[Delta] = []

    async def emit(delta: Delta) -> None:
        deltas.append(delta)

    reply = await provider.complete(call, emit)
    assert "".join(delta.text for delta in deltas) == reply.text
    assert {chunk["index"] for delta in deltas for chunk in delta.tool_calls} == set(range(len(reply.tool_calls)))
    return reply


async def fault(provider: Provider, call: Call, *, streamed: bool = False) -> CallError:
    """The error of a call that must fail, with no trace of the key in it."""
    with pytest.raises(CallError) as caught:
        await ask(provider, call, streamed=streamed)
    error = caught.value
    assert KEY.reveal() not in f"{error.message} {error.help} {error!r}"
    assert error.message.isprintable()
    assert len(error.message) < 400
    return error
