"""`check_workflow`: that a workflow has no mistakes, with plugins that need not be installed."""

from collections.abc import Mapping
from pathlib import Path

from mmflow.build import build
from mmflow.diagnostics.render import render
from mmflow.registry import Registry
from mmflow.source import Source


def check_workflow(path: Path | str, plugins: Mapping[str, object] | None = None) -> None:
    """Raises `AssertionError` with what `mmflow check --strict` says, where it says something.

    `plugins` are modules, or lists of words, by plugin name; they stand beside the installed ones, and before one of their name.
    """
    registry = Registry.of(plugins or {}, beside_installed=True)
    source = Source.from_bytes(str(path), Path(path).read_bytes())
    found = [each for each in build(source, registry).diagnostics if each.severity != "note"]
    if found:
        raise AssertionError(render(found, "text", False))
