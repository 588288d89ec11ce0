"""Diagnostics of fields and their types: one function for each code."""

from collections.abc import Iterable

from mmflow.diagnostics import Diagnostic, Note, did_you_mean, error, warning
from mmflow.source import Span


def wrong_type(message: str, span: Span, help: str | None = None, notes: Iterable[Note] = ()) -> Diagnostic:
    """A value of another type or unit than the one that is due."""
    return error("wrong-type", message, span, help=help, notes=notes)


def out_of_range(message: str, span: Span, help: str | None = None) -> Diagnostic:
    """A value of the right type that is not allowed."""
    return error("out-of-range", message, span, help=help)


def score_meant(number: float) -> str:
    """The help for a score out of range: one of a hundred is probably a percentage."""
    return f"write `{number / 100:g}`" if 1 < number <= 100 else "write one such as `0.85`"


def unknown_field(field: str, owner: str, span: Span, known: Iterable[str]) -> Diagnostic:
    """A field that the block or its word does not have."""
    names = sorted(known)
    near = did_you_mean(field, names)
    listed = ", ".join(f"`{name}`" for name in names)
    help = f"did you mean `{near}`?" if near else f"fields are {listed}" if listed else "it has no fields: remove it"
    return error("unknown-field", f"{owner} has no field `{field}`", span, help=help)


def deprecated_field(field: str, owner: str, new: str, span: Span) -> Diagnostic:
    """A field that still counts and has a better one."""
    return warning("deprecated-field", f"`{field}` of {owner} is deprecated", span, help=f"write `{new}`, which takes its place")


def missing_field(field: str, owner: str, span: Span, doc: str = "", example: str | None = None) -> Diagnostic:
    """A field that must be there and is not."""
    what = f" ({doc})" if doc else ""
    return error("missing-field", f"{owner} needs a field `{field}`{what}", span, help=example or f"add `{field} = …`")


def attribute_or_block(message: str, span: Span, help: str) -> Diagnostic:
    """A block where an attribute is due, or the reverse, or a block within another."""
    return error("attribute-or-block", message, span, help=help)


def block_due(kind: str, span: Span, help: str) -> Diagnostic:
    """`attribute-or-block` for an attribute of the name of a kind, or a block within another."""
    return attribute_or_block(f"a {kind} is a block of its own", span, help)


def unexpected_token(message: str, span: Span, help: str) -> Diagnostic:
    """What is well formed and does not belong where it stands."""
    return error("unexpected-token", message, span, help=help)


def secret_in_file(span: Span, variable: str, field: str = "") -> Diagnostic:
    """A key that stands in the file."""
    message = "a secret must not stand in the file: files are read, copied and kept in version control"
    return error(
        "secret-in-file", message, span, help=f'write `{field}secret("{variable}")` and set the variable; change the key'
    )


def slow_pattern(message: str, span: Span, help: str | None) -> Diagnostic:
    """A pattern that cannot be matched in linear time, or is none."""
    return error("slow-pattern", message, span, help=help)
