"""Runs a plan: one method for each kind of step, and every call of a model, for whatever purpose, through `_call`."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Literal

import attrs
import msgspec

from mmflow import plan
from mmflow.plan import Plan, fingerprint
from mmflow.plugin import (
    Ask,
    Call,
    CallError,
    Candidate,
    Emit,
    Http,
    Message,
    Model,
    ModelName,
    Provider,
    Purpose,
    Reply,
    Request,
    Usage,
)
from mmflow.runtime.conditions import Facts, Truth, field_of, truth
from mmflow.runtime.cost import Purse, cost_microusd, input_tokens, input_tokens_at_most, output_tokens, usable
from mmflow.runtime.deadline import Bounds, least, least_s, tightest
from mmflow.runtime.events import (
    ArmTested,
    CallEnded,
    CallOutcome,
    CallStarted,
    Degraded,
    Event,
    Judged,
    MovedOn,
    Ordered,
    RequestEnded,
    RequestOutcome,
    RequestStarted,
    Retrying,
    Scored,
    SignalRead,
    SplitDrawn,
)
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.result import Result
from mmflow.runtime.signals import Signal, Signals, signal_of, text_for, unsure
from mmflow.runtime.stream import Pieces, StreamBroken, whole
from mmflow.units import Duration, text_of
from mmflow.vocabulary import Vocabulary

Observe = Callable[[Event], None]

BUCKETS = 10_000
MEMBER_FAILED = frozenset({"429", "5xx", "timeout", "connect", "overloaded"})
"""What the next member of a tier may do better."""

NEVER_CAUGHT = frozenset({"budget", "blocked"})
CHARGED = frozenset({"timeout", "5xx", "connect", "protocol", "invalid_output"})
"""Failures after dispatch for which a provider may still send a bill; the others are refusals."""

LONGEST_RETRY_AFTER_S = 24 * 3600.0
"""A provider that asks for more is not obeyed: nobody means it."""

TYPICAL_OUTPUT_TOKENS = 500
"""What an answer is taken to need where members of a tier are compared by cost and nothing bounds it."""


class Executor:
    """A plan that is ready to run, for many requests at a time. Close it to close its connections.

    `providers` stand in for those of the plan, by name; `random` and the running loop's clock are the only sources of chance
    and time.
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
        self.plan = plan
        self.random = random or Random()
        self.plugins = Plugins(
            plan, vocabulary, folder=folder, http=http, random=self.random, environ=environ, providers=providers
        )
        self.in_flight: dict[str, int] = defaultdict(int)
        self.fingerprint = fingerprint(plan)
        self.timeouts = {
            name: tightest(model.timeouts, plan.providers[model.provider].timeouts) for name, model in plan.models.items()
        }

    async def run(self, flow: str, request: Request, emit: Emit | None = None, *, observe: Observe | None = None) -> Result:
        """Answer a request. Upstream failures are in the result and are not raised; cancellation passes through.

        With `emit` the answer is handed over as it arrives. `observe` gets each event as it happens, those of a run that is
        cancelled too. What `emit` raises ends the run and is raised. `KeyError` where the plan has no such flow.
        """
        return await _Run(self, self.plan.flows[flow], request, emit, observe).run()

    async def decide(self, flow: str, request: Request, *, observe: Observe | None = None) -> Result:
        """Classify and route a request, and stop at the model that would be asked first: none is, so there is no reply."""
        return await _Decision(self, self.plan.flows[flow], request, None, observe).run()

    async def close(self) -> None:
        """Close what was opened for the plan."""
        await self.plugins.close()


@attrs.frozen
class At:
    """Where a step stands: the path of what leads to it, its bounds, and who hears its answer as it arrives (None: nobody)."""

    path: str
    bounds: Bounds
    emit: Emit | None

    def under(self, name: str) -> "At":
        return At(f"{self.path}/{name}", self.bounds, self.emit)


@attrs.frozen
class Answer:
    """What a step came to: the reply, whose it is, and why a cascade gave it without accepting it."""

    reply: Reply
    model: str
    path: str
    degraded: str | None = None


class WouldAsk(Exception):
    """A dry run came to a call."""

    def __init__(self, model: str, path: str) -> None:
        super().__init__("needs a model call")
        self.model, self.path = model, path


class _Run:
    """One request on its way through a plan."""

    def __init__(self, executor: Executor, flow: plan.Flow, request: Request, emit: Emit | None, observe: Observe | None) -> None:
        self.plan = executor.plan
        self.request = request
        self.input_tokens = input_tokens(request.messages, request)
        self._executor = executor
        self._plugins = executor.plugins
        self._flow = flow
        self._emit = emit
        self._observe = observe
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._id = f"{executor.random.getrandbits(64):016x}"
        self._events: list[Event] = []
        self._signals = Signals(self._read_signal)
        self._purse = None if flow.max_cost_microusd is None else Purse(flow.max_cost_microusd)
        self._cost_microusd: int | None = 0
        self._calls = 0
        self._attempts: dict[str, int] = defaultdict(int)
        self._committed = False
        self._caller_error: Exception | None = None

    def now(self) -> float:
        """Seconds since the request came in."""
        return self._clock() - self._started

    def _write(self, event: Event) -> None:
        self._events.append(event)
        if self._observe is not None:
            self._observe(event)

    # ---- the request ------------------------------------------------------------------------------------------------------

    async def run(self) -> Result:
        flow, request = self._flow, self.request
        self._write(
            RequestStarted(
                at_s=0.0,
                request_id=self._id,
                flow=flow.name,
                plan=self._executor.fingerprint,
                at_unix_s=time.time(),
                input_tokens=self.input_tokens,
            )
        )
        if flow.max_input_tokens is not None and self.input_tokens > flow.max_input_tokens:
            return self._end("rejected", error=_too_long(flow, self.input_tokens))
        most = least(request.max_output_tokens, flow.max_output_tokens)
        bounds = Bounds(self._started + flow.deadline_s, flow.deadline_s, most, request.temperature)
        try:
            answer = await self.step(flow.step, At(flow.name, bounds, self._emit))
            if self._emit is not None and not self._committed:
                await self._emit(whole(answer.reply))
        except WouldAsk as first:
            return self._end("decided", model=first.model, path=first.path)
        except CallError as error:
            return self._end("failed", error=error)
        except StreamBroken as broken:
            return self._end("stream_broken", error=broken.error)
        except BaseException:
            # Cancelled, or the caller is gone: the record is written, and whatever it was goes on its way.
            self._end("cancelled")
            raise
        return self._end("served", answer.reply, model=answer.model, path=answer.path, degraded=answer.degraded)

    def _end(
        self,
        outcome: RequestOutcome,
        reply: Reply | None = None,
        *,
        model: str | None = None,
        path: str | None = None,
        degraded: str | None = None,
        error: CallError | None = None,
    ) -> Result:
        self._write(
            RequestEnded(
                at_s=self.now(),
                outcome=outcome,
                model=model,
                path=path,
                cost_microusd=self._cost_microusd,
                error_class=error.error_class if error else None,
                message=error.message if error else None,
                help=error.help if error else None,
                degraded=degraded,
            )
        )
        return Result(reply, tuple(self._events))

    # ---- the steps --------------------------------------------------------------------------------------------------------

    async def step(self, name: str, at: At) -> Answer:
        """The answer of a step. Raises `CallError` where it has none."""
        match self.plan.steps[name]:
            case plan.Ask() as step:
                return await self.ask(step, at)
            case plan.Route() as step:
                return await self.route(step, at)
            case plan.Tier() as step:
                return await self.tier(step, at)
            case plan.Cascade() as step:
                return await self.cascade(step, at)
            case plan.Fallback() as step:
                return await self.fallback(step, at)
            case plan.Split() as step:
                return await self.split(step, at)
            case plan.With() as step:
                return await self.with_(step, at)

    async def ask(self, step: plan.Ask, at: At) -> Answer:
        path = f"{at.path}/{step.name}"
        model = self.plan.models[step.model]
        most = least(at.bounds.max_output_tokens, model.max_output_tokens)
        request = self.request
        if at.bounds.temperature != request.temperature:
            request = msgspec.structs.replace(request, temperature=at.bounds.temperature)
        return Answer(await self._call(model, request, path, at.bounds, most, "answer", at.emit), model.name, path)

    async def tier(self, step: plan.Tier, at: At) -> Answer:
        here = at.under(step.name)
        *others, last = self._ordered(step, here)
        for member, following in zip(others, [*others[1:], last], strict=True):
            try:
                return await self.step(member, here)
            except CallError as error:
                if error.error_class not in MEMBER_FAILED or self._is_over(here.bounds):
                    raise
                self._moved_on(here, member, following, error)
        return await self.step(last, here)

    async def route(self, step: plan.Route, at: At) -> Answer:
        here = at.under(step.name)
        facts = self._facts(here.bounds)
        for arm in step.arms:
            found = await truth(arm.test, facts)
            self._arm(here, arm.text, found, arm.step)
            if found.holds:
                return await self.step(arm.step, here)
        if step.otherwise is None:
            raise CallError("blocked", f"no arm of `{step.name}` holds", dispatched="no", help="add an `else`")
        self._arm(here, "else", Truth(True, ()), step.otherwise)
        return await self.step(step.otherwise, here)

    async def cascade(self, step: plan.Cascade, at: At) -> Answer:
        here = at.under(step.name)
        best: Answer | None = None
        best_score = -1.0
        for number, name in enumerate(step.steps, 1):
            if best is not None and self._too_late_for(name, here.bounds):
                return self._degraded(here, "deadline", best)
            is_last = number == len(step.steps)
            place = At(f"{here.path}/step {number}", here.bounds, here.emit if is_last else None)
            try:
                answer = await self.step(name, place)
            except CallError as error:
                is_over = self._is_over(here.bounds)
                if not (is_last or is_over or error.error_class in NEVER_CAUGHT):
                    self._moved_on(here, name, step.steps[number], error)
                    continue
                if best is None:
                    raise
                return self._degraded(here, "deadline" if is_over else "failed", best)
            if is_last:
                return answer
            accepted, score = await self._judge(step, place, answer)
            if accepted:
                return answer
            if score >= best_score:
                best, best_score = answer, score
        raise AssertionError("the last step of a cascade returns or raises")

    async def fallback(self, step: plan.Fallback, at: At) -> Answer:
        here = at.under(step.name)
        for number, name in enumerate(step.steps, 1):
            for tries in range(1, step.retry_times + 2):
                try:
                    return await self.step(name, here)
                except CallError as error:
                    if not is_caught(error, step.on) or self._is_over(here.bounds):
                        raise
                    failure = error
                pause_s = self._pause_s(step.backoff_s, tries, failure.retry_after_s)
                if tries > step.retry_times or pause_s >= here.bounds.left_s(self._clock()):
                    break
                self._write(Retrying(at_s=self.now(), path=here.path, wait_s=pause_s, error_class=failure.error_class))
                await asyncio.sleep(pause_s)
            if number == len(step.steps):
                raise failure
            self._moved_on(here, name, step.steps[number], failure)
        raise AssertionError("the last step of a fallback returns or raises")

    async def split(self, step: plan.Split, at: At) -> Answer:
        here = at.under(step.name)
        key = field_of(self.request, step.sticky)
        bucket = bucket_of(self._flow.name, step.name, self._id if key is None else str(key))
        end = 0
        for slice_ in step.slices:
            end += slice_.buckets
            if bucket < end:
                self._write(SplitDrawn(at_s=self.now(), path=here.path, bucket=bucket, target=slice_.step))
                return await self.step(slice_.step, here)
        raise CallError("blocked", f"the shares of `{step.name}` make less than 100%", dispatched="no")

    async def with_(self, step: plan.With, at: At) -> Answer:
        bounds = at.bounds.narrowed(self._clock(), step.deadline_s, step.max_output_tokens, step.temperature)
        return await self.step(step.step, At(at.path, bounds, at.emit))

    # ---- what the steps ask -------------------------------------------------------------------------------------------------

    def _ordered(self, step: plan.Tier, here: At) -> list[str]:
        """The members of a tier in the order of its strategy."""
        members = {self._model_of(name).name: name for name in step.models}
        candidates = [self._candidate(self.plan.models[model], here.bounds) for model in members]
        try:
            order = [members[each.model.name] for each in self._plugins.pick(step.pick)(candidates, self._executor.random)]
        except CallError:
            raise
        except Exception as error:
            raise self._plugins.broke(step.pick, f"broke: {self._plugins.reason(error)}") from error
        if not order:
            raise self._plugins.broke(step.pick, f"left no member of `{step.name}`")
        self._write(Ordered(at_s=self.now(), path=here.path, pick=step.pick, models=tuple(order)))
        return order

    def _model_of(self, name: str) -> Model:
        asked = self.plan.steps[name]
        assert isinstance(asked, plan.Ask), "the members of a tier are models"
        return self.plan.models[asked.model]

    def _candidate(self, model: Model, bounds: Bounds) -> Candidate:
        expected = Usage(input_tokens=self.input_tokens, output_tokens=bounds.max_output_tokens or TYPICAL_OUTPUT_TOKENS)
        return Candidate(model, model.p95_s, cost_microusd(expected, model.prices), self._executor.in_flight[model.name])

    def _facts(self, bounds: Bounds, score: Callable[[str], Awaitable[float | None]] | None = None) -> Facts:
        return Facts(self.request, self.input_tokens, lambda name: self._signals.get(name, bounds), score)

    async def _read_signal(self, name: str, bounds: Bounds) -> Signal:
        """Ask a classifier. Whatever goes wrong with it is *unsure*."""
        declared = self.plan.classifiers[name]
        started = self.now()
        timer = asyncio.timeout_at(min(bounds.ends_at, self._clock() + declared.timeout_s))
        try:
            plugin = self._plugins.classifier(name)
            ask = self._asks("classify", f"{self._flow.name}/{name}", bounds)
            async with timer:
                signal = signal_of(declared, await plugin.classify(text_for(declared, self.request), ask))
        except WouldAsk as error:
            signal = unsure(declared, str(error))
        except Exception as error:  # noqa: BLE001 - the contract: any exception of a classifier means unsure
            signal = unsure(declared, "timed out" if timer.expired() else f"failed: {self._plugins.reason(error)}")
        self._write(
            SignalRead(
                at_s=self.now(),
                signal=name,
                label=signal.label,
                guess=signal.guess,
                confidence=signal.confidence,
                unsure=signal.unsure,
                started_at_s=started,
            )
        )
        return signal

    async def _judge(self, step: plan.Cascade, place: At, answer: Answer) -> tuple[bool, float]:
        """Whether a cascade accepts an answer, and the lowest of its scores (-1 where it has none)."""
        scores: dict[str, float | None] = {}

        async def score(name: str) -> float | None:
            if name not in scores:
                scores[name] = await self._score(name, place, answer)
            return scores[name]

        accepted = (await truth(step.accept, self._facts(place.bounds, score))).holds
        self._write(Judged(at_s=self.now(), path=place.path, accepted=accepted, needs=step.text))
        return accepted, min((each for each in scores.values() if each is not None), default=-1.0)

    async def _score(self, name: str, place: At, answer: Answer) -> float | None:
        """Ask a scorer; None where it fails, whatever the reason."""
        declared = self.plan.scorers[name]
        timer = asyncio.timeout_at(place.bounds.ends_at)
        score: float | None = None
        message = None
        try:
            plugin = self._plugins.scorer(name)
            ask = self._asks("judge", f"{place.path}/{name}", place.bounds)
            async with timer:
                found = await plugin.score(self.request, answer.reply, ask)
            if isinstance(found, int | float) and 0 <= found <= 1:
                score = float(found)
            else:
                message = f"the plugin `{declared.word}` answered {found!r:.40}, which is not a score from 0 to 1"
        except Exception as error:  # noqa: BLE001 - the contract: any exception of a scorer means that it has no score
            message = "timed out" if timer.expired() else self._plugins.reason(error)
        self._write(Scored(at_s=self.now(), path=place.path, scorer=name, score=score, message=message))
        return score

    def _asks(self, purpose: Purpose, path: str, bounds: Bounds) -> Ask:
        """How a classifier or a scorer asks a model."""

        async def ask(model: ModelName, messages: Sequence[Message], *, max_output_tokens: int) -> Reply:
            if (declared := self.plan.models.get(model)) is None:
                raise CallError("protocol", f"there is no model `{model}`", dispatched="no")
            most = least(max_output_tokens, declared.max_output_tokens)
            request = Request(messages=tuple(messages))
            return await self._call(declared, request, f"{path}/{model}", bounds, most, purpose, None)

        return ask

    def _is_over(self, bounds: Bounds) -> bool:
        return self._clock() >= bounds.ends_at

    def _too_late_for(self, name: str, bounds: Bounds) -> bool:
        """Whether what is left of the deadline is less than a step needs."""
        left_s = bounds.left_s(self._clock())
        return left_s <= 0 or left_s < least_s(self.plan, name)

    def _pause_s(self, backoff_s: float, tries: int, retry_after_s: float | None) -> float:
        """How long to wait before a step is tried again: what the provider asks, else below a bound that doubles."""
        if retry_after_s is not None and 0 <= retry_after_s <= LONGEST_RETRY_AFTER_S:
            return retry_after_s
        return self._executor.random.uniform(0, backoff_s * 2 ** (tries - 1))

    def _arm(self, here: At, text: str, found: Truth, target: str) -> None:
        self._write(
            ArmTested(at_s=self.now(), path=here.path, text=text, holds=found.holds, because=found.because, target=target)
        )

    def _moved_on(self, here: At, target: str, following: str, error: CallError) -> None:
        self._write(MovedOn(at_s=self.now(), path=here.path, target=target, next=following, reason=error.error_class))

    def _degraded(self, here: At, reason: Literal["deadline", "failed"], best: Answer) -> Answer:
        self._write(Degraded(at_s=self.now(), path=here.path, reason=reason, step=best.path))
        return attrs.evolve(best, degraded=reason)

    # ---- the call -----------------------------------------------------------------------------------------------------------

    async def _call(
        self,
        model: Model,
        request: Request,
        path: str,
        bounds: Bounds,
        max_output_tokens: int | None,
        purpose: Purpose,
        emit: Emit | None,
    ) -> Reply:
        """Ask a model: the one way to a provider. Holds the deadline and `max_cost`, and writes how it began and how it ended."""
        self._calls += 1
        self._attempts[path] += 1
        started = CallStarted(
            at_s=self.now(),
            call=self._calls,
            path=path,
            model=model.name,
            provider=model.provider,
            purpose=purpose,
            attempt=self._attempts[path],
        )
        self._write(started)
        call = Call(
            model=model,
            messages=request.messages,
            request=request,
            max_output_tokens=max_output_tokens,
            purpose=purpose,
            timeouts=self._executor.timeouts[model.name],
        )
        pieces = None if emit is None else Pieces(emit, self.now)
        reserved = 0
        try:
            provider = self._plugins.provider(model.provider)
            reserved = self._reserve(call)
            reply = await self._complete(provider, call, bounds, pieces)
        except CallError as error:
            begun = pieces is not None and pieces.first_at is not None
            self._end_call(started, call, "uncertain" if begun or is_charged(error) else "failed", reserved, pieces, error=error)
            if begun:
                raise StreamBroken(error) from error
            raise
        except BaseException:
            # Cancelled, or the caller is gone: what was used is counted, and whatever it was goes on its way.
            self._end_call(started, call, "cancelled", reserved, pieces)
            raise
        self._committed = pieces is not None and pieces.first_at is not None
        self._end_call(started, call, "answered", reserved, pieces, reply=reply)
        return reply

    def _reserve(self, call: Call) -> int:
        """The worst that a call may cost, set aside; 0 where nothing bounds the cost."""
        if self._purse is None:
            return 0
        at_most = input_tokens_at_most(call.messages, call.request)
        if call.purpose == "answer":
            # More is rejected at the door, and the worst case that `check` showed rests on it.
            at_most = least(at_most, self._flow.max_input_tokens) or at_most
        return self._purse.reserve(call.model, at_most, call.max_output_tokens)

    async def _complete(self, provider: Provider, call: Call, bounds: Bounds, pieces: Pieces | None) -> Reply:
        """The provider's reply in time, or a `CallError` without secrets, whatever the plugin does."""
        name, plugins, own_s = call.model.name, self._plugins, call.timeouts.total_s
        now = self._clock()
        if now >= bounds.ends_at:
            message = f"the deadline of {_text(bounds.deadline_s)} was over before `{name}` could be asked"
            raise CallError("timeout", message, dispatched="no", help="raise `deadline`, or lower the time-outs before it")
        is_own = own_s is not None and now + own_s < bounds.ends_at
        timer = asyncio.timeout_at(now + own_s if is_own and own_s is not None else bounds.ends_at)
        self._executor.in_flight[name] += 1
        try:
            async with timer:
                reply = await provider.complete(call, pieces)
        except Exception as error:
            if pieces is not None and pieces.caller_error is not None:
                raise pieces.caller_error from None
            if timer.expired():
                whose = (
                    f"its time-out of {_text(own_s)}"
                    if is_own and own_s is not None
                    else f"the deadline of {_text(bounds.deadline_s)}"
                )
                raise CallError("timeout", f"`{name}` did not answer within {whose}", dispatched="maybe") from None
            if isinstance(error, CallError):
                raise plugins.masked_error(error) from None
            word = self.plan.providers[call.model.provider].word
            raise plugins.broke(word, f"broke: {plugins.reason(error)}") from error
        finally:
            self._executor.in_flight[name] -= 1
            if pieces is not None:
                pieces.closed = True
        if pieces is not None and pieces.caller_error is not None:
            raise pieces.caller_error
        if not (isinstance(reply, Reply) and isinstance(reply.text, str)):
            word = self.plan.providers[call.model.provider].word
            raise plugins.broke(word, f"answered with {type(reply).__name__}, not with a Reply that has a text")
        return reply

    def _end_call(
        self,
        started: CallStarted,
        call: Call,
        outcome: CallOutcome,
        reserved_microusd: int,
        pieces: Pieces | None,
        *,
        reply: Reply | None = None,
        error: CallError | None = None,
    ) -> None:
        """Count what a call used, take its price, and write how it ended."""
        usage = Usage() if outcome == "failed" else usable(reply) if reply is not None else None
        if estimated := usage is None:
            wrote = output_tokens(reply.text, reply.tool_calls) if reply else output_tokens(pieces.text if pieces else "")
            usage = Usage(input_tokens=self._input_tokens_of(call), output_tokens=wrote)
        cost = 0 if outcome == "failed" else cost_microusd(usage, call.model.prices)
        if self._purse is not None and outcome in ("answered", "failed"):
            self._purse.settle(reserved_microusd, cost or 0)
        self._cost_microusd = None if self._cost_microusd is None or cost is None else self._cost_microusd + cost
        self._write(
            CallEnded(
                at_s=self.now(),
                call=started.call,
                path=started.path,
                model=started.model,
                provider=started.provider,
                purpose=started.purpose,
                attempt=started.attempt,
                outcome=outcome,
                started_at_s=started.at_s,
                first_token_at_s=pieces.first_at if pieces else None,
                usage=usage,
                estimated=estimated,
                cost_microusd=cost,
                error_class=error.error_class if error else None,
                message=error.message if error else None,
                help=error.help if error else None,
                served_model=reply.served_model if reply else None,
                request_id=reply.request_id if reply else None,
                simulated=reply.simulated if reply else False,
            )
        )

    def _input_tokens_of(self, call: Call) -> int:
        return self.input_tokens if call.purpose == "answer" else input_tokens(call.messages)


class _Decision(_Run):
    """A request on its way to the first call, which is not made."""

    async def _call(
        self,
        model: Model,
        request: Request,
        path: str,
        bounds: Bounds,
        max_output_tokens: int | None,
        purpose: Purpose,
        emit: Emit | None,
    ) -> Reply:
        raise WouldAsk(model.name, path)


def bucket_of(flow: str, split: str, key: str) -> int:
    """Where a sticky key falls: 0..9999, the same on every machine and in every version."""
    digest = blake2b("\0".join((flow, split, key)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def is_charged(error: CallError) -> bool:
    """Whether a provider may send a bill for a call that failed."""
    return error.dispatched == "maybe" or (error.dispatched == "yes" and error.error_class in CHARGED)


def is_caught(error: CallError, on: tuple[str, ...]) -> bool:
    """Whether a fallback goes on after an error: its class is listed, or the class of its status (`5xx` covers 529)."""
    if error.error_class in NEVER_CAUGHT:
        return False
    return error.error_class in on or (error.status is not None and f"{error.status // 100}xx" in on)


def _too_long(flow: plan.Flow, input_tokens: int) -> CallError:
    message = f"the request has about {input_tokens} tokens, and flow `{flow.name}` takes {flow.max_input_tokens}"
    return CallError("context_overflow", message, dispatched="no", help="shorten it, or raise `max_input`")


def _text(seconds: float) -> str:
    return text_of(Duration(seconds))
