"""`mmflow fmt`: workflow files in their canonical layout."""

import contextlib
import difflib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mmflow.cli.failure import FOUND, Failure, WrongUse
from mmflow.cli.inputs import MAX_WORKFLOW_BYTES, read_bytes
from mmflow.cli.terminal import complain, is_terminal, put, say, wants_colour, write_bytes
from mmflow.diagnostics.render import render
from mmflow.source import Source
from mmflow.syntax.format import format
from mmflow.wording import clause

_EXAMPLES = """\b
Examples:
  mmflow fmt *.mmf
  mmflow fmt --check workflows/*.mmf
  mmflow fmt --diff support.mmf
  cat support.mmf | mmflow fmt
"""


@click.command(epilog=_EXAMPLES)
@click.argument("files", metavar="[FILE...]", type=click.Path(), nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; list the files that would change, and fail where there are any.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, and fail where anything would.")
def command(files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Put workflow files into the canonical layout; `-`, or no FILE, formats standard input to standard output.

    The meaning of a file, its comments and its blank lines stay. A file with syntax errors is not touched, and its errors go
    to standard error with exit code 1. Plugins that a file uses need not be installed.
    """
    if not files and (sys.stdin is None or is_terminal(sys.stdin)):
        raise WrongUse("there is nothing to format", "name a FILE, or pipe one: `cat FILE | mmflow fmt`")
    code = 0
    for file in dict.fromkeys(files or ("-",)):
        try:
            code = max(code, _format(file, check=check, diff=diff))
        except Failure as problem:
            if problem.message:
                complain(problem.message, problem.help)
            code = max(code, problem.code)
    return code


def _format(file: str, *, check: bool, diff: bool) -> int:
    if file.endswith(".json"):
        raise WrongUse(f"`{file}` is a saved plan, not a workflow", "format the workflow that it was made from")
    name = "<stdin>" if file == "-" else file
    before = read_bytes(file, MAX_WORKFLOW_BYTES, "a workflow file")
    formatted = format(Source.from_bytes(name, before))
    if formatted.text is None:
        put(render(formatted.diagnostics, color=wants_colour(sys.stderr)), sys.stderr)
        raise Failure("")
    after = formatted.text.encode()
    if diff:
        write_bytes("".join(_diff(name, before.decode(), formatted.text)).encode())
    elif check:
        say(f"{name}\n" if before != after else "")
    elif file == "-":
        write_bytes(after)
    elif before != after:
        _replace(file, after)
    return FOUND if (check or diff) and before != after else 0


def _diff(name: str, before: str, after: str) -> Iterator[str]:
    """A unified diff, which `patch` takes."""
    for line in difflib.unified_diff(_lines(before), _lines(after), name, name):
        yield line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    # Not `splitlines`, which ends a line at a form feed too.
    lines = [line + "\n" for line in text.split("\n")]
    return lines[:-1] if text.endswith("\n") else [*lines[:-1], text[text.rfind("\n") + 1 :]]


def _replace(file: str, content: bytes) -> None:
    """Put new content into a file in one step, through links and with the permissions that it has. Raises `Failure`."""
    target = Path(os.path.realpath(file))
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode):
            raise WrongUse(f"`{file}` is not a regular file", "write `-` to format standard input to standard output")
        if not os.access(target, os.W_OK):
            raise Failure(f"`{file}` cannot be written: permission denied")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            try:
                stream.write(content)
                stream.flush()
                with contextlib.suppress(OSError, AttributeError):  # who does not own the file cannot give it away
                    os.chown(draft, status.st_uid, status.st_gid)
                os.chmod(draft, stat.S_IMODE(status.st_mode))
                os.replace(draft, target)
            except BaseException:  # an interrupt as well leaves nothing behind
                draft.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise Failure(f"`{file}` cannot be written: {clause(error.strerror)}") from error
