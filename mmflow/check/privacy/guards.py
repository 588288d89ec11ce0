"""Guards: every call of a flow, its cache and what its providers store, against the rules that it names."""

from collections.abc import Iterator, Sequence

import attrs

from mmflow.check.privacy.edges import Edge, TooManyEdges, answers_of, edges_of
from mmflow.check.privacy.needs import breaking, can_be_met, meets, providers_of, zone_meets
from mmflow.check.program import Declaration, Program, Rule, Threshold
from mmflow.check.stores import stored_by
from mmflow.diagnostics import Diagnostic, Note, error, warning
from mmflow.plan import All, Any_, Not, Test
from mmflow.situations import Situation, TooMany, outcomes
from mmflow.source import Span


@attrs.frozen
class Guarded:
    """A rule of a guard that a flow names."""

    guard: str
    rule: Rule

    @property
    def test(self) -> Test:
        return self.rule.condition.test

    @property
    def note(self) -> Note:
        return Note(f"the rule: {self.rule.text}", self.rule.node.span)


def guards(program: Program) -> Iterator[Diagnostic]:
    """What breaks the guards of flows, and `guard-at-run-time` where there are too many ways to tell."""
    for flow in program.of_kind("flow"):
        rules = [Guarded(guard, rule) for guard in flow.fields.guards or () for rule in program.declarations[guard].rules]
        if not rules:
            continue
        try:
            edges = edges_of(program, flow, [each.test for each in rules])
            found = [each for rule in rules for each in _of_rule(program, flow, rule, edges)]
        except (TooMany, TooManyEdges):
            found = [guard_at_run_time(flow)]
        yield from found


def _of_rule(program: Program, flow: Declaration, guarded: Guarded, edges: list[Edge]) -> Iterator[Diagnostic]:
    yield from _breaches(program, guarded, edges)
    yield from _sinks(program, guarded, edges)
    yield from _degraded(program, flow, guarded)
    yield from _cached(program, flow, guarded)


def _witness(program: Program, tests: Sequence[Test]) -> Situation | None:
    """A situation in which all of these hold."""
    return outcomes([All(tuple(tests))], program.labels).get(0)


# ---- calls ------------------------------------------------------------------------------------------------------------------


def _breaches(program: Program, guarded: Guarded, edges: list[Edge]) -> Iterator[Diagnostic]:
    told: set[tuple[str, int]] = set()
    for edge in edges:
        if (edge.model.name, edge.span.start) in told:
            continue
        provider = breaking(program, edge.model, guarded.rule.needs)
        witness = _witness(program, (guarded.test, *edge.conditions)) if provider is not None else None
        if provider is not None and witness is not None:
            told.add((edge.model.name, edge.span.start))
            yield guard_broken(guarded, edge, provider, witness)


def guard_broken(guarded: Guarded, edge: Edge, provider: str, witness: Situation) -> Diagnostic:
    """A call that breaks a guard, with the way there and a request that takes it."""
    message = f"guard `{guarded.guard}` is broken: {_with(witness)}this reaches `{edge.model.name}` on `{provider}`"
    return error("guard-broken", message, edge.span, notes=[guarded.note], help=f"path: {' -> '.join(edge.path)}")


def _with(witness: Situation) -> str:
    return f"with {witness} " if str(witness) else ""


def guard_at_run_time(flow: Declaration) -> Diagnostic:
    """A flow whose guards cannot be proved here: they still hold when it runs."""
    message = f"`{flow.name}` has too many ways to prove its guards: they are held when it runs, by refusing the call"
    return warning("guard-at-run-time", message, flow.spans["guards"], help="split the flow, or read less in its conditions")


# ---- what keeps guarded content ---------------------------------------------------------------------------------------------


def _sinks(program: Program, guarded: Guarded, edges: list[Edge]) -> Iterator[Diagnostic]:
    told: set[tuple[str, int]] = set()
    for edge in edges:
        for provider in providers_of(program, edge.model):
            where = stored_by(program.declarations.get(provider))
            if where is None or (provider, edge.span.start) in told or not meets(program, edge.model, guarded.rule.needs):
                continue
            witness = _witness(program, (guarded.test, *edge.conditions))
            if witness is not None:
                told.add((provider, edge.span.start))
                yield guard_sink(guarded, edge, provider, where, witness)


def guard_sink(guarded: Guarded, edge: Edge, provider: str, where: str, witness: Situation) -> Diagnostic:
    """A call whose content a provider stores while a guard holds of it."""
    message = f"what guard `{guarded.guard}` guards is stored: {_with(witness)}`{provider}` writes it to `{where}`"
    help = f'path: {" -> ".join(edge.path)}; stop recording, or say why it is fine: `allow = [guard_sink("…")]`'
    return warning("guard-sink", message, edge.span, notes=[guarded.note], help=help)


def _cached(program: Program, flow: Declaration, guarded: Guarded) -> Iterator[Diagnostic]:
    cache = program.declarations.get(flow.fields.cache or "")
    if cache is None or (zone_meets(cache.fields.zone, guarded.rule.needs) and cache.fields.scope == "user"):
        return
    on = [Not(each.condition.test) for each in cache.off]
    witness = _witness(program, (guarded.test, *on))
    if witness is not None:
        yield guard_cache(guarded, flow, cache, witness)


def guard_cache(guarded: Guarded, flow: Declaration, cache: Declaration, witness: Situation) -> Diagnostic:
    """A cache that keeps what a guard guards, outside its zone or for others than its user."""
    if cache.fields.scope != "user":
        why = f"gives answers to others than their user (`scope = {cache.fields.scope}`)"
    elif cache.fields.zone is None:
        why = "does not say whose machines keep them"
    else:
        why = f"keeps them where the rule does not let them (`zone = {cache.fields.zone}`)"
    message = f"guard `{guarded.guard}` is broken: {_with(witness)}answers of `{flow.name}` go to `{cache.name}`, which {why}"
    notes = [guarded.note, Note(f"`{cache.name}` is declared here", cache.block.header)]
    help = f"add `when {guarded.rule.condition.text} -> off` to `{cache.name}`"
    return error("guard-cache", message, flow.spans["cache"], notes=notes, help=help)


# ---- what leaves nothing to call --------------------------------------------------------------------------------------------


def _degraded(program: Program, flow: Declaration, guarded: Guarded) -> Iterator[Diagnostic]:
    """Where a budget degrades a flow, members of the target that break a guard are left out; some must be left."""
    budget = program.declarations.get(flow.fields.budget or "")
    for threshold in budget.thresholds if budget is not None else ():
        if threshold.target is None:
            continue
        answers = answers_of(program, program.declarations[threshold.target.name], threshold.node.span)
        left = [All(edge.conditions) for edge in answers if meets(program, edge.model, guarded.rule.needs)]
        witness = _witness(program, (guarded.test, Not(Any_(tuple(left)))))
        if witness is not None:
            yield _degraded_to_nothing(guarded, flow, threshold, witness)


def _degraded_to_nothing(guarded: Guarded, flow: Declaration, threshold: Threshold, witness: Situation) -> Diagnostic:
    target = threshold.target.name if threshold.target else ""
    message = f"guard `{guarded.guard}` leaves nothing to call: {_with(witness)}`degrade({target})` has no model that it needs"
    notes = [guarded.note, Note(f"`{flow.name}` has this budget and this guard", flow.block.header)]
    return guard_empty(message, threshold.node.span, "degrade to a target with a model that the rule lets through", notes)


def guard_empty(message: str, span: Span, help: str, notes: Sequence[Note] = ()) -> Diagnostic:
    """A rule that leaves something without callees."""
    return error("guard-empty", message, span, help=help, notes=notes)


def idle_guard(program: Program) -> Iterator[Diagnostic]:
    """`guard-empty`: a rule that no model of the file satisfies, so that whatever it is about is left without callees."""
    for guard in program.of_kind("guard"):
        if not guard.rules and "when" not in guard.block.body.span.text:  # one that does not parse has been reported
            message = f"guard `{guard.name}` has no `when`, so it guards nothing"
            yield guard_empty(message, guard.block.header, "write `when condition -> target.zone == own`")
        for rule in guard.rules:
            if not can_be_met(program, rule):
                message = f"guard `{guard.name}` leaves nothing to call: no model of this file is what it needs"
                yield guard_empty(message, rule.node.target.span, "declare a model that is, or correct the rule")
