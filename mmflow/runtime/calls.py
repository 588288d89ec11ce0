"""The calls of one request: every model that is asked, for whatever purpose, is asked through `Calls.call`."""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from math import inf
from random import Random

import attrs
from msgspec.structs import replace

from mmflow.plan import Flow, Plan
from mmflow.plugin import Call, CallError, Emit, Model, Provider, Purpose, Reply, Request, Timeouts, ToolCall, Usage
from mmflow.runtime.alarms import Alarms, Timeout, is_cancelled
from mmflow.runtime.cost import Purse, cost_microusd, input_tokens, input_tokens_at_most, output_tokens, usable
from mmflow.runtime.deadline import Bounds, least
from mmflow.runtime.events import CallEnded, CallOutcome, CallStarted
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.record import Record
from mmflow.runtime.stream import Pieces, StreamBroken
from mmflow.units import Duration, text_of

CHARGED = frozenset({"timeout", "5xx", "connect", "protocol", "invalid_output", "content_filter"})
"""Failures after dispatch for which a provider may still send a bill; the others are refusals."""


@attrs.frozen
class Shared:
    """What the requests of one executor share. `in_flight` counts the calls under way by model."""

    plan: Plan
    plugins: Plugins
    random: Random
    timeouts: dict[str, Timeouts]
    in_flight: dict[str, int]


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
        self.alarms = alarms
        self._shared = shared
        self._flow = flow
        self._record = record
        self._purse = None if flow.max_cost_microusd is None else Purse(flow.max_cost_microusd)
        self._count = 0
        self._attempts: dict[str, int] = {}

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
    ) -> Reply:
        """Ask a model within the bounds and `max_cost`, and write how that began and how it ended.

        Raises `CallError` for whatever the provider does wrong, or where a guard forbids the model, and `StreamBroken` where
        the caller had a part of the answer.
        """
        if self.check is not None:
            await self.check(model, path, bounds, purpose)
        started = self._begin(model, path, purpose)
        most = least(bounds.max_output_tokens, max_output_tokens, model.max_output_tokens)
        timeouts = self._shared.timeouts[model.name]
        call = Call(
            model=model, messages=request.messages, request=request, max_output_tokens=most, purpose=purpose, timeouts=timeouts
        )
        pieces = None if emit is None else Pieces(emit, self._record.now)
        reserved_microusd = 0
        try:
            provider = self._shared.plugins.provider(model.provider)
            reserved_microusd = self._reserve(call)
            reply = await self._complete(provider, call, bounds, pieces)
        except CallError as error:
            begun = pieces is not None and pieces.first_at_s is not None
            self._end(
                started, call, "uncertain" if begun or is_charged(error) else "failed", reserved_microusd, pieces, error=error
            )
            if begun:
                raise StreamBroken(error) from error
            raise
        except BaseException:
            # Cancelled, or the caller is gone: what was used is counted, and whatever it was goes on its way.
            self._end(started, call, "cancelled", reserved_microusd, pieces)
            raise
        self.reached_caller = pieces is not None and pieces.first_at_s is not None
        self._end(started, call, "answered", reserved_microusd, pieces, reply=reply)
        return reply

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

    def _reserve(self, call: Call) -> int:
        """The worst that a call may cost, set aside; 0 where nothing bounds the cost."""
        if self._purse is None:
            return 0
        at_most = input_tokens_at_most(call.messages, call.request)
        if call.purpose == "answer" and self._flow.max_input_tokens is not None:
            # More is rejected at the door, and the worst case that `check` shows rests on it.
            at_most = min(at_most, self._flow.max_input_tokens)
        return self._purse.reserve(call.model, at_most, call.max_output_tokens)

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
        if not (isinstance(reply, Reply) and isinstance(reply.text, str)):
            raise plugins.broke(self._word_of(call), f"answered with {type(reply).__name__}, not with a Reply that has a text")
        if not (isinstance(reply.tool_calls, tuple) and all(isinstance(each, ToolCall) for each in reply.tool_calls)):
            raise plugins.broke(self._word_of(call), "answered with `tool_calls` that are not a tuple of ToolCall")
        return plugins.masked_reply(reply)

    def _word_of(self, call: Call) -> str:
        return self._shared.plan.providers[call.model.provider].word

    def _end(
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
            read = self.input_tokens if call.purpose == "answer" else input_tokens(call.messages)
            wrote = output_tokens(reply.text, reply.tool_calls) if reply else output_tokens(pieces.text if pieces else "")
            usage = Usage(input_tokens=read, output_tokens=wrote)
        cost = 0 if outcome == "failed" else cost_microusd(usage, call.model.prices)
        if self._purse is not None and outcome in ("answered", "failed"):
            self._purse.settle(reserved_microusd, cost or 0)
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
        )
        if reply is not None:
            ended = replace(ended, served_model=reply.served_model, request_id=reply.request_id, simulated=reply.simulated)
        elif error is not None:
            ended = replace(ended, error_class=error.error_class, message=error.message, help=error.help)
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
    ) -> Reply:
        if self.check is not None:
            await self.check(model, path, bounds, purpose)
        raise WouldAsk(model.name, path)


def is_charged(error: CallError) -> bool:
    """Whether a provider may send a bill for a call that failed."""
    return error.dispatched == "maybe" or (error.dispatched == "yes" and error.error_class in CHARGED)


def _text(seconds: float) -> str:
    return text_of(Duration(seconds))
