"""The front door: load a workflow file, run its flows, from async code or from a script."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs

from mmflow import plan as plans
from mmflow.build import Build as Build
from mmflow.build import ParamError as ParamError
from mmflow.build import build as build
from mmflow.diagnostics import Diagnostic, did_you_mean
from mmflow.plan import Plan
from mmflow.plugin import Delta, Emit, Reply, Request
from mmflow.registry import Registry
from mmflow.report import Summary, summary, trace
from mmflow.request import RequestError as RequestError
from mmflow.request import of_document
from mmflow.runtime.events import Event, RequestEnded
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.stores import store_of
from mmflow.source import Source
from mmflow.vocabulary import Vocabulary


class LoadError(Exception):
    """A file that cannot be run: `diagnostics` say why, each with its place."""

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = (), help: str | None = None) -> None:
        errors = [f"{each.span}: {each.message} [{each.code}]" for each in diagnostics if each.severity == "error"]
        super().__init__("\n  ".join([message, *errors]))
        self.message, self.diagnostics, self.help = message, diagnostics, help


class UnknownFlow(LookupError):
    """A flow that the file does not have, or none named where it has several."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.message, self.help = message, help


class RunFailed(Exception):
    """A request that got no answer; `answer.events` have every call that was made."""

    def __init__(self, answer: "Answer", ended: RequestEnded) -> None:
        super().__init__(ended.message or ended.outcome)
        self.answer, self.error_class, self.outcome = answer, ended.error_class, ended.outcome
        self.message, self.help = ended.message or ended.outcome, ended.help


@attrs.frozen
class Answer:
    """What a flow answered, and how it came to it."""

    reply: Reply | None
    events: tuple[Event, ...] = attrs.field(repr=False)

    @property
    def text(self) -> str:
        """The answer's text; empty where there is none, or only calls of tools (see `reply`)."""
        return self.reply.text if self.reply else ""

    @property
    def summary(self) -> Summary:
        """Model, path, cost, latency, every call and the decision: what `mmflow run --json` prints."""
        return summary(self.reply, self.events)

    @property
    def model(self) -> str | None:
        """The declared model that answered."""
        return self.summary.model

    @property
    def cost_usd(self) -> float | None:
        """Dollars over all calls, rejected answers and judges included; None where a price is unknown."""
        return self.summary.cost_usd

    @property
    def simulated(self) -> bool:
        """Whether a simulated model gave the answer."""
        return self.summary.simulated

    def trace(self) -> str:
        """The decision as people read it."""
        return "\n".join(trace(self.events))


Input = str | Request | Mapping[str, Any]


class Flow:
    """One flow of a plan, ready to run; `async with` or `close()` gives its connections back."""

    def __init__(self, plan: Plan, name: str, executor: Executor) -> None:
        self.plan, self.name, self._executor = plan, name, executor

    async def run(self, input: Input) -> Answer:
        """Answer one request: a text, a `Request`, or its fields as a mapping. Raises `RunFailed`."""
        return _answer(await self._executor.run(self.name, as_request(input)))

    @asynccontextmanager
    async def stream(self, input: Input) -> AsyncIterator["Stream"]:
        """Answer one request piece by piece; leaving the block early cancels the call.

        `async with flow.stream("…") as pieces: async for piece in pieces: …`
        """
        stream = Stream()
        task = asyncio.create_task(stream.fill(self._executor, self.name, as_request(input)))
        try:
            yield stream
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def run_sync(self, input: Input) -> Answer:
        """`run` for a script: in an event loop of its own, which is closed afterwards. Raises `RuntimeError` within another."""
        if _in_loop():
            raise RuntimeError("an event loop runs here already, as in a notebook: write `await flow.run(…)`")

        async def once() -> Answer:
            try:
                return await self.run(input)
            finally:
                await self.close()

        return asyncio.run(once())

    async def close(self) -> None:
        """Close the connections; the flow can be run again."""
        await self._executor.close()

    async def __aenter__(self) -> "Flow":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


class Stream:
    """The pieces of an answer as they come; `answer` stands once they have ended."""

    def __init__(self) -> None:
        # One piece at a time: a slow reader slows the upstream, and nothing piles up.
        self._pieces: asyncio.Queue[Delta | None] = asyncio.Queue(maxsize=1)
        self._answer: Answer | None = None
        self._failure: BaseException | None = None

    @property
    def answer(self) -> Answer:
        """The whole answer. Raises `RuntimeError` before the pieces have ended."""
        if self._answer is None:
            raise RuntimeError("the stream has not ended yet")
        return self._answer

    async def fill(self, executor: Executor, flow: str, request: Request) -> None:
        """Run the request and hand its pieces over; used by `Flow.stream`."""
        try:
            self._answer = _answer(await executor.run(flow, request, self._pieces.put))
        except Exception as failure:  # noqa: BLE001  # whatever it is belongs to the reader, who is told in __aiter__
            self._failure = failure
        await self._pieces.put(None)

    async def __aiter__(self) -> AsyncIterator[Delta]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
        if self._failure is not None:
            raise self._failure


def load(
    path: str | Path,
    *,
    flow: str | None = None,
    params: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    state: str | Path | None = None,
) -> Flow:
    """A flow of a workflow file (`.mmf`), or of a saved plan (`.json`).

    `state` is the file where budgets keep what is spent, for all processes of this machine, or the URL of a Redis
    (`redis://HOST:6379/0`) for those of several: without it `MMFLOW_STATE`, else `~/.local/state/mmflow/state.sqlite` (or what
    XDG_STATE_HOME or, on Windows, LOCALAPPDATA says). A file is made when a flow with a budget first runs.

    `flow` may be left out where the file has one flow, or one called `main`. Raises `OSError`, `LoadError`, `ParamError`,
    `UnknownFlow`.
    """
    path = Path(path)
    vocabulary = Registry.installed()
    plan = load_plan(path, vocabulary, params).plan
    assert plan is not None
    store = store_of(plan, state, environ)
    return Flow(plan, flow_name(plan, flow), Executor(plan, vocabulary, folder=path.parent, environ=environ, state=store))


def load_plan(path: Path, vocabulary: Vocabulary, params: Mapping[str, str] | None = None) -> Build:
    """The plan of a file, with its warnings and notes. Raises `OSError`, `LoadError`, `ParamError`."""
    data = path.read_bytes()
    if path.suffix == ".json":
        if params:
            raise ParamError("a saved plan has its parameters built in", "set them when you save it: `mmflow plan --set …`")
        try:
            return Build(plans.decode(data), ())
        except plans.PlanError as problem:
            raise LoadError(f"{path}: {problem}", help="save one with `mmflow plan --json FILE`") from problem
    built = build(Source.from_bytes(str(path), data), vocabulary, params)
    if built.plan is None:
        errors = sum(each.severity == "error" for each in built.diagnostics)
        raise LoadError(f"{path} has {errors} error{'s' * (errors != 1)}", built.diagnostics)
    return built


def flow_name(plan: Plan, name: str | None) -> str:
    """The flow that is meant. Raises `UnknownFlow`."""
    flows = ", ".join(f"`{each}`" for each in plan.flows) or "none"
    if name is not None:
        if name in plan.flows:
            return name
        near = did_you_mean(name, plan.flows)
        raise UnknownFlow(f"there is no flow `{name}`", f"did you mean `{near}`?" if near else f"flows are {flows}")
    if len(plan.flows) == 1:
        return next(iter(plan.flows))
    if "main" in plan.flows:
        return "main"
    if not plan.flows:
        raise UnknownFlow("the file has no flow, so nothing can be run", "add `flow main { else -> … }`")
    raise UnknownFlow("the file has several flows, and none is called `main`", f"name one of {flows}")


def as_request(input: Input) -> Request:
    """A request from what callers give. Raises `RequestError` where its fields are wrong."""
    if isinstance(input, Request):
        return input
    if isinstance(input, str):
        return Request.of(input)
    if not isinstance(input, Mapping):
        help = 'write {"messages": [{"role": "user", "content": "…"}]}'
        raise RequestError(f"a request is a text, a mapping or a `Request`, not {type(input).__name__}", help)
    return of_document(input).request


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _answer(result: Result) -> Answer:
    answer = Answer(result.reply, result.events)
    if result.ended.outcome != "served":
        raise RunFailed(answer, result.ended)
    return answer


__all__ = [
    "Answer", "Build", "Emit", "Flow", "LoadError", "ParamError", "RequestError", "RunFailed", "Stream", "UnknownFlow",
    "as_request", "build", "flow_name", "load", "load_plan",
]  # fmt: skip
