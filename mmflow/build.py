"""From a source to a plan in one go: parse, check, compile."""

import errno
import os
from collections.abc import Mapping
from datetime import date

import attrs

from mmflow.check import Exists as Exists
from mmflow.check import ParamError as ParamError
from mmflow.check import Reader as Reader
from mmflow.check import check
from mmflow.check.promises import promises
from mmflow.compile import compile
from mmflow.diagnostics import Diagnostic, sort
from mmflow.plan import Plan
from mmflow.source import Source
from mmflow.syntax import nodes
from mmflow.syntax.parse import Parsed, parse
from mmflow.vocabulary import Installed, Vocabulary

MAX_IMPORT_BYTES = 1_000_000


class Disk:
    """Reads imported files from the disk, each once, whatever links lead to it."""

    def __init__(self, root: Source) -> None:
        self._sources = {os.path.realpath(root.path): root}

    def read(self, path: str) -> Source:
        """The file at a path. Raises `OSError`, and `ValueError` for a name that no file can have."""
        real = os.path.realpath(path)
        if real not in self._sources:
            if os.path.exists(real) and not os.path.isfile(real):  # a pipe or a device might never end
                raise OSError(errno.EINVAL, "it is not a file", path)
            with open(path, "rb") as stream:
                data = stream.read(MAX_IMPORT_BYTES + 1)
            if len(data) > MAX_IMPORT_BYTES:
                raise OSError(errno.EFBIG, f"it has more than {MAX_IMPORT_BYTES // 1_000_000} MB", path)
            self._sources[real] = Source.from_bytes(path, data)
        return self._sources[real]

    def exists(self, path: str) -> bool:
        """Whether there is a file, or a folder, at a path."""
        try:
            return os.path.exists(path)
        except ValueError:  # a name that no file can have
            return False


@attrs.frozen
class Build:
    """What became of a file: its plan (None where a diagnostic is an error) and its diagnostics in the order of the text."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    plugins: tuple[Installed, ...] = ()
    """The installed plugins whose words the file uses."""


def build(
    source: Source,
    vocabulary: Vocabulary,
    params: Mapping[str, str] | None = None,
    read: Reader | None = None,
    today: date | None = None,
    exists: Exists | None = None,
) -> Build:
    """Parse, check and compile. Raises `ParamError` for a parameter that cannot be set.

    `read` gives the files that are imported, by their paths beside that of the source; without it they are read from the disk,
    where the other files that it names are looked for, too: with `read`, `exists` does that. `today` is the day by which models
    and prices are old.
    """
    parsed = parse(source)
    disk = Disk(source)
    checked = check(parsed.file, vocabulary, params, read or disk.read, disk.exists if read is None else exists, today)
    if not checked.is_whole or any(each.severity == "error" for each in parsed.diagnostics):
        rest = _without_consequences(checked.told(is_complete=False), parsed)
        return Build(None, tuple(sort((*parsed.diagnostics, *rest))), checked.plugins)
    plan = compile(checked.program)
    found = tuple(sort((*parsed.diagnostics, *checked.told(promises(checked.program, plan)))))
    return Build(None if any(each.severity == "error" for each in found) else plan, found, checked.plugins)


_LACKING = ("uncovered", "guard-empty", "cascade-without-accept", "missing-field", "shares")


def _without_consequences(found: tuple[Diagnostic, ...], parsed: Parsed) -> list[Diagnostic]:
    """Without what is only said because a part of the file does not parse: that something lacks, or is not used."""
    lost = [each.span for each in parsed.diagnostics if each.severity == "error"]
    if not lost:
        return list(found)
    blocks = [item.span for item in parsed.file.items if isinstance(item, nodes.Block)]
    broken = [block for block in blocks if any(block.start <= span.start <= block.end for span in lost)]

    headers = [item.header for item in parsed.file.items if isinstance(item, nodes.Block) and item.span in broken]

    def follows(each: Diagnostic) -> bool:
        if each.code == "unused":
            return True
        if any(span.source is each.span.source and each.span.start <= span.start <= each.span.end for span in lost):
            return True  # about a value that was guessed
        is_inside = any(span.source is each.span.source and span.start <= each.span.start <= span.end for span in broken)
        return is_inside and (each.code in _LACKING or each.span in headers)

    return [each for each in found if not follows(each)]
