"""The files of a program: the one that is checked and those that it imports, each once, under the prefix that names it.

A file is a library where it is imported: its flows and tests are left out. Its declarations are known by the way to them,
`lib.fast`, or `a.b.fast` where `a` imports `b`; of several ways the shortest, and of those the first in the order of the text,
is the name in the plan. Parameters keep their defaults, unless a caller gives `lib.bar`.

Paths are relative to the importing file, may be absolute, and `..` is taken off a path before the file is opened. Nothing is
fetched from a network. `mmflow:tiers` is a file that comes with mmflow, whoever reads the others.
"""

import os.path
from collections import deque
from collections.abc import Callable, Iterator

import attrs

from mmflow import library
from mmflow.check import names, safety
from mmflow.diagnostics import Diagnostic, did_you_mean, error
from mmflow.source import Source
from mmflow.syntax import nodes
from mmflow.syntax.parse import parse
from mmflow.wording import clause

Reader = Callable[[str], Source]
"""Gives the source at a path: the same one for the same file, where it can tell. Raises `OSError`."""


@attrs.define(eq=False)
class Module:
    """A file of a program. `imports` are the files by the names that it gives them; None where there is none to be had."""

    file: nodes.File
    prefix: str = ""
    """What stands before its names in the program: `lib.`; empty for the file that is checked."""
    folder: str = ""
    """Its folder, from that of the file that is checked."""
    is_whole: bool = True
    """False where its syntax is broken, so that a name may be missing for that reason."""
    imports: "dict[str, Module | None]" = attrs.field(factory=dict)

    @property
    def source(self) -> Source:
        return self.file.span.source


def no_reader(path: str) -> Source:
    """Reads nothing: for a file that is checked by itself."""
    raise FileNotFoundError(2, "no files are read here", path)


def gather(file: nodes.File, read: Reader) -> tuple[list[Module], list[Diagnostic]]:
    """A file and all that it imports, those nearest to it first, and what is wrong with them and with the imports."""
    root = Module(file)
    modules, found = [root], list[Diagnostic]()
    by_path: dict[str, Module | Exception] = {os.path.normpath(root.source.path): root}
    by_source = {root.source: root}
    open_ = deque(modules)
    while open_:
        module = open_.popleft()
        for item in _imports(module.file):
            if item.name in module.imports:
                continue  # declared twice, which is reported with the other names
            if safety.is_python(item.path.value):
                found.append(safety.python_not_allowed(f"`{item.path.value}`", item.path.span))
                module.imports[item.name] = None
                continue
            path = item.path.value
            if not library.is_library(path):
                path = _beside(os.path.dirname(module.source.path), path)
            if path not in by_path:
                try:
                    source = library.source(path) if library.is_library(path) else read(path)
                except (OSError, ValueError) as problem:  # `ValueError`: a name that no file can have
                    by_path[path] = problem
                else:
                    if source not in by_source:
                        parsed = parse(source)
                        found.extend(parsed.diagnostics)
                        folder = os.path.dirname(_beside(module.folder, item.path.value.removeprefix(library.PREFIX)))
                        added = Module(parsed.file, f"{module.prefix}{item.name}.", folder, not parsed.diagnostics)
                        by_source[source] = added
                        modules.append(added)
                        open_.append(added)
                    by_path[path] = by_source[source]
            reached = by_path[path]
            if isinstance(reached, Exception):
                found.append(unreadable_import(item, path, reached))
            module.imports[item.name] = None if isinstance(reached, Exception) else reached
    found.extend(_circles(root))
    return modules, found


def _imports(file: nodes.File) -> Iterator[nodes.Import]:
    return (item for item in file.items if isinstance(item, nodes.Import))


def _beside(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path)) if path else folder or "."


def unreadable_import(item: nodes.Import, path: str, problem: Exception) -> Diagnostic:
    """A file that is imported and cannot be read."""
    cause = clause(problem.strerror) if isinstance(problem, OSError) else str(problem)
    help = f"the path is relative to the folder of this file, and leads to `{path}`"
    if library.is_library(path):
        near = did_you_mean(path, library.names())
        help = f"did you mean `{near}`?" if near else f"with mmflow come {', '.join(f'`{each}`' for each in library.names())}"
    elif "://" in item.path.value:
        help = "imports are files: nothing is fetched from the network"
    return error("unreadable-import", f"`{item.path.value}` cannot be imported: {cause}", item.path.span, help=help)


def _circles(root: Module) -> Iterator[Diagnostic]:
    """`cycle` at each import that closes a circle; the circle is opened there, so that names lead somewhere."""
    done: set[Module] = set()
    trail = [root]
    rest = [_imports(root.file)]
    while trail:
        item = next(rest[-1], None)
        module = trail[-1]
        if item is None:
            done.add(trail.pop())
            rest.pop()
            continue
        reached = module.imports.get(item.name)
        if reached in trail:
            way = [*trail[trail.index(reached) :], reached]
            yield names.cycle([each.source.path for each in way], item.path.span, "this `import`")
            module.imports[item.name] = None
        elif reached is not None and reached not in done:
            trail.append(reached)
            rest.append(_imports(reached.file))
