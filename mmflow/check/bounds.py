"""Diagnostics of price and quality: one function for each code."""

from collections.abc import Iterator

from mmflow.check.program import Declaration, Program
from mmflow.check.uses import reached
from mmflow.diagnostics import Diagnostic, Note, did_you_mean, error, warning


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


def below_bar(program: Program) -> Iterator[Diagnostic]:
    """A member that does not keep its tier's promise."""
    for tier in program.of_kind("tier"):
        for name in tier.fields.models:
            model = program.declarations.get(name)
            if model is None:
                continue
            latency = model.fields.latency
            bar, scorecard = tier.fields.min_quality, program.declarations.get(tier.fields.scorecard or "")
            if bar is not None:
                yield from _below_quality(tier, model, scorecard, program)
            most = tier.fields.max_p95
            p95 = latency.p95 if latency is not None else None
            if most is not None and p95 is not None and p95 > most:
                message = f"`{name}` has a p95 of {p95:g}s, above the {most:g}s that `{tier.name}` promises"
                yield error("below-bar", message, tier.spans["models"], help="remove it from the tier, or raise `max_p95`")
            if most is not None and p95 is None:
                message = f"the latency of `{name}` is unknown, and `{tier.name}` promises a p95 of {most:g}s"
                help = f"add `latency = {{ p95 = … }}` to `{name}`"
                yield warning("unknown-latency", message, tier.spans["models"], help=help)


def _below_quality(
    tier: Declaration, model: Declaration, scorecard: Declaration | None, program: Program
) -> Iterator[Diagnostic]:
    """A member that is below the bar for every label, or of which nobody knows."""
    name, bar, span = model.name, tier.fields.min_quality, tier.spans["models"]
    known = program.quality_of(model, scorecard)
    if not known and scorecard is not None and not program.has_figures(scorecard):
        return  # its figures could not be read, which is told where it is declared
    if not known:
        message = f"the quality of `{name}` is unknown, and `{tier.name}` promises at least {bar:g}"
        help = f"add `quality = …` to `{name}`"
        if scorecard is not None:
            near = did_you_mean(name, program.measured[scorecard.name].models)
            help += f", or measure it: `{scorecard.name}` has no figures of it" + (f", but of `{near}`" if near else "")
        yield warning("unknown-quality", message, span, help=help)
    elif max(known.values()) < bar:
        best = max(known, key=lambda label: known[label])
        where = f" at best, for `{best}`" if len(known) > 1 else ""
        message = f"`{name}` has quality {known[best]:g}{where}, below the {bar:g} that `{tier.name}` promises"
        yield error("below-bar", message, span, help="remove it from the tier, or lower the bar")
