"""What a picture says of the steps, flows and options of a plan."""

from collections.abc import Iterator

from mmflow.plan import All, Any_, Ask, Cascade, Fallback, Flow, Not, Route, ScoreIs, Split, Step, Test, Tier, With
from mmflow.units import Duration, Money, Share, Tokens, text_of

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
        case Cascade(steps=steps) | Fallback(steps=steps):
            yield from (((str(number),), each) for number, each in enumerate(steps, 1))
        case Split(slices=slices):
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
        case Tier(pick=pick):
            yield f"pick {pick}"
        case Cascade(text=text):
            yield f"accept {text}"
        case Fallback(on=on, retry_times=times):
            yield f"on {', '.join(on)}"
            if times:
                yield f"each tried {times + 1} times"
        case Split(sticky=sticky):
            yield f"sticky by {sticky}"


def promises(flow: Flow) -> Iterator[str]:
    """The bounds of a flow."""
    yield f"deadline {text_of(Duration(flow.deadline_s))}"
    if flow.max_input_tokens is not None:
        yield f"max_input {text_of(Tokens(flow.max_input_tokens))}"
    if flow.max_output_tokens is not None:
        yield f"max_output {text_of(Tokens(flow.max_output_tokens))}"
    if flow.max_cost_microusd is not None:
        yield f"max_cost {text_of(Money(flow.max_cost_microusd))}"


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
