"""`mmflow test`: the tests that stand in workflow files, on a virtual clock and without a network."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import click

from mmflow.cli.failure import FOUND, Failure, WrongUse
from mmflow.cli.inputs import read_source
from mmflow.cli.params import set_option
from mmflow.cli.terminal import say, wants_colour, write_bytes
from mmflow.cli.tested import TestedFile, document, junit, lines
from mmflow.cli.workflow import built
from mmflow.registry import Registry
from mmflow.runtime.rehearsal import Rehearsal
from mmflow.wording import clause

_EXAMPLES = """\b
Examples:
  mmflow test support.mmf
  mmflow test workflows -k "rate limit"
  mmflow test *.mmf --coverage --junit report.xml
"""


@click.command(epilog=_EXAMPLES)
@click.argument("files", metavar="FILE...", type=click.Path(), nargs=-1, required=True)
@click.option("-k", "pattern", metavar="PATTERN", help="Run the tests whose name has this in it; `*` and `?` stand for anything.")
@click.option("-v", "--verbose/--no-verbose", help="Name the tests that passed, too.")
@click.option("--coverage/--no-coverage", help="Show which arms of each flow the tests took.")
@click.option(
    "-j", "--jobs", metavar="N", type=click.IntRange(1), default=1, help="Test so many files at a time, each in a process."
)
@click.option(
    "--junit", "report", metavar="PATH", type=click.Path(), help="Write a report in the form of JUnit, as CI servers read it."
)
@click.option("--json/--no-json", help="Print one JSON object: every test with what it expected, what came, and the decision.")
@set_option
def command(
    files: tuple[str, ...],
    pattern: str | None,
    verbose: bool,
    coverage: bool,
    jobs: int,
    report: str | None,
    json: bool,
    set: dict[str, str],
) -> int:
    """Run the tests of workflow files, and of those in a folder.

    Models follow the scripts of a test or answer from their declared numbers, time is virtual, and chance is drawn from a fixed
    seed: no key, no network, and the same outcome each time. A test that gives an `input` and leaves a classifier to read it is
    marked as live.

    The exit code is 1 where a test fails or a file has errors, 2 for wrong use.
    """
    tested = _all(_workflows(files), pattern, set, jobs)
    if pattern is not None and not any(each.tests or each.broken for each in tested):
        raise WrongUse(f"no test has `{pattern}` in its name", "leave out `-k` to run them all")
    if json:
        write_bytes(document(tested))
    else:
        say("".join(f"{line}\n" for line in lines(tested, verbose, coverage, wants_colour(sys.stdout))))
    if report is not None:
        _write(report, junit(tested))
    return 0 if all(each.passed for each in tested) else FOUND


def _workflows(files: tuple[str, ...]) -> list[str]:
    """The files that are meant, each once: those of a folder are in it at any depth."""
    found: dict[str, None] = {}
    for file in files:
        if file == "-" or not os.path.isdir(file):
            found[file] = None
            continue
        inside = sorted(str(each) for each in Path(file).rglob("*.mmf"))
        if not inside:
            raise WrongUse(f"there are no workflows in `{file}`", "name a folder with .mmf files in it")
        found.update(dict.fromkeys(inside))
    return list(found)


def _all(files: list[str], pattern: str | None, params: dict[str, str], jobs: int) -> list[TestedFile]:
    """What came of each file, in their order. Raises `WrongUse`."""
    test = partial(_tested, pattern=pattern, params=params)
    if min(jobs, len(files)) < 2:
        return list(map(test, files))
    with ProcessPoolExecutor(min(jobs, len(files))) as pool:
        return list(pool.map(test, files))


def _tested(file: str, pattern: str | None, params: dict[str, str]) -> TestedFile:
    if file.endswith(".json"):
        raise WrongUse(f"`{file}` is a saved plan, not a workflow", "test the workflow that it was made from")
    source = read_source(file)
    try:
        plan = built(source, params, warns=False)
    except WrongUse:
        raise
    except Failure:
        return TestedFile(source.path, None, ())
    folder = Path() if file == "-" else Path(file).parent
    cases = [case for name, case in plan.tests.items() if pattern is None or _is_meant(name, pattern)]
    rehearsal = Rehearsal(plan, Registry.installed(), folder=folder)
    return TestedFile(source.path, plan, tuple(map(rehearsal.run, cases)))


def _is_meant(name: str, pattern: str) -> bool:
    name, pattern = name.lower(), pattern.lower()
    return fnmatch(name, f"*{pattern}*") if any(each in pattern for each in "*?") else pattern in name


def _write(path: str, report: bytes) -> None:
    try:
        Path(path).write_bytes(report)
    except OSError as error:
        raise WrongUse(f"`{path}` cannot be written: {clause(error.strerror)}") from error
