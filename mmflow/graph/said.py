"""What a picture says of the steps, flows and options of a plan."""

from collections.abc import Iterator

from mmflow.plan import (
    All,
    Any_,
    Ask,
    Budget,
    Cache,
    Cascade,
    Experiment,
    Fallback,
    Flow,
    Not,
    Output,
    Plan,
    Route,
    ScoreIs,
    Split,
    Step,
    Strategy,
    Test,
    Tier,
    With,
)
from mmflow.situations import test_text
from mmflow.units import Budget as Limit
from mmflow.units import Duration, Money, Rate, Share, Tokens, text_of

Target = tuple[tuple[str, ...], str]
"""The text of a line, and the step that it leads to."""


def targets(step: Step) -> Iterator[Target]:
    """The targets of a step in their order, with the conditions, shares or places that stand on the lines to them."""
    match step:
        case Route(arms=arms, otherwise=otherwise):
            yield from (((f"{number}: {arm.text}",), arm.step) for number, arm in enumerate(arms, 1))
            if otherwise is not None:
                yield ("else",), otherwise
        case Tier(models=members, pick=pick):
            for number, member in enumerate(members, 1):
                yield (str(number),) if pick == "listed" else (), member
        case Cascade(steps=steps) | Fallback(steps=steps) | Strategy(steps=steps):
            yield from (((str(number),), each) for number, each in enumerate(steps, 1))
        case Split(slices=slices) | Experiment(slices=slices):
            yield from (((text_of(Share(each.buckets / 10_000)),), each.step) for each in slices)
        case With(step=inner):
            yield limits(step), inner
        case Ask():
            pass


def tests(step: Step) -> Iterator[Test]:
    """The conditions that a step decides by."""
    match step:
        case Route(arms=arms):
            yield from (arm.test for arm in arms)
        case Cascade(accept=accept):
            yield accept


def said_of(step: Step) -> Iterator[str]:
    """What holds of a step whatever it leads to."""
    match step:
        case Tier(pick=pick, min_quality=least, scorecard=scorecard):
            yield f"pick {pick}"
            if least is not None and scorecard is not None:
                yield f"min_quality {least:g} by {scorecard}"
        case Cascade(text=text):
            yield f"accept {text}"
        case Fallback(on=on, retry_times=times):
            yield f"on {', '.join(on)}"
            if times:
                yield f"each tried {times + 1} times"
        case Split(sticky=sticky):
            yield f"sticky by {sticky}"
        case Experiment(sticky=sticky, sample=sample):
            yield f"sticky by {sticky}"
            if sample != 1:
                yield f"{text_of(Share(sample))} of the answers judged"
            bound = f"{text_of(Share(step.confidence))}, not worse than {step.not_worse_than:g}"
            yield f"promote from {step.min_samples} samples at {bound}"
        case Strategy(word=word, calls=calls):
            yield f"using {word}"
            if calls is None:
                yield "any number of calls"
            else:
                yield f"up to {calls.most} call{'s' * (calls.most != 1)}" + (
                    ", at once" if calls.parallel and calls.most > 1 else ""
                )


def scored_by(step: Step) -> tuple[str, ...]:
    """The scorers that a step asks beside those of its conditions."""
    match step:
        case Experiment(metric=metric):
            return (metric,)
        case Strategy(scorers=scorers):
            return scorers
        case _:
            return ()


def promises(flow: Flow, plan: Plan) -> Iterator[str]:
    """The bounds of a flow, and what its answers are kept and made by."""
    yield f"deadline {text_of(Duration(flow.deadline_s))}"
    if flow.max_input_tokens is not None:
        yield f"max_input {text_of(Tokens(flow.max_input_tokens))}"
    if flow.max_output_tokens is not None:
        yield f"max_output {text_of(Tokens(flow.max_output_tokens))}"
    if flow.max_cost_microusd is not None:
        yield f"max_cost {text_of(Money(flow.max_cost_microusd))}"
    if flow.sla is not None:
        yield f"p95 {text_of(Duration(flow.sla.p95_s))} of {flow.sla.of}"
    if flow.traffic is not None:
        yield f"expects {text_of(Rate(flow.traffic.count, flow.traffic.period_s))}"
    if flow.cache is not None:
        yield from _kept(plan.caches[flow.cache])
    if flow.prompt is not None:
        yield f"prompt {flow.prompt}"
    if flow.output is not None:
        yield _contract(plan.outputs[flow.output])


def _kept(cache: Cache) -> Iterator[str]:
    where = "" if cache.zone is None else f", zone {cache.zone}"
    yield f"cache {cache.name}: {text_of(Duration(cache.ttl_s))}, scope {cache.scope}{where}"
    yield from (f"not kept while {test_text(each)}" for each in cache.off)


def _contract(output: Output) -> str:
    schema = "" if output.schema_file is None else f", {output.schema_file}"
    return f"output {output.name}: {output.format}{schema}" + (f", retry({output.retry_times})" if output.retry_times else "")


def spending(budget: Budget) -> Iterator[str]:
    """The limit of a budget, and what it does short of asking another target, which a line shows."""
    per = "" if budget.per is None else f" for each {budget.per}"
    yield f"limit {text_of(Limit(budget.limit_microusd, budget.period_s))}{per}"
    for each in budget.thresholds:
        target = "" if each.target is None or each.action == "degrade" else f" {each.target}"
        yield f"from {text_of(Share(each.share))}: {each.action}{target}"


def degrades(budget: Budget) -> Iterator[Target]:
    """What a budget puts in the place of a flow's own target, and from when on."""
    for each in budget.thresholds:
        if each.action == "degrade" and each.target is not None:
            yield (f"from {text_of(Share(each.share))}",), each.target


def limits(step: With) -> tuple[str, ...]:
    """What `with` says of its target."""
    limits: list[tuple[str, object]] = []
    if step.deadline_s is not None:
        limits.append(("deadline", Duration(step.deadline_s)))
    if step.max_output_tokens is not None:
        limits.append(("max_output", Tokens(step.max_output_tokens)))
    if step.temperature is not None:
        limits.append(("temperature", step.temperature))
    return (f"with {', '.join(f'{name} {text_of(value)}' for name, value in limits)}",) if limits else ()


def using(name: str, word: str) -> tuple[str, ...]:
    """The word of a plugin where it is not the name itself."""
    return () if word == name else (f"using {word}",)


def scorers_of(test: Test) -> Iterator[str]:
    """The scorers that a condition reads."""
    waiting = [test]
    while waiting:
        match waiting.pop():
            case All(tests=tests) | Any_(tests=tests):
                waiting.extend(reversed(tests))
            case Not(test=inner):
                waiting.append(inner)
            case ScoreIs(scorer=scorer):
                yield scorer


def texts(value: object) -> Iterator[str]:
    """Every text in an option, however deep: those that are names of models are models that it asks."""
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from texts(each)
        case list() | tuple():
            for each in value:
                yield from texts(each)
