"""`check_strategy`: the promises of a strategy, against targets that answer, fail and take their time."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import attrs

from mmflow.plugin import (
    Answered,
    CallError,
    Calls,
    Choice,
    Message,
    PickWord,
    Reply,
    Request,
    ScorerName,
    Strategy,
    StrategyWord,
)
from mmflow.testing.broken import BrokenPromise
from mmflow.testing.picks import check_pick
from mmflow.testing.trial import Ended, LentHost, NoHttp, Trial, copy_of, names_of, options_of
from mmflow.testing.watch import Watch

NAMES = ("alice", "bob", "carol", "dave")
MOST_OF_AN_OPAQUE = 200
"""So many calls of a strategy without a call summary are let be before the targets answer at their best."""


@attrs.frozen
class Does:
    """What a target does each time that it is asked."""

    after_s: float
    fails: bool = False


def check_strategy(
    word: StrategyWord | PickWord,
    options: object = None,
    *,
    targets: int = 3,
    answers: Sequence[str] = ("Yes.", "Yes, on Thursday.", "No."),
    scores: Sequence[float | None] = (0.2, 0.9, None),
) -> None:
    """Hold a strategy, or an order of a tier's members, to its promises. Raises `BrokenPromise`, which names the broken one.

    `options` are what `make` gets, all defaults where there are none. From one to `targets` targets say the `answers` in turn,
    or fail, early and late; the scorers that the options name give the `scores` in turn. An order needs nothing but the word.
    """
    if isinstance(word, PickWord):
        check_pick(word)
        return
    given = options_of(word.options, options)
    tried = _Tried(Trial(f"the strategy `{word.name}`"), word, given, tuple(answers), tuple(scores))
    for number in range(1, targets + 1):
        tried.has_a_summary(number)
        for does in _ways(number):
            tried.answers(does)
        tried.can_be_cancelled((Does(0.3),) * number)
        tried.can_be_cancelled((Does(0.1, fails=True),) * number)


def _ways(number: int) -> list[tuple[Does, ...]]:
    """What the targets do: all answer, rising, falling or at once; each fails alone, answers alone; all fail."""
    rising = tuple(Does(0.2 * (each + 1)) for each in range(number))
    ways = [rising, rising[::-1], (Does(0.1),) * number, (Does(0.1, fails=True),) * number]
    for one in range(number):
        ways.append(tuple(attrs.evolve(each, fails=at == one) for at, each in enumerate(rising)))
        ways.append(tuple(attrs.evolve(each, fails=at != one) for at, each in enumerate(rising)))
    return ways


class ScriptedRun:
    """A `Run` that counts; `broken` is the first promise that was broken in asking."""

    def __init__(self, tried: "_Tried", does: Sequence[Does], most: Calls | None) -> None:
        self.given: list[tuple[float, Answered]] = []
        self.failures: list[CallError] = []
        self.broken: BrokenPromise | None = None
        self._under_way: set[asyncio.Task[Any] | None] = set()
        self._does = dict(zip(NAMES, does, strict=False))
        self._tried = tried
        self._most = most
        self._times = dict.fromkeys(self._does, 0)
        self._running = 0

    async def call(self, target: str) -> Answered:
        if target not in self._does:
            raise self._past("asks whom it was not given", f"it asks `{target}`; its targets are {', '.join(self._does)}")
        self._times[target] += 1
        total, most = sum(self._times.values()), self._most
        if most is not None:
            if total > most.most:
                raise self._past("asks past its summary", f"it makes {total} calls and declares {most.most}")
            if self._running and not most.parallel:
                raise self._past("asks past its summary", "it asks two at a time and declares one")
            if self._times[target] > -(-most.most // len(self._does)):
                said = f"it asks `{target}` {self._times[target]} times; {most.most} calls are for all targets evenly"
                raise self._past("asks past its summary", said)
        self._running += 1
        self._under_way.add(asyncio.current_task())
        try:
            does = self._does[target]
            await asyncio.sleep(does.after_s)
            if does.fails and total <= MOST_OF_AN_OPAQUE:
                self.failures.append(CallError("5xx", f"{target} has trouble"))
                raise self.failures[-1]
            text = self._tried.texts[list(self._does).index(target) % len(self._tried.texts)]
            answered = Answered(target, Reply(text=text))
            self.given.append((asyncio.get_running_loop().time(), answered))
            return answered
        finally:
            self._running -= 1
            self._under_way.discard(asyncio.current_task())

    async def score(self, scorer: ScorerName, answered: Answered) -> float | None:
        if scorer not in (known := names_of(self._tried.options, ScorerName)):
            said = f"it asks the scorer `{scorer}`; its options name {', '.join(known) or 'none'}"
            raise self._past("asks whom it was not given", said)
        if not any(each is answered for _, each in self.given):
            raise self._past("invents an answer", "it wants a score for what no target answered")
        await asyncio.sleep(0.01)
        scores = self._tried.scores
        return scores[list(self._does).index(answered.target) % len(scores)] if scores else None

    def stop(self) -> None:
        """End the calls that are under way, as the runtime does for a strategy that is over."""
        for task in self._under_way:
            if task is not None:
                task.cancel()

    def check(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _past(self, promise: str, how: str) -> BrokenPromise:
        self.broken = self.broken or self._tried.trial.broken(promise, how)
        return self.broken


@attrs.frozen
class _Tried:
    trial: Trial
    word: StrategyWord
    options: Any
    texts: tuple[str, ...]
    scores: tuple[float | None, ...]

    def has_a_summary(self, number: int) -> None:
        """The call summary is sound, and the same each time."""
        if self.word.calls is None:
            return
        first, again = self.word.calls(self.options, number), self.word.calls(self.options, number)
        if not isinstance(first, Calls) or not isinstance(first.most, int) or first.most < 1:
            raise self.trial.broken("has no sound summary", f"for {number} targets `calls` gives {first!r}")
        if first != again:
            raise self.trial.broken("has no sound summary", f"for {number} targets `calls` gives {first}, then {again}")

    def answers(self, does: tuple[Does, ...]) -> None:
        """One request, and all that can be seen of it."""

        async def main(watch: Watch) -> None:
            strategy, run, request = self._made(), self._run(does), _request()
            choices = _choices(does)
            before, targets_before = copy_of(request), list(choices)
            with watch:
                ended = await self.trial.ended(lambda: strategy.answer(choices, request, run), run.stop)
            run.check()
            if copy_of(request) != before or choices != targets_before:
                raise self.trial.broken("mutates the request", "the request or the list of targets has changed")
            self._is_sound(ended, run, does)

        self.trial.run(main)

    def can_be_cancelled(self, does: tuple[Does, ...]) -> None:
        async def main(watch: Watch) -> None:
            strategy, runs = self._made(), list[ScriptedRun]()

            def answer() -> Awaitable[Answered]:
                runs.append(self._run(does))
                return strategy.answer(_choices(does), _request(), runs[-1])

            with watch:
                await self.trial.is_cancellable(answer, lambda: runs[-1].stop())

        self.trial.run(main)

    def _made(self) -> Strategy:
        return self.word.make(self.options, LentHost(NoHttp()))

    def _run(self, does: Sequence[Does]) -> ScriptedRun:
        return ScriptedRun(self, does, self.word.calls(self.options, len(does)) if self.word.calls else None)

    def _is_sound(self, ended: Ended, run: ScriptedRun, does: Sequence[Does]) -> None:
        if ended.error is not None:
            error = _only(ended.error)
            if not isinstance(error, CallError):
                said = f"it raises {type(error).__name__}: {error!s:.200}"
                raise self.trial.broken("raises what is no CallError", said) from error
            if run.given and not run.failures:
                said = f"every target answered, and it raises {error.error_class}: {error.message}"
                raise self.trial.broken("never answers", said) from error
            return
        found = ended.value
        if not isinstance(found, Answered) or not isinstance(found.reply, Reply):
            raise self.trial.broken("returns what is no Answered", f"it returns {found!r:.80}")
        if not any(each.target == found.target for _, each in run.given):
            failed = "all targets failed" if run.failures and not run.given else f"`{found.target}` gave it no answer"
            raise self.trial.broken("invents an answer", f"{failed}, and it returns {found.reply.text!r:.80}")
        if self.word.first_wins:
            first_at = run.given[0][0]
            if not any(each.target == found.target for at, each in run.given if at == first_at):
                said = f"`{run.given[0][1].target}` answered first, and it takes `{found.target}`"
                raise self.trial.broken("does not take the first", said)


def _choices(does: Sequence[Does]) -> list[Choice]:
    """Targets of which something is known, and ones of which nothing is."""
    known = [(0.4, 300), (None, None), (0.2, 0), (2.0, 100)]
    return [Choice(name, *known[at % len(known)]) for at, (name, _) in enumerate(zip(NAMES, does, strict=False))]


def _request() -> Request:
    turns = (Message("user", ({"type": "text", "text": "Where is my parcel?"},)),)
    return Request(messages=turns, meta={"team": "kit"})


def _only(error: BaseException) -> BaseException:
    """The first of the failures in a group that holds nothing else, as a `TaskGroup` raises it."""
    while isinstance(error, BaseExceptionGroup) and error.split(CallError)[1] is None:
        error = error.exceptions[0]
    return error
