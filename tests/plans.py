"""Small plans, words and runs for the tests of the runtime; nothing here knows the language."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs

from mmflow import plan
from mmflow.options import option, options
from mmflow.plan import Plan
from mmflow.plugin import (
    Answered,
    Ask,
    CallError,
    Candidate,
    Choice,
    ClassifierWord,
    Guess,
    Message,
    Model,
    PickWord,
    Prices,
    Provider,
    Reply,
    Request,
    Run,
    ScorerName,
    ScorerWord,
    StrategyWord,
    Word,
)
from mmflow.runtime.events import Event
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, run_virtual
from mmflow.vocabulary import WordError, WordKind

PRICES = Prices(input=1_000_000, output=2_000_000)
"""One micro-dollar for a token in, two for a token out."""


@options
class NoFields:
    """A word without fields."""


@options
class ModelField:
    """A word that asks a model."""

    model: str = option(doc="the model")


@attrs.define
class Words:
    """A vocabulary of what it is given."""

    words: Mapping[tuple[str, str], Word] = attrs.field(factory=dict)

    def find(self, kind: WordKind, word: str) -> Word:
        if (found := self.words.get((kind, word))) is None:
            raise WordError("unknown", f"there is no {kind} `{word}`")
        return found

    def known(self, kind: WordKind) -> tuple[str, ...]:
        return tuple(word for of, word in self.words if of == kind)


class Says:
    """A classifier or scorer that says what a function gives, and counts how often it was asked."""

    def __init__(self, what: Callable[[str], Any]) -> None:
        self.what, self.asked = what, 0

    async def classify(self, text: str, ask: Ask) -> Guess:
        self.asked += 1
        found = self.what(text)
        return await found if hasattr(found, "__await__") else found

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        self.asked += 1
        found = self.what(reply.text)
        return await found if hasattr(found, "__await__") else found


class Judge:
    """A scorer that asks a model, and takes what it says for the score."""

    def __init__(self, model: str) -> None:
        self.model = model

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        said = await ask(self.model, [Message("user", f"rate: {reply.text}")], max_output_tokens=5)  # type: ignore[arg-type]
        return float(said.text)


class Sorter:
    """A classifier that asks a model, and takes what it says for the label."""

    def __init__(self, model: str) -> None:
        self.model = model

    async def classify(self, text: str, ask: Ask) -> Guess:
        said = await ask(self.model, [Message("user", f"sort: {text}")], max_output_tokens=5)  # type: ignore[arg-type]
        return Guess(said.text, 0.95)


def by_cost(candidates: Sequence[Candidate], random: Random) -> list[Candidate]:
    return sorted(candidates, key=lambda each: each.cost_microusd or 0)


class All:
    """A strategy that asks every target, at once or in turn, and takes an answer: the first that came, or the last."""

    def __init__(self, given: "AllFields") -> None:
        self.given = given

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        if self.given.parallel:
            tasks = [asyncio.create_task(run.call(each.name)) for each in targets]
            waiting = set(tasks)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if won := [task for task in tasks if task in done and task.exception() is None]:
                    return won[0].result()
            return tasks[-1].result()
        answers, failures = list[Answered](), list[CallError]()
        for each in targets:
            try:
                answers.append(await run.call(each.name))
                if self.given.scorer is not None:
                    await run.score(self.given.scorer, answers[-1])
            except CallError as error:
                failures.append(error)
        if not answers:
            raise failures[-1]
        return answers[-1]


@options
class AllFields:
    """How every target is asked."""

    parallel: bool = option(True, doc="at once")
    scorer: ScorerName | None = option(None, doc="what scores each answer")


def all_of(name: str, steps: tuple[str, ...], *, parallel: bool, scorer: str | None = None) -> plan.Strategy:
    """A strategy step that asks every target: the word `first` where they are asked at once, else `all`."""
    summary = plan.CallSummary(len(steps), parallel)
    scored = {} if parallel or scorer is None else {"scorer": scorer}
    options = {"parallel": parallel, **scored}
    return plan.Strategy(name, "first" if parallel else "all", steps, options, summary, tuple(scored.values()))


def words(*, classifiers: Mapping[str, Says] | None = None, scorers: Mapping[str, Says] | None = None) -> Words:
    """`listed`, `cheapest`, `judge`, `sorter`, `all`, `first`, and given classifiers and scorers, each a word of its own name."""
    found: dict[tuple[str, str], Word] = {
        ("pick", "listed"): PickWord("listed", lambda candidates, random: candidates, "as written"),
        ("pick", "cheapest"): PickWord("cheapest", by_cost, "cheapest first"),
        ("scorer", "judge"): ScorerWord("judge", ModelField, lambda given, host: Judge(given.model)),
        ("strategy", "all"): StrategyWord("all", AllFields, lambda given, host: All(given)),
        ("strategy", "first"): StrategyWord("first", AllFields, lambda given, host: All(given), first_wins=True),
        ("classifier", "sorter"): ClassifierWord("sorter", ModelField, lambda given, labels, host: Sorter(given.model)),
    }
    for name, says in (classifiers or {}).items():
        found["classifier", name] = ClassifierWord(name, NoFields, lambda given, labels, host, says=says: says)
    for name, says in (scorers or {}).items():
        found["scorer", name] = ScorerWord(name, NoFields, lambda given, host, says=says: says)
    return Words(found)


def model(name: str, **known: Any) -> Model:
    """A model of the provider `lab` at one micro-dollar a token in, two a token out."""
    return Model(**{"name": name, "id": f"{name}-id", "provider": "lab", "prices": PRICES, **known})


def classifier(name: str, labels: Iterable[str] = ("low", "medium", "high"), **known: Any) -> plan.Classifier:
    """A classifier of the word of its own name: ordered, sure from 0.8, unsure goes up."""
    defaults = {"word": name, "ordered": True, "confidence": 0.8, "unsure": "up"}
    return plan.Classifier(**{"name": name, "labels": tuple(labels), **defaults, **known})


def plan_of(
    *steps: plan.Step,
    models: Iterable[Model | str],
    classifiers: Iterable[plan.Classifier] = (),
    scorers: Iterable[str | plan.Scorer] = (),
    providers: Iterable[plan.Provider] = (),
    **flow: Any,
) -> Plan:
    """A plan whose flow `main` begins at the first step, or at the first model where there are no steps."""
    declared = [model(each) if isinstance(each, str) else each for each in models]
    by_name: dict[str, plan.Step] = {each.name: plan.Ask(each.name, each.name) for each in declared}
    by_name |= {each.name: each for each in steps}
    first = steps[0].name if steps else declared[0].name
    scored = [plan.Scorer(name=each, word=each) if isinstance(each, str) else each for each in scorers]
    return Plan(
        providers={each.name: each for each in (plan.Provider(name="lab", word="lab"), *providers)},
        models={each.name: each for each in declared},
        classifiers={each.name: each for each in classifiers},
        scorers={each.name: each for each in scored},
        steps=by_name,
        flows={"main": plan.Flow(name="main", step=first, **flow)},
    )


def executor_of(of: Plan, lab: Provider | None = None, vocabulary: Words | None = None, **more: Any) -> Executor:
    """An executor whose provider `lab` is the given one."""
    providers = {"lab": lab or Scripted(), **more.pop("providers", {})}
    return Executor(of, vocabulary or words(), folder=Path(), random=Random(1), providers=providers, environ={}, **more)


def run(
    of: Plan,
    script: Mapping[str, Sequence[Turn]] | None = None,
    request: Request | str = "hello",
    vocabulary: Words | None = None,
    **more: Any,
) -> Result:
    """Run the flow `main` on a virtual clock over scripted models."""
    asked = Request.of(request) if isinstance(request, str) else request
    return run_virtual(executor_of(of, Scripted(script), vocabulary).run("main", asked, **more))


def of_type(result: Result | Iterable[Event], *types: type) -> list[Any]:
    """The events of some types, in order."""
    return [each for each in (result.events if isinstance(result, Result) else result) if isinstance(each, types)]
