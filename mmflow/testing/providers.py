"""`check_provider`: a provider against a scripted network, and the promises of `mmflow.plugin.Provider`."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from mmflow.plugin import Call, CallError, Delta, Http, Message, Model, Provider, ProviderWord, Reply, Request, Usage
from mmflow.testing.exchange import RETRY_AFTER_S, Exchange, Fault, ScriptedHttp
from mmflow.testing.trial import A_DAY_S, Ended, LentHost, NoHttp, Trial, copy_of, options_of, secrets_of
from mmflow.testing.watch import Watch

SEEDS = range(4)
SHORTEST_SECRET = 4
TEXT = "Where is my parcel?"
OTHER_TEXT = "And when will it be here?"


def check_provider(
    word: ProviderWord,
    options: object = None,
    *,
    exchanges: Exchange | Sequence[Exchange] = (),
    model: str = "model-1",
    call: Call | None = None,
    providers: Mapping[str, Provider] | None = None,
) -> None:
    """Hold a provider to its promises. Raises `BrokenPromise`, which names the one that is broken.

    `options` are what `make` gets, all defaults where there are none. A provider that reaches a server needs at least one
    `Exchange`: it is played by a scripted network on a virtual clock, once as it is and once with each fault that a network has.
    Without one, the provider is tried with no network at all. `model` is the model's id; `call` is asked in the place of one
    with a single turn. `providers` are those that `host.provider` lends.
    """
    given = options_of(word.options, options)
    whole = (exchanges,) if isinstance(exchanges, Exchange) else tuple(exchanges)
    trial = _Trial(Trial(f"the provider `{word.name}`"), word, given, call or _call(model), dict(providers or {}))
    for exchange in whole or (None,):
        for streams in (False, True):
            trial.answers(exchange, streams)
            trial.can_be_cancelled(exchange, streams)
        trial.serves_many_at_a_time(exchange)
    for streams in (False, True):
        for exchange in whole:
            trial.passes_failures_on(exchange, streams)
            trial.knows_a_cut_answer(exchange, streams)


def _call(model: str, text: str = TEXT) -> Call:
    turns = (Message("user", ({"type": "text", "text": text},)),)
    request = Request(messages=turns, meta={"team": "kit"})
    return Call(model=Model(name="m", id=model, provider="p"), messages=turns, request=request)


class _Ear:
    """A caller who hears an answer, a little slower than it may come."""

    def __init__(self, trial: Trial) -> None:
        self.pieces: list[str] = []
        self.is_over = False
        self.broken: tuple[str, str] | None = None
        self._busy = False
        self._trial = trial

    async def emit(self, delta: Delta) -> None:
        if self.is_over:
            self.broken = self.broken or ("emits after the end", f"it emits {delta.text!r} when `complete` is over")
        elif self._busy:
            self.broken = self.broken or ("does not wait for the caller", "it emits a piece before the last one is taken")
        self._busy = True
        self.pieces.append(delta.text)
        try:
            await asyncio.sleep(0.001)
        finally:
            self._busy = False

    def check(self) -> None:
        if self.broken:
            raise self._trial.broken(*self.broken)


@attrs.frozen
class _Trial:
    trial: Trial
    word: ProviderWord
    options: Any
    call: Call
    providers: dict[str, Provider]

    def answers(self, exchange: Exchange | None, streams: bool) -> None:
        """One call, and all that can be seen of it."""

        async def main(watch: Watch) -> None:
            http, provider = self._made(exchange)
            before = copy_of(self.call)
            with watch:
                ended, ear = await self._asked(provider, self.call, streams)
            self._is_used_well(http)
            self._failed_well(ended)
            if isinstance(ended.error, CallError):
                raise self.trial.broken("misreads the answer", f"it raises `{ended.error.message}`") from ended.error
            if copy_of(self.call) != before:
                raise self.trial.broken("mutates the request", "the call that it was given has changed")
            ear.check()
            self._is_sound(ended.value, ear, exchange)

        self.trial.run(main)

    def can_be_cancelled(self, exchange: Exchange | None, streams: bool) -> None:
        """Cancelled at any moment, it ends."""

        async def main(watch: Watch) -> None:
            _, provider = self._made(exchange)
            ear = _Ear(self.trial)
            emit = ear.emit if streams else None
            with watch:
                await self.trial.is_cancellable(lambda: provider.complete(self.call, emit))

        self.trial.run(main)

    def serves_many_at_a_time(self, exchange: Exchange | None) -> None:
        """Calls at a time answer as they do alone, in whatever order the loop runs them."""
        other = _call(self.call.model.id, OTHER_TEXT)

        async def alone(watch: Watch) -> list[Any]:
            _, provider = self._made(exchange)
            with watch:
                return [await self._text(provider, each) for each in (self.call, other, self.call, other)]

        async def together(watch: Watch) -> list[Any]:
            _, provider = self._made(exchange)
            with watch:
                return list(await asyncio.gather(*(self._text(provider, each) for each in (self.call, other, self.call, other))))

        first = self.trial.run(alone)
        if first[:2] != first[2:]:
            if exchange is not None:
                raise self.trial.broken("depends on order", "a second call gets another reply although the server says the same")
            return  # it answers anew each time, so nothing can be compared
        for seed in SEEDS:
            if self.trial.run(together, seed=seed) != first:
                raise self.trial.broken("depends on order", "calls that run side by side get other replies than alone")

    async def _text(self, provider: Provider, call: Call) -> Any:
        ended, ear = await self._asked(provider, call, True)
        if isinstance(ended.error, CallError):
            return ended.error.error_class
        return getattr(ended.result(), "text", None), tuple(ear.pieces)

    def passes_failures_on(self, exchange: Exchange, streams: bool) -> None:
        """Statuses, faults of the network and garbage are errors of the language."""
        for status, classes in _REFUSALS.items():
            error, http = self._fault(exchange, streams, Fault(status=status), f"the server answers with {status}")
            promise = "hides a 429" if status == 429 else "hides a failure"
            if error.error_class not in classes:
                raise self.trial.broken(promise, f"of a {status} it makes `{error.error_class}`, not `{classes[0]}`") from error
            if status == 429 and error.retry_after_s != RETRY_AFTER_S:
                said = f"the server says to wait {RETRY_AFTER_S:g} s, `retry_after_s` is {error.retry_after_s}"
                raise self.trial.broken(promise, said) from error
            if status == 429 and http.sent > 1:
                raise self.trial.broken(promise, f"it sends {http.sent} times; when to send again is the workflow's to say")
        for fault in (CallError("timeout", "no answer in time"), CallError("connect", "refused", dispatched="no")):
            error, _ = self._fault(exchange, streams, Fault(error=fault), f"the network fails with `{fault.error_class}`")
            if error.error_class != fault.error_class:
                raise self.trial.broken(
                    "hides a failure", f"of a `{fault.error_class}` it makes `{error.error_class}`"
                ) from error
        self._fault(exchange, streams, Fault(garbage=b"<html>Welcome</html>"), "the server sends a page of HTML")
        self._fault(exchange, streams, Fault(garbage=b'["", 0, null]'), "the server sends JSON of another form")

    def knows_a_cut_answer(self, exchange: Exchange, streams: bool) -> None:
        """An answer that ends before its end, or breaks, is none."""
        steps = len(exchange.chunks or exchange.events) if streams else 1
        for number in range(steps):
            for fault in (Fault(broken_at=number), Fault(cut_at=number)):
                ended, _ = self._ended(exchange, streams, fault)
                self._failed_well(ended)
                breaks = fault.broken_at is not None
                # What comes after the last piece of the text may be no news: the text is whole, and a count is missing.
                is_short = ended.error is None and (breaks or getattr(ended.value, "text", "") != exchange.text)
                if is_short and not (breaks and getattr(ended.value, "text", "") == exchange.text):
                    how = "breaks" if breaks else "ends"
                    said = f"the transfer {how} before piece {number + 1} of {steps}, and it returns {ended.value.text!r}"
                    raise self.trial.broken("takes a cut answer for a whole", said)

    def _fault(self, exchange: Exchange, streams: bool, fault: Fault, what: str) -> tuple[CallError, ScriptedHttp]:
        """The error that a fault becomes."""
        ended, http = self._ended(exchange, streams, fault)
        self._failed_well(ended)
        if not isinstance(ended.error, CallError):
            promise = "hides a 429" if fault.status == 429 else "hides a failure"
            raise self.trial.broken(promise, f"{what}, and it returns {ended.value!r:.80}")
        return ended.error, http

    def _ended(self, exchange: Exchange, streams: bool, fault: Fault) -> tuple[Ended, ScriptedHttp]:
        async def main(watch: Watch) -> tuple[Ended, ScriptedHttp]:
            http, provider = self._made(exchange, fault)
            assert http is not None
            with watch:
                ended, ear = await self._asked(provider, self.call, streams)
            self._is_used_well(http)
            ear.check()
            return ended, http

        return self.trial.run(main)

    def _made(self, exchange: Exchange | None, fault: Fault | None = None) -> tuple[ScriptedHttp | None, Provider]:
        scripted = None if exchange is None else ScriptedHttp(exchange, fault)
        http: Http = NoHttp() if scripted is None else scripted
        return scripted, self.word.make(self.options, LentHost(http, providers=self.providers))

    async def _asked(self, provider: Provider, call: Call, streams: bool) -> tuple[Ended, _Ear]:
        """A call, and a day after it in which nothing may be emitted."""
        ear = _Ear(self.trial)

        async def complete() -> Reply:
            try:
                return await provider.complete(call, ear.emit if streams else None)
            finally:
                ear.is_over = True

        try:
            return await self.trial.ended(complete), ear
        finally:
            await asyncio.sleep(A_DAY_S if streams else 0)
            ear.check()

    @staticmethod
    def _is_used_well(http: ScriptedHttp | None) -> None:
        if http is not None and http.misused:
            raise ValueError(http.misused)

    def _failed_well(self, ended: Ended) -> None:
        """What was raised, if anything, is a `CallError` without a secret."""
        error = ended.error
        if error is None:
            return
        shown = " ".join(map(str, (error, error.args, getattr(error, "message", ""), getattr(error, "help", ""))))
        for secret in secrets_of(self.options):
            if len(secret) >= SHORTEST_SECRET and secret in shown:
                raise self.trial.broken("leaks a key", f"a {type(error).__name__} shows it") from None
        if isinstance(error, asyncio.CancelledError):
            raise self.trial.broken("raises what is no CallError", "it cancels itself")
        if not isinstance(error, CallError):
            said = f"it raises {type(error).__name__}: {error!s:.200}"
            raise self.trial.broken("raises what is no CallError", said) from error

    def _is_sound(self, reply: object, ear: _Ear, exchange: Exchange | None) -> None:
        if not isinstance(reply, Reply) or not isinstance(reply.text, str):
            raise self.trial.broken("returns what is no Reply", f"it returns {reply!r:.80}")
        if "".join(ear.pieces) != reply.text and ear.pieces:
            said = f"the pieces say {''.join(ear.pieces)!r:.80}, the reply {reply.text!r:.80}"
            raise self.trial.broken("streams another answer", said)
        if exchange is not None and reply.text != exchange.text:
            said = f"the server says {exchange.text!r:.80}, the reply {reply.text!r:.80}"
            raise self.trial.broken("misreads the answer", said)
        self._counts_truly(reply, exchange)

    def _counts_truly(self, reply: Reply, exchange: Exchange | None) -> None:
        usage = reply.usage
        if usage is not None and min(_counts(usage)) < 0:
            raise self.trial.broken("usage is negative", f"it reports {usage}")
        if exchange is not None and usage != exchange.usage:
            reported = "nothing" if exchange.usage is None else str(exchange.usage)
            raise self.trial.broken("invents usage", f"the server reports {reported}, the reply {usage}")
        if usage is not None and reply.text.strip() and not usage.total_tokens:
            raise self.trial.broken("invents usage", "it reports 0 tokens for an answer that has some; unknown is None")


def _counts(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )


_REFUSALS: dict[int, tuple[str, ...]] = {
    429: ("429",),
    401: ("auth",),
    400: ("4xx", "context_overflow", "content_filter"),
    500: ("5xx", "overloaded"),
    503: ("5xx", "overloaded"),
}
