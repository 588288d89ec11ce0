"""Files that a program names beside imports: whether they are there, and what scorecards and the project's catalogue say."""

import os.path
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from mmflow.catalogue import own
from mmflow.check import labels, names, types
from mmflow.check.imports import Reader
from mmflow.check.program import Declaration, Program
from mmflow.check.stores import stored_by
from mmflow.diagnostics import Diagnostic, warning
from mmflow.options import ClassifierName, File, fields_of
from mmflow.plugin import CacheWord
from mmflow.scorecard import Measured, ScorecardError, decode
from mmflow.source import Source, Span
from mmflow.wording import clause

Exists = Callable[[str], bool]
"""Whether there is a file at a path."""


def missing_files(program: Program, exists: Exists) -> Iterator[Diagnostic]:
    """`missing-file` for each file that a declaration reads and that is not there."""
    for declaration in program.declarations.values():
        written = stored_by(declaration)  # which need not be there before
        for field, file in _files(declaration):
            if file != written and not exists(path_of(file, program)):
                yield missing_file(file, declaration, declaration.spans.get(field, declaration.block.header))


def missing_file(file: str, declaration: Declaration, span: Span) -> Diagnostic:
    """A file that is read when the workflow runs, and is not there."""
    message = f"the {declaration.kind.name} `{declaration.name}` reads `{file}`, which is not there"
    return warning("missing-file", message, span, help="create it, or correct the path: it starts at the folder of this file")


def path_of(file: str, program: Program) -> str:
    """Where a file is: paths of a program start at the folder of the file that is checked."""
    return os.path.normpath(os.path.join(os.path.dirname(program.file.span.source.path), file))


def _files(declaration: Declaration) -> Iterator[tuple[str, File]]:
    """The files that a declaration reads, each with the field that names it."""
    cls = declaration.kind.fields
    for attribute, field in zip(attrs.fields(cls), fields_of(cls), strict=True):
        yield from ((field.name, each) for each in _found_in(getattr(declaration.fields, attribute.name)))
    if isinstance(declaration.word, CacheWord):
        return  # what keeps answers makes its files itself
    for name, value in declaration.options.items():
        yield from ((name, each) for each in _found_in(value))


def _found_in(value: Any) -> Iterator[File]:
    match value:
        case File():
            yield value
        case tuple():
            for each in value:
                yield from _found_in(each)
        case dict():
            yield from _found_in(tuple(value.values()))
        case _ if attrs.has(type(value)):
            yield from _found_in(tuple(getattr(value, each.name) for each in attrs.fields(type(value))))


# ---- the project's catalogue --------------------------------------------------------------------------------------------------


def catalogued(program: Program, read: Reader) -> tuple[Program, list[Diagnostic]]:
    """The program with the models of `mmflow.catalogue.json` beside it, if it is there, and what is wrong with that file."""
    path = path_of(own.FILE, program)
    try:
        source = read(path)
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError):  # there is none; `LookupError`: files from a mapping
        return program, []
    except OSError as problem:  # with other prices than the project's, every cost would be wrong
        return program, [_no_catalogue(Source(path, ""), f"cannot be read: {clause(problem.strerror)}")]
    if source.text.startswith("mmflow"):  # a reader may give the one library that it has, whatever it is asked for
        return program, []
    try:
        return attrs.evolve(program, catalogue=own.decode_own(source.text)), []
    except own.CatalogueError as problem:
        return program, [_no_catalogue(source, f"is no catalogue: {problem}")]


def _no_catalogue(source: Source, problem: str) -> Diagnostic:
    help = 'it is JSON: `{"schema": 1, "models": [{"provider": "openai", "id": "our-tune", "as_of": "2026-11-24", '
    help += '"price": {"input": "$3/1M", "output": "$12/1M"}}]}`'
    return types.out_of_range(f"`{own.FILE}` {problem}", Span(source, 0, 0), help)


# ---- scorecards ---------------------------------------------------------------------------------------------------------------


def measured(program: Program, read: Reader) -> tuple[Program, list[Diagnostic]]:
    """The program with what the files of scorecards say, as far as they can be read, and what is wrong with the others."""
    figures: dict[str, Measured] = {}
    found: list[Diagnostic] = []
    for scorecard in program.of_kind("scorecard"):
        try:
            text = read(path_of(scorecard.fields.from_, program)).text
        except (OSError, ValueError):  # not there, which is `missing-file`; `ValueError`: a name that no file can have
            continue
        try:
            figures[scorecard.name] = decode(text)
        except ScorecardError as problem:
            help = 'it is JSON: `{"schema": 1, "by": "task", "models": {"gpt-4o": {"code": {"quality": 0.81, "n": 400}}}}`'
            found.append(types.out_of_range(f"`{scorecard.name}` is no scorecard: {problem}", scorecard.spans["from"], help))
    program = attrs.evolve(program, measured=figures)
    return attrs.evolve(
        program, declarations={name: _classified(each, program) for name, each in program.declarations.items()}
    ), found


def _classified(declaration: Declaration, program: Program) -> Declaration:
    """A scorecard with the classifier that it is by, which it may leave to its file."""
    if declaration.kind.name != "scorecard" or not (by := program.classifier_of(declaration)):
        return declaration
    return attrs.evolve(declaration, fields=attrs.evolve(declaration.fields, by=ClassifierName(by)))


def strange_labels(program: Program) -> Iterator[Diagnostic]:
    """What the file of a scorecard is by and the program does not declare: a classifier, or labels of it."""
    for scorecard in program.of_kind("scorecard"):
        measured = program.measured.get(scorecard.name)
        if measured is None or not measured.labels:
            continue
        span, by = scorecard.spans["from"], program.classifier_of(scorecard)
        if not by:
            known = [each.name for each in program.of_kind("classify")]
            help = f"add `by = …` to `{scorecard.name}`: the classifier whose labels the file has"
            yield names.unknown_name(measured.by or "by", span, "a classifier by whose labels the file is", known, help)
            continue
        declared = program.labels.get(by)
        for label in sorted(measured.labels - set(declared)) if declared is not None else ():
            yield labels.unknown_label(label, by, declared or (), span)
