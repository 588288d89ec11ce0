"""The calls of one request: every model that is asked, for whatever purpose, is asked through `Calls.call`."""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from math import inf
from random import Random
from typing import Any

import attrs

from mmflow.plan import Flow, Plan, Strategy, Tier
from mmflow.plugin import Call, CallError, Emit, Message, Model, Provider, Purpose, Reply, Request, Timeouts, Usage
from mmflow.runtime.alarms import Alarms, Timeout, is_cancelled
from mmflow.runtime.breaker import Breakers
from mmflow.runtime.budget import Budgets
from mmflow.runtime.caches import Caches
from mmflow.runtime.candidates import Members
from mmflow.runtime.capabilities import lacking, needed, refusal
from mmflow.runtime.cost import Purse, cost_microusd, input_tokens, input_tokens_at_most, output_tokens, usable
from mmflow.runtime.deadline import Bounds, least
from mmflow.runtime.events import CallEnded, CallOutcome, CallStarted, Incapable
from mmflow.runtime.health import Latencies
from mmflow.runtime.limits import Limits, Permit
from mmflow.runtime.outputs import Outputs
from mmflow.runtime.pauses import Pauses
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.record import Record
from mmflow.runtime.retries import Retries
from mmflow.runtime.scorecards import Scorecards
from mmflow.runtime.state import Promise
from mmflow.runtime.stream import Pieces, StreamBroken
from mmflow.units import Duration, text_of

CHARGED = frozenset({"timeout", "5xx", "connect", "protocol", "invalid_output", "content_filter"})
"""Failures after dispatch for which a provider may still send a bill; the others are refusals."""


@attrs.frozen
class Shared:
    """What the requests of one executor share. `in_flight` counts calls under way by model, `latencies` has what they took.

    Only tiers and strategies compare models by the time that they took: without one of them nobody keeps it.
    """

    plan: Plan
    plugins: Plugins
    random: Random
    timeouts: dict[str, Timeouts]
    in_flight: dict[str, int]
    limits: Limits | None
    budgets: Budgets | None
    scorecards: Scorecards
    outputs: Outputs
    caches: Caches
    breakers: Breakers
    latencies: Latencies | None = attrs.field(init=False)
    retries: Retries = attrs.field(factory=Retries)
    pauses: Pauses = attrs.field(factory=Pauses)
    members: dict[str, Members] = attrs.field(factory=dict)
    """Of the tiers that were asked whole, by name."""

    @latencies.default
    def _kept(self) -> Latencies | None:
        return Latencies() if any(isinstance(each, Tier | Strategy) for each in self.plan.steps.values()) else None


@attrs.define(eq=False)
class Held:
    """What a call was given to be sent, and gives back when it ends."""

    reserved_microusd: int = 0
    """Of `max_cost`."""
    permit: Permit | None = None
    promise: Promise | None = None


NOTHING = Held()

Check = Callable[[Model, str, Bounds, Purpose], Awaitable[None]]
"""Raises `CallError` where a model may not be asked: at this path, within these bounds, for this purpose."""


class WouldAsk(Exception):
    """A dry run came to a call."""

    def __init__(self, model: str, path: str) -> None:
        super().__init__("needs a model call")
        self.model, self.path = model, path


class Calls:
    """The calls of one request. `cost_microusd` is their sum so far, None once one of them has no known cost."""

    def __init__(self, shared: Shared, flow: Flow, request: Request, record: Record, alarms: Alarms) -> None:
        self.input_tokens = input_tokens(request.messages, request)
        self.cost_microusd: int | None = 0
        self.reached_caller = False
        self.check: Check | None = None
        self.needs = needed(request)
        self.alarms = alarms
        self._shared = shared
        self._flow = flow
        self._request = request
        self._record = record
        self._purse = None if flow.max_cost_microusd is None else Purse(flow.max_cost_microusd)
        self.account = None if shared.budgets is None else shared.budgets.account(flow, request, record, alarms)
        self._has_money = self._purse is not None or self.account is not None
        self._at_most: int | None = None
        """The tokens of the request itself, once they were needed."""
        self._count = 0
        self._attempts: dict[str, int] = {}

    @property
    def has_begun(self) -> bool:
        """Whether a call was made."""
        return self._count > 0

    async def call(
        self,
        model: Model,
        request: Request,
        path: str,
        bounds: Bounds,
        *,
        max_output_tokens: int | None = None,
        purpose: Purpose = "answer",
        emit: Emit | None = None,
        contract: dict[str, Any] | None = None,
    ) -> Reply:
        """Ask a model within the bounds and `max_cost`, and write how that began and how it ended.

        Raises `CallError` for whatever the provider does wrong, or where the model may not be asked, and `StreamBroken` where
        the caller had a part of the answer.
        """
        if self.check is not None or self.needs or request is not self._request:
            await self._may_ask(model, request, path, bounds, purpose)
        most = least(bounds.max_output_tokens, max_output_tokens, model.max_output_tokens)
        timeouts = self._shared.timeouts[model.name]
        call = Call(
            model=model,
            messages=request.messages,
            request=request,
            max_output_tokens=most,
            purpose=purpose,
            timeouts=timeouts,
            contract=contract,
        )
        pieces = None if emit is None else Pieces(emit, self._record.now)
        try:
            provider = self._shared.plugins.provider(model.provider)
            limits = self._shared.limits
            is_metered = self._has_money or (limits is not None and model.name in limits)
            held = await self._admitted(call, path, bounds) if is_metered else NOTHING
        except CallError as error:
            self._end(self._begin(model, path, purpose), call, "failed", NOTHING, pieces, error=error)
            raise
        started = self._begin(model, path, purpose)
        breakers = self._shared.breakers
        is_probe = bool(breakers.known) and breakers.begins(model.name, self._record.clock())
        try:
            reply = await self._complete(provider, call, bounds, pieces)
        except CallError as error:
            breakers.ended(model.name, error, self._record.clock(), was_probe=is_probe)
            self._shared.pauses.failed(model, error, self._record.clock())
            begun = pieces is not None and pieces.first_at_s is not None
            self._end(started, call, "uncertain" if begun or is_charged(error) else "failed", held, pieces, error=error)
            if begun:
                raise StreamBroken(error) from error
            raise
        except BaseException:
            # Cancelled, or the caller is gone: what was used is counted, and whatever it was goes on its way.
            if is_probe:
                breakers.gave_up(model.name)
            self._end(started, call, "cancelled", held, pieces)
            raise
        if breakers.known:
            breakers.ended(model.name, None, self._record.clock(), was_probe=is_probe)
        if pieces is not None and pieces.first_at_s is not None:
            self.reached_caller = True
        self._end(started, call, "answered", held, pieces, reply=reply)
        return reply

    async def _may_ask(self, model: Model, request: Request, path: str, bounds: Bounds, purpose: Purpose) -> None:
        """Raises `CallError` where a guard forbids the model, or where it is known not to take what the request has."""
        if self.check is not None:
            await self.check(model, path, bounds, purpose)
        needs = self.needs if purpose == "answer" else needed(request)
        if needs and (lacks := lacking(model, needs)) is not None:
            self._record.write(Incapable(at_s=self._record.now(), path=path, target=model.name, lacks=lacks))
            raise refusal(f"`{model.name}` does not take", lacks)

    def _begin(self, model: Model, path: str, purpose: Purpose) -> CallStarted:
        self._count += 1
        self._attempts[path] = attempt = self._attempts.get(path, 0) + 1
        started = CallStarted(
            at_s=self._record.now(),
            call=self._count,
            path=path,
            model=model.name,
            provider=model.provider,
            purpose=purpose,
            attempt=attempt,
        )
        self._record.write(started)
        return started

    async def _admitted(self, call: Call, path: str, bounds: Bounds) -> Held:
        """What a call needs before it may be sent: money, and its turn. `CallError` where it does not get it."""
        model, held = call.model, Held()
        try:
            at_most = 0
            if self._has_money:
                at_most = self._input_tokens_at_most(call)
            if self._purse is not None:
                held.reserved_microusd = self._purse.reserve(model, at_most, call.max_output_tokens)
            if (limits := self._shared.limits) is not None:
                read = self._input_tokens(call)
                held.permit = await limits.enter(call, read, path, bounds, self.alarms, self._record)
            if self.account is not None:
                left_s = bounds.left_s(self._record.clock())
                held.promise = await self.account.reserve(
                    model,
                    at_most,
                    call.max_output_tokens,
                    left_s,
                    simulated=self._shared.plugins.stands_in(model.provider),
                )
        except BaseException:
            # Refused, or cancelled: nothing was sent.
            self._give_back(held, "failed", Usage(), 0, was_sent=False)
            raise
        return held

    def _give_back(self, held: Held, outcome: CallOutcome, usage: Usage, cost_microusd: int, *, was_sent: bool) -> None:
        """A call is over. One whose cost is uncertain keeps the money that was set aside for it."""
        if self._purse is not None and outcome in ("answered", "failed"):
            self._purse.settle(held.reserved_microusd, cost_microusd)
        if held.permit is not None:
            held.permit.leave(usage.total_tokens, was_sent=was_sent)
        if self.account is not None and (promise := held.promise) is not None:
            is_uncertain = outcome == "uncertain"
            self.account.settle(promise, max(cost_microusd, promise.amount_microusd) if is_uncertain else cost_microusd)

    def _input_tokens_at_most(self, call: Call) -> int:
        """For money; once for the request itself, however often it is sent."""
        is_own = call.request is self._request and call.purpose == "answer"
        if is_own and self._at_most is not None:
            return self._at_most
        at_most = input_tokens_at_most(call.messages, call.request)
        if call.purpose == "answer" and self._flow.max_input_tokens is not None:
            # More is rejected at the door, and the worst case that `check` shows rests on it.
            at_most = min(at_most, self._flow.max_input_tokens + self._added_at_most(call))
        if is_own:
            self._at_most = at_most
        return at_most

    def _input_tokens(self, call: Call) -> int:
        if call.purpose != "answer":
            return input_tokens(call.messages)
        return self.input_tokens + input_tokens(added) if (added := self._added(call)) else self.input_tokens

    def _added(self, call: Call) -> tuple[Message, ...]:
        """What a prompt put before the caller's own messages."""
        return call.messages[: len(call.messages) - len(self._request.messages)]

    def _added_at_most(self, call: Call) -> int:
        """The tokens that the prompt and the output contract add to the caller's own, for money."""
        wanted, own = call.request.response_format, self._request.response_format
        added, wanted = self._added(call), None if wanted is own else wanted
        return input_tokens_at_most(added, Request(messages=(), response_format=wanted)) if added or wanted else 0

    async def _complete(self, provider: Provider, call: Call, bounds: Bounds, pieces: Pieces | None) -> Reply:
        """The provider's reply in time, or a `CallError` without secrets, whatever the plugin does."""
        name, plugins, own_s = call.model.name, self._shared.plugins, call.timeouts.total_s
        now = self._record.clock()
        if now >= bounds.ends_at:
            message = f"the deadline of {_text(bounds.deadline_s)} was over before `{name}` could be asked"
            raise CallError("timeout", message, dispatched="no", help="raise `deadline`, or lower the time-outs before it")
        own_ends_at = inf if own_s is None else now + own_s
        timer = Timeout(self.alarms, min(own_ends_at, bounds.ends_at))
        self._shared.in_flight[name] += 1
        try:
            with timer:
                reply = await provider.complete(call, pieces)
        except (Exception, SystemExit, CancelledError) as error:
            # A plugin may raise anything: its user gets an error of the language.
            if pieces is not None and pieces.caller_error is not None:
                raise pieces.caller_error from None
            if isinstance(error, CancelledError) and (is_cancelled() or (pieces is not None and pieces.caller_left)):
                raise
            if timer.expired:
                is_own = own_s is not None and own_ends_at < bounds.ends_at
                within = f"its time-out of {_text(own_s or 0)}" if is_own else f"the deadline of {_text(bounds.deadline_s)}"
                raise CallError("timeout", f"`{name}` did not answer within {within}", dispatched="maybe") from None
            if isinstance(error, CallError):
                raise plugins.masked_error(error) from None
            raise plugins.crashed(self._word_of(call), error) from error
        finally:
            self._shared.in_flight[name] -= 1
            if pieces is not None:
                pieces.closed = True
        if pieces is not None and pieces.caller_error is not None:
            raise pieces.caller_error
        if type(reply) is not Reply or type(reply.text) is not str or reply.tool_calls != ():
            reply = plugins.sound(self._word_of(call), reply)
        if (latencies := self._shared.latencies) is not None and call.purpose == "answer":
            ended_at = self._record.clock()
            latencies.add(name, ended_at - now, ended_at)
        return plugins.masked_reply(reply)

    def _word_of(self, call: Call) -> str:
        return self._shared.plan.providers[call.model.provider].word

    def _end(
        self,
        started: CallStarted,
        call: Call,
        outcome: CallOutcome,
        held: Held,
        pieces: Pieces | None,
        *,
        reply: Reply | None = None,
        error: CallError | None = None,
    ) -> None:
        """Count what a call used, take its price, and write how it ended."""
        usage = Usage() if outcome == "failed" else usable(reply) if reply is not None else None
        if estimated := usage is None:
            read = self._input_tokens(call)
            wrote = output_tokens(reply.text, reply.tool_calls) if reply else output_tokens(pieces.text if pieces else "")
            usage = Usage(input_tokens=read, output_tokens=wrote)
        cost = 0 if outcome == "failed" else cost_microusd(usage, call.model.prices)
        if held is not NOTHING:
            # A provider that refuses has counted the request.
            was_sent = error is None or error.dispatched != "no" or error.status is not None
            self._give_back(held, outcome, usage, cost or 0, was_sent=was_sent)
        self.cost_microusd = None if self.cost_microusd is None or cost is None else self.cost_microusd + cost
        ended = CallEnded(
            at_s=self._record.now(),
            call=started.call,
            path=started.path,
            model=started.model,
            provider=started.provider,
            purpose=started.purpose,
            attempt=started.attempt,
            outcome=outcome,
            started_at_s=started.at_s,
            first_token_at_s=pieces.first_at_s if pieces else None,
            usage=usage,
            estimated=estimated,
            cost_microusd=cost,
            model_id=call.model.id,
            served_model=reply.served_model if reply else None,
            request_id=reply.request_id if reply else None,
            simulated=reply is not None and reply.simulated,
            error_class=error.error_class if error else None,
            message=error.message if error else None,
            help=error.help if error else None,
        )
        self._record.write(ended)


class NoCalls(Calls):
    """The calls of a dry run: the first that would be made ends it."""

    async def call(
        self,
        model: Model,
        request: Request,
        path: str,
        bounds: Bounds,
        *,
        max_output_tokens: int | None = None,
        purpose: Purpose = "answer",
        emit: Emit | None = None,
        contract: dict[str, Any] | None = None,
    ) -> Reply:
        await self._may_ask(model, request, path, bounds, purpose)
        raise WouldAsk(model.name, path)


def is_charged(error: CallError) -> bool:
    """Whether a provider may send a bill for a call that failed."""
    return error.dispatched == "maybe" or (error.dispatched == "yes" and error.error_class in CHARGED)


def _text(seconds: float) -> str:
    return text_of(Duration(seconds))
