"""Diagnostics of labels: one function for each code."""

from collections.abc import Iterable

from mmflow.diagnostics import Diagnostic, did_you_mean, error
from mmflow.source import Span


def unknown_label(label: str, classifier: str, labels: Iterable[str], span: Span) -> Diagnostic:
    """A label that the classifier does not declare."""
    known = list(labels)
    near = did_you_mean(label, known)
    listed = ", ".join(f"`{each}`" for each in known)
    help = f"did you mean `{near}`?" if near else f"its labels are {listed}"
    return error("unknown-label", f"`{classifier}` has no label `{label}`", span, help=help)


def unordered_label(message: str, span: Span, help: str) -> Diagnostic:
    """An order asked of labels that have none: a comparison, or `unsure = up`."""
    return error("unordered-label", message, span, help=help)
