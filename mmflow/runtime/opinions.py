"""What classifiers and scorers say of a request and its answers. Whatever goes wrong with one means that it is unsure."""

from asyncio import CancelledError
from collections.abc import Sequence

from mmflow.plan import Classifier
from mmflow.plugin import OPINION_OUTPUT_TOKENS, Ask, CallError, Message, ModelName, Purpose, Reply, Request
from mmflow.runtime.alarms import Timeout, is_cancelled
from mmflow.runtime.calls import Calls, Shared, WouldAsk
from mmflow.runtime.deadline import Bounds
from mmflow.runtime.events import Scored, SignalRead
from mmflow.runtime.given import Given
from mmflow.runtime.record import Record
from mmflow.runtime.signals import Signal, signal_of, text_for, unsure


class Opinions:
    """Asks the classifiers and the scorers of a plan about one request."""

    def __init__(self, shared: Shared, flow: str, request: Request, calls: Calls, record: Record, given: Given) -> None:
        self._shared = shared
        self._flow = flow
        self._request = request
        self._calls = calls
        self._record = record
        self._given = given

    async def signal(self, name: str, bounds: Bounds) -> Signal:
        """A classifier's signal."""
        declared = self._shared.plan.classifiers[name]
        started_at_s = self._record.now()
        signal = self._given.signal(declared) or await self._asked(declared, bounds)
        read = SignalRead(
            at_s=self._record.now(),
            signal=name,
            label=signal.label,
            guess=signal.guess,
            confidence=signal.confidence,
            unsure=signal.unsure,
            started_at_s=started_at_s,
        )
        self._record.write(read)
        return signal

    async def _asked(self, declared: Classifier, bounds: Bounds) -> Signal:
        timer = Timeout(self._calls.alarms, min(bounds.ends_at, self._record.clock() + declared.timeout_s))
        try:
            plugin = self._shared.plugins.classifier(declared.name)
            ask = self._ask("classify", f"{self._flow}/{declared.name}", bounds)
            with timer:
                guess = await plugin.classify(text_for(declared, self._request), ask)
            return signal_of(declared, guess)
        except WouldAsk as error:
            return unsure(declared, str(error))
        except (Exception, SystemExit, CancelledError) as error:  # the contract: any exception of a classifier means unsure
            if isinstance(error, CancelledError) and is_cancelled():
                raise
            return unsure(declared, "timed out" if timer.expired else f"failed: {self._shared.plugins.reason(error)}")

    async def score(self, name: str, path: str, bounds: Bounds, reply: Reply) -> float | None:
        """A scorer's score of an answer; None where it has none."""
        timer = Timeout(self._calls.alarms, bounds.ends_at)
        score: float | None = None
        message: str | None = None
        try:
            plugin = self._shared.plugins.scorer(name)
            ask = self._ask("judge", f"{path}/{name}", bounds)
            with timer:
                found = await plugin.score(self._request, reply, ask)
            if isinstance(found, int | float) and 0 <= found <= 1:
                score = float(found)
            else:
                message = f"answered {found!r:.40}, which is not a score from 0 to 1"
        except (Exception, SystemExit, CancelledError) as error:  # the contract: any exception of a scorer means no score
            if isinstance(error, CancelledError) and is_cancelled():
                raise
            message = "timed out" if timer.expired else f"failed: {self._shared.plugins.reason(error)}"
        self._record.write(Scored(at_s=self._record.now(), path=path, scorer=name, score=score, message=message))
        return score

    def _ask(self, purpose: Purpose, path: str, bounds: Bounds) -> Ask:
        """How a plugin asks a model on behalf of this request: once each, so that the worst case is known before."""
        asked: set[str] = set()

        async def ask(model: ModelName, messages: Sequence[Message], *, max_output_tokens: int) -> Reply:
            if (declared := self._shared.plan.models.get(model)) is None:
                raise CallError("protocol", f"there is no model `{model}`", dispatched="no")
            if model in asked:
                raise CallError("protocol", f"`{model}` is asked a second time for one opinion", dispatched="no")
            asked.add(model)
            max_output_tokens = min(max_output_tokens, OPINION_OUTPUT_TOKENS)
            request = Request(messages=tuple(messages))
            whose = Bounds(bounds.ends_at, bounds.deadline_s)
            return await self._calls.call(
                declared, request, f"{path}/{model}", whose, max_output_tokens=max_output_tokens, purpose=purpose
            )

        return ask
