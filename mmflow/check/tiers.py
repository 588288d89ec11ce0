"""Diagnostics of tiers: one function for each code."""

from collections.abc import Iterator

from mmflow.check.latency import unknown_latency
from mmflow.check.program import Declaration, Program
from mmflow.diagnostics import Diagnostic, did_you_mean, error, warning
from mmflow.source import Span


def members(program: Program) -> Iterator[Diagnostic]:
    """`below-bar`, `unknown-quality` and `unknown-latency` for members that do not keep their tier's promise, or may not."""
    for tier in program.of_kind("tier"):
        for name in tier.fields.models:
            model = program.declarations.get(name)
            if model is None:
                continue
            latency = model.fields.latency
            bar, scorecard = tier.fields.min_quality, program.declarations.get(tier.fields.scorecard or "")
            if bar is not None:
                yield from _quality(tier, model, scorecard, program)
            most = tier.fields.max_p95
            p95 = latency.p95 if latency is not None else None
            if most is not None and p95 is not None and p95 > most:
                message = f"`{name}` has a p95 of {p95:g}s, above the {most:g}s that `{tier.name}` promises"
                yield below_bar(message, tier.spans["models"], "remove it from the tier, or raise `max_p95`")
            if most is not None and p95 is None:
                message = f"the latency of `{name}` is unknown, and `{tier.name}` promises a p95 of {most:g}s"
                yield unknown_latency(message, tier.spans["models"], f"add `latency = {{ p95 = … }}` to `{name}`")


def _quality(tier: Declaration, model: Declaration, scorecard: Declaration | None, program: Program) -> Iterator[Diagnostic]:
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
        yield unknown_quality(message, span, help)
    elif max(known.values()) < bar:
        best = max(known, key=lambda label: known[label])
        where = f" at best, for `{best}`" if len(known) > 1 else ""
        message = f"`{name}` has quality {known[best]:g}{where}, below the {bar:g} that `{tier.name}` promises"
        yield below_bar(message, span, "remove it from the tier, or lower the bar")


def below_bar(message: str, span: Span, help: str) -> Diagnostic:
    """A member that does not keep its tier's promise."""
    return error("below-bar", message, span, help=help)


def unknown_quality(message: str, span: Span, help: str) -> Diagnostic:
    """A member whose quality nobody knows, in a tier that promises it."""
    return warning("unknown-quality", message, span, help=help)
