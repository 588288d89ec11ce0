"""Conditions on what is said of a request or an answer: labels of classifiers, scores of scorers."""

from typing import get_args

from mmflow.check import labels, types
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic, error
from mmflow.plan import LabelIs, Operator, ScoreIs, Test
from mmflow.plugin import ScorerWord
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.units import UnitError, parse_quantity
from mmflow.vocabulary import WordError


def signal_kind(expr: nodes.Expr, scope: Scope) -> str | None:
    """`classify` or `scorer`, where the expression names one."""
    if isinstance(expr, nodes.Ref) and (block := scope.blocks.get(expr.name)) and block.kind in ("classify", "scorer"):
        return block.kind
    return None


def label_test(classifier: str, operator: str, right: nodes.Expr, whole: nodes.Expr, scope: Scope) -> Test | None:
    """The test of a comparison with labels; None (reported) where it is none."""
    declared = scope.labels.get(classifier)
    if declared is None:
        return None  # its own block is broken and has been reported
    visible = scope.visible_labels()[classifier]
    if operator in ("in", "not in"):
        chosen = _label_list(classifier, right, visible, scope)
        if chosen is None:
            return None
        return LabelIs(classifier, tuple(each for each in visible if (each in chosen) == (operator == "in")))
    right = _named_label(right, visible, scope)
    if not isinstance(right, nodes.Ref) or operator == "matches":
        help = f"write a label without quotes: `{classifier} == {visible[0]}`"
        scope.report(types.wrong_type(f"`{classifier}` is compared with its labels", right.span, help))
        return None
    if right.name not in visible:
        scope.report(labels.unknown_label(right.name, classifier, visible, right.span))
        return None
    if operator == "==":
        return LabelIs(classifier, (right.name,))
    if operator == "!=":
        return LabelIs(classifier, tuple(each for each in visible if each != right.name))
    if not declared.ordered or right.name == "unsure":
        message = f"the labels of `{classifier}` have no order, so `{operator}` says nothing"
        if right.name == "unsure":
            message = f"`unsure` has no place in the order of `{classifier}`"
        order = " < ".join(declared.names)
        scope.report(labels.unordered_label(message, whole.span, f"compare by `==` or `in`, or declare `labels = {order}`"))
        return None
    at = declared.names.index(right.name)
    kept = {
        "<": declared.names[:at],
        "<=": declared.names[: at + 1],
        ">": declared.names[at + 1 :],
        ">=": declared.names[at:],
    }[operator]
    return LabelIs(classifier, kept)


def _named_label(expr: nodes.Expr, visible: tuple[str, ...], scope: Scope) -> nodes.Expr:
    """A label as it is written, though a `let` has the same name; else what a `let` stands for."""
    if isinstance(expr, nodes.Ref) and (written := expr.span.text) in visible:
        return nodes.Ref(written, expr.span)
    return scope.expand(expr) or expr


def _label_list(classifier: str, right: nodes.Expr, visible: tuple[str, ...], scope: Scope) -> set[str] | None:
    expanded = scope.expand(right)
    if not isinstance(expanded, nodes.List):
        scope.report(types.wrong_type("`in` needs a list of labels", right.span, f"write `{classifier} in [{visible[0]}]`"))
        return None
    chosen: set[str] = set()
    ok = True
    for item in expanded.items:
        each = _named_label(item, visible, scope)
        if isinstance(each, nodes.Ref) and each.name in visible:
            chosen.add(each.name)
            continue
        ok = False
        if isinstance(each, nodes.Ref):
            scope.report(labels.unknown_label(each.name, classifier, visible, each.span))
        else:
            help = f"write labels without quotes: `{classifier} in [{visible[0]}]`"
            scope.report(types.wrong_type(f"`{classifier}` is compared with its labels", each.span, help))
    return chosen if ok else None


def score_test(scorer: str, operator: str, right: nodes.Expr, scope: Scope) -> Test | None:
    """The test of a comparison of a score with a number; None (reported) where it is none."""
    expanded = scope.expand(right)
    if isinstance(expanded, nodes.Ref) and signal_kind(expanded, scope) == "scorer":
        scope.used.add(expanded.name)
        scope.report(_of_two_scores(scorer, expanded, right.span, scope))
        return None
    if operator not in get_args(Operator):
        scope.report(types.wrong_type(f"a score is not compared by `{operator}`", right.span, "use `>=`"))
        return None
    if not isinstance(expanded, nodes.Quantity):
        scope.report(types.wrong_type("a score is compared with a number from 0 to 1", right.span))
        return None
    try:
        value = parse_quantity(expanded.text)
    except UnitError as problem:
        scope.report(types.wrong_type(problem.message, right.span, problem.help))
        return None
    if type(value) not in (int, float):
        scope.report(types.wrong_type("a score is compared with a number from 0 to 1", right.span, "write `0.85`"))
        return None
    number = float(value)  # type: ignore[arg-type]  # int or float, by the line above
    if not 0 <= number <= 1:
        scope.report(types.out_of_range(f"a score is from 0 to 1, not `{expanded.text}`", right.span, types.score_meant(number)))
        return None
    return ScoreIs(scorer, operator, number)  # type: ignore[arg-type]  # one of Operator, checked above


def _of_two_scores(scorer: str, other: nodes.Ref, span: Span, scope: Scope) -> Diagnostic:
    own, its = _scale(scorer, scope), _scale(other.name, scope)
    if own is not None and its is not None and own != its:
        return mixed_scores(scorer, own, other.name, its, span)
    help = f"write `{scorer} >= 0.85 and {other.name} >= 0.85`"
    return types.wrong_type(f"a score is compared with a number, not with the scorer `{other.name}`", span, help)


def mixed_scores(scorer: str, own: str, other: str, its: str, span: Span) -> Diagnostic:
    """Two scores of different kinds that are compared: 0.8 of one says nothing about 0.8 of the other."""
    message = f"`{scorer}` is a {own} and `{other}` is a {its}: their numbers do not mean the same"
    return error("mixed-scores", message, span, help=f"compare each with a number: `{scorer} >= 0.85 and {other} >= 0.85`")


def _scale(scorer: str, scope: Scope) -> str | None:
    """What the numbers of a scorer are; None where its word cannot be had."""
    block, passed = scope.blocks[scorer], {scorer}
    while block.using is None and block.like is not None:
        base = scope.full(block.like)
        if base in passed or base not in scope.blocks:
            return None
        passed.add(base)
        block = scope.blocks[base]
    if block.using is None:
        return None
    try:
        word = scope.vocabulary.find("scorer", scope.word_path(block.using))
    except WordError:  # reported at its block
        return None
    return word.scale if isinstance(word, ScorerWord) else None
