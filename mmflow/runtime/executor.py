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
from mmflow.plugin import (
    CacheStore,
    CallError,
    Candidate,
    Choice,
    Classifier,
    Emit,
    Http,
    Model,
    Provider,
    Reply,
    Request,
    Scorer,
    Usage,
)
from mmflow.runtime.alarms import Alarms, alarms_here
from mmflow.runtime.answer import Answer
from mmflow.runtime.breaker import Breakers
from mmflow.runtime.budget import Budgets, BudgetSpent
from mmflow.runtime.caches import Caches, Kept, Visit
from mmflow.runtime.calls import Calls, NoCalls, Shared, WouldAsk
from mmflow.runtime.candidates import Candidates, Members, members_of
from mmflow.runtime.capabilities import lacking_behind
from mmflow.runtime.conditions import Facts, Truth, field_of, truth
from mmflow.runtime.cost import cost_microusd
from mmflow.runtime.deadline import Bounds, least, least_of, least_s, tightest
from mmflow.runtime.events import (
    ArmTested,
    Chosen,
    CoolingDown,
    Degraded,
    ExperimentScored,
    Incapable,
    Judged,
    MovedOn,
    Ordered,
    Qualified,
    RequestEnded,
    RequestOutcome,
    RequestStarted,
    Retrying,
    RetryRefused,
    SplitDrawn,
)
from mmflow.runtime.given import NOTHING_GIVEN, Given
from mmflow.runtime.guards import Guards
from mmflow.runtime.limits import Limits
from mmflow.runtime.limits_redis import SharedLimits
from mmflow.runtime.opinions import Opinions
from mmflow.runtime.outputs import Contract, Outputs, contracted
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.prompts import prompted
from mmflow.runtime.record import Observe, Record
from mmflow.runtime.result import Result
from mmflow.runtime.scorecards import Scorecards, bar
from mmflow.runtime.signals import Signals
from mmflow.runtime.state import MemoryStore, Store
from mmflow.runtime.state_redis import RedisStore
from mmflow.runtime.strategies import Lent, names_of
from mmflow.runtime.stream import StreamBroken, whole
from mmflow.vocabulary import Vocabulary

BUCKETS = 10_000

OTHERWISE = Truth(True, ())
"""What `else` rests on: nothing."""

MEMBER_FAILED = frozenset({"429", "5xx", "timeout", "connect", "overloaded", "protocol"})
"""What another member of a tier may do better."""

NEVER_CAUGHT = frozenset({"budget", "blocked"})
"""What no other target may make up for."""

LONGEST_RETRY_AFTER_S = 24 * 3600.0
"""A provider that asks to wait for longer does not mean it, and our own pause holds."""

TYPICAL_OUTPUT_TOKENS = 500
"""How long an answer is taken to be where members of a tier are compared by cost and nothing bounds it."""


class Executor:
    """A plan that is ready to run, for many requests at a time. Close it to close its connections.

    The running loop's clock, `wall` (seconds since 1970, for the periods of budgets) and `random` are the only sources of time
    and chance. `providers`, `classifiers` and `scorers` stand in for those of the plan, by name. `state` is where budgets keep
    what is spent; without it they forget it with the executor. `caches` stand in for those of the plan, by name; the others are
    in memory where `providers` are given, so that nothing scripted is ever kept. `calls` makes the calls of each request: a
    subclass sees what the requests hold.
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
        classifiers: Mapping[str, Classifier] | None = None,
        scorers: Mapping[str, Scorer] | None = None,
        caches: Mapping[str, CacheStore] | None = None,
        state: Store | None = None,
        wall: Callable[[], float] = time.time,
        calls: type[Calls] = Calls,
    ) -> None:
        random = random or Random()
        plugins = Plugins(
            plan, vocabulary, folder=folder, http=http, random=random, environ=environ,
            providers=providers, classifiers=classifiers, scorers=scorers,
        )  # fmt: skip
        timeouts = {each.name: tightest(each.timeouts, plan.providers[each.provider].timeouts) for each in plan.models.values()}
        budgets = None
        if plan.budgets:
            store = MemoryStore() if state is None else state
            budgets = Budgets(plan, store, store.name_of(folder / Path(plan.file).name), wall)
        common = None
        if isinstance(state, RedisStore):
            common = SharedLimits(state.link, state.name_of(folder / Path(plan.file).name))
        limits, cards = Limits(plan, common), Scorecards(plan, folder)
        outputs = Outputs(plan.outputs, folder)
        kept = Caches(plan, plugins, stores=caches, in_memory=providers is not None, wall=wall)
        self._shared = Shared(
            plan, plugins, random, timeouts, defaultdict(int), limits or None, budgets, cards, outputs, kept, Breakers(random)
        )
        self._wall, self._state = wall, state
        self._calls_of = calls
        self._fingerprint = fingerprint(plan)
        self._alarms: Alarms | None = None

    async def run(
        self,
        flow: str,
        request: Request,
        emit: Emit | None = None,
        *,
        observe: Observe | None = None,
        given: Given = NOTHING_GIVEN,
    ) -> Result:
        """Answer a request. What goes wrong upstream is in the result and is not raised; cancellation passes through.

        With `emit` the answer is handed over as it arrives; what `emit` raises ends the run and is raised. `observe` gets each
        event as it happens, those of a cancelled run too. `KeyError` where the plan has no such flow.
        """
        return await self._begun(flow, request, observe, self._calls_of, given).run(emit)

    async def decide(
        self, flow: str, request: Request, *, observe: Observe | None = None, given: Given = NOTHING_GIVEN
    ) -> Result:
        """Classify and route a request up to the model that would be asked first. No model is asked, so there is no reply."""
        return await self._begun(flow, request, observe, NoCalls, given).run(None)

    async def close(self) -> None:
        """Close what was opened for the plan."""
        await self._shared.plugins.close()
        if self._shared.limits is not None:
            await self._shared.limits.close()
        if self._shared.budgets is not None:
            await self._shared.budgets.store.close()
        elif self._state is not None:
            await self._state.close()

    def _begun(self, name: str, request: Request, observe: Observe | None, calls_of: type[Calls], given: Given) -> "_Run":
        self._alarms = alarms_here(self._alarms)
        flow, record = self._shared.plan.flows[name], Record(observe)
        calls = calls_of(self._shared, flow, request, record, self._alarms)
        run = _Run(self._shared, flow, request, calls, record, given)
        record.write(
            RequestStarted(
                at_s=0.0,
                request_id=run.id,
                flow=name,
                plan=self._fingerprint,
                at_unix_s=self._wall(),
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


class _Run:
    """One request on its way through a plan. A step gives an `Answer` or raises `CallError`."""

    def __init__(self, shared: Shared, flow: plan.Flow, request: Request, calls: Calls, record: Record, given: Given) -> None:
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
        self._given = given
        self._contract: Contract | None = None
        self._instead: str | None = None
        """What a budget put in the place of the flow's own step."""
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
            if flow.output is not None:
                self._contract = self._shared.outputs.contract(flow.output)
            at = At(flow.name, bounds, emit)
            if flow.cache is None and flow.budget is None:
                answer = await self.step(flow.step, at)
            else:
                answer = await self._from_cache(at)
            if emit is not None and not self._calls.reached_caller:
                # It was held back until it was accepted, or its provider does not stream.
                await emit(whole(answer.reply))
        except WouldAsk as first:
            return self._ended("decided", model=first.model, path=first.path)
        except CallError as error:
            is_at_the_door = isinstance(error, BudgetSpent) and not self._calls.has_begun
            return self._ended("rejected" if is_at_the_door else "failed", error=error)
        except StreamBroken as broken:
            return self._ended("stream_broken", error=broken.error)
        except BaseException:
            # Cancelled, or the caller is gone: the record is completed, and whatever it was goes on its way.
            self._ended("cancelled")
            raise
        return self._ended("served", answer.reply, answer=answer)

    def _ended(
        self,
        outcome: RequestOutcome,
        reply: Reply | None = None,
        *,
        model: str | None = None,
        path: str | None = None,
        answer: Answer | None = None,
        error: CallError | None = None,
    ) -> Result:
        ended = RequestEnded(
            at_s=self._now(),
            outcome=outcome,
            model=answer.model if answer else model,
            path=answer.path if answer else path,
            cost_microusd=self._calls.cost_microusd,
            error_class=error.error_class if error else None,
            message=error.message if error else None,
            help=error.help if error else None,
            degraded=answer.degraded if answer else None,
            cached=answer is not None and answer.cached,
        )
        self._write(ended)
        return Result(reply, tuple(self._record.events))

    async def _from_cache(self, at: At) -> Answer:
        """The answer that the flow's cache has, else a new one."""
        if self._flow.cache is None or isinstance(self._calls, NoCalls):
            return await self._within_budget(at)
        cache = self._plan.caches[self._flow.cache]
        visit = Visit(
            self._shared.caches, cache, self._flow, self._request, self._facts(at.bounds), at.bounds, self._record,
            self._calls.alarms, self._contract,
        )  # fmt: skip
        found = await visit.answered(lambda: self._within_budget(at), self._kept)
        return Answer(found.reply, found.model, found.path, cached=True) if isinstance(found, Kept) else found

    def _kept(self, answer: Answer) -> Kept | None:
        """An answer as it may be kept; None for one that is not complete, or not what was due."""
        reply = answer.reply
        if answer.degraded or reply.finish not in ("stop", "tool_calls") or not (reply.text.strip() or reply.tool_calls):
            return None
        stood_in = reply.simulated and self._shared.plugins.stands_in(self._plan.models[answer.model].provider)
        return Kept(reply, answer.model, answer.path, self._shared.caches.now_s(), stood_in)

    async def _within_budget(self, at: At) -> Answer:
        """The answer of the flow's step, or of the one that a budget puts in its place."""
        if (account := self._calls.account) is None:
            return await self.step(self._flow.step, at)
        is_dry = isinstance(self._calls, NoCalls)
        try:
            self._instead = await account.enter(alerts=not is_dry)
            try:
                answer = await self.step(self._instead or self._flow.step, at)
            except CallError as error:
                # A strategy may have passed a refusal on as an error of its own.
                if error.error_class != "budget" or not account.has_refused:
                    raise
                self._instead = None if self._calls.reached_caller else account.instead()
                if self._instead is None:
                    raise
                answer = await self.step(self._instead, at)
        except (CallError, StreamBroken):
            await account.leave()
            raise
        await account.leave()
        return msgspec.structs.replace(answer, degraded=answer.degraded or "budget") if self._instead else answer

    # ---- the steps --------------------------------------------------------------------------------------------------------

    def step(self, name: str, at: At) -> Awaitable[Answer]:
        step = self._plan.steps[name]
        return _METHODS[type(step)](self, step, at)

    async def ask(self, step: plan.Ask, at: At) -> Answer:
        path = f"{at.path}/{step.name}"
        model, request, bounds = self._plan.models[step.model], self._request, at.bounds
        if bounds.temperature != request.temperature:
            request = msgspec.structs.replace(request, temperature=bounds.temperature)
        if self._flow.prompt is not None:
            request = await prompted(self._plan.prompts[self._flow.prompt], model, request, self._label_under(bounds))
        if (contract := self._contract) is None:
            return Answer(await self._calls.call(model, request, path, bounds, emit=at.emit), model.name, path)
        told, form = contract.told(model, request), contract.response_format
        # Nobody hears an answer before it is known to be of the contract.
        reply = await contracted(
            contract, lambda: self._calls.call(model, told, path, bounds, contract=form), model, path, bounds, self._record
        )
        return Answer(reply, model.name, path)

    async def tier(self, step: plan.Tier, at: At) -> Answer:
        here = at.under(step.name)
        names = await self._allowed(step, here)
        if step.scorecard is not None and step.min_quality is not None:
            names = await self._qualified(step, step.scorecard, step.min_quality, names, here)
        order = self._cooled(self._ordered(step, names, here), here)
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
        if self._instead is not None:
            step = msgspec.structs.replace(step, steps=tuple(await self._open_to_us(step.steps, here)))
        if self._calls.needs:
            step = msgspec.structs.replace(step, steps=tuple(self._able(step.steps, here)))
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
        if self._instead is not None:
            step = msgspec.structs.replace(step, steps=tuple(await self._open_to_us(step.steps, here)))
        steps, retries = self._cooled(self._able(step.steps, here), here, step.on), self._shared.retries
        for number, name in enumerate(steps, 1):
            # Waiting for one target must not cost the next one its time.
            next_needs_s = least_s(self._plan, steps[number]) if number < len(steps) else 0.0
            if step.retry_times:
                retries.began(name, self._clock())
            for attempt in range(1 + step.retry_times):
                try:
                    return await self.step(name, here)
                except CallError as error:
                    if not is_caught(error, step.on) or self._is_over(here):
                        raise
                    failure = error
                pause_s = self._pause_s(step.backoff_s * 2**attempt, failure.retry_after_s)
                if attempt == step.retry_times or pause_s >= self._left_s(here) - next_needs_s:
                    break
                if not retries.allows(name, self._clock()):
                    self._write(RetryRefused(at_s=self._now(), path=here.path, target=self._named(name)))
                    break
                self._write(Retrying(at_s=self._now(), path=here.path, wait_s=pause_s, error_class=failure.error_class))
                await asyncio.sleep(pause_s)
            if number == len(steps):
                raise failure
            self._moved_on(here, name, steps[number], failure)
        raise AssertionError("the last step of a fallback returns or raises")

    async def split(self, step: plan.Split, at: At) -> Answer:
        here = at.under(step.name)
        return await self.step(await self._drawn(step, here), here)

    async def experiment(self, step: plan.Experiment, at: At) -> Answer:
        here = at.under(step.name)
        arm = await self._drawn(step, here)
        answer = await self.step(arm, here)
        if bucket_of(self._flow.name, f"{step.name}/{step.metric}", self.id) < step.sample * BUCKETS:
            if here.emit is not None and not self._calls.reached_caller:
                # Its provider does not stream: the caller need not wait for the judge.
                await here.emit(whole(answer.reply))
                self._calls.reached_caller = True
            score = await self._opinions.score(step.metric, here.path, here.bounds, answer.reply)
            self._write(
                ExperimentScored(
                    at_s=self._now(),
                    path=here.path,
                    experiment=step.name,
                    arm=self._named(arm),
                    model=answer.model,
                    scorer=step.metric,
                    score=score,
                )
            )
        return answer

    async def strategy(self, step: plan.Strategy, at: At) -> Answer:
        here = at.under(step.name)
        targets = await self._open_targets(step, here)
        strategy, word = self._shared.plugins.strategy(step.name)

        def ask(target: str, emit: Emit | None) -> Awaitable[Answer]:
            # A target that stands twice in the list needs a place of its own.
            path = here.path if target == self._named(targets[target]) else f"{here.path}/{target}"
            return self.step(targets[target], At(path, here.bounds, emit))

        def score(scorer: str, target: str, reply: Reply) -> Awaitable[float | None]:
            return self._opinions.score(scorer, f"{here.path}/{target}", here.bounds, reply)

        def tell(target: str, stopped: tuple[str, ...]) -> None:
            self._write(Chosen(at_s=self._now(), path=here.path, strategy=step.word, target=target, stopped=stopped))

        choices = [self._choice(name, each, here.bounds) for name, each in targets.items()]
        lent = Lent(step, choices, self._shared.plugins, ask, score, tell, here.emit if word.first_wins else None)
        return await lent.answer(strategy, self._request, self._calls.alarms, here.bounds)

    async def with_(self, step: plan.With, at: At) -> Answer:
        bounds = at.bounds.narrowed(self._clock(), step.deadline_s, step.max_output_tokens, step.temperature)
        return await self.step(step.step, At(at.path, bounds, at.emit))

    # ---- what the steps decide by -------------------------------------------------------------------------------------------

    @cached_property
    def _opinions(self) -> Opinions:
        return Opinions(self._shared, self._flow.name, self._request, self._calls, self._record, self._given)

    @cached_property
    def _signals(self) -> Signals:
        return Signals(self._opinions.signal)

    def _label_under(self, bounds: Bounds) -> Callable[[str], Awaitable[str]]:
        async def label_of(name: str) -> str:
            return (await self._signals.get(name, bounds)).label

        return label_of

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

    async def _drawn(self, step: plan.Split | plan.Experiment, here: At) -> str:
        """The step of the slice that the request falls into."""
        key = field_of(self._request, step.sticky)
        bucket = bucket_of(self._flow.name, step.name, self.id if key is None else str(key))
        end = 0
        given = self._given.draws.get(step.name)
        for each in step.slices:
            end += each.buckets
            if bucket < end if given is None else self._named(each.step) == given:
                (drawn, *_) = await self._open_to_us([each.step, *(other.step for other in step.slices)], here)
                self._write(SplitDrawn(at_s=self._now(), path=here.path, bucket=bucket, target=self._named(drawn)))
                return drawn
        raise CallError("blocked", f"the shares of `{step.name}` make less than 100%", dispatched="no")

    async def _open_to_us(self, names: Sequence[str], here: At) -> Sequence[str]:
        """Those of some steps that the guards leave a callee, where a budget put a step in the place of the flow's own.

        All of them where none has one, or where nothing was replaced: what was checked before it ran needs no way around.
        """
        if self._guards is None or self._instead is None:
            return names
        return [each for each in names if await self._has_callee(each, here)] or names

    async def _has_callee(self, name: str, here: At) -> bool:
        match self._plan.steps[name]:
            case plan.Ask(model=model):
                return self._guards is None or await self._guards.allows(self._plan.models[model], here.path, here.bounds)
            case plan.Tier(models=names) | plan.Cascade(steps=names) | plan.Fallback(steps=names) | plan.Strategy(steps=names):
                return any([await self._has_callee(each, here) for each in names])
            case plan.Split(slices=slices) | plan.Experiment(slices=slices):
                return any([await self._has_callee(each.step, here) for each in slices])
            case plan.With(step=inner):
                return await self._has_callee(inner, here)
            case _:
                return True

    def _able(self, names: Sequence[str], here: At) -> Sequence[str]:
        """The targets that may take the request: those whose models are known not to are left out. All, where none is left."""
        if not (needs := self._calls.needs):
            return names
        found = {name: lacks for name in names if (lacks := lacking_behind(self._plan, name, needs)) is not None}
        if not found or len(found) == len(set(names)):
            return names
        for name, lacks in found.items():
            self._write(Incapable(at_s=self._now(), path=here.path, target=self._named(name), lacks=lacks))
        return [name for name in names if name not in found]

    async def _qualified(self, step: plan.Tier, scorecard: str, min_quality: float, names: Sequence[str], here: At) -> list[str]:
        """The members of a tier that reach its bar for the request's label; the best one where none does."""
        card, problem = self._shared.scorecards.find(scorecard)
        label = None
        by = self._plan.scorecards[scorecard].by
        if card is not None and by:
            label = (await self._signals.get(by, here.bounds)).label
        members = {self._member(name).name: name for name in names}
        found = bar([self._plan.models[each] for each in members], card, label, min_quality)
        self._write(
            Qualified(
                at_s=self._now(),
                path=here.path,
                scorecard=scorecard,
                label=label,
                min_quality=min_quality,
                models=found.kept,
                left_out=found.left_out,
                quality=found.quality,
                best=found.best,
                message=problem,
            )
        )
        return [members[each] for each in found.kept]

    async def _allowed(self, step: plan.Tier, here: At) -> Sequence[str]:
        """The members of a tier that no guard forbids, and that take the request. `CallError` where none is left."""
        names: Sequence[str] = step.models
        if self._guards is not None:
            names = [name for name in names if await self._guards.allows(self._member(name), here.path, here.bounds)]
        if not names:
            message = f"the guards of `{self._flow.name}` leave no member of `{step.name}`"
            raise CallError("blocked", message, dispatched="no", help="route such requests to models that the guards allow")
        return self._able(names, here)

    def _ordered(self, step: plan.Tier, names: Sequence[str], here: At) -> Sequence[str]:
        """Members of a tier in the order of its strategy."""
        members = self._members(step, names)
        expected = self._expected(here.bounds)
        candidates = Candidates(members.models, lambda model: self._candidate(model, expected))
        plugins = self._shared.plugins
        pick = plugins.pick(step.pick)
        order: Sequence[str] = members.names
        try:
            if (picked := pick(candidates, self._shared.random)) is not candidates:
                order = list(dict.fromkeys([members.steps[each.model.name] for each in picked]))
        except Exception as error:
            # A strategy is a plugin, which may raise anything.
            raise plugins.crashed(step.pick, error, dispatched="no") from error
        if not order:
            raise plugins.broke(step.pick, f"left no member of `{step.name}`", dispatched="no")
        self._write(Ordered(at_s=self._now(), path=here.path, pick=step.pick, models=tuple(order)))
        return order

    def _cooled(self, names: Sequence[str], here: At, on: tuple[str, ...] | None = None) -> Sequence[str]:
        """Targets, with those behind that are cooling down: they are asked only where no other answers.

        Where a step goes on after some failures only (`on`), a target that failed otherwise keeps its place.
        """
        if not (self._shared.breakers.is_any_open or self._shared.pauses):
            return names
        found = {name: error for name in names if (error := self._cooling(name)) is not None}
        if on is not None:
            found = {name: error for name, error in found.items() if is_caught(error, on)}
        others = [name for name in names if name not in found]
        if not found or not others:
            return names
        for name, error in found.items():
            target, wait_s = self._named(name), error.retry_after_s
            self._write(CoolingDown(at_s=self._now(), path=here.path, target=target, reason=error.error_class, wait_s=wait_s))
        return [*others, *(name for name in names if name in found)]

    def _cooling(self, name: str) -> CallError | None:
        """How the models of a step failed last, where all of them are cooling down."""
        match self._plan.steps[name]:
            case plan.Ask(model=model):
                now = self._clock()
                return self._shared.pauses.left(self._plan.models[model], now) or self._shared.breakers.cooling(model, now)
            case plan.Tier(models=names):
                errors = [self._cooling(each) for each in names]
                return errors[0] if None not in errors else None
            case plan.With(step=inner):
                return self._cooling(inner)
            case _:
                return None

    def _member(self, name: str) -> Model:
        asked = self._plan.steps[name]
        assert isinstance(asked, plan.Ask), "the members of a tier are models"
        return self._plan.models[asked.model]

    def _members(self, step: plan.Tier, names: Sequence[str]) -> Members:
        if names is not step.models:
            return members_of(self._plan, names)
        if (members := self._shared.members.get(step.name)) is None:
            members = self._shared.members[step.name] = members_of(self._plan, names)
        return members

    def _candidate(self, model: Model, expected: Usage) -> Candidate:
        cost = cost_microusd(expected, model.prices)
        return Candidate(model, self._p95_s(model), cost, self._shared.in_flight.get(model.name, 0))

    async def _open_targets(self, step: plan.Strategy, here: At) -> dict[str, str]:
        """The targets of a strategy that the guards leave a callee, by name; `blocked` where there is none."""
        targets = names_of(step.steps, self._named)
        if self._guards is not None:
            targets = {name: each for name, each in targets.items() if await self._has_callee(each, here)}
        able = self._able(list(targets.values()), here)
        targets = {name: each for name, each in targets.items() if each in able}
        if not targets:
            message = f"the guards of `{self._flow.name}` leave no target of `{step.name}`"
            raise CallError("blocked", message, dispatched="no", help="route such requests to models that the guards allow")
        return targets

    def _choice(self, name: str, step: str, bounds: Bounds) -> Choice:
        expected = self._expected(bounds)
        cost = least_of(self._plan, step, lambda model: cost_microusd(expected, model.prices))
        return Choice(name, least_of(self._plan, step, self._p95_s), cost)

    def _p95_s(self, model: Model) -> float | None:
        """Of an answer: measured where there is a measurement, else declared."""
        latencies = self._shared.latencies
        measured_s = None if latencies is None else latencies.p95_s(model.name, self._clock())
        return model.p95_s if measured_s is None else measured_s

    def _expected(self, bounds: Bounds) -> Usage:
        """What an answer is taken to use where targets are compared by cost."""
        return Usage(self._calls.input_tokens, output_tokens=bounds.max_output_tokens or TYPICAL_OUTPUT_TOKENS)

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
    plan.Experiment: _Run.experiment,
    plan.Strategy: _Run.strategy,
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
