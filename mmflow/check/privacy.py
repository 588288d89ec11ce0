"""Diagnostics of privacy: where a request can flow, against what guards allow; one function for each code."""

from collections.abc import Iterator
from itertools import chain

import attrs

from mmflow.check.program import Declaration, Program, Rule, targets_of
from mmflow.check.uses import asked_by
from mmflow.diagnostics import Diagnostic, Note, error, warning
from mmflow.plan import All, LabelIs, Not, ScoreIs, TargetIs, Test, compare
from mmflow.situations import Situation, TooMany, atoms, outcomes
from mmflow.source import Span

MAX_EDGES = 20_000


@attrs.frozen
class Edge:
    """A call that a flow can make: the names on the way, the conditions that lead there, and the model that is asked."""

    path: tuple[str, ...]
    conditions: tuple[Test, ...]
    model: Declaration
    span: Span


class TooManyEdges(Exception):
    """A flow has more ways than `MAX_EDGES`."""


def guards(program: Program) -> Iterator[Diagnostic]:
    """`guard-broken` where a call breaks a guard, `guard-at-run-time` where there are too many ways to tell."""
    for flow in program.of_kind("flow"):
        named = [(guard, rule) for guard in flow.fields.guards or () for rule in program.declarations[guard].rules]
        rules = [(guard, rule) for guard, rule in named if _can_be_met(program, rule)]
        if not rules:
            continue
        try:
            edges = list(_edges(program, flow, [rule for _, rule in rules]))
            for guard, rule in rules:
                yield from _breaches(program, guard, rule, edges)
        except (TooMany, TooManyEdges):
            yield guard_at_run_time(flow)


def _breaches(program: Program, guard: str, rule: Rule, edges: list[Edge]) -> Iterator[Diagnostic]:
    told: set[tuple[str, int]] = set()
    for edge in edges:
        if (edge.model.name, edge.span.start) in told or _meets(program, edge.model, rule):
            continue
        witness = outcomes([All((rule.condition.test, *edge.conditions))], program.labels).get(0)
        if witness is not None:
            told.add((edge.model.name, edge.span.start))
            yield guard_broken(guard, rule, edge, witness)


def guard_broken(guard: str, rule: Rule, edge: Edge, witness: Situation) -> Diagnostic:
    """A call that breaks a guard, with the way there and a request that takes it."""
    with_ = f"with {witness} " if str(witness) else ""
    message = f"guard `{guard}` is broken: {with_}this reaches `{edge.model.name}` on `{edge.model.fields.provider}`"
    notes = [Note(f"the rule: {rule.text}", rule.node.span)]
    return error("guard-broken", message, edge.span, notes=notes, help=f"path: {' -> '.join(edge.path)}")


def guard_at_run_time(flow: Declaration) -> Diagnostic:
    """A flow whose guards cannot be proved here: they still hold when it runs."""
    message = f"`{flow.name}` has too many ways to prove its guards: they are held when it runs, by refusing the call"
    return warning("guard-at-run-time", message, flow.spans["guards"], help="split the flow, or read less in its conditions")


def idle_guard(program: Program) -> Iterator[Diagnostic]:
    """`guard-empty`: a rule that no model of the file satisfies, so that whatever it is about is left without callees."""
    for guard in program.of_kind("guard"):
        if not guard.rules and "when" not in guard.block.body.span.text:  # one that does not parse has been reported
            message = f"guard `{guard.name}` has no `when`, so it guards nothing"
            yield error("guard-empty", message, guard.block.header, help="write `when condition -> target.zone == own`")
        for rule in guard.rules:
            if not _can_be_met(program, rule):
                message = f"guard `{guard.name}` leaves nothing to call: no model of this file is what it needs"
                yield error("guard-empty", message, rule.node.target.span, help="declare a model that is, or correct the rule")


def _can_be_met(program: Program, rule: Rule) -> bool:
    return any(_meets(program, model, rule) for model in program.of_kind("model"))


def _meets(program: Program, model: Declaration, rule: Rule) -> bool:
    return any(all(_holds(program, model, fact) for fact in facts) for facts in rule.needs)


def _holds(program: Program, model: Declaration, fact: TargetIs) -> bool:
    provider = program.declarations.get(model.fields.provider)
    known = {
        "zone": provider.fields.zone if provider else "external",
        "region": provider.fields.region if provider else None,
        "provider": model.fields.provider,
        "family": program.family_of(model),
        "name": model.name,
    }
    return compare(known[fact.field], fact.operator, fact.value)


# ---- the calls of a flow ------------------------------------------------------------------------------------------------------


def _edges(program: Program, flow: Declaration, rules: list[Rule]) -> Iterator[Edge]:
    """Every call of a flow, those of the classifiers that its guards read among them. Raises `TooManyEdges`."""
    read = [rule.condition.test for rule in rules]
    edges = chain(_signals(program, read, (flow.name,), (), flow.block.header), _walk(program, flow, (), (), None))
    for count, edge in enumerate(edges, 1):
        if count > MAX_EDGES:
            raise TooManyEdges
        yield edge


def _walk(
    program: Program, at: Declaration, path: tuple[str, ...], conditions: tuple[Test, ...], span: Span | None
) -> Iterator[Edge]:
    """Every call from a declaration on. `span` is the arm of the flow that leads here."""
    path = (*path, at.name)
    if at.kind.name == "model":
        yield Edge(path, conditions, at, span or at.block.header)
        return
    if at.kind.arms == "conditions":
        for arm in at.arms:
            where = span or arm.node.span
            test = arm.condition.test if arm.condition else All(())
            yield from _signals(program, [test], path, conditions, where)
            yield from _walk(program, program.declarations[arm.target.name], path, (*conditions, test), where)
            conditions = (*conditions, Not(test))
        return
    for target in targets_of(at):
        yield from _walk(program, program.declarations[target.name], path, conditions, span or at.block.header)
    if at.kind.name == "cascade":
        for atom in atoms([at.fields.accept.test]):
            if isinstance(atom, ScoreIs):
                yield from _asked(program, program.declarations[atom.scorer], path, conditions, span or at.block.header)


def _signals(
    program: Program, tests: list[Test], path: tuple[str, ...], conditions: tuple[Test, ...], span: Span
) -> Iterator[Edge]:
    """The calls of the classifiers that conditions read."""
    for name in dict.fromkeys(atom.signal for atom in atoms(tests) if isinstance(atom, LabelIs)):
        yield from _asked(program, program.declarations[name], path, conditions, span)


def _asked(program: Program, by: Declaration, path: tuple[str, ...], conditions: tuple[Test, ...], span: Span) -> Iterator[Edge]:
    for name in asked_by(by):
        model = program.declarations.get(name)
        if model is not None and model.kind.name == "model":
            yield Edge((*path, by.name, model.name), conditions, model, span)
