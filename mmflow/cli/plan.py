"""`mmflow plan`: what a workflow compiles to, for people or as JSON that runs by itself."""

from collections.abc import Iterator

import click

from mmflow import plan as plans
from mmflow.cli.params import set_option
from mmflow.cli.terminal import write_bytes
from mmflow.cli.workflow import load
from mmflow.plan import Ask, Cascade, Fallback, Flow, Plan, Route, Split, Step, Tier, With
from mmflow.plugin import Model
from mmflow.units import Duration, Money, Price, Share, Tokens, text_of


@click.command()
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--json", is_flag=True, help="Print the plan itself: saved to a file, `mmflow run` takes it in place of FILE.")
@set_option
def command(file: str, json: bool, set: dict[str, str]) -> None:
    """Show what the workflow FILE (`-` reads standard input) compiles to."""
    plan = load(file, set).plan
    if json:
        write_bytes(plans.encode(plan) + b"\n")
    else:
        click.echo("\n\n".join("\n".join(block) for block in _blocks(plan)))


def _blocks(plan: Plan) -> Iterator[list[str]]:
    yield [f"plan {plans.fingerprint(plan)}", *(f"  param {name} = {value}" for name, value in plan.params.items())]
    for flow in plan.flows.values():
        yield [f"flow {flow.name}{_promises(flow)}", *_lines(plan.steps[flow.step], plan)]
    for step in plan.steps.values():
        if step.name not in plan.flows and not isinstance(step, Ask | With):
            yield [f"{_kind(step)} {step.name}", *_lines(step, plan)]
    if plan.models:
        yield ["models", *_table([_described(model, plan) for model in plan.models.values()])]


def _kind(step: Step) -> str:
    return type(step).__name__.lower()


def _promises(flow: Flow) -> str:
    bounds: list[tuple[str, object]] = [("deadline", Duration(flow.deadline_s))]
    bounds += [("max_input", _typed(Tokens, flow.max_input_tokens)), ("max_output", _typed(Tokens, flow.max_output_tokens))]
    bounds += [("max_cost", _typed(Money, flow.max_cost_microusd))]
    return ": " + ", ".join(f"{name} {text_of(value)}" for name, value in bounds if value is not None)


def _typed(type_: type[int], value: int | None) -> object:
    return None if value is None else type_(value)


def _lines(step: Step, plan: Plan) -> list[str]:
    """What a step does, a line for each target; a target's own block says the rest."""
    match step:
        case Ask(model=model):
            return [f"  -> {model}"]
        case Tier(models=models, pick=pick):
            return [f"  pick {pick}: {', '.join(models)}"]
        case Route(arms=arms, otherwise=otherwise):
            lines = [f"  when {arm.text} -> {_target(arm.step, plan)}" for arm in arms]
            return lines + ([f"  else -> {_target(otherwise, plan)}"] if otherwise is not None else [])
        case Cascade(steps=steps, text=text):
            return [f"  {n}. {_target(each, plan)}" for n, each in enumerate(steps, 1)] + [f"  accept {text}"]
        case Fallback(steps=steps, on=on, retry_times=times):
            tried = [f"  {n}. {_target(each, plan)}" for n, each in enumerate(steps, 1)]
            return [*tried, f"  on {', '.join(on)}" + (f", each tried {times + 1} times" if times else "")]
        case Split(slices=slices):
            return [f"  {text_of(Share(each.buckets / 10_000))} -> {_target(each.step, plan)}" for each in slices]
        case With():
            return [f"  -> {_target(step.name, plan)}"]


def _target(name: str, plan: Plan) -> str:
    step = plan.steps[name]
    if not isinstance(step, With):
        return name
    limits: list[tuple[str, object]] = [("deadline", None if step.deadline_s is None else Duration(step.deadline_s))]
    limits += [("max_output", _typed(Tokens, step.max_output_tokens)), ("temperature", step.temperature)]
    said = ", ".join(f"{name} = {text_of(value)}" for name, value in limits if value is not None)
    return f"{_target(step.step, plan)} with {{ {said} }}"


def _described(model: Model, plan: Plan) -> tuple[str, ...]:
    provider = plan.providers[model.provider]
    reached = model.provider if provider.word == model.provider else f"{model.provider} ({provider.word})"
    context = "" if model.context_tokens is None else f"{text_of(Tokens(model.context_tokens))} context"
    return (model.name, reached, model.id, model.zone, _price(model), context)


def _price(model: Model) -> str:
    if model.prices is None:
        return "price unknown"
    if not any((model.prices.input, model.prices.output)):
        return "free"
    return f"{text_of(Price(model.prices.input))} in, {text_of(Price(model.prices.output))} out"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
