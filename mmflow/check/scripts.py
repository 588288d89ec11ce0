"""What a test has models do, as written to the turns of their scripts."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from mmflow.check import names, types
from mmflow.check.expectations import Subject
from mmflow.check.scope import Scope
from mmflow.check.values import typed
from mmflow.diagnostics import did_you_mean
from mmflow.options import ListOf, Scalar
from mmflow.plan import Script, Turn
from mmflow.plugin import ErrorClass, error_of_status
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.units import Duration, Score, Tokens

_ACTIONS = {
    "reply": '`reply("text", quality = 0.9, after = 2s)`',
    "fail": "`fail(429, retry_after = 2s)`",
    "slow": "`slow(3s)`",
    "stream": '`stream(["one ", "two"], broken_after = 1)`',
}
_FORMS = f"a target answers {', '.join(_ACTIONS.values())}"


def scripts(arms: Sequence[nodes.When | nodes.Else | nodes.Share], owner: str, subject: Subject) -> tuple[Script, ...]:
    """The scripts of a test; several arms of one target are its turns."""
    turns: dict[str, list[Turn]] = {}
    for arm in arms:
        if not isinstance(arm, nodes.When):
            subject.scope.report(types.wrong_type(f"{owner} takes `when`", arm.span, "write `when TARGET -> reply(…)`"))
            continue
        found = subject.target(arm.condition)
        turn = _turn(arm.target, subject.scope)
        if found is not None and turn is not None:
            turns.setdefault(found.name, []).append(turn)
    return tuple(Script(name, tuple(each)) for name, each in turns.items())


def _turn(expr: nodes.Expr, scope: Scope) -> Turn | None:
    match scope.value(expr):
        case nodes.Invoke(function=nodes.Ref(name=word, span=span), arguments=arguments):
            pass
        case _:
            scope.report(types.wrong_type("expected what a model does", expr.span, _FORMS))
            return None
    if word not in _ACTIONS:
        near = did_you_mean(word, _ACTIONS)
        scope.report(names.unknown_name(word, span, "what a model does", _ACTIONS, None if near else _FORMS))
        return None
    plain = [each for each in arguments if not isinstance(each, nodes.NamedArg)]
    named = [each for each in arguments if isinstance(each, nodes.NamedArg)]
    most = 1
    least = 0 if word == "reply" else 1
    if not least <= len(plain) <= most:
        scope.report(types.wrong_type(f"`{word}` is written {_ACTIONS[word]}", expr.span))
        return None
    of = dict(_failure(plain, scope) if word == "fail" else _answer(word, plain, scope))
    values = dict(_named(word, named, scope))
    if None in of.values() or None in values.values():
        return None
    return Turn(**{**values, **of})


def _answer(word: str, plain: list[nodes.Expr], scope: Scope) -> Iterator[tuple[str, Any]]:
    for expr in plain:
        match word:
            case "reply":
                yield "text", typed(expr, Scalar(str), scope)
            case "slow":
                after = typed(expr, Scalar(Duration), scope)
                yield "after_s", None if after is None else float(after)
            case "stream":
                pieces = typed(expr, ListOf(Scalar(str)), scope)
                yield "pieces", pieces
                yield "text", None if pieces is None else "".join(pieces)


def _failure(plain: list[nodes.Expr], scope: Scope) -> Iterator[tuple[str, Any]]:
    known = [each for each in get_args(ErrorClass) if each not in ("budget", "blocked")]
    match scope.value(plain[0]):
        case nodes.Quantity(text=text) if text.isdecimal() and len(text) == 3 and 400 <= int(text) < 600:
            yield "status", int(text)
            yield "error_class", error_of_status(int(text), "").error_class
        case nodes.Quantity(text=text) | nodes.Ref(name=text) if text in known:
            yield "error_class", text
        case nodes.Quantity(text=text) | nodes.Ref(name=text):
            near = did_you_mean(text, known)
            help = f"did you mean `{near}`?" if near else f"classes are {', '.join(f'`{each}`' for each in known)}, or a status"
            scope.report(types.wrong_type(f"`{text}` is not how a call fails", plain[0].span, help))
            yield "error_class", None
        case _:
            scope.report(types.wrong_type("expected an error class such as `429`", plain[0].span))
            yield "error_class", None


_COMMON: dict[str, tuple[str, type]] = {
    "after": ("after_s", Duration),
    "input_tokens": ("input_tokens", Tokens),
    "output_tokens": ("output_tokens", Tokens),
    "model": ("served_model", str),
}
_NAMED: dict[str, dict[str, tuple[str, type]]] = {
    "reply": _COMMON,
    "slow": {name: each for name, each in _COMMON.items() if name != "after"},
    "stream": {**_COMMON, "broken_after": ("broken_after", int)},
    "fail": {"after": _COMMON["after"], "retry_after": ("retry_after_s", Duration)},
}


def _named(word: str, arguments: list[nodes.NamedArg], scope: Scope) -> Iterator[tuple[str, Any]]:
    """The arguments with a name: settings of the word, and what scorers say of the answer."""
    scorers = scope.of_kinds(("scorer",)) if word != "fail" else []
    scores: dict[str, float] = {}
    told: dict[str, Span] = {}
    for each in arguments:
        if each.name in told:
            scope.report(names.duplicate_name(each.name, each.span, told[each.name], "set"))
        told[each.name] = each.span
        if each.name in _NAMED[word]:
            field, type_ = _NAMED[word][each.name]
            value = typed(each.value, Scalar(type_), scope)
            plain = {Duration: float, Tokens: int}.get(type_, type_)
            yield field, None if value is None else plain(value)
        elif (scorer := _scorer(each.name, scorers)) is not None:
            if (score := typed(each.value, Scalar(Score), scope)) is not None:
                scores[scorer] = float(score)
        else:
            known = [*_NAMED[word], *scorers]
            scope.report(types.unknown_field(each.name, f"`{word}`", each.span, known))
    yield "scores", scores


def _scorer(name: str, scorers: list[str]) -> str | None:
    imported = [each for each in scorers if each.endswith(f".{name}")]
    return name if name in scorers else imported[0] if len(imported) == 1 else None
