"""What the shell suggests for a flag: names that the workflow file on the command line declares."""

from collections.abc import Iterator

import click

from mmflow.cli.failure import Failure
from mmflow.cli.inputs import read_source
from mmflow.syntax import nodes
from mmflow.syntax.parse import parse

FIELDS = ("request.tokens", "request.user", "request.language", "request.has_images", "request.has_tools")
"""What can be given of a request, beside the labels of its caller."""

_GIVABLE = ("classify", "split", "experiment")


def flows(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The flows of the file, as far as it can be read."""
    declared = (item.name for item in _items(context) if isinstance(item, nodes.Block) and item.kind == "flow")
    return [name for name in declared if name and name.startswith(incomplete)]


def settings(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """`param=` for each param of the file."""
    declared = (item.name for item in _items(context) if isinstance(item, nodes.Let) and item.is_param)
    return [f"{name}=" for name in declared if name.startswith(incomplete)]


def givens(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """`classifier=`, `split=` and `request.tokens=` for what can be given of a request."""
    declared = [item.name for item in _items(context) if isinstance(item, nodes.Block) and item.kind in _GIVABLE]
    return [f"{name}=" for name in (*declared, *FIELDS) if name and name.startswith(incomplete)]


def _items(context: click.Context) -> Iterator[object]:
    # click stops parsing at the flag that is being completed, and leaves what stands before it in `args`.
    file = next((each for each in context.args if each.endswith(".mmf")), None)
    if file is None:
        return
    try:
        yield from parse(read_source(file)).file.items
    except Failure:
        return
