"""Workflow files that come with mmflow: `import "mmflow:tiers" as tiers`."""

from functools import cache
from pathlib import Path

from mmflow.source import Source

PREFIX = "mmflow:"


def is_library(path: str) -> bool:
    """Whether a path of an `import`, or of a source, is of a file that comes with mmflow."""
    return path.startswith(PREFIX)


def names() -> list[str]:
    """The paths that can be imported: `mmflow:tiers`."""
    return sorted(PREFIX + each.stem for each in Path(__file__).parent.glob("*.mmf"))


@cache
def source(path: str) -> Source:
    """The file of a path such as `mmflow:tiers`. Raises `FileNotFoundError`."""
    if path not in names():
        raise FileNotFoundError(2, "no such file comes with mmflow", path)
    return Source.from_bytes(path, Path(__file__).with_name(f"{path.removeprefix(PREFIX)}.mmf").read_bytes())
