"""From a source to a plan in one go: parse, check, compile."""

from collections.abc import Mapping

import attrs

from mmflow.check import ParamError as ParamError
from mmflow.check import check
from mmflow.compile import compile
from mmflow.diagnostics import Diagnostic, sort
from mmflow.plan import Plan
from mmflow.source import Source
from mmflow.syntax.parse import parse
from mmflow.vocabulary import Vocabulary


@attrs.frozen
class Build:
    """What became of a file: its plan (None where a diagnostic is an error) and its diagnostics in the order of the text."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]


def build(source: Source, vocabulary: Vocabulary, params: Mapping[str, str] | None = None) -> Build:
    """Parse, check and compile. Raises `ParamError` for a parameter that cannot be set."""
    parsed = parse(source)
    checked = check(parsed.file, vocabulary, params)
    found = tuple(sort((*parsed.diagnostics, *checked.diagnostics)))
    if any(each.severity == "error" for each in found):
        return Build(None, found)
    return Build(compile(checked.program), found)
