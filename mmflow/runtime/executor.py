"""Runs a plan: one method for each kind of step."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec

from mmflow import plan
from mmflow.plan import Plan, fingerprint
from mmflow.plugin import CallError, Candidate, Emit, Http, Model, Provider, Reply, Request, Usage
from mmflow.runtime.alarms import Alarms, alarms_here
from mmflow.runtime.calls import Calls, NoCalls, Shared, WouldAsk
from mmflow.runtime.conditions import Facts, Truth, field_of, truth
from mmflow.runtime.cost import cost_microusd
from mmflow.runtime.deadline import Bounds, least, least_s, tightest
from mmflow.runtime.events import (
    ArmTested,
    Degraded,
    Judged,
    MovedOn,
    Ordered,
    RequestEnded,
    RequestOutcome,
    RequestStarted,
    Retrying,
    SplitDrawn,
)
from mmflow.runtime.guards import Guards
from mmflow.runtime.opinions import Opinions
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.record import Observe, Record
from mmflow.runtime.result import Result
from mmflow.runtime.signals import Signals
from mmflow.runtime.stream import StreamBroken, whole
from mmflow.vocabulary import Vocabulary

BUCKETS = 10_000

OTHERWISE = Truth(True, ())
"""What `else` rests on: nothing."""

MEMBER_FAILED = frozenset({"429", "5xx", "timeout", "connect", "overloaded"})
"""What another member of a tier may do better."""

NEVER_CAUGHT = frozenset({"budget", "blocked"})
"""What no other target may make up for."""

LONGEST_RETRY_AFTER_S = 24 * 3600.0
"""A provider that asks to wait for longer does not mean it, and our own pause holds."""

TYPICAL_OUTPUT_TOKENS = 500
"""How long an answer is taken to be where members of a tier are compared by cost and nothing bounds it."""


class Executor:
    """A plan that is ready to run, for many requests at a time. Close it to close its connections.

    The running loop's clock and `random` are the only sources of time and chance. `providers` stand in for those of the plan,
    by name.
    """

    def __init__(
        self,
        plan: Plan,
        vocabulary: Vocabulary,
        *,
        folder: Path,
        http: Http | None = None,
        random: Random | None = None,
        environ: Mapping[str, str] | None = None,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        random = random or Random()
        plugins = Plugins(plan, vocabulary, folder=folder, http=http, random=random, environ=environ, providers=providers)
        timeouts = {each.name: tightest(each.timeouts, plan.providers[each.provider].timeouts) for each in plan.models.values()}
        self._shared = Shared(plan, plugins, random, timeouts, defaultdict(int))
        self._fingerprint = fingerprint(plan)
        self._alarms: Alarms | None = None

    async def run(self, flow: str, request: Request, emit: Emit | None = None, *, observe: Observe | None = None) -> Result:
        """Answer a request. What goes wrong upstream is in the result and is not raised; cancellation passes through.

        With `emit` the answer is handed over as it arrives; what `emit` raises ends the run and is raised. `observe` gets each
        event as it happens, those of a cancelled run too. `KeyError` where the plan has no such flow.
        """
        return await self._begun(flow, request, observe, Calls).run(emit)

    async def decide(self, flow: str, request: Request, *, observe: Observe | None = None) -> Result:
        """Classify and route a request up to the model that would be asked first. No model is asked, so there is no reply."""
        return await self._begun(flow, request, observe, NoCalls).run(None)

    async def close(self) -> None:
        """Close what was opened for the plan."""
        await self._shared.plugins.close()

    def _begun(self, name: str, request: Request, observe: Observe | None, calls_of: type[Calls]) -> "_Run":
        self._alarms = alarms_here(self._alarms)
        flow, record = self._shared.plan.flows[name], Record(observe)
        calls = calls_of(self._shared, flow, request, record, self._alarms)
        run = _Run(self._shared, flow, request, calls, record)
        record.write(
            RequestStarted(
                at_s=0.0,
                request_id=run.id,
                flow=name,
                plan=self._fingerprint,
                at_unix_s=time.time(),
                input_tokens=calls.input_tokens,
            )
        )
        return run


class At(msgspec.Struct, frozen=True):
    """Where a step stands: the path that leads to it, its bounds, and who hears its answer as it arrives (None: nobody)."""

    path: str
    bounds: Bounds
    emit: Emit | None

    def under(self, name: str) -> "At":
        """One step further down. A flow and its table of arms share their name, which the path has once."""
        return self if name == self.path else At(f"{self.path}/{name}", self.bounds, self.emit)


class Answer(msgspec.Struct, frozen=True):
    """What a step came to: the reply, whose it is, and why a cascade gave it without having accepted it."""

    reply: Reply
    model: str
    path: str
    degraded: str | None = None


class _Run:
    """One request on its way through a plan. A step gives an `Answer` or raises `CallError`."""

    def __init__(self, shared: Shared, flow: plan.Flow, request: Request, calls: Calls, record: Record) -> None:
        self.id = f"{shared.random.getrandbits(64):016x}"
        self._shared = shared
        self._plan = shared.plan
        self._flow = flow
        self._request = request
        self._calls = calls
        self._clock = record.clock
        self._began_at = record.began_at
        self._now = record.now
        self._write = record.write
        self._record = record
        self._guards: Guards | None = None
        if flow.guards:
            self._guards = Guards(shared.plan, flow.guards, self._signals, self._facts, record)
            calls.check = self._guards.check

    # ---- the request ------------------------------------------------------------------------------------------------------

    async def run(self, emit: Emit | None) -> Result:
        flow, request = self._flow, self._request
        if flow.max_input_tokens is not None and self._calls.input_tokens > flow.max_input_tokens:
            return self._ended("rejected", error=_too_long(flow, self._calls.input_tokens))
        most = least(request.max_output_tokens, flow.max_output_tokens)
        bounds = Bounds(self._began_at + flow.deadline_s, flow.deadline_s, most, request.temperature)
        try:
            answer = await self.step(flow.step, At(flow.name, bounds, emit))
            if emit is not None and not self._calls.reached_caller:
                # It was held back until it was accepted, or its provider does not stream.
                await emit(whole(answer.reply))
        except WouldAsk as first:
            return self._ended("decided", model=first.model, path=first.path)
        except CallError as error:
            return self._ended("failed", error=error)
        except StreamBroken as broken:
            return self._ended("stream_broken", error=broken.error)
        except BaseException:
            # Cancelled, or the caller is gone: the record is completed, and whatever it was goes on its way.
            self._ended("cancelled")
            raise
        return self._ended("served", answer.reply, model=answer.model, path=answer.path, degraded=answer.degraded)

    def _ended(
        self,
        outcome: RequestOutcome,
        reply: Reply | None = None,
        *,
        model: str | None = None,
        path: str | None = None,
        degraded: str | None = None,
        error: CallError | None = None,
    ) -> Result:
        ended = RequestEnded(
            at_s=self._now(),
            outcome=outcome,
            model=model,
            path=path,
            cost_microusd=self._calls.cost_microusd,
            error_class=error.error_class if error else None,
            message=error.message if error else None,
            help=error.help if error else None,
            degraded=degraded,
        )
        self._write(ended)
        return Result(reply, tuple(self._record.events))

    # ---- the steps --------------------------------------------------------------------------------------------------------

    def step(self, name: str, at: At) -> Awaitable[Answer]:
        step = self._plan.steps[name]
        return _METHODS[type(step)](self, step, at)

    async def ask(self, step: plan.Ask, at: At) -> Answer:
        path = f"{at.path}/{step.name}"
        model, request, bounds = self._plan.models[step.model], self._request, at.bounds
        if bounds.temperature != request.temperature:
            request = msgspec.structs.replace(request, temperature=bounds.temperature)
        reply = await self._calls.call(model, request, path, bounds, emit=at.emit)
        return Answer(reply, model.name, path)

    async def tier(self, step: plan.Tier, at: At) -> Answer:
        here = at.under(step.name)
        order = self._ordered(step, await self._allowed(step, here), here)
        for number, name in enumerate(order, 1):
            try:
                return await self.step(name, here)
            except CallError as error:
                if number == len(order) or error.error_class not in MEMBER_FAILED or self._is_over(here):
                    raise
                self._moved_on(here, name, order[number], error)
        raise AssertionError("the last member of a tier returns or raises")

    async def route(self, step: plan.Route, at: At) -> Answer:
        here = at.under(step.name)
        if step.arms:
            facts = self._facts(here.bounds)
            for arm in step.arms:
                found = await truth(arm.test, facts)
                self._tested(here, arm.text, found, arm.step)
                if found.holds:
                    return await self.step(arm.step, here)
        if step.otherwise is None:
            raise CallError("blocked", f"no arm of `{step.name}` holds", dispatched="no", help="add an `else`")
        self._tested(here, "else", OTHERWISE, step.otherwise)
        return await self.step(step.otherwise, here)

    async def cascade(self, step: plan.Cascade, at: At) -> Answer:
        here = at.under(step.name)
        best: Answer | None = None
        best_score = -1.0
        for number, name in enumerate(step.steps, 1):
            if best is not None and (self._is_over(here) or self._left_s(here) < least_s(self._plan, name)):
                return self._degraded(here, "deadline", best)
            is_last = number == len(step.steps)
            place = At(f"{here.path}/step {number}", here.bounds, here.emit if is_last else None)
            try:
                answer = await self.step(name, place)
            except CallError as error:
                is_over = self._is_over(here)
                if not (is_last or is_over or error.error_class in NEVER_CAUGHT):
                    self._moved_on(here, name, step.steps[number], error)
                    continue
                if best is None:
                    raise
                return self._degraded(here, "deadline" if is_over else "failed", best)
            if is_last:
                return answer
            is_accepted, score = await self._judged(step, place, answer)
            if is_accepted:
                return answer
            if score >= best_score:
                best, best_score = answer, score
        raise AssertionError("the last step of a cascade returns or raises")

    async def fallback(self, step: plan.Fallback, at: At) -> Answer:
        here = at.under(step.name)
        for number, name in enumerate(step.steps, 1):
            for attempt in range(1 + step.retry_times):
                try:
                    return await self.step(name, here)
                except CallError as error:
                    if not is_caught(error, step.on) or self._is_over(here):
                        raise
                    failure = error
                pause_s = self._pause_s(step.backoff_s * 2**attempt, failure.retry_after_s)
                if attempt == step.retry_times or pause_s >= self._left_s(here):
                    break
                self._write(Retrying(at_s=self._now(), path=here.path, wait_s=pause_s, error_class=failure.error_class))
                await asyncio.sleep(pause_s)
            if number == len(step.steps):
                raise failure
            self._moved_on(here, name, step.steps[number], failure)
        raise AssertionError("the last step of a fallback returns or raises")

    async def split(self, step: plan.Split, at: At) -> Answer:
        here = at.under(step.name)
        key = field_of(self._request, step.sticky)
        bucket = bucket_of(self._flow.name, step.name, self.id if key is None else str(key))
        end = 0
        for each in step.slices:
            end += each.buckets
            if bucket < end:
                self._write(SplitDrawn(at_s=self._now(), path=here.path, bucket=bucket, target=self._named(each.step)))
                return await self.step(each.step, here)
        raise CallError("blocked", f"the shares of `{step.name}` make less than 100%", dispatched="no")

    async def with_(self, step: plan.With, at: At) -> Answer:
        bounds = at.bounds.narrowed(self._clock(), step.deadline_s, step.max_output_tokens, step.temperature)
        return await self.step(step.step, At(at.path, bounds, at.emit))

    # ---- what the steps decide by -------------------------------------------------------------------------------------------

    @cached_property
    def _opinions(self) -> Opinions:
        return Opinions(self._shared, self._flow.name, self._request, self._calls, self._record)

    @cached_property
    def _signals(self) -> Signals:
        return Signals(self._opinions.signal)

    def _facts(self, bounds: Bounds, score: Callable[[str], Awaitable[float | None]] | None = None) -> Facts:
        return Facts(self._request, self._calls.input_tokens, lambda name: self._signals.get(name, bounds), score)

    async def _judged(self, step: plan.Cascade, place: At, answer: Answer) -> tuple[bool, float]:
        """Whether a cascade accepts an answer, and the lowest of its scores (-1 where it has none)."""
        scores: dict[str, float | None] = {}

        async def score(name: str) -> float | None:
            if name not in scores:
                scores[name] = await self._opinions.score(name, place.path, place.bounds, answer.reply)
            return scores[name]

        found = await truth(step.accept, self._facts(place.bounds, score))
        self._write(Judged(at_s=self._now(), path=place.path, accepted=found.holds, needs=step.text))
        return found.holds, min((each for each in scores.values() if each is not None), default=-1.0)

    async def _allowed(self, step: plan.Tier, here: At) -> Sequence[str]:
        """The members of a tier that no guard forbids. `CallError` of class `blocked` where none is left."""
        if self._guards is None:
            return step.models
        names = [name for name in step.models if await self._guards.allows(self._member(name), here.path, here.bounds)]
        if not names:
            message = f"the guards of `{self._flow.name}` leave no member of `{step.name}`"
            raise CallError("blocked", message, dispatched="no", help="route such requests to models that the guards allow")
        return names

    def _ordered(self, step: plan.Tier, names: Sequence[str], here: At) -> list[str]:
        """Members of a tier in the order of its strategy."""
        members = {self._member(name).name: name for name in names}
        candidates = [self._candidate(self._plan.models[model], here.bounds) for model in members]
        plugins = self._shared.plugins
        pick = plugins.pick(step.pick)
        try:
            order = list(dict.fromkeys(members[each.model.name] for each in pick(candidates, self._shared.random)))
        except Exception as error:
            # A strategy is a plugin, which may raise anything.
            raise plugins.crashed(step.pick, error, dispatched="no") from error
        if not order:
            raise plugins.broke(step.pick, f"left no member of `{step.name}`", dispatched="no")
        self._write(Ordered(at_s=self._now(), path=here.path, pick=step.pick, models=tuple(order)))
        return order

    def _member(self, name: str) -> Model:
        asked = self._plan.steps[name]
        assert isinstance(asked, plan.Ask), "the members of a tier are models"
        return self._plan.models[asked.model]

    def _candidate(self, model: Model, bounds: Bounds) -> Candidate:
        expected = Usage(self._calls.input_tokens, output_tokens=bounds.max_output_tokens or TYPICAL_OUTPUT_TOKENS)
        return Candidate(model, model.p95_s, cost_microusd(expected, model.prices), self._shared.in_flight[model.name])

    def _left_s(self, at: At) -> float:
        return at.bounds.left_s(self._clock())

    def _is_over(self, at: At) -> bool:
        return self._left_s(at) <= 0

    def _pause_s(self, bound_s: float, retry_after_s: float | None) -> float:
        """How long to wait before trying again: what the provider asks for, else some time below the bound."""
        if retry_after_s is not None and 0 <= retry_after_s <= LONGEST_RETRY_AFTER_S:
            return retry_after_s
        return self._shared.random.uniform(0, bound_s)

    # ---- what the steps say ---------------------------------------------------------------------------------------------------

    def _tested(self, here: At, text: str, found: Truth, target: str) -> None:
        self._write(
            ArmTested(
                at_s=self._now(),
                path=here.path,
                text=text,
                holds=found.holds,
                because=found.because,
                target=self._named(target),
            )
        )

    def _moved_on(self, here: At, name: str, following: str, error: CallError) -> None:
        target, next_ = self._named(name), self._named(following)
        self._write(MovedOn(at_s=self._now(), path=here.path, target=target, next=next_, reason=error.error_class))

    def _degraded(self, here: At, reason: Literal["deadline", "failed"], best: Answer) -> Answer:
        self._write(Degraded(at_s=self._now(), path=here.path, reason=reason, step=best.path))
        return msgspec.structs.replace(best, degraded=reason)

    def _named(self, name: str) -> str:
        """The name that stands in the file: a step `with` limits has none of its own."""
        step = self._plan.steps[name]
        return self._named(step.step) if isinstance(step, plan.With) else name


_METHODS: dict[type[plan.Step], Callable[[_Run, Any, At], Awaitable[Answer]]] = {
    plan.Ask: _Run.ask,
    plan.Tier: _Run.tier,
    plan.Route: _Run.route,
    plan.Cascade: _Run.cascade,
    plan.Fallback: _Run.fallback,
    plan.Split: _Run.split,
    plan.With: _Run.with_,
}
"""What runs a step of each kind."""


def bucket_of(flow: str, split: str, key: str) -> int:
    """Where a sticky key falls: 0..9999, from eight bytes of BLAKE2b, the same on every machine and in every version."""
    digest = blake2b("\0".join((flow, split, key)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def is_caught(error: CallError, on: tuple[str, ...]) -> bool:
    """Whether a fallback goes on after an error: its class is listed, or the class of its status (`5xx` covers 529)."""
    if error.error_class in NEVER_CAUGHT:
        return False
    status = 529 if error.error_class == "overloaded" else error.status
    return error.error_class in on or (status is not None and f"{status // 100}xx" in on)


def _too_long(flow: plan.Flow, input_tokens: int) -> CallError:
    message = f"the request has about {input_tokens} tokens, and flow `{flow.name}` takes {flow.max_input_tokens}"
    return CallError("context_overflow", message, dispatched="no", help="shorten it, or raise `max_input`")
