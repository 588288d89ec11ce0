"""What a test expects, as written to what a plan keeps of it."""

from typing import Any, get_args

import attrs

from mmflow.check import conditions, names, types
from mmflow.check.kinds import Target
from mmflow.check.needs import lower_needs
from mmflow.check.scope import Scope
from mmflow.check.values import target, typed
from mmflow.diagnostics import did_you_mean
from mmflow.options import Pattern, Scalar
from mmflow.plan import (
    CallsAre,
    Came,
    ExpectAll,
    ExpectAny,
    Expected,
    ExpectNot,
    Happened,
    LabelIs,
    Measured,
    NeverCalled,
    Operator,
    ServedBy,
    TargetIs,
)
from mmflow.plugin import ErrorClass
from mmflow.syntax import nodes
from mmflow.units import Duration, Money

OUTCOMES = ("served", "failed", "rejected", "stream_broken")

_EXAMPLES = {
    "served_by": "served_by(fast)",
    "calls": "calls == [fast, general]",
    "never_called": "never_called(zone = external)",
    "attempts": "attempts(fast) == 2",
    "cost": "cost < $0.02",
    "latency": "latency < 3s",
    "label": "label(task) == code",
    "cached": "cached",
    "degraded": "degraded",
    "output": 'output matches "yes"',
    "outcome": "outcome == served",
    "error": "error == 429",
    "alerted": 'alerted("ops")',
}
_FORMS = "a test expects " + ", ".join(f"`{each}`" for each in _EXAMPLES.values())
_FACTS = ("zone", "region", "provider", "family", "name")


@attrs.frozen
class Subject:
    """What a test is about: its flow, and what that reaches (None: not known)."""

    flow: str
    inside: frozenset[str] | None
    scope: Scope

    def target(self, expr: nodes.Expr) -> Target | None:
        """A target that the flow reaches; None (reported) where it is none."""
        found = target(expr, self.scope)
        if found is None:
            return None
        if found.settings is not None:
            self.scope.report(types.wrong_type("a test names a target without `with`", expr.span, f"write `{found.name}`"))
            return None
        if self.inside is not None and found.name not in self.inside:
            message = f"`{self.flow}` never reaches `{found.name}`"
            self.scope.report(types.out_of_range(message, expr.span, "name a target that the flow reaches, or test another flow"))
            return None
        return found


def expected(expr: nodes.Expr, subject: Subject) -> Expected | None:
    """What is expected; None where it has a mistake, which is then reported."""
    with subject.scope.nested(expr) as is_small:
        return _expected(expr, subject) if is_small else None


def _expected(expr: nodes.Expr, subject: Subject) -> Expected | None:
    found = subject.scope.expand(expr)
    match found:
        case None:
            return None
        case nodes.And(operands=operands) | nodes.Or(operands=operands):
            tests = [expected(each, subject) for each in operands]
            known = tuple(each for each in tests if each is not None)
            both = ExpectAll if isinstance(found, nodes.And) else ExpectAny
            return both(known) if len(known) == len(tests) else None
        case nodes.Not(operand=operand):
            inner = expected(operand, subject)
            return ExpectNot(inner) if inner is not None else None
        case nodes.Compare(first=first, rest=((operator, right),)):
            return _compared(first, operator, right, found, subject)
        case nodes.Compare():
            message = "an expectation compares two things at a time"
            subject.scope.report(types.wrong_type(message, found.span, "join two by `and`"))
            return None
        case nodes.Ref(name="cached" | "degraded" as what):
            return Happened(what)
        case nodes.Invoke(function=nodes.Ref(name="served_by"), arguments=(named,)) if not isinstance(named, nodes.NamedArg):
            of = subject.target(named)
            return ServedBy(of.name) if of is not None else None
        case nodes.Invoke(function=nodes.Ref(name="never_called"), arguments=arguments) if arguments:
            return _never_called(arguments, found, subject)
        case nodes.Invoke(function=nodes.Ref(name="alerted"), arguments=(nodes.String(value=channel),)):
            return Happened("alerted", channel)
        case nodes.Invoke(function=nodes.Ref(name="alerted"), arguments=()):
            return Happened("alerted")
        case _:
            return _unknown(found, subject.scope)


def _unknown(expr: nodes.Expr, scope: Scope) -> None:
    """Report what says nothing about a request that was answered."""
    word = expr.function if isinstance(expr, nodes.Invoke) else expr
    if isinstance(word, nodes.Ref) and word.name in _EXAMPLES:
        message = f"`{expr.span.text[:40]}` is no expectation by itself"
        scope.report(types.wrong_type(message, expr.span, f"write `{_EXAMPLES[word.name]}`"))
    elif isinstance(word, nodes.Ref) and word.name not in scope.blocks:
        near = did_you_mean(word.name, _EXAMPLES)
        scope.report(names.unknown_name(word.name, word.span, "an expectation", _EXAMPLES, None if near else _FORMS))
    else:
        scope.report(types.wrong_type(f"`{expr.span.text[:40]}` is not an expectation", expr.span, _FORMS))


def _never_called(arguments: tuple[nodes.Expr | nodes.NamedArg, ...], whole: nodes.Expr, subject: Subject) -> Expected | None:
    scope = subject.scope
    facts: list[TargetIs] = []
    for each in arguments:
        if not isinstance(each, nodes.NamedArg):
            # What the flow does not reach today it shall not reach tomorrow either.
            of = target(each, scope) if len(arguments) == 1 else None
            if len(arguments) > 1:
                scope.report(types.wrong_type("`never_called` takes one target, or facts of a model", whole.span))
            return NeverCalled(of.name) if of is not None else None
        if each.name not in _FACTS:
            scope.report(types.unknown_field(each.name, "a model", each.span, _FACTS))
            return None
        fact = nodes.Member(nodes.Ref("target", each.span), each.name, each.span, each.span)
        needs = lower_needs(scope.linked(nodes.Compare(fact, (("==", each.value),), each.span)), scope)
        if needs is None:
            return None
        facts.extend(needs[0])
    return NeverCalled(facts=tuple(facts))


# ---- comparisons --------------------------------------------------------------------------------------------------------------


def _compared(left: nodes.Expr, operator: str, right: nodes.Expr, whole: nodes.Expr, subject: Subject) -> Expected | None:
    scope = subject.scope
    match left:
        case nodes.Ref(name="cost"):
            return _measured("cost", operator, right, Money, subject)
        case nodes.Ref(name="latency"):
            return _measured("latency", operator, right, Duration, subject)
        case nodes.Invoke(function=nodes.Ref(name="attempts"), arguments=(named,)) if not isinstance(named, nodes.NamedArg):
            of = subject.target(named)
            return _measured("attempts", operator, right, int, subject, of.name) if of is not None else None
        case nodes.Ref(name="calls"):
            return _calls(operator, right, subject)
        case nodes.Ref(name="output"):
            return _output(operator, right, subject)
        case nodes.Ref(name="outcome"):
            return _one_of("outcome", operator, right, OUTCOMES, subject)
        case nodes.Ref(name="error"):
            return _one_of("error", operator, right, get_args(ErrorClass), subject)
        case nodes.Invoke(function=nodes.Ref(name="label"), arguments=(nodes.Ref() | nodes.Member() as named,)):
            return _label(named, operator, right, whole, subject)
        case nodes.Ref() | nodes.Member() if _is_classifier(left, scope):
            return _label(left, operator, right, whole, subject)
        case _:
            return _unknown(left, scope)


def _measured(
    what: Any, operator: str, right: nodes.Expr, type_: type, subject: Subject, of: str | None = None
) -> Measured | None:
    if not _takes(operator, get_args(Operator), right, subject.scope):
        return None
    value = typed(right, Scalar(type_), subject.scope)
    if value is None:
        return None
    return Measured(what, operator, float(value) if type_ is Duration else int(value), of)  # type: ignore[arg-type]  # one of Operator


def _takes(operator: str, operators: tuple[str, ...], at: nodes.Expr, scope: Scope) -> bool:
    if operator not in operators:
        help = "compare by " + ", ".join(f"`{each}`" for each in operators)
        scope.report(types.wrong_type(f"this is not compared by `{operator}`", at.span, help))
    return operator in operators


def _calls(operator: str, right: nodes.Expr, subject: Subject) -> Expected | None:
    if not _takes(operator, ("==", "!="), right, subject.scope):
        return None
    listed = subject.scope.value(right)
    if not isinstance(listed, nodes.List):
        help = f"write `calls == [{right.span.text}]`" if len(right.span.text) < 40 else None
        subject.scope.report(types.wrong_type("`calls` is compared with a list of targets", right.span, help))
        return None
    found = [subject.target(each) for each in listed.items]
    if None in found:
        return None
    return _turned(CallsAre(tuple(each.name for each in found if each is not None)), operator)


def _output(operator: str, right: nodes.Expr, subject: Subject) -> Expected | None:
    if not _takes(operator, ("==", "!=", "matches"), right, subject.scope):
        return None
    value = typed(right, Scalar(Pattern if operator == "matches" else str), subject.scope)
    if value is None:
        return None
    return Came("output_matches", str(value)) if operator == "matches" else _turned(Came("output", value), operator)


def _one_of(what: Any, operator: str, right: nodes.Expr, words: tuple[str, ...], subject: Subject) -> Expected | None:
    scope = subject.scope
    if not _takes(operator, ("==", "!=", "in", "not in"), right, scope):
        return None
    value = scope.value(right)
    is_list = operator in ("in", "not in")
    if is_list and not isinstance(value, nodes.List):
        scope.report(types.wrong_type("`in` needs a list", right.span, f"write `{what} in [{words[0]}]`"))
        return None
    found: list[Expected] = []
    for each in value.items if is_list and isinstance(value, nodes.List) else (value,):
        match each:
            case nodes.Ref(name=text) | nodes.Quantity(text=text) if text in words:
                found.append(Came(what, text))
            case None:
                return None
            case _:
                written = each.span.text[:40]
                near = did_you_mean(written, words)
                help = f"did you mean `{near}`?" if near else "it is one of " + ", ".join(f"`{word}`" for word in words)
                scope.report(types.wrong_type(f"`{written}` is no {what} of a request", each.span, help))
                return None
    return _turned(found[0] if len(found) == 1 else ExpectAny(tuple(found)), operator)


def _turned(test: Expected, operator: str) -> Expected:
    return ExpectNot(test) if operator in ("!=", "not in") else test


def _is_classifier(expr: nodes.Expr, scope: Scope) -> bool:
    named = scope.qualified(expr)
    block = scope.blocks.get(scope.full(named)) if isinstance(named, nodes.Ref) else None
    return block is not None and block.kind == "classify"


def _label(named: nodes.Expr, operator: str, right: nodes.Expr, whole: nodes.Expr, subject: Subject) -> LabelIs | None:
    scope = subject.scope
    if not _is_classifier(named, scope):
        known = scope.of_kinds(("classify",))
        scope.report(names.unknown_name(named.span.text, named.span, "a classifier", known))
        return None
    name = scope.qualified(named)
    test = conditions.lower(nodes.Compare(name, ((operator, right),), whole.span), scope)
    if not isinstance(test, LabelIs):
        return None
    if subject.inside is not None and test.signal not in subject.inside:
        message = f"`{subject.flow}` never reads `{test.signal}`"
        scope.report(types.out_of_range(message, named.span, "expect what the flow decides by, or test another flow"))
        return None
    return test
