"""`mmflow check`: what is wrong with workflow files."""

import sys
from typing import get_args

import click

from mmflow.build import ParamError, build
from mmflow.cli.failure import FOUND, WRONG_USE, WrongUse
from mmflow.cli.inputs import read_source
from mmflow.cli.params import set_option
from mmflow.cli.terminal import complain, put, wants_colour
from mmflow.diagnostics import Diagnostic
from mmflow.diagnostics.render import Format, render
from mmflow.registry import Registry

_EXAMPLES = """\b
Examples:
  mmflow check *.mmf
  mmflow check --format github workflows/*.mmf
  cat support.mmf | mmflow check -
"""


@click.command(epilog=_EXAMPLES)
@click.argument("files", metavar="FILE...", type=click.Path(), nargs=-1, required=True)
@click.option(
    "--format",
    type=click.Choice(get_args(Format)),
    default="text",
    show_default=True,
    help="The form of what is found.",
)
@click.option("--strict/--no-strict", help="Fail on warnings too.")
@set_option
def command(files: tuple[str, ...], format: Format, strict: bool, set: dict[str, str]) -> int:
    """Find what is wrong with workflow files; `-` reads standard input.

    What is found goes to standard output, and nothing where nothing is (JSON and SARIF are whole documents in any case).
    The exit code is 1 where there is an error, 2 where a file cannot be read.
    """
    found: list[Diagnostic] = []
    unreadable = False
    for file in dict.fromkeys(files):
        try:
            found += _diagnostics(file, set)
        except WrongUse as problem:
            complain(problem.message, problem.help)
            unreadable = True
    put(render(found, format, wants_colour(sys.stdout)), sys.stdout)
    failed = any(each.severity == "error" or (strict and each.severity == "warning") for each in found)
    return WRONG_USE if unreadable else FOUND if failed else 0


def _diagnostics(file: str, params: dict[str, str]) -> list[Diagnostic]:
    if file.endswith(".json"):
        raise WrongUse(f"`{file}` is a saved plan, not a workflow", "check the workflow that it was made from")
    source = read_source(file)
    try:
        return list(build(source, Registry.installed(), params).diagnostics)
    except ParamError as problem:
        raise WrongUse(f"{source.path}: {problem.message}", problem.help) from problem
