"""The calls that a flow can make: of models, of judges, and of the models that classifiers ask, each with the way there."""

from collections.abc import Iterator

import attrs

from mmflow.check.privacy.needs import meets
from mmflow.check.program import Declaration, Program, Template, targets_of
from mmflow.check.uses import asked_by
from mmflow.plan import All, LabelIs, Not, ScoreIs, Slot, Test
from mmflow.situations import atoms
from mmflow.source import Span

MAX_EDGES = 20_000


@attrs.frozen
class Edge:
    """A call that a flow can make: the names on the way, the conditions that lead there, and the model that is asked."""

    path: tuple[str, ...]
    conditions: tuple[Test, ...]
    model: Declaration
    span: Span
    is_answer: bool = False
    """Whether its answer may be the flow's: not one that a judge or a classifier asks for."""


class TooManyEdges(Exception):
    """A flow has more ways than `MAX_EDGES`."""


def edges_of(program: Program, flow: Declaration, read: list[Test]) -> list[Edge]:
    """Every call of a flow but those of a budget's `degrade`. `read` is what its guards read. Raises `TooManyEdges`."""
    found: list[Edge] = []
    for edge in _edges(program, flow, read):
        if len(found) >= MAX_EDGES:
            raise TooManyEdges
        found.append(edge)
    return found


def answers_of(program: Program, target: Declaration, span: Span) -> list[Edge]:
    """The calls whose answers may be those of a target. Raises `TooManyEdges`."""
    found: list[Edge] = []
    for edge in _walk(program, target, (), (), span):
        if len(found) >= MAX_EDGES:
            raise TooManyEdges
        if edge.is_answer:
            found.append(edge)
    return found


def _edges(program: Program, flow: Declaration, read: list[Test]) -> Iterator[Edge]:
    yield from _signals(program, read, (flow.name,), (), flow.block.header)
    cache = program.declarations.get(flow.fields.cache or "")
    if cache is not None:
        off = [each.condition.test for each in cache.off]
        yield from _signals(program, off, (flow.name, cache.name), (), flow.spans["cache"])
    prompt = program.declarations.get(flow.fields.prompt or "")
    for edge in _walk(program, flow, (), (), None):
        yield edge
        if prompt is not None and edge.is_answer:
            for name in _filled_in(program, prompt, edge.model):
                path = (flow.name, prompt.name)
                yield from _asked(program, program.declarations[name], path, edge.conditions, flow.spans["prompt"])


def _filled_in(program: Program, prompt: Declaration, model: Declaration) -> tuple[str, ...]:
    """The classifiers whose labels the template of a model shows."""
    for template in prompt.templates:
        if _fits(program, template, model):
            named = [part.path for part in template.parts if isinstance(part, Slot)]
            return tuple(dict.fromkeys(name for name in named if name in program.declarations))
    return ()


def _fits(program: Program, template: Template, model: Declaration) -> bool:
    return template.condition is None or meets(program, model, template.condition.needs)


def _walk(
    program: Program, at: Declaration, path: tuple[str, ...], conditions: tuple[Test, ...], span: Span | None
) -> Iterator[Edge]:
    """Every call from a declaration on. `span` is the arm of the flow that leads here."""
    path = (*path, at.name)
    if at.kind.name == "model":
        yield Edge(path, conditions, at, span or at.block.header, is_answer=True)
        return
    if at.kind.arms == "conditions":
        for arm in at.arms:
            where = span or arm.node.span
            test = arm.condition.test if arm.condition else All(())
            yield from _signals(program, [test], path, conditions, where)
            yield from _walk(program, program.declarations[arm.target.name], path, (*conditions, test), where)
            conditions = (*conditions, Not(test))
        return
    where = span or at.block.header
    for name in _labels_before(program, at):
        yield from _asked(program, program.declarations[name], path, conditions, where)
    for target in targets_of(at):
        yield from _walk(program, program.declarations[target.name], path, conditions, where)
    for name in _judges(at):
        yield from _asked(program, program.declarations[name], path, conditions, where)
    if at.kind.name == "strategy":
        yield from _references(program, at, path, conditions, where)


def _labels_before(program: Program, at: Declaration) -> tuple[str, ...]:
    """The classifier by whose label a tier looks up the quality of its members."""
    if at.kind.name != "tier" or at.fields.min_quality is None or at.fields.scorecard is None:
        return ()
    scorecard = program.declarations.get(at.fields.scorecard)
    name = program.classifier_of(scorecard) if scorecard is not None else ""
    return (name,) if name in program.declarations else ()


def _judges(at: Declaration) -> tuple[str, ...]:
    match at.kind.name:
        case "cascade" if at.fields.accept is not None:
            return tuple(dict.fromkeys(atom.scorer for atom in atoms([at.fields.accept.test]) if isinstance(atom, ScoreIs)))
        case "experiment":
            return (str(at.fields.metric),)
        case _:
            return ()


def _signals(
    program: Program, tests: list[Test], path: tuple[str, ...], conditions: tuple[Test, ...], span: Span
) -> Iterator[Edge]:
    """The calls of the classifiers that conditions read."""
    for name in dict.fromkeys(atom.signal for atom in atoms(tests) if isinstance(atom, LabelIs)):
        yield from _asked(program, program.declarations[name], path, conditions, span)


def _asked(program: Program, by: Declaration, path: tuple[str, ...], conditions: tuple[Test, ...], span: Span) -> Iterator[Edge]:
    """The calls of a classifier or a scorer."""
    yield from _references(program, by, (*path, by.name), conditions, span)


def _references(
    program: Program, by: Declaration, path: tuple[str, ...], conditions: tuple[Test, ...], span: Span
) -> Iterator[Edge]:
    """The calls of what the options of a word name: models, and the models of scorers and classifiers."""
    for name in asked_by(by):
        named = program.declarations.get(name)
        if named is None or named.name in path:
            continue
        if named.kind.name == "model":
            yield Edge((*path, named.name), conditions, named, span)
        elif named.kind.name in ("scorer", "classify"):
            yield from _asked(program, named, path, conditions, span)
        elif named.kind.name != "provider":
            for edge in _walk(program, named, path, conditions, span):
                yield attrs.evolve(edge, is_answer=edge.is_answer and by.kind.name == "strategy")
