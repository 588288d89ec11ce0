"""Diagnostics of prices: one function for each code."""

from collections.abc import Iterator

from mmflow.check.program import Program
from mmflow.check.uses import reached
from mmflow.diagnostics import Diagnostic, Note, error, warning


def unknown_price(program: Program) -> Iterator[Diagnostic]:
    """A model whose price nobody knows: a warning, an error where a flow that reaches it has a `max_cost` or a budget."""
    promises = [flow for flow in program.of_kind("flow") if flow.fields.max_cost is not None or flow.fields.budget is not None]
    bound = {name: flow for flow in reversed(promises) for name in reached(program, [flow.name])}
    inside = reached(program, [flow.name for flow in program.of_kind("flow")])
    told: dict[str, bool] = {}
    for model in program.of_kind("model"):
        known = program.known(model)
        if model.name not in inside or model.fields.price is not None or (known is not None and known.prices is not None):
            continue
        told[model.name] = model.name in bound
        base = model.name.removesuffix(model.name.rpartition(".")[2]) + str(model.block.like)
        if told.get(base, -1) >= told[model.name]:
            continue  # a copy lacks the price that its base lacks
        message = f"the price of `{model.name}` is unknown"
        help = "add `price = { input = $…/1M, output = $…/1M }`, or `price = free`"
        if flow := bound.get(model.name):
            field = "max_cost" if flow.fields.max_cost is not None else "budget"
            notes = [Note(f"`{flow.name}` promises a cost here", flow.spans[field])]
            message += f", so `{flow.name}` cannot keep its `{field}`"
            yield error("unknown-price", message, model.name_span, help=help, notes=notes)
        else:
            yield warning("unknown-price", message + ": its calls will be reported without a cost", model.name_span, help=help)
