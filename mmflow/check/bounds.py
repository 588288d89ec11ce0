"""Diagnostics of price and quality: one function for each code."""

from collections.abc import Iterator

from mmflow.check.program import Program
from mmflow.check.uses import reached
from mmflow.diagnostics import Diagnostic, Note, error, warning


def unknown_price(program: Program) -> Iterator[Diagnostic]:
    """A model whose price nobody knows: a warning, an error where a flow that reaches it promises `max_cost`."""
    promises = [flow for flow in program.of_kind("flow") if flow.fields.max_cost is not None]
    bound = {name: flow for flow in reversed(promises) for name in reached(program, [flow.name])}
    inside = reached(program, [flow.name for flow in program.of_kind("flow")])
    for model in program.of_kind("model"):
        if model.name not in inside or model.fields.price is not None or program.known(model) is not None:
            continue
        message = f"the price of `{model.name}` is unknown"
        help = "add `price = { input = $…/1M, output = $…/1M }`, or `price = free`"
        if flow := bound.get(model.name):
            notes = [Note(f"`{flow.name}` promises a cost here", flow.spans["max_cost"])]
            message += f", so `{flow.name}` cannot keep its `max_cost`"
            yield error("unknown-price", message, model.name_span, help=help, notes=notes)
        else:
            yield warning("unknown-price", message + ": its calls will be reported without a cost", model.name_span, help=help)


def below_bar(program: Program) -> Iterator[Diagnostic]:
    """A member that does not keep its tier's promise."""
    for tier in program.of_kind("tier"):
        for name in tier.fields.models:
            model = program.declarations.get(name)
            if model is None:
                continue
            quality, latency = model.fields.quality, model.fields.latency
            bar = tier.fields.min_quality
            if bar is not None and quality is not None and quality < bar:
                message = f"`{name}` has quality {quality:g}, below the {bar:g} that `{tier.name}` promises"
                yield error("below-bar", message, tier.spans["models"], help="remove it from the tier, or lower the bar")
            if bar is not None and quality is None:
                message = f"the quality of `{name}` is unknown, and `{tier.name}` promises at least {bar:g}"
                yield warning("unknown-quality", message, tier.spans["models"], help=f"add `quality = …` to `{name}`")
            most = tier.fields.max_p95
            p95 = latency.p95 if latency is not None else None
            if most is not None and p95 is not None and p95 > most:
                message = f"`{name}` has a p95 of {p95:g}s, above the {most:g}s that `{tier.name}` promises"
                yield error("below-bar", message, tier.spans["models"], help="remove it from the tier, or raise `max_p95`")
            if most is not None and p95 is None:
                message = f"the latency of `{name}` is unknown, and `{tier.name}` promises a p95 of {most:g}s"
                help = f"add `latency = {{ p95 = … }}` to `{name}`"
                yield warning("unknown-latency", message, tier.spans["models"], help=help)
