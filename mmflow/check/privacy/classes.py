"""Classes of data: what a caller may do to them, and whether a guard is about them."""

from collections.abc import Iterator

from mmflow.check.program import Declaration, Program, Rule
from mmflow.check.uses import reached
from mmflow.diagnostics import Diagnostic, error, warning
from mmflow.plan import All, Any_, LabelIs, Not, RequestIs, Test, TextMatches, signals_of
from mmflow.plugin import ClassifierWord
from mmflow.situations import Situation, TooMany, atoms, outcomes, variable_of
from mmflow.source import Span

_OTHER = "\x00other"
"""Marks the variables of a second reading of a condition."""


def lowered_classes(program: Program) -> Iterator[Diagnostic]:
    """`class-lowered`: a rule that a caller can keep from holding of what the classifier found."""
    for guard in program.of_kind("guard"):
        for rule in guard.rules:
            if (witness := _lowered(rule, program)) is not None:
                yield class_lowered(guard.name, rule, witness)


def _lowered(rule: Rule, program: Program) -> Situation | None:
    """Labels and words of a caller under which a rule does not hold, though it would by these labels under other words.

    That it would is by the labels, and not by the other words alone: a caller who raises the class does no harm.
    """
    test = rule.condition.test
    kinds = {type(each) for each in atoms([test])}
    if LabelIs not in kinds or kinds <= {LabelIs}:
        return None
    labels = {**program.labels, **{name + _OTHER: each for name, each in program.labels.items()}}
    would_hold, not_by_words = _renamed(test, of_labels=False), _renamed(test, of_labels=True)
    try:
        return outcomes([All((Not(test), would_hold, Not(not_by_words)))], labels).get(0)
    except TooMany:
        return None


def _renamed(test: Test, *, of_labels: bool) -> Test:
    """The condition with other words of the caller, and with other labels too where that is asked."""
    match test:
        case All(tests=tests):
            return All(tuple(_renamed(each, of_labels=of_labels) for each in tests))
        case Any_(tests=tests):
            return Any_(tuple(_renamed(each, of_labels=of_labels) for each in tests))
        case Not(test=inner):
            return Not(_renamed(inner, of_labels=of_labels))
        case LabelIs(signal=signal, labels=labels):
            return LabelIs(signal + _OTHER, labels) if of_labels else test
        case RequestIs(field=field, operator=operator, value=value):
            return RequestIs(field + _OTHER, operator, value)
        case TextMatches(pattern=pattern):
            return TextMatches(pattern + _OTHER)
        case _:
            return test


def class_lowered(guard: str, rule: Rule, witness: Situation) -> Diagnostic:
    """A rule that holds less where the caller says so."""
    own = {variable_of(each) for each in atoms([rule.condition.test])}
    shown = Situation({name: value for name, value in witness.values.items() if name in own}, None)
    message = f"the caller can lower the class: with {shown} guard `{guard}` does not hold"
    help = "what a caller says may raise a class, never lower it: join it by `or`, or leave it out"
    return error("class-lowered", message, rule.node.condition.span, help=help)


def unguarded_classes(program: Program) -> Iterator[Diagnostic]:
    """`unguarded-class`: a classifier of private data that no guard reads, and a flow that reads it without such a guard."""
    flows = program.of_kind("flow")
    used = reached(program, [flow.name for flow in flows])
    guarding = {guard.name: _read_by(guard) for guard in program.of_kind("guard")}
    for classifier in program.of_kind("classify"):
        name = classifier.name
        if name not in used or not isinstance(classifier.word, ClassifierWord) or not classifier.word.finds_private_data:
            continue
        if not any(name in read for read in guarding.values()):
            message = f"`{name}` finds private data, and no guard mentions it"
            yield unguarded_class(message, classifier.name_span, name)
            continue
        for flow in flows:
            named = flow.fields.guards or ()
            if name in _routed_by(program, flow) and not any(name in guarding.get(guard, ()) for guard in named):
                message = f"`{flow.name}` reads `{name}`, which finds private data, and names no guard about it"
                yield unguarded_class(message, flow.block.header, name)


def unguarded_class(message: str, span: Span, classifier: str) -> Diagnostic:
    """Private data that is told apart, and then goes anywhere."""
    help = f"write `guard g {{ when {classifier} == … -> target.zone == own }}`, and name it in the flow's `guards`"
    return warning("unguarded-class", message, span, help=help)


def _read_by(declaration: Declaration) -> set[str]:
    """The classifiers that the conditions of arms and rules read."""
    conditions = [each.condition for each in declaration.arms] + [each.condition for each in declaration.rules]
    return {name for each in conditions if each is not None for name in signals_of(each.test)}


def _routed_by(program: Program, flow: Declaration) -> set[str]:
    """The classifiers by which a flow chooses, in its own arms and in those of the routes that it reaches."""
    inside = (program.declarations[name] for name in reached(program, [flow.name]))
    return {name for each in inside if each.kind.arms == "conditions" for name in _read_by(each)}
