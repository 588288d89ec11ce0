"""Conditions as written to the plan's tests: total, two-valued, over labels, scores and the request alone."""

from collections.abc import Iterator
from typing import get_args

from mmflow.check import labels, names, types
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic, error
from mmflow.patterns import PatternError, compile_pattern
from mmflow.plan import All, Any_, LabelIs, Not, Operator, RequestIs, ScoreIs, Test, TextMatches
from mmflow.plugin import ScorerWord
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.units import Tokens, UnitError, coerce, parse_quantity
from mmflow.vocabulary import WordError

# The fields of a request that a condition may read, and what they are compared with.
_REQUEST_FIELDS = {"tokens": Tokens, "user": str, "language": str, "has_images": bool, "has_tools": bool}
_FORMS = "`request.tokens`, `request.user`, `request.language`, `request.has_images`, `request.has_tools`, "
_FORMS += '`request.meta("team")`, `request.text matches "…"`'


def lower(expr: nodes.Expr, scope: Scope, *, scores: bool = False) -> Test | None:
    """The test of a condition; None where it has a mistake, which is then reported.

    With `scores`, it is about an answer (`accept = quality >= 0.85`), else about a request.
    """
    with scope.nested(expr) as is_small:
        return _lower(expr, scope, scores) if is_small else None


def _lower(expr: nodes.Expr, scope: Scope, scores: bool) -> Test | None:
    expanded = scope.expand(expr)
    match expanded:
        case None:
            return None
        case nodes.Or(operands=operands):
            tests = [lower(each, scope, scores=scores) for each in operands]
            return Any_(tuple(each for each in tests if each is not None)) if None not in tests else None
        case nodes.And(operands=operands):
            tests = [lower(each, scope, scores=scores) for each in operands]
            return All(tuple(each for each in tests if each is not None)) if None not in tests else None
        case nodes.Not(operand=operand):
            inner = lower(operand, scope, scores=scores)
            return Not(inner) if inner is not None else None
        case nodes.Bool(value=value):
            return All(()) if value else Any_(())
        case nodes.Compare(first=first, rest=((operator, right),)):
            return _compare(first, operator, right, expanded, scope, scores)
        case nodes.Compare():
            scope.report(types.wrong_type("a condition compares two things at a time", expanded.span, "join two by `and`"))
            return None
        case _:
            return _bare(expanded, scope, scores)


def text_of(expr: nodes.Expr, scope: Scope) -> str:
    """A condition on one line, as written but for the names of lets, which give way to their values."""
    text, start = expr.span.text, expr.span.start
    for ref in sorted(_refs(expr), key=lambda ref: ref.span.start, reverse=True):
        if ref.name in scope.lets and (value := scope.expand(ref)) is not None:
            text = text[: ref.span.start - start] + value.span.text + text[ref.span.end - start :]
    return " ".join(text.split())


def _refs(expr: nodes.Expr) -> Iterator[nodes.Ref]:
    match expr:
        case nodes.Ref():
            yield expr
        case nodes.And(operands=operands) | nodes.Or(operands=operands) | nodes.List(items=operands):
            for each in operands:
                yield from _refs(each)
        case nodes.Not(operand=operand):
            yield from _refs(operand)
        case nodes.Compare(first=first, rest=rest):
            yield from _refs(first)
            for _, right in rest:
                yield from _refs(right)


def _bare(expr: nodes.Expr, scope: Scope, scores: bool) -> Test | None:
    """A condition without an operator: only the request's own yes-or-no fields."""
    if isinstance(expr, nodes.Ref) and expr.name == "request":
        scope.report(types.wrong_type("`request` is not a condition by itself", expr.span, f"conditions see {_FORMS}"))
        return None
    if isinstance(expr, nodes.Ref) and (kind := _signal_kind(expr, scope)):
        example = {"classify": f"{expr.name} == LABEL", "scorer": f"{expr.name} >= 0.85"}[kind]
        scope.report(types.wrong_type(f"`{expr.name}` is not a condition by itself", expr.span, f"compare it: `{example}`"))
        return None
    match expr:
        case (
            nodes.Member(base=nodes.Ref(name="request")) | nodes.Invoke(function=nodes.Member(base=nodes.Ref(name="request")))
        ) if not scores:
            field = request_field(expr, scope)
            if field is None:
                return None
            if _REQUEST_FIELDS.get(field) is bool:
                return RequestIs(field, "==", True)
            written = expr.span.text[:40]
            help = f"compare it: `{written} == …`"
            scope.report(types.wrong_type(f"`{written}` is not a condition by itself", expr.span, help))
            return None
    return _no_signal(expr, scope, scores)


def _signal_kind(expr: nodes.Expr, scope: Scope) -> str | None:
    if isinstance(expr, nodes.Ref) and (block := scope.blocks.get(expr.name)) and block.kind in ("classify", "scorer"):
        return block.kind
    return None


def _no_signal(expr: nodes.Expr, scope: Scope, scores: bool) -> None:
    """Report what a condition cannot see."""
    kind, what = ("scorer", "a scorer") if scores else ("classify", "a classifier or a field of the request")
    if isinstance(expr, nodes.Ref) and expr.name in ("when", "else"):  # which may be names, and here are not meant as such
        message = f"unexpected `{expr.name}`, expected the rest of the condition above"
        scope.report(
            error("unexpected-token", message, expr.span, help="end the line above with `-> target`, not with `and` or `or`")
        )
        return
    forms = "conditions see the scorers of this file" if scores else f"conditions see classifiers of this file and {_FORMS}"
    if isinstance(expr, nodes.Ref) and expr.name not in scope.blocks and expr.name not in scope.lets:
        known = [*scope.of_kinds((kind,)), *(() if scores else ("request",))]
        scope.report(names.unknown_name(expr.name, expr.span, what, known, forms))
    else:
        scope.report(types.wrong_type(f"`{expr.span.text[:40]}` is not {what}", expr.span, forms))


def _compare(left: nodes.Expr, operator: str, right: nodes.Expr, whole: nodes.Expr, scope: Scope, scores: bool) -> Test | None:
    if isinstance(left, nodes.Ref) and left.name in scope.lets:
        value = scope.value(left)
        if value is None:
            return None
        left = scope.linked(value) if isinstance(value, nodes.Ref | nodes.Member | nodes.Invoke) else left
    kind = _signal_kind(left, scope)
    if isinstance(left, nodes.Ref) and kind == "classify":
        scope.used.add(left.name)
        if scores:
            message = f"`{left.name}` is about the request; an answer is accepted by its scores"
            scope.report(types.wrong_type(message, left.span, "compare a scorer: `quality >= 0.85`"))
            return None
        return _label(left.name, operator, right, whole, scope)
    if isinstance(left, nodes.Ref) and kind == "scorer":
        scope.used.add(left.name)
        if not scores:
            message = f"`{left.name}` scores answers, and there is no answer yet"
            scope.report(types.wrong_type(message, left.span, "scores stand in `accept` of a cascade"))
            return None
        return _score(left.name, operator, right, scope)
    match left:
        case nodes.Member(base=nodes.Ref(name="request"), name="text") if not scores:
            return _matches(operator, right, whole, scope)
        case (
            nodes.Member(base=nodes.Ref(name="request")) | nodes.Invoke(function=nodes.Member(base=nodes.Ref(name="request")))
        ) if not scores:
            field = request_field(left, scope)
            return _request(field, operator, right, whole, scope) if field else None
    if _signal_kind(right, scope) or (isinstance(right, nodes.Member) and isinstance(right.base, nodes.Ref)):
        scope.report(types.wrong_type("the signal stands on the left of a comparison", whole.span, "turn it round"))
        return None
    return _no_signal(left, scope, scores)


# ---- labels -----------------------------------------------------------------------------------------------------------------


def _label(classifier: str, operator: str, right: nodes.Expr, whole: nodes.Expr, scope: Scope) -> Test | None:
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


# ---- scores -----------------------------------------------------------------------------------------------------------------


def _score(scorer: str, operator: str, right: nodes.Expr, scope: Scope) -> Test | None:
    expanded = scope.expand(right)
    if isinstance(expanded, nodes.Ref) and _signal_kind(expanded, scope) == "scorer":
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


# ---- the request --------------------------------------------------------------------------------------------------------------


def request_field(expr: nodes.Expr, scope: Scope) -> str | None:
    """`request.user`, `request.meta("team")` as the name in a plan; None (reported) where it is no field."""
    match expr:
        case nodes.Member(base=nodes.Ref(name="request"), name=name) if name in _REQUEST_FIELDS:
            return name
        case nodes.Invoke(
            function=nodes.Member(base=nodes.Ref(name="request"), name="meta"), arguments=(nodes.String(value=key),)
        ):
            return f"meta.{key}"
        case nodes.Member(base=nodes.Ref(name="request"), name="meta"):
            message = "`request.meta` needs the name of a field"
            scope.report(types.wrong_type(message, expr.span, 'write `request.meta("team")`'))
        case nodes.Member(base=nodes.Ref(name="request"), name="text"):
            message = "`request.text` is only matched with a pattern, in a condition"
            scope.report(types.wrong_type(message, expr.span, 'write `request.text matches "invoice"`'))
        case nodes.Member(base=nodes.Ref(name="request"), name=name, name_span=span):
            scope.report(types.unknown_field(name, "a request", span, [*_REQUEST_FIELDS, "meta", "text"]))
        case _:
            scope.report(types.wrong_type("expected a field of the request", expr.span, f"fields are {_FORMS}"))
    return None


def _request(field: str, operator: str, right: nodes.Expr, whole: nodes.Expr, scope: Scope) -> Test | None:
    if operator in ("in", "not in"):
        expanded = scope.expand(right)
        if not isinstance(expanded, nodes.List):
            scope.report(types.wrong_type("`in` needs a list", right.span, 'write `in ["a", "b"]`'))
            return None
        tests = [_request(field, "==", each, whole, scope) for each in expanded.items]
        if None in tests:
            return None
        found = Any_(tuple(each for each in tests if each is not None))
        return found if operator == "in" else Not(found)
    if operator == "matches":
        scope.report(types.wrong_type("only `request.text` is matched with patterns", whole.span))
        return None
    wanted = _REQUEST_FIELDS.get(field, str)
    value = _request_value(right, wanted, scope)
    if value is None:
        return None
    if wanted is not Tokens and operator not in ("==", "!="):
        scope.report(types.wrong_type(f"`request.{field}` has no order", whole.span, "compare it by `==` or `!=`"))
        return None
    return RequestIs(field, operator, value)  # type: ignore[arg-type]  # `in` and `matches` are gone, the rest is Operator


def _request_value(right: nodes.Expr, wanted: type, scope: Scope) -> int | str | bool | None:
    expanded = scope.expand(right)
    match expanded:
        case nodes.String(value=value) if wanted is str:
            return value
        case nodes.Bool(value=truth) if wanted is bool:
            return truth
        case nodes.Quantity(text=text) if wanted is Tokens:
            try:
                return int(coerce(parse_quantity(text), Tokens))  # type: ignore[arg-type]  # coerce gives Tokens
            except UnitError as problem:
                scope.report(types.wrong_type(problem.message, right.span, problem.help))
                return None
        case nodes.Ref(name=name) if wanted is str:
            scope.report(types.wrong_type("expected a string", right.span, f'write `"{name}"`'))
        case None:
            pass
        case _:
            due = {str: "a string", bool: "`true` or `false`", Tokens: "a number of tokens such as `2k`"}[wanted]
            scope.report(types.wrong_type(f"expected {due}", right.span))
    return None


def _matches(operator: str, right: nodes.Expr, whole: nodes.Expr, scope: Scope) -> Test | None:
    expanded = scope.expand(right)
    if operator != "matches" or not isinstance(expanded, nodes.String):
        message = "the text of a request is matched with a pattern"
        scope.report(types.wrong_type(message, whole.span, 'write `request.text matches "invoice"`'))
        return None
    try:
        compile_pattern(expanded.value)
    except PatternError as problem:
        scope.report(types.slow_pattern(problem.message, right.span, problem.help))
        return None
    return TextMatches(expanded.value)
