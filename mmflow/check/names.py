"""Diagnostics of names: one function for each code."""

from collections.abc import Iterable, Sequence

from mmflow.check.kinds import KINDS
from mmflow.diagnostics import Diagnostic, Note, did_you_mean, error, warning
from mmflow.source import Span


def unknown_kind(kind: str, span: Span) -> Diagnostic:
    """A block of a kind that the language does not have."""
    near = did_you_mean(kind, KINDS)
    help = f"did you mean `{near}`?" if near else "kinds are " + ", ".join(f"`{name}`" for name in KINDS)
    return error("unknown-kind", f"there is no kind of block `{kind}`", span, help=help)


def unknown_name(name: str, span: Span, due: str, known: Iterable[str], help: str | None = None) -> Diagnostic:
    """A name that nothing declares."""
    # The file's part of `lib.fast` is right: what is misspelt is the rest.
    prefix = name[: name.rfind(".") + 1]
    near = did_you_mean(name.removeprefix(prefix), [each.removeprefix(prefix) for each in known if each.startswith(prefix)])
    near = prefix + near if near else None
    help = f"did you mean `{near}`?" if near else help or "declare it, or correct the name"
    return error("unknown-name", f"nothing here is called `{name}`: {due} is due", span, help=help)


def unknown_word(message: str, span: Span, help: str | None) -> Diagnostic:
    """A plugin's word that is not installed, is of another kind, is broken, has two owners, or stands where none is due."""
    return error("unknown-word", message, span, help=help)


def reserved_word(message: str, span: Span, help: str = "choose another name") -> Diagnostic:
    """A name that has a meaning of its own."""
    return error("reserved-word", message, span, help=help)


def duplicate_name(name: str, span: Span, first: Span, what: str = "declared") -> Diagnostic:
    """A name that is declared twice, or a field that is set twice."""
    notes = [Note(f"`{name}` is first {what} here", first)]
    return error("duplicate-name", f"`{name}` is {what} twice", span, notes=notes, help="rename one, or remove it")


def cycle(names: Sequence[str], span: Span, how: str) -> Diagnostic:
    """Declarations that lead back to themselves: by `like`, by routing, or by `let`."""
    return error("cycle", f"{how} leads back to itself: {' -> '.join(names)}", span, help="break the circle at one of these")


def unused(name: str, what: str, span: Span) -> Diagnostic:
    """A declaration that no flow reaches."""
    return warning("unused", f"{what} `{name}` is not used by any flow", span, help="use it, or remove it")
