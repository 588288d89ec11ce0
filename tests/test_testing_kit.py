"""The author's kit: good plugins pass it, and of a bad one it names the promise that is broken."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest

from mmflow.plugin import (
    Answered,
    Ask,
    Call,
    CallError,
    Calls,
    Candidate,
    Choice,
    ClassifierWord,
    Delta,
    Emit,
    Guess,
    Host,
    ModelName,
    PickWord,
    ProviderWord,
    Reply,
    Request,
    Run,
    ScorerName,
    ScorerWord,
    Secret,
    StrategyWord,
    Usage,
    error_of_status,
    option,
    options,
    retry_after_s,
)
from mmflow.testing import (
    PROMISES,
    BrokenPromise,
    Exchange,
    check_classifier,
    check_provider,
    check_scorer,
    check_strategy,
    check_workflow,
)


@options
class Key:
    """What the bad plugins take."""

    key: Secret = option(Secret("K", "sk-canary-0123456789"), doc="a key")


@options
class Asks:
    """A model and a scorer."""

    model: ModelName = option(ModelName("small"), doc="a model")
    scorer: ScorerName = option(ScorerName("fine"), doc="a scorer")


# ---- providers ----------------------------------------------------------------------------------------------------------------

EXCHANGE = Exchange(text="on its way", whole=["on its way", "end"], events=["on ", "its ", "way", "end"])
COUNTED = attrs.evolve(EXCHANGE, usage=Usage(output_tokens=3))


class Good:
    """Streams where somebody listens; each bad provider changes one thing."""

    def __init__(self, options: Key, host: Host) -> None:
        self.options, self.host = options, host

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        text, ended = "", False
        async with self.host.http.stream("https://kit", {"model": call.model.id}, {}, call.timeouts) as answer:
            if answer.status != 200:
                raise self.refusal(answer.status, retry_after_s(answer.headers))
            async for event in answer.events():
                if ended := event.data == "end":
                    break
                if event.data.startswith(("<", "[")):
                    raise CallError("protocol", "that is no answer")
                text += event.data
                if emit is not None:
                    await self.hand(emit, event.data)
        if not ended:
            self.cut()
        return Reply(text=text, usage=self.usage())

    def refusal(self, status: int, wait_s: float | None) -> BaseException:
        return error_of_status(status, "refused", retry_after_s=wait_s)

    async def hand(self, emit: Emit, text: str) -> None:
        await emit(Delta(text))

    def cut(self) -> None:
        raise CallError("protocol", "cut")

    def usage(self) -> Usage | None:
        return None


def provider(**methods: Any) -> ProviderWord:
    return ProviderWord("bad", Key, type("Bad", (Good,), methods))


def around(before: Callable[[Any, Call, Any], Awaitable[Reply]]) -> ProviderWord:
    """A provider whose `complete` is this."""
    return provider(complete=before)


async def _swallows(self: Any, call: Call, emit: Any) -> Reply:
    try:
        return await Good.complete(self, call, emit)
    except asyncio.CancelledError:
        return Reply(text="never mind")


async def _goes_on(self: Any, call: Call, emit: Any) -> Reply:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
            return await Good.complete(self, call, emit)


async def _sleeps(self: Any, call: Call, emit: Any) -> Reply:
    time.sleep(0.001)
    return await Good.complete(self, call, emit)


async def _sleeps_and_hides_it(self: Any, call: Call, emit: Any) -> Reply:
    with suppress(Exception):
        time.sleep(0.001)
    return await Good.complete(self, call, emit)


async def _leaves_tasks(self: Any, call: Call, emit: Any) -> Reply:
    self.task = asyncio.create_task(asyncio.sleep(100))
    return await Good.complete(self, call, emit)


async def _hangs(self: Any, call: Call, emit: Any) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


async def _mutates(self: Any, call: Call, emit: Any) -> Reply:
    call.request.meta["seen"] = "yes"
    return await Good.complete(self, call, emit)


async def _mixes(self: Any, call: Call, emit: Any) -> Reply:
    self.said = ""

    async def hear(delta: Delta) -> None:
        self.said += delta.text

    await Good.complete(self, call, hear)
    return Reply(text=self.said)


async def _returns_text(self: Any, call: Call, emit: Any) -> Any:
    return (await Good.complete(self, call, emit)).text


async def _raises_value_errors(self: Any, call: Call, emit: Any) -> Reply:
    try:
        return await Good.complete(self, call, emit)
    except CallError as error:
        raise ValueError(error.message) from error


async def _misreads(self: Any, call: Call, emit: Any) -> Reply:
    return Reply(text=(await Good.complete(self, call, None)).text.upper())


async def _hides_429(self: Any, call: Call, emit: Any) -> Reply:
    try:
        return await Good.complete(self, call, emit)
    except CallError as error:
        if error.error_class == "429":
            return Reply(text="")
        raise


async def _sends_again(self: Any, call: Call, emit: Any) -> Reply:
    try:
        return await Good.complete(self, call, emit)
    except CallError:
        await asyncio.sleep(1)
        return await Good.complete(self, call, emit)


async def _renames_failures(self: Any, call: Call, emit: Any) -> Reply:
    try:
        return await Good.complete(self, call, emit)
    except CallError as error:
        raise error if error.error_class == "429" else CallError("4xx", "no") from error


async def _streams_another(self: Any, call: Call, emit: Any) -> Reply:
    if emit is not None:
        await emit(Delta("hm … "))
    return await Good.complete(self, call, emit)


async def _emits_late(self: Any, call: Call, emit: Any) -> Reply:
    reply = await Good.complete(self, call, None)
    if emit is not None:
        self.task = asyncio.create_task(emit(Delta(reply.text)))
    return reply


async def _does_not_wait(self: Any, emit: Any, text: str) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(emit(Delta(text[:1])))
        group.create_task(emit(Delta(text[1:])))


BAD_PROVIDERS = [
    ("swallows cancellation", around(_swallows)),
    ("swallows cancellation", around(_goes_on)),
    ("blocks the loop", around(_sleeps)),
    ("blocks the loop", around(_sleeps_and_hides_it)),
    ("leaves tasks", around(_leaves_tasks)),
    ("never ends", around(_hangs)),
    ("mutates the request", around(_mutates)),
    ("depends on order", around(_mixes)),
    ("returns what is no Reply", around(_returns_text)),
    ("raises what is no CallError", around(_raises_value_errors)),
    ("misreads the answer", around(_misreads)),
    ("takes a cut answer for a whole", provider(cut=lambda self: None)),
    ("hides a 429", around(_hides_429)),
    ("hides a 429", around(_sends_again)),
    ("hides a 429", provider(refusal=lambda self, status, wait_s: error_of_status(status, "no"))),
    ("hides a 429", provider(refusal=lambda self, status, wait_s: CallError("5xx", "no"))),
    ("hides a failure", around(_renames_failures)),
    (
        "leaks a key",
        provider(
            refusal=lambda self, status, wait_s: error_of_status(
                status, f"{self.options.key.reveal()} is refused", retry_after_s=wait_s
            )
        ),
    ),
    ("invents usage", provider(usage=lambda self: Usage(output_tokens=3))),
    ("invents usage", provider(usage=lambda self: Usage())),
    ("usage is negative", provider(usage=lambda self: Usage(input_tokens=5, output_tokens=-1))),
    ("streams another answer", around(_streams_another)),
    ("emits after the end", around(_emits_late)),
    ("does not wait for the caller", provider(hand=_does_not_wait)),
]


def broken(check: Callable[[], None]) -> BrokenPromise:
    with pytest.raises(BrokenPromise) as caught:
        check()
    assert PROMISES[caught.value.promise] in str(caught.value)
    return caught.value


def test_a_good_provider_keeps_its_promises() -> None:
    check_provider(provider(), exchanges=EXCHANGE)
    check_provider(provider(usage=lambda self: Usage(output_tokens=3)), exchanges=[COUNTED])


@pytest.mark.parametrize(("promise", "word"), BAD_PROVIDERS)
def test_of_a_bad_provider_the_promise_is_named(promise: str, word: ProviderWord) -> None:
    assert broken(lambda: check_provider(word, exchanges=EXCHANGE)).promise == promise


def test_an_error_of_the_kit_shows_no_key() -> None:
    word = next(word for promise, word in BAD_PROVIDERS if promise == "leaks a key")
    assert "canary" not in str(broken(lambda: check_provider(word, exchanges=EXCHANGE)))


def test_an_exchange_without_what_the_provider_reads_is_the_authors_mistake() -> None:
    with pytest.raises(ValueError, match="give the exchange `events`"):
        check_provider(provider(), exchanges=Exchange(text="on its way"))


# ---- classifiers --------------------------------------------------------------------------------------------------------------

Says_ = Callable[[Any, str, Ask], Awaitable[Any]]


def classifier(says: Says_, **more: Any) -> ClassifierWord:
    thing = type("Bad", (), {"classify": says, "__init__": lambda self: setattr(self, "seen", 0)})
    return ClassifierWord("bad", Asks, lambda options, labels, host: thing(), **more)


def of_value(value: Callable[[Any, str], Any]) -> Says_:
    async def says(self: Any, text: str, ask: Ask) -> Any:
        return value(self, text)

    return says


async def _asks(self: Any, text: str, ask: Ask) -> Guess:
    reply = await ask(ModelName("small"), Request.of(text).messages, max_output_tokens=8)
    return Guess(reply.text, 0.5)


async def _asks_twice(self: Any, text: str, ask: Ask) -> Guess:
    await _asks(self, text, ask)
    return await _asks(self, text, ask)


async def _asks_another(self: Any, text: str, ask: Ask) -> Guess:
    with suppress(Exception):
        await ask(ModelName("large"), Request.of(text).messages, max_output_tokens=8)
    return Guess("a", 0.5)


async def _asks_for_too_much(self: Any, text: str, ask: Ask) -> Guess:
    await ask(ModelName("small"), Request.of(text).messages, max_output_tokens=100_000)
    return Guess("a", 0.5)


async def _asks_and_swallows(self: Any, text: str, ask: Ask) -> Guess:
    try:
        return await _asks(self, text, ask)
    except BaseException:  # noqa: BLE001 - it is a bad plugin
        return Guess("a", 0.1)


def _counts(self: Any, text: str) -> Guess:
    self.seen += 1
    return Guess("ab"[self.seen % 2], 0.5)


def _thinks(self: Any, text: str) -> Guess:
    for each in range(5_000_000):
        len("x" * (each % 2))
    return Guess("a", 0.5)


async def _leaves(self: Any, text: str, ask: Ask) -> Guess:
    self.task = asyncio.create_task(asyncio.sleep(9))
    return Guess("a", 0.5)


def guess(label: Any, confidence: Any) -> Says_:
    return of_value(lambda self, text: Guess(label, confidence))


GUESSED = guess("a", 0.5)
BAD_CLASSIFIERS = [
    ("returns what is no Guess", classifier(of_value(lambda self, text: "a"))),
    ("label outside of the declared", classifier(guess("c", 0.5))),
    ("confidence outside of 0..1", classifier(guess("a", 1.5))),
    ("confidence outside of 0..1", classifier(guess("a", float("nan")))),
    ("confidence outside of 0..1", classifier(guess("a", "high"))),
    ("more confident than it says", classifier(GUESSED, most_confident=lambda options, labels: 0.4)),
    ("impure", classifier(of_value(lambda self, text: Guess("ab"[int(time.time()) % 2], 0.5)))),
    ("impure", classifier(of_value(lambda self, text: Guess("a", random.random())))),
    ("depends on order", classifier(of_value(_counts))),
    ("never answers", classifier(of_value(lambda self, text: 1 / 0))),
    ("asks past its bounds", classifier(_asks_twice)),
    ("asks past its bounds", classifier(_asks_another)),
    ("asks past its bounds", classifier(_asks_for_too_much)),
    ("swallows cancellation", classifier(_asks_and_swallows)),
    ("blocks the loop", classifier(of_value(_thinks))),
    ("leaves tasks", classifier(_leaves)),
]


def test_a_good_classifier_keeps_its_promises() -> None:
    check_classifier(classifier(GUESSED, most_confident=lambda options, labels: 0.5), labels=["a", "b"])
    check_classifier(classifier(_asks), labels=["a", "b"], says="b")
    check_classifier(classifier(_asks), labels=["a", "b"], says={"small": "b"})
    check_classifier(classifier(_asks), labels=["a", "b"], says=lambda messages: "ab"[len(messages[0].text) % 2])


def test_a_classifier_that_says_so_may_look_at_the_clock() -> None:
    check_classifier(classifier(of_value(lambda self, text: Guess("ab"[int(time.time()) % 2], 0.5)), pure=False), labels="ab")


@pytest.mark.parametrize(("promise", "word"), BAD_CLASSIFIERS)
def test_of_a_bad_classifier_the_promise_is_named(promise: str, word: ClassifierWord) -> None:
    assert broken(lambda: check_classifier(word, labels=["a", "b"], says="a")).promise == promise


# ---- scorers ------------------------------------------------------------------------------------------------------------------


def scorer(value: Callable[[Any, Request, Reply], Any]) -> ScorerWord:
    async def score(self: Any, request: Request, reply: Reply, ask: Ask) -> Any:
        return value(self, request, reply)

    thing = type("Bad", (), {"score": score, "__init__": lambda self: setattr(self, "best", 0)})
    return ScorerWord("bad", Asks, lambda options, host: thing())


def _against_the_best(self: Any, request: Request, reply: Reply) -> float:
    self.best = max(self.best, len(reply.text), 1)
    return float(len(reply.text) / self.best)


def _marks(self: Any, request: Request, reply: Reply) -> float:
    request.messages[0].content[0]["seen"] = True  # type: ignore[index]
    return 0.5


BAD_SCORERS = [
    ("score outside of 0..1", scorer(lambda self, request, reply: 7)),
    ("score outside of 0..1", scorer(lambda self, request, reply: "good")),
    ("score outside of 0..1", scorer(lambda self, request, reply: True)),
    ("never answers", scorer(lambda self, request, reply: 1 / 0)),
    ("impure", scorer(lambda self, request, reply: random.random())),
    ("depends on order", scorer(_against_the_best)),
    ("mutates the request", scorer(_marks)),
    ("blocks the loop", scorer(lambda self, request, reply: time.sleep(0.001) or 0.5)),
]


def test_a_good_scorer_keeps_its_promises() -> None:
    check_scorer(scorer(lambda self, request, reply: min(1.0, len(reply.text) / 100)))


@pytest.mark.parametrize(("promise", "word"), BAD_SCORERS)
def test_of_a_bad_scorer_the_promise_is_named(promise: str, word: ScorerWord) -> None:
    assert broken(lambda: check_scorer(word)).promise == promise


# ---- strategies ---------------------------------------------------------------------------------------------------------------

Answers = Callable[[Any, Sequence[Choice], Request, Run], Awaitable[Any]]


def strategy(answer: Answers, calls: Any = lambda options, targets: Calls(targets), **more: Any) -> StrategyWord:
    return StrategyWord("bad", Asks, lambda options, host: type("Bad", (), {"answer": answer})(), calls, **more)


async def _in_turn(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    failure: CallError | None = None
    for target in targets:
        try:
            return await run.call(target.name)
        except CallError as error:
            failure = error
    raise failure or CallError("protocol", "nobody")


async def _all_at_once(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    found = await asyncio.gather(*(run.call(each.name) for each in targets), return_exceptions=True)
    return next((each for each in found[::-1] if isinstance(each, Answered)), None) or await _fails(found)


async def _fails(found: list[Any]) -> Any:
    raise found[-1]


async def _again_and_again(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    while True:
        with suppress(CallError):
            return await run.call(targets[0].name)


async def _asks_a_stranger(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    return await run.call("zoe")


async def _asks_another_scorer(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    answered = await _in_turn(self, targets, request, run)
    await run.score(ScorerName("other"), answered)
    return answered


async def _makes_it_up(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    return Answered(targets[0].name, Reply(text="42"))


async def _returns_the_reply(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Any:
    return (await _in_turn(self, targets, request, run)).reply


async def _raises_index_errors(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    with suppress(CallError):
        return await run.call(targets[0].name)
    raise IndexError("no more targets")


async def _gives_up(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    await run.call(targets[0].name)
    raise CallError("protocol", "not good enough")


async def _keeps_quiet(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    try:
        return await _in_turn(self, targets, request, run)
    except asyncio.CancelledError:
        raise CallError("timeout", "stopped") from None


async def _keeps_learning(self: Any, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
    self.task = asyncio.create_task(asyncio.sleep(60))
    return await _in_turn(self, targets, request, run)


async def _sorts(self: Any, targets: Any, request: Request, run: Run) -> Answered:
    targets.sort(key=lambda each: each.name, reverse=True)
    return await _in_turn(self, targets, request, run)


BAD_STRATEGIES = [
    ("asks past its summary", strategy(_all_at_once)),
    ("asks past its summary", strategy(_in_turn, lambda options, targets: Calls(1))),
    ("asks past its summary", strategy(_again_and_again)),
    ("has no sound summary", strategy(_in_turn, lambda options, targets: Calls(0))),
    ("asks whom it was not given", strategy(_asks_a_stranger)),
    ("asks whom it was not given", strategy(_asks_another_scorer)),
    ("invents an answer", strategy(_makes_it_up)),
    ("returns what is no Answered", strategy(_returns_the_reply)),
    ("raises what is no CallError", strategy(_raises_index_errors)),
    ("never answers", strategy(_gives_up)),
    ("swallows cancellation", strategy(_keeps_quiet)),
    ("leaves tasks", strategy(_keeps_learning)),
    ("mutates the request", strategy(_sorts)),
    ("does not take the first", strategy(_all_at_once, lambda options, n: Calls(n, parallel=True), first_wins=True)),
]


def test_a_good_strategy_keeps_its_promises() -> None:
    check_strategy(strategy(_in_turn))
    check_strategy(strategy(_all_at_once, lambda options, targets: Calls(targets, parallel=True)))
    check_strategy(strategy(_again_and_again, None))


@pytest.mark.parametrize(("promise", "word"), BAD_STRATEGIES)
def test_of_a_bad_strategy_the_promise_is_named(promise: str, word: StrategyWord) -> None:
    assert broken(lambda: check_strategy(word)).promise == promise


def _pops(members: Any, random: Random) -> Sequence[Candidate]:
    members.pop()
    return members or [Candidate(None, None, None)]  # type: ignore[arg-type]


BAD_PICKS: list[tuple[str, Any]] = [
    ("loses every member", lambda members, random: [each for each in members if each.cost_microusd == 1]),
    ("invents a member", lambda members, random: [*members, attrs_like(members[0])]),
    ("tries a member twice", lambda members, random: [*members, members[0]]),
    ("impure", lambda members, random_: random.sample(members, len(members))),
    ("impure", lambda members, random: sorted(members, key=lambda each: (time.time(), each.model.name))),
    ("mutates the request", _pops),
]


def attrs_like(member: Candidate) -> Candidate:
    return Candidate(member.model, p95_s=99.0, cost_microusd=0)


def test_a_good_pick_keeps_its_promises() -> None:
    check_strategy(PickWord("good", lambda members, random: random.sample(list(members), len(members)), "At random."))


@pytest.mark.parametrize(("promise", "pick"), BAD_PICKS)
def test_of_a_bad_pick_the_promise_is_named(promise: str, pick: Any) -> None:
    assert broken(lambda: check_strategy(PickWord("bad", pick, "Badly."))).promise == promise


def test_every_promise_is_broken_by_somebody() -> None:
    tried = {each[0] for group in (BAD_PROVIDERS, BAD_CLASSIFIERS, BAD_SCORERS, BAD_STRATEGIES, BAD_PICKS) for each in group}
    assert set(PROMISES) == tried


# ---- what ships ---------------------------------------------------------------------------------------------------------------


def words(module: str, hook: str) -> Any:
    return next(iter(getattr(import_module(f"mmflow_plugins.{module}"), hook)()))


ASKED: dict[str, Any] = {
    "hedge": {},
    "race": {},
    "vote": {},
    "best_of": {"scorer": ScorerName("fine")},
    "bandit": {"reward": ScorerName("fine")},
    **dict.fromkeys(("listed", "cheapest", "fastest", "weighted", "least_busy")),
}


@pytest.mark.parametrize("name", ASKED)
def test_the_bundled_strategies_keep_their_promises(name: str) -> None:
    word = words(f"strategies.{name}", "mmflow_strategies")
    check_strategy(word, None if isinstance(word, PickWord) else word.options(**ASKED[name]))


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("length", {"min": 5}, ""),
        ("pattern", {"match": "parcel"}, ""),
        ("json_valid", {}, ""),
        ("judge", {"model": ModelName("m")}, '{"score": 0.7}'),
        ("agreement", {"with_": ModelName("m")}, "It comes on Thursday."),
    ],
)
def test_the_bundled_scorers_keep_their_promises(name: str, given: dict[str, Any], says: str) -> None:
    word = words(f"scorers.{name}", "mmflow_scorers")
    check_scorer(word, word.options(**given), says=says)


@pytest.mark.parametrize(
    ("name", "given", "labels", "says"),
    [
        ("keywords", {"patterns": {"post": ("parcel",), "money": ("refund", "money back")}}, None, ""),
        ("heuristic", {}, ("low", "medium", "high"), ""),
        ("pii", {"finds": {"card": ("card",)}}, ("clean", "card"), ""),
        ("ask", {"model": ModelName("m")}, ("a", "b"), '{"label": "a", "confidence": 0.7}'),
    ],
)
def test_the_bundled_classifiers_keep_their_promises(name: str, given: dict[str, Any], labels: Any, says: str) -> None:
    word = words(f"classifiers.{name}", "mmflow_classifiers")
    check_classifier(word, word.options(**given), labels=labels, says=says)


def test_a_workflow_is_checked_with_words_that_are_not_installed(tmp_path: Path) -> None:
    file = tmp_path / "flow.mmf"
    file.write_text(
        'mmflow 1\n\nprovider p using good {}\n\nmodel m { provider = p, id = "x", price = free }\n\nflow main { else -> m }\n'
    )
    check_workflow(file, {"good": [ProviderWord("good", Key, Good)]})
    with pytest.raises(AssertionError, match="good"):
        check_workflow(file)
