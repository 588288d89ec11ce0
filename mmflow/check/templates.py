"""Templates of prompts: texts with places such as `{{ request.language }}`, their names checked where they stand."""

import re
from collections.abc import Iterator

from mmflow.check import names, types
from mmflow.check.conditions import request_field
from mmflow.check.due import refuse
from mmflow.check.program import Program, Template
from mmflow.check.routing import unreachable_arm
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic, Note
from mmflow.options import Scalar
from mmflow.plan import Slot
from mmflow.source import Span
from mmflow.syntax import nodes

# `{{ … }}`; a string inside may have braces of its own.
_PLACE = re.compile(r'\{\{((?:\s*"(?:[^"\\\n]|\\.)*"\s*)|[^{}]*)\}\}')
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_META = re.compile(r'request\s*\.\s*meta\s*\(\s*"((?:[^"\\\n]|\\.)*)"\s*\)')
_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_FORMS = '`{{ request.language }}`, `{{ request.user }}`, `{{ request.meta("team") }}`, a classifier, or a `let` with a text'
_BRACES = 'write `{{ "{{" }}` for two braces'
_FIELDS = ("user", "language")


def parts(expr: nodes.Expr, scope: Scope) -> tuple[str | Slot, ...] | None:
    """The texts and places of a template; None where it has a mistake, which is then reported in its place."""
    text = scope.value(expr)
    if text is None:
        return None
    if not isinstance(text, nodes.String | nodes.Text):
        return refuse(expr, Scalar(str), scope)
    found: list[str | Slot] = []
    at, ok = 0, True
    spans = _spans(text)
    for index, match in enumerate(_PLACE.finditer(text.value)):
        ok = _closed(text.value[at : match.start()], text.span, scope) and ok
        part = _part(match[1].strip(), spans[index] if spans else text.span, scope)
        ok = ok and part is not None
        found += [text.value[at : match.start()], *([part] if part is not None else [])]
        at = match.end()
    ok = _closed(text.value[at:], text.span, scope) and ok
    return _joined([*found, text.value[at:]]) if ok else None


def _joined(found: list[str | Slot]) -> tuple[str | Slot, ...]:
    joined: list[str | Slot] = []
    for part in found:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return tuple(joined)


def _spans(text: nodes.String | nodes.Text) -> list[Span] | None:
    """Where the places of a text stand in its file; None where they cannot be told apart, as behind an escape."""
    whole = text.span
    written = list(_PLACE.finditer(whole.text))
    if [each[0] for each in written] != [each[0] for each in _PLACE.finditer(text.value)]:
        return None
    return [_inside(each, whole) for each in written]


def _inside(place: re.Match[str], whole: Span) -> Span:
    """What stands between the braces of a place; the place itself where that is nothing."""
    inner = place[1].strip()
    start, end = (place.start(1) + place[1].index(inner), len(inner)) if inner else (place.start(), len(place[0]))
    return Span(whole.source, whole.start + start, whole.start + start + end)


def _closed(text: str, span: Span, scope: Scope) -> bool:
    """Whether a text between two places has no `{{` that opens none."""
    if "{{" not in text:
        return True
    shown = text[text.index("{{") :].split("\n")[0][:40]
    at = span.text.find(shown)
    place = Span(span.source, span.start + at, span.start + at + len(shown)) if at >= 0 else span
    message = f"`{shown.rstrip()}` opens a placeholder that has no end"
    if "}}" in shown:
        message = f"`{shown.rstrip()}` is no placeholder"
    scope.report(types.wrong_type(message, place, f"close it by `}}}}`; {_BRACES}"))
    return False


def _part(written: str, span: Span, scope: Scope) -> str | Slot | None:
    """What stands between the braces: the text of a string or of a `let`, or a place."""
    if literal := _LITERAL.fullmatch(written):
        return _unescaped(literal[1])
    if meta := _META.fullmatch(written):
        return Slot(f"request.meta.{_unescaped(meta[1])}") if meta[1] else _refused(written, span, scope)
    if not _PATH.fullmatch(written):
        return _refused(written, span, scope)
    names_ = written.split(".")
    expr: nodes.Expr = nodes.Ref(names_[0], span)
    for name in names_[1:]:
        expr = nodes.Member(expr, name, span, span)
    if names_[0] == "request":
        return _of_request(expr, span, scope)
    return _named(scope.qualified(expr), written, span, scope)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _refused(written: str, span: Span, scope: Scope) -> None:
    what = f"`{written[:40]}` is no value that a template can have" if written else "the placeholder is empty"
    scope.report(types.wrong_type(what, span, f"values are {_FORMS}; {_BRACES}"))


def _of_request(expr: nodes.Expr, span: Span, scope: Scope) -> Slot | None:
    field = request_field(expr, scope)
    if field is None:
        return None
    if field not in _FIELDS:
        scope.report(types.wrong_type(f"`request.{field}` is no text", span, f"values are {_FORMS}"))
        return None
    return Slot(f"request.{field}")


def _named(expr: nodes.Expr, written: str, span: Span, scope: Scope) -> str | Slot | None:
    """The value of a `let`, or the place of a classifier's label."""
    if not isinstance(expr, nodes.Ref):
        return _refused(written, span, scope)
    name = scope.full(expr)
    if name in scope.lets:
        match scope.value(expr):
            case nodes.String(value=value) | nodes.Text(value=value):
                return value
            case nodes.Quantity(text=text):
                return text
            case None:
                return None
            case other:
                notes = [Note("its value stands here", other.span)]
                message = f"`{written}` is neither a text nor a quantity"
                scope.report(types.wrong_type(message, span, f"values are {_FORMS}", notes))
                return None
    block = scope.blocks.get(name)
    if block is None:
        if name not in scope.strangers:
            known = [*scope.of_kinds(("classify",)), *scope.lets, "request"]
            what = "a field of the request, a classifier or a `let`"
            scope.report(names.unknown_name(name, span, what, known, f"values are {_FORMS}"))
        return None
    scope.used.add(name)
    if block.kind != "classify":
        notes = [Note(f"`{name}` is declared here", block.header)]
        scope.report(types.wrong_type(f"the {block.kind} `{name}` is no value", span, f"values are {_FORMS}", notes))
        return None
    return Slot(name)


def idle_templates(program: Program) -> Iterator[Diagnostic]:
    """`unreachable-arm` for templates of which no model has the facts that no template before them has."""
    for prompt in program.of_kind("prompt"):
        for index, template in enumerate(prompt.templates):
            if _is_covered(template, prompt.templates[:index]):
                yield unreachable_arm(template, prompt.templates[:index])


def _is_covered(template: Template, earlier: tuple[Template, ...]) -> bool:
    if any(each.condition is None for each in earlier):
        return True
    if template.condition is None:
        return False
    before = [set(facts) for each in earlier if each.condition for facts in each.condition.needs]
    return all(any(facts <= set(own) for facts in before) for own in template.condition.needs)
