"""Classifiers whose labels and confidence stand in a file: what the file says, where it can be read now."""

import os.path
from collections.abc import Iterator

import attrs

from mmflow.check import labels
from mmflow.check.files import path_of
from mmflow.check.program import Declaration, Program
from mmflow.diagnostics import Diagnostic
from mmflow.options import File, construct_named
from mmflow.plugin import ClassifierWord


def on_disk(program: Program) -> Program:
    """The program with the paths that classifiers name made absolute: their plugins may then look into the files."""
    return attrs.evolve(program, declarations={name: _placed(each, program) for name, each in program.declarations.items()})


def _placed(declaration: Declaration, program: Program) -> Declaration:
    if not isinstance(declaration.word, ClassifierWord):
        return declaration
    options = {
        name: File(os.path.abspath(path_of(value, program))) if isinstance(value, File) else value
        for name, value in declaration.options.items()
    }
    return attrs.evolve(declaration, options=options)


def strange_labels(program: Program) -> Iterator[Diagnostic]:
    """`unknown-label` where a classifier's file, found `on_disk`, sorts into a label that the classifier does not declare."""
    for declaration in program.of_kind("classify"):
        word = declaration.word
        field = next((name for name, value in declaration.options.items() if isinstance(value, File)), None)
        if field is None or not isinstance(word, ClassifierWord):
            continue
        declared = declaration.fields.labels.names
        for label in _labels_of(word, declaration):
            if label not in declared:
                yield labels.unknown_label(label, declaration.name, declared, declaration.spans[field])


def _labels_of(word: ClassifierWord, declaration: Declaration) -> tuple[str, ...]:
    """The labels that a plugin knows to answer with; none where it cannot tell."""
    try:
        return tuple(word.labels(construct_named(word.options, declaration.options)) or ())
    except Exception:  # noqa: BLE001 - anybody's code: what it cannot tell is not known
        return ()
