"""Diagnostics of time: against the deadline, against a promised percentile, to the first token; one function for each code."""

from collections.abc import Iterator

from mmflow.bounds.asks import asks, judges
from mmflow.bounds.cases import Case
from mmflow.bounds.estimate import Latency, estimated, is_buffered
from mmflow.bounds.names import target_text
from mmflow.bounds.walk import reached
from mmflow.bounds.worst import asked_by, worst_case
from mmflow.check.paths import Paths, field_span, seconds_text
from mmflow.diagnostics import Diagnostic, Note, warning
from mmflow.plan import Cascade, Sla, Strategy
from mmflow.plugin import Model
from mmflow.source import Span

_OF = {"first_token": "to the first token", "total": "to the whole answer"}


def worst_time(paths: Paths) -> Iterator[Diagnostic]:
    """Declared time-outs, retries and pauses that together may take longer than the deadline."""
    declared = [(case, _declared_s(paths, case)) for case in paths.cases]
    case, worst_s = max(declared, key=lambda each: each[1])
    if worst_s <= paths.flow.deadline_s:
        return
    worst, deadline = seconds_text(worst_s), seconds_text(paths.flow.deadline_s)
    message = (
        f"{paths.when(case)}a request of `{paths.flow.name}` may take {worst} by its time-outs, retries and pauses, "
        f"and its deadline of {deadline} ends it before"
    )
    help = "lower the time-outs or the retries, so that the last of them still has time, or raise `deadline`"
    yield warning("worst-time", message, paths.span("deadline"), notes=[_way(paths, case)], help=help)


def _declared_s(paths: Paths, case: Case) -> float:
    """The seconds that the file itself says; what a classifier takes by default is not in them."""
    load = worst_case(paths.plan, paths.flow, case.choices, case.longest, refused=case.refused)
    by_default = [name for name in load.signals if "timeout" not in paths.program.declarations[name].spans]
    return load.declared_s - sum(paths.plan.classifiers[name].timeout_s for name in by_default)


def sla_estimate(paths: Paths) -> Iterator[Diagnostic]:
    """A promised percentile that the estimate of some way exceeds."""
    sla = paths.flow.sla
    if sla is None:
        return
    found = [(case, _estimate(paths, case, sla)) for case in paths.cases]
    slow = [(case, each) for case, each in found if each is not None and each > sla.p95_s]
    if not slow:
        return
    case, p95_s = max(slow, key=lambda each: each[1])
    about, promised = seconds_text(p95_s), seconds_text(sla.p95_s)
    message = (
        f"{paths.when(case)}a request of `{paths.flow.name}` takes about {about} {_OF[sla.of]}, "
        f"and it promises a p95 of {promised}"
    )
    notes = [_way(paths, case), Note("an estimate from the p95 of the models: quantiles do not add up")]
    if sla.of == "first_token" and is_buffered(paths.plan, paths.flow):
        notes.append(Note(f"output `{paths.flow.output}` holds an answer back until it is complete"))
    help = "route such requests to something faster, or promise less"
    yield warning("sla-estimate", message, paths.span("sla"), notes=notes, help=help)


def _estimate(paths: Paths, case: Case, sla: Sla) -> float | None:
    load = worst_case(paths.plan, paths.flow, case.choices, case.longest, refused=case.refused)
    found: Latency = estimated(paths.plan, paths.flow, case.choices, load.signals)
    return found.first_token_s if sla.of == "first_token" else found.p95_s


def unknown_latencies(paths: Paths) -> Iterator[Diagnostic]:
    """`unknown-latency` where nobody can estimate a promised percentile, because a model on the way does not declare its own."""
    sla = paths.flow.sla
    if sla is None:
        return
    models: dict[str, None] = {}
    for case in paths.cases:
        if _estimate(paths, case, sla) is None:
            models.update(dict.fromkeys(_without_latency(paths, case, sla)))
    if not models:
        return
    named = ", ".join(f"`{name}`" for name in models)
    whose = "its latency" if len(models) == 1 else "their latencies"
    message = f"`{paths.flow.name}` promises a p95 {_OF[sla.of]}, and {named} may answer without declaring {whose}"
    help = "add `latency = { first_token = …, p95 = … }`, as measured" + (f", to {named}" if len(models) < 4 else "")
    yield unknown_latency(message, paths.span("sla"), help)


def unknown_latency(message: str, span: Span, help: str) -> Diagnostic:
    """A promised time to which a model may or may not keep: it does not declare its latency."""
    return warning("unknown-latency", message, span, help=help)


def _without_latency(paths: Paths, case: Case, sla: Sla) -> Iterator[str]:
    plan, flow = paths.plan, paths.flow
    streams = sla.of == "first_token" and not is_buffered(plan, flow)
    for asked in asks(plan, flow, case.choices):
        if asked.model.p95_s is None or (streams and asked.model.first_token_s is None):
            yield asked.model.name
    signals = worst_case(plan, flow, case.choices, case.longest, refused=case.refused).signals
    others: list[Model] = [each.model for each in judges(plan, flow, case.choices)]
    others += [model for name in sorted(signals) for model in asked_by(plan.classifiers[name], plan)]
    yield from (model.name for model in others if model.p95_s is None)


def late_first_token(paths: Paths) -> Iterator[Diagnostic]:
    """What holds an answer back until it is complete: a judged cascade, and under a promised first token more than that."""
    flow, promised = paths.flow, paths.flow.sla is not None and paths.flow.sla.of == "first_token"
    for step in reached(paths.plan, flow.step):
        if isinstance(step, Cascade) and len(step.steps) > 1:
            message = f"the first token of `{step.name}` comes late: an answer is complete and accepted before anybody sees it"
            help = 'where nobody waits for a stream, say so: `allow = [late_first_token("…")]`'
            yield warning("late-first-token", message, field_span(paths.program, step.name, "steps"), help=help)
        elif promised and isinstance(step, Strategy) and not step.first_wins:
            message = f"`{flow.name}` promises its first token, and `{step.name}` gives answers only when they are complete"
            yield warning("late-first-token", message, paths.span("sla"), help="promise `of = total`, or use a `fallback`")
    if promised and is_buffered(paths.plan, flow):
        message = f"`{flow.name}` promises its first token, and output `{flow.output}` holds answers back until they are complete"
        yield warning("late-first-token", message, paths.span("sla"), help="promise `of = total`, or leave out the contract")


def _way(paths: Paths, case: Case) -> Note:
    target = target_text(paths.plan, paths.flow.step, case.choices)
    return Note(f"path: {paths.flow.name} -> {target}", paths.arm_span(case))
