"""What the fields of a block say together: rules of one kind each."""

from collections.abc import Callable, Iterator

import attrs

from mmflow.check import labels, names, types
from mmflow.check.kinds import ClassifyFields, ScorecardName
from mmflow.check.program import Declaration
from mmflow.check.scope import Scope
from mmflow.check.values import constructed
from mmflow.options import OptionError
from mmflow.plugin import ClassifierWord
from mmflow.syntax import nodes


def together(declaration: Declaration, scope: Scope) -> Declaration | None:
    """A declaration as its fields complete one another; None (reported) where they contradict."""
    rule = _RULES.get(declaration.kind.name)
    return declaration if rule is None else rule(declaration, scope)


def _checked_classifier(declaration: Declaration, scope: Scope) -> Declaration | None:
    return declaration if _classifier_holds(declaration, scope) else None


def _classifier_holds(declaration: Declaration, scope: Scope) -> bool:
    """Report labels that a classifier does not declare, and an order that it does not have."""
    own: ClassifyFields = declaration.fields
    span = declaration.spans.get("unsure", declaration.block.header)
    taken = {"up": ("up",), "none": ("none", "unsure")}.get(own.unsure, ())
    if strange := [name for name in own.labels.names if name in taken]:
        message = f"`{strange[0]}` is a label, and has a meaning of its own under `unsure = {own.unsure}`"
        scope.report(names.reserved_word(message, declaration.spans["labels"], "choose another label"))
        return False
    if own.unsure == "up":
        if not own.labels.ordered:
            message = f"`unsure = up` needs an order, and the labels of `{declaration.name}` have none"
            order = " < ".join(own.labels.names)
            scope.report(labels.unordered_label(message, span, f"name a label, or declare `labels = {order}`"))
            return False
    elif own.unsure != "none" and own.unsure not in own.labels.names:
        scope.report(labels.unknown_label(own.unsure, declaration.name, (*own.labels.names, "up", "none"), span))
        return False
    return _word_labels_hold(declaration, scope)


def _word_labels_hold(declaration: Declaration, scope: Scope) -> bool:
    word = declaration.word
    if not isinstance(word, ClassifierWord):
        return True
    options = constructed(word.options, declaration.options, {}, declaration.block.header, scope)
    if options is None:
        return False
    declared = declaration.fields.labels.names
    try:
        word.accept(options, declared)
    except OptionError as problem:
        span = declaration.spans.get(problem.field, declaration.block.header)
        scope.report(types.out_of_range(problem.message, span, problem.help))
        return False
    strange = [label for label in word.labels(options) or () if label not in declared]
    span = next(iter(declaration.spans[name] for name in declaration.options), declaration.block.header)
    keys = {key.name: key.name_span for key in _keys(declaration.block)}
    for label in strange:
        scope.report(labels.unknown_label(label, declaration.name, declared, keys.get(label, span)))
    return not strange


def _keys(block: nodes.Block) -> Iterator[nodes.Attr]:
    """What the records of a block's fields set."""
    for item in block.body.items:
        if isinstance(item, nodes.Attr) and isinstance(item.value, nodes.Record):
            yield from (each for each in item.value.items if isinstance(each, nodes.Attr))


def _tier(declaration: Declaration, scope: Scope) -> Declaration:
    """A tier with its scorecard: the one that it names, or under `min_quality` the only one of its file."""
    own = declaration.fields
    if own.min_quality is None or own.scorecard is not None:
        return declaration
    prefix = scope.module(declaration.block.span).prefix
    beside = [
        name for name, block in scope.blocks.items() if block.kind == "scorecard" and name.rpartition(".")[0] == prefix[:-1]
    ]
    if len(beside) != 1:
        return declaration
    return attrs.evolve(declaration, fields=attrs.evolve(own, scorecard=ScorecardName(beside[0])))


def _experiment(declaration: Declaration, scope: Scope) -> Declaration | None:
    if len(declaration.arms) > 1:
        return declaration
    message = f"`{declaration.name}` compares nothing: an experiment has at least two arms"
    scope.report(
        types.out_of_range(message, declaration.block.header, "add `10% -> TARGET`, and `else -> TARGET` as the control")
    )
    return None


def _prompt(declaration: Declaration, scope: Scope) -> Declaration | None:
    if declaration.templates:
        return declaration
    message = f"`{declaration.name}` has no arms, so it says nothing"
    scope.report(types.out_of_range(message, declaration.block.header, 'add `else -> "…"`'))
    return None


def _output(declaration: Declaration, scope: Scope) -> Declaration | None:
    own = declaration.fields
    if own.schema is None or own.format == "json":
        return declaration
    message = f"`schema` says what JSON is like, and the answers of `{declaration.name}` are text"
    scope.report(types.wrong_type(message, declaration.spans["schema"], "add `format = json`, or remove `schema`"))
    return None


_RULES: dict[str, Callable[[Declaration, Scope], Declaration | None]] = {
    "classify": _checked_classifier,
    "tier": _tier,
    "experiment": _experiment,
    "prompt": _prompt,
    "output": _output,
}
