"""Finds the entry points of the group `mmflow` among what is installed; imports no plugin.

It reads the folders of metadata itself: `importlib.metadata` costs 50 ms to import and reads every distribution whole.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

import attrs

GROUP = "mmflow"


@attrs.frozen
class EntryPoint:
    """A plugin as its distribution announces it: `name` in the language, and the module that has it."""

    name: str
    module: str
    distribution: str
    version: str


def scan(path: Sequence[str] | None = None) -> list[EntryPoint]:
    """The plugins announced along `path` (default `sys.path`); a distribution that is found twice counts once, the first."""
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for distribution, version, announced in _distributions(sys.path if path is None else path):
        canonical = re.sub(r"[-_.]+", "-", distribution).lower()
        if canonical not in seen:
            seen.add(canonical)
            found += [EntryPoint(name, module, distribution, version) for name, module in _entries(announced)]
    return found


def _distributions(path: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Name, version and the text of the entry points of each distribution that announces a plugin."""
    for place in path:
        if os.path.isfile(place) or place.endswith(".egg"):
            yield from _by_importlib([place])
            continue
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        # pip renames to `~name` what it is about to delete. An interrupted upgrade leaves two versions: the newer counts.
        folders = [name for name in names if name.endswith((".dist-info", ".egg-info")) and not name.startswith("~")]
        for folder in sorted(folders, key=_natural, reverse=True):
            yield from _in_folder(os.path.join(place, folder))
    for finder in sys.meta_path:
        # An application frozen into one file brings a finder of its own.
        if hasattr(finder, "find_distributions") and getattr(finder, "__name__", "") != "PathFinder":
            yield from _by_importlib(path)
            break


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts `0.10` after `0.9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _in_folder(folder: str) -> Iterator[tuple[str, str, str]]:
    announced = _read(os.path.join(folder, "entry_points.txt"))
    if f"[{GROUP}]" in announced:
        metadata = _read(os.path.join(folder, "METADATA")) or _read(os.path.join(folder, "PKG-INFO"))
        head = dict(line.split(": ", 1) for line in metadata.partition("\n\n")[0].splitlines() if ": " in line)
        if "Name" in head:
            yield head["Name"].strip(), head.get("Version", "unknown").strip(), announced


def _read(file: str) -> str:
    """The text of a file; empty where there is none."""
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            return opened.read()
    except OSError:
        return ""


def _by_importlib(path: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    from importlib import metadata  # only for archives and special finders, for it is slow

    for distribution in metadata.distributions(path=list(path)):
        announced = distribution.read_text("entry_points.txt") or ""
        if f"[{GROUP}]" in announced:
            yield distribution.metadata["Name"] or "unknown", distribution.version, announced


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """The `name = module` lines of the group, extras left out."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()
