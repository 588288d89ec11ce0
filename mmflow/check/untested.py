"""Arms that no test of a file takes, as far as what the tests give decides it."""

from collections.abc import Iterable, Iterator

from mmflow.check.program import Arm, Declaration, Program, targets_of
from mmflow.diagnostics import Diagnostic, note
from mmflow.patterns import compile_pattern
from mmflow.plan import TEST_INPUT, Guessed, RequestIs, TestCase, TextMatches
from mmflow.situations import Value, atoms, decide, variable_of
from mmflow.source import Source, Span
from mmflow.tokens import estimate_tokens

_FRAME_TOKENS = 4
"""What a message has beside its text."""


def untested_arm(program: Program, unreachable: Iterable[Span], source: Source) -> Iterator[Diagnostic]:
    """An arm of a tested flow, or of a route that it leads to, which no test takes.

    `unreachable` are spans of arms that nothing takes.
    """
    taken: set[tuple[str, int]] = set()
    tables: dict[str, None] = {}
    for case in program.tests.values():
        taken |= _taken(program, case)
        tables.update(dict.fromkeys(_tables(program, case.flow)))
    skipped = set(unreachable)
    for name in tables:
        for index, arm in enumerate(program.declarations[name].arms):
            span = arm.node.span
            if (name, index) not in taken and span.source is source and span not in skipped:
                what = f"`when {arm.condition.text}`" if arm.condition is not None else "`else`"
                yield note("untested-arm", f"no test takes {what} of `{name}`", span, help="add a `test` that takes it")


def _tables(program: Program, flow: str) -> Iterator[str]:
    """The tables of arms that a flow leads to, its own first."""
    return (name for name, each in _reached(program, flow) if each.kind.arms == "conditions")


def _reached(program: Program, start: str) -> Iterator[tuple[str, Declaration]]:
    seen, open_ = {start}, [start]
    while open_:
        name = open_.pop()
        if (declaration := program.declarations.get(name)) is None:
            continue
        yield name, declaration
        new = [each for each in dict.fromkeys(target.name for target in targets_of(declaration)) if each not in seen]
        seen.update(new)
        open_.extend(reversed(new))


def _taken(program: Program, case: TestCase) -> set[tuple[str, int]]:
    """The arms that a test takes, and those that it may take for all that is known."""
    taken: set[tuple[str, int]] = set()
    open_ = _entered(program, case)
    seen = set(open_)
    while open_:
        name = open_.pop()
        declaration = program.declarations.get(name)
        if declaration is None:
            continue
        if declaration.kind.arms == "conditions":
            arms = list(_arms(program, declaration, case))
            taken.update((name, index) for index in arms)
            leads_to = [declaration.arms[index].target.name for index in arms]
        else:
            leads_to = [each.name for each in targets_of(declaration) if case.draws.get(name, each.name) == each.name]
        new = [each for each in leads_to if each not in seen]
        seen.update(new)
        open_.extend(new)
    return taken


def _entered(program: Program, case: TestCase) -> list[str]:
    """Where the request of a test goes in: the flow, else what a budget of which so much is spent asks in its place."""
    flow = program.declarations.get(case.flow)
    budget = program.declarations.get(str(flow.fields.budget)) if flow is not None else None
    if budget is None:
        return [case.flow]
    spent = case.spent.get(budget.name, 0.0)
    reached = [each for each in budget.thresholds if each.share <= spent and each.action != "alert"]
    last = max(reached, key=lambda each: (each.action == "reject", each.share), default=None)
    if last is None:
        return [case.flow]
    return [last.target.name] if last.target is not None else []


def _arms(program: Program, declaration: Declaration, case: TestCase) -> Iterator[int]:
    values = _known(program, declaration.arms, case)
    for index, arm in enumerate(declaration.arms):
        outcome = True if arm.condition is None else decide(arm.condition.test, values)
        if outcome is not False:
            yield index
        if outcome is True:
            return


def _known(program: Program, arms: tuple[Arm, ...], case: TestCase) -> dict[str, Value]:
    """What a test decides of all that conditions read, by the names of variables."""
    text = TEST_INPUT if case.input is None else case.input
    values: dict[str, Value] = {
        "request.user": case.user,
        "request.language": case.language,
        "request.has_images": case.has_images,
        "request.has_tools": case.has_tools,
    }
    if case.tokens is not None:
        values["request.tokens"] = case.tokens
    elif not case.has_images and not case.has_tools:
        values["request.tokens"] = _FRAME_TOKENS + estimate_tokens(text)
    for classifier in program.of_kind("classify"):
        if classifier.name in case.given:
            values[classifier.name] = _label(classifier, case.given[classifier.name])
        elif case.input is None:
            values[classifier.name] = _label(classifier, Guessed(None))
    for atom in atoms([arm.condition.test for arm in arms if arm.condition is not None]):
        match atom:
            case RequestIs(field=field) if field.startswith("meta."):
                values[f"request.{field}"] = case.meta.get(field.removeprefix("meta."))
            case TextMatches(pattern=pattern):
                values[variable_of(atom)] = compile_pattern(pattern).matches(text)
    return values


def _label(classifier: Declaration, guessed: Guessed) -> str:
    """The label that arms see of a guess."""
    own = classifier.fields
    labels: tuple[str, ...] = own.labels.names
    if guessed.label is not None and guessed.confidence >= own.confidence:
        return guessed.label
    match str(own.unsure):
        case "none":
            return "unsure"
        case "up":
            at = len(labels) if guessed.label is None else labels.index(guessed.label) + 1
            return labels[min(at, len(labels) - 1)]
        case label:
            return label
