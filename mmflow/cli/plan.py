"""`mmflow plan`: what a workflow compiles to, for people or as JSON that runs by itself."""

from collections.abc import Iterator, Mapping

import click
import msgspec

from mmflow import plan as plans
from mmflow.bounds import FlowBounds
from mmflow.bounds import bounds as bounds_of
from mmflow.bounds.said import budget_lines, kind_of, output_lines, promises_text, step_lines
from mmflow.bounds.walk import reached
from mmflow.cli.bounds import lines_of, width, wrapped
from mmflow.cli.failure import WrongUse
from mmflow.cli.params import set_option
from mmflow.cli.terminal import say, write_bytes
from mmflow.cli.workflow import flow_of, load
from mmflow.plan import Ask, Flow, Plan, With
from mmflow.plugin import Model
from mmflow.units import Price, Tokens, text_of

_EXAMPLES = """\b
Examples:
  mmflow plan support.mmf
  mmflow plan support.mmf --flow chat --bounds --json
  mmflow plan support.mmf --json > support.json
"""


class AllBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What `--bounds --json` prints: the bounds of each flow by its name."""

    schema: int = 1
    plan: str
    flows: Mapping[str, FlowBounds]


@click.command(epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--flow", metavar="NAME", help="Show this flow only.")
@click.option("--bounds", is_flag=True, help="With `--json`: print the bounds of each flow, not the plan.")
@click.option("--json", is_flag=True, help="Print the plan itself: saved to a file, `mmflow run` takes it in place of FILE.")
@set_option
def command(file: str, flow: str | None, bounds: bool, json: bool, set: dict[str, str]) -> None:
    """Show what the workflow FILE (`-` reads standard input) compiles to, and the most that a request can cost and take.

    For each situation: the arm that it takes, its target, calls, dollars and time at worst, an estimate of the p95 to the whole
    answer and to its first token, the zones that data can reach, and the share of the flow's worst cost.
    """
    if flow is not None and json and not bounds:
        raise WrongUse("a plan is printed whole, with every flow", "leave out `--flow`, or add `--bounds`")
    plan = load(file, set).plan
    flows = plan.flows.values() if flow is None else [plan.flows[flow_of(plan, flow)]]
    if json and bounds:
        found = AllBounds(plan=plans.fingerprint(plan), flows={each.name: bounds_of(plan, each) for each in flows})
        write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    elif json:
        write_bytes(plans.encode(plan) + b"\n")
    else:
        say("\n\n".join("\n".join(block) for block in _blocks(plan, list(flows))) + "\n")


def _blocks(plan: Plan, flows: list[Flow]) -> Iterator[list[str]]:
    columns = width()
    yield [f"plan {plans.fingerprint(plan)}", *(f"  param {name} = {value}" for name, value in plan.params.items())]
    found = {flow.name: bounds_of(plan, flow) for flow in flows}
    for flow in flows:
        yield [*wrapped(f"flow {flow.name}{promises_text(flow)}", columns, 0), *lines_of(found[flow.name], columns)]
    steps = {step.name: step for flow in flows for step in reversed(reached(plan, flow.step))}
    for step in steps.values():
        if step.name not in plan.flows and not isinstance(step, Ask | With):
            yield [f"{kind_of(step)} {step.name}", *step_lines(step, plan)]
    for name in dict.fromkeys(flow.budget for flow in flows if flow.budget is not None):
        yield [f"budget {name}", *budget_lines(plan.budgets[name], plan)]
    for name in dict.fromkeys(flow.output for flow in flows if flow.output is not None):
        yield [f"output {name}", *output_lines(plan.outputs[name])]
    models = dict.fromkeys(call.model for each in found.values() for call in each.worst.calls_by_model)
    if models:
        yield ["models", *_table([_described(plan.models[name], plan) for name in models])]


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
