"""`mmflow graph`: a picture of a workflow, as Mermaid, DOT or SVG."""

import os
from pathlib import Path

import click

from mmflow.cli.failure import Failure, WrongUse
from mmflow.cli.params import set_option
from mmflow.cli.terminal import write_bytes
from mmflow.cli.workflow import flow_of, load
from mmflow.graph import dot, mermaid, picture, svg
from mmflow.wording import clause

_FORMATS = {"mermaid": mermaid, "dot": dot, "svg": svg}
_SUFFIXES = {".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot", ".svg": "svg"}

_EXAMPLES = """\b
Examples:
  mmflow graph support.mmf -o support.svg
  mmflow graph support.mmf --flow chat
  mmflow graph support.mmf --format dot | dot -Tpdf > support.pdf
"""


@click.command(epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--flow", metavar="NAME", help="Draw this flow only.")
@click.option("--format", type=click.Choice(list(_FORMATS)), help="What to write: without it, as OUT is called, else mermaid.")
@click.option("-o", "--output", metavar="OUT", type=click.Path(), help="Write to this file instead of standard output.")
@set_option
def command(file: str, flow: str | None, format: str | None, output: str | None, set: dict[str, str]) -> None:
    """Draw the workflow FILE (`-` reads standard input), or a saved plan: what a request can reach from each flow.

    The conditions of arms stand on the lines with their numbers. Models stand in a box for their provider, which tells its zone.
    SVG needs no other program to be made or seen; Mermaid is drawn by hosting sites and editors, DOT by Graphviz.
    """
    draw = _FORMATS[format or _by_suffix(output)]
    plan = load(file, set).plan
    drawn = draw(picture(plan, None if flow is None else flow_of(plan, flow)))
    if output is None or output == "-":
        write_bytes(drawn.encode())
    else:
        _write(output, drawn.encode(), file)


def _by_suffix(output: str | None) -> str:
    if output is None or output == "-":
        return "mermaid"
    suffix = Path(output).suffix.lower()
    if suffix not in _SUFFIXES:
        raise WrongUse(f"`{output}` tells no format", f"end it with {', '.join(_SUFFIXES)}, or add `--format`")
    return _SUFFIXES[suffix]


def _write(output: str, content: bytes, source: str) -> None:
    try:
        if source != "-" and os.path.exists(output) and os.path.samefile(output, source):
            raise WrongUse(f"`{output}` is the workflow itself", "name another file to write to")
        Path(output).write_bytes(content)
    except OSError as error:
        raise Failure(f"`{output}` cannot be written: {clause(error.strerror)}") from error
