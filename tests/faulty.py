"""Workflows in front of the upstream that misbehaves: written as a user writes them, run over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import attrs
from upstream import Upstream

from mmflow.api import build
from mmflow.plan import Plan
from mmflow.registry import Registry
from mmflow.runtime.events import CallEnded, Event
from mmflow.runtime.executor import Executor
from mmflow.runtime.http import AioHttp
from mmflow.source import Source

KEY = "sk-canary-0123456789"

MIB = 1024 * 1024

PROVIDER = """\
mmflow 1
provider lab using openai_compatible {{
  url = "{url}"
  key = secret("LAB_KEY")
  timeout = {{ {timeout} }}
  {fields}
}}
"""

MODEL = """\
model {name} {{
  provider = lab, id = "{name}", price = {{ input = $1/1M, output = $2/1M }}, context = 128k
  latency = {{ first_token = 1ms, p95 = 2ms }}
}}
"""


def plan_of_text(text: str) -> Plan:
    """The plan of a workflow, which must be free of errors."""
    built = build(Source("faulty.mmf", text), Registry.installed())
    assert built.plan is not None, [each.message for each in built.diagnostics if each.severity == "error"]
    return built.plan


def workflow(url: str, models: Sequence[str], rest: str, timeout: str = "total = 30s", fields: str = "") -> str:
    """A workflow of models of one provider; each is named after what it does."""
    declared = "".join(MODEL.format(name=name) for name in models)
    return PROVIDER.format(url=url, timeout=timeout, fields=fields) + declared + rest + "\n"


@asynccontextmanager
async def running(
    upstream: Upstream, models: Sequence[str], rest: str, timeout: str = "total = 30s", fields: str = "", **more: Any
) -> AsyncIterator[Executor]:
    """An executor of the workflow over its own connections."""
    http = AioHttp(body_limit_bytes=MIB, stream_limit_bytes=2 * MIB)
    of = plan_of_text(workflow(upstream.url, models, rest, timeout, fields))
    environ = {"LAB_KEY": KEY}
    executor = Executor(of, Registry.installed(), folder=Path(), http=http, random=Random(1), environ=environ, **more)
    try:
        yield executor
    finally:
        await executor.close()
        await http.close()


def calls_in(events: Sequence[Event]) -> list[CallEnded]:
    """How each call ended, in order."""
    return [each for each in events if isinstance(each, CallEnded)]


def asked(upstream: Upstream) -> list[str]:
    """The models that the upstream was asked for, in order."""
    return [str(each.body["model"]) for each in upstream.seen]


async def until(holds: Callable[[], bool], upstream: Upstream) -> None:
    """Wait until something holds of the upstream that a client's leaving brings about."""
    while not holds():
        upstream.closed.clear()
        if holds():
            return
        async with asyncio.timeout(30):
            await upstream.closed.wait()


@attrs.define
class Heard:
    """A caller who keeps what it hears."""

    said: list[str] = attrs.field(factory=list)

    async def __call__(self, delta: Any) -> None:
        self.said.append(delta.text)

    @property
    def text(self) -> str:
        return "".join(self.said)
