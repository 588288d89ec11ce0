"""Diagnostics of fields and their types: one function for each code."""

from collections.abc import Iterable

from mmflow.check.kinds import LATER_FIELDS
from mmflow.diagnostics import Diagnostic, Note, did_you_mean, error
from mmflow.source import Span


def wrong_type(message: str, span: Span, help: str | None = None, notes: Iterable[Note] = ()) -> Diagnostic:
    """A value of another type or unit than the one that is due."""
    return error("wrong-type", message, span, help=help, notes=notes)


def out_of_range(message: str, span: Span, help: str | None = None) -> Diagnostic:
    """A value of the right type that is not allowed."""
    return error("out-of-range", message, span, help=help)


def unknown_field(field: str, owner: str, span: Span, known: Iterable[str], kind: str | None = None) -> Diagnostic:
    """A field that the block or its word does not have."""
    names = sorted(known)
    if field in LATER_FIELDS.get(kind or "", ()):
        message = f"`{field}` belongs to the language, but this version of mmflow does not enforce it yet"
        return error("unknown-field", message, span, help="remove it: what it says would not hold")
    near = did_you_mean(field, names)
    listed = ", ".join(f"`{name}`" for name in names)
    help = f"did you mean `{near}`?" if near else f"fields are {listed}" if listed else "it has no fields: remove it"
    return error("unknown-field", f"{owner} has no field `{field}`", span, help=help)


def missing_field(field: str, owner: str, span: Span, doc: str = "", example: str | None = None) -> Diagnostic:
    """A field that must be there and is not."""
    what = f" ({doc})" if doc else ""
    return error("missing-field", f"{owner} needs a field `{field}`{what}", span, help=example or f"add `{field} = …`")


def attribute_or_block(name: str, span: Span, due: str) -> Diagnostic:
    """A block where an attribute is due, or the reverse."""
    return error("attribute-or-block", f"`{name}` is written as {due}", span, help=f"write `{name} = …`")


def secret_in_file(span: Span, variable: str) -> Diagnostic:
    """A key that stands in the file."""
    message = "a secret must not stand in the file: files are read, copied and kept in version control"
    return error("secret-in-file", message, span, help=f'write `secret("{variable}")` and set the variable; change the key')


def slow_pattern(message: str, span: Span, help: str | None) -> Diagnostic:
    """A pattern that cannot be matched in linear time, or is none."""
    return error("slow-pattern", message, span, help=help)
