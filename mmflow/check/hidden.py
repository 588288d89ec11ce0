"""Names that hide one another: a label and a `let` of the same name, a `let` and a word of the language."""

from collections.abc import Iterator

from mmflow.check.imports import Module
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic, Note, warning
from mmflow.source import Span
from mmflow.syntax import nodes

_VALUES = ("a `let`", "a `param`")


def hidden_names(scope: Scope) -> Iterator[Diagnostic]:
    """`hidden-name` for each label that is also a name of its classifier's file, or a value of the file that imports it."""
    own = _names(scope.modules[0])
    for name, labels in scope.labels.items():
        block = scope.blocks[name]
        module = scope.module(block.span)
        taken = _names(module)
        for label in labels.names if labels is not None else ():
            if label in taken:
                what, span = taken[label]
                yield hidden_label(label, name, what, span, _declared(block))
            elif module is not scope.modules[0] and name in scope.used and own.get(label, ("",))[0] in _VALUES:
                what, span = own[label]
                yield hidden_label(label, name, what, _declared(block), span)


def hidden_label(label: str, classifier: str, what: str, by: Span, span: Span) -> Diagnostic:
    """A label that is also a `let`, a parameter, an import or an alias."""
    message = f"the label `{label}` of `{classifier}` is also the name of {what}"
    if what in _VALUES:
        message += ", which it hides: where a label is due, the label is meant"
    return hidden_name(message, span, "rename one of them", Note("the other one stands here", by))


def hidden_word(word: str, by: nodes.Let, span: Span) -> Diagnostic:
    """A word of the language that is also a `let`, whose value stands in its place."""
    message = f"`{word}` is the value of a `let` here, which hides the word `{word}` of the language"
    declared = Note(f"`{word}` is declared here", by.name_span)
    return hidden_name(message, span, f"rename the `let` if the word `{word}` is meant", declared)


def hidden_name(message: str, span: Span, help: str, other: Note) -> Diagnostic:
    """A name that stands for two things, of which one is meant."""
    return warning("hidden-name", message, span, help=help, notes=[other])


def _names(module: Module) -> dict[str, tuple[str, Span]]:
    """What a file calls by a name and is no block: what it is, and where it is named."""
    found: dict[str, tuple[str, Span]] = {}
    for item in module.file.items:
        match item:
            case nodes.Let(name=name, name_span=span, is_param=is_param):
                found.setdefault(name, ("a `param`" if is_param else "a `let`", span))
            case nodes.Import(name=name, name_span=span):
                found.setdefault(name, ("an import", span))
            case nodes.Use(path=path, alias=alias):
                found.setdefault(alias or path.parts[-1], ("a plugin", path.span))
    return found


def _declared(block: nodes.Block) -> Span:
    """Where a classifier declares its labels: its own field, else its header."""
    own = (item.value.span for item in block.body.items if isinstance(item, nodes.Attr) and item.name == "labels")
    return next(own, block.header)
