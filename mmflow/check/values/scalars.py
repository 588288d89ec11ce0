"""Values that are written in one piece: texts, numbers with units, secrets, files, patterns."""

import os.path
from typing import Any

from mmflow.check import safety, types
from mmflow.check.due import refuse
from mmflow.check.scope import Scope
from mmflow.check.values.references import is_declared, unknown
from mmflow.options import File, Name, OneWord, Pattern, Scalar, Secret
from mmflow.patterns import PatternError, compile_pattern
from mmflow.syntax import nodes
from mmflow.units import Score, Share, Tokens, UnitError, coerce, parse_quantity


def plain(expr: nodes.Expr, scalar: type, scope: Scope) -> Any:
    """The value of what is written in one piece; None (reported) where it is none."""
    if scalar is Secret:
        return _secret(expr, scope)
    if scalar is File:
        return _file(expr, scope)
    if scalar is bool:
        return expr.value if isinstance(expr, nodes.Bool) else refuse(expr, Scalar(bool), scope)
    if scalar is Name:
        if isinstance(expr, nodes.Ref) and "." not in expr.name:
            return Name(expr.name)
        return Name(expr.value) if isinstance(expr, nodes.String) else refuse(expr, Scalar(Name), scope)
    if scalar is Pattern:
        return _pattern(expr, scope)
    if scalar is str:
        if isinstance(expr, nodes.String | nodes.Text):
            return expr.value
        help = f'write `"{expr.name}"`' if isinstance(expr, nodes.Ref) else None
        if _called_with_string(expr, "file") is not None:
            help = 'write the text itself, on several lines between `"""` and `"""`'
        return refuse(expr, Scalar(str), scope, help)
    return quantity(expr, scalar, scope)


def _file(expr: nodes.Expr, scope: Scope) -> File | None:
    """A path, made relative to the folder of the file that is checked: it is written relative to that of its own file."""
    path = _called_with_string(expr, "file")
    if path is None:
        return refuse(expr, Scalar(File), scope)
    if safety.is_python(path):
        scope.report(safety.python_not_allowed(f"`{path}`", expr.span))
        return None
    folder = scope.module(expr.span).folder
    return File(os.path.normpath(os.path.join(folder, path)) if folder else path)


def quantity(expr: nodes.Expr, wanted: type, scope: Scope) -> Any:
    """A number with its unit, as a type of `units`; None (reported) where it is none."""
    if isinstance(expr, nodes.Ref) and not is_declared(expr, scope):
        return unknown(expr, Scalar(wanted), scope)
    if not isinstance(expr, nodes.Quantity):
        return refuse(expr, Scalar(wanted), scope)
    try:
        value = parse_quantity(expr.text)
        if type(value) in (int, float) and wanted is Score and not 0 <= value <= 1:  # type: ignore[operator]  # numbers only
            scope.report(
                types.out_of_range(f"a score is from 0 to 1, not `{expr.text}`", expr.span, types.score_meant(float(expr.text)))
            )
            return None
        if type(value) in (int, float) and wanted is Tokens and value < 0:  # type: ignore[operator]  # numbers only
            scope.report(types.out_of_range(f"`{expr.text}` is negative", expr.span, f"write `{expr.text[1:]}`"))
            return None
        result = coerce(value, wanted)
    except UnitError as problem:
        code = types.out_of_range if problem.message.endswith("is negative") else types.wrong_type
        scope.report(code(problem.message, expr.span, problem.help))
        return None
    if isinstance(result, Share) and not 0 <= result <= 1:
        scope.report(types.out_of_range(f"a share is from 0% to 100%, not `{expr.text}`", expr.span, "write one such as `95%`"))
        return None
    if isinstance(result, int | float) and result < 0 and wanted is not float:
        scope.report(types.out_of_range(f"`{expr.text}` is negative", expr.span))
        return None
    return result


def _secret(expr: nodes.Expr, scope: Scope) -> Secret | None:
    if (name := _called_with_string(expr, "secret")) is not None:
        if name.replace("_", "").isalnum() and not name[0].isdigit():
            return Secret(name, "")
        scope.report(types.secret_in_file(expr.span, scope.variable))
        return None
    if isinstance(expr, nodes.String | nodes.Text):
        scope.report(types.secret_in_file(expr.span, scope.variable))
        return None
    names_variable = isinstance(expr, nodes.Ref) and "." not in expr.name
    return refuse(expr, Scalar(Secret), scope, f'write `secret("{expr.span.text}")`' if names_variable else None)


def _called_with_string(expr: nodes.Expr, function: str) -> str | None:
    """The one string argument of `function("…")`, or None."""
    match expr:
        case nodes.Invoke(function=nodes.Ref(name=name), arguments=(nodes.String(value=value),)) if name == function:
            return value or None
        case _:
            return None


def _pattern(expr: nodes.Expr, scope: Scope) -> Pattern | None:
    if not isinstance(expr, nodes.String):
        return refuse(expr, Scalar(Pattern), scope)
    try:
        compile_pattern(expr.value)
    except PatternError as problem:
        scope.report(types.slow_pattern(problem.message, expr.span, problem.help))
        return None
    return Pattern(expr.value)


def one_word(expr: nodes.Expr, words: tuple[str, ...], scope: Scope) -> str | None:
    """One of some words; None (reported) where it is none."""
    if isinstance(expr, nodes.Ref) and expr.name in words:
        return expr.name
    help = f"write `{expr.value}` without quotes" if isinstance(expr, nodes.String) and expr.value in words else None
    return refuse(expr, OneWord(words), scope, help)
