"""`mmflow plugins lock`: write down which versions of plugins the workflows of a folder use."""

import sys
from pathlib import Path

import click

from mmflow.build import Build, ParamError, build
from mmflow.check.plugins import LOCK, OURS, encode_lock, lock_of
from mmflow.cli.failure import Failure, WrongUse
from mmflow.cli.inputs import read_source
from mmflow.cli.terminal import put, wants_colour
from mmflow.diagnostics.render import render
from mmflow.registry import Registry
from mmflow.vocabulary import Installed
from mmflow.wording import clause


@click.command()
@click.argument("files", metavar="FILE...", type=click.Path(), nargs=-1, required=True)
def lock(files: tuple[str, ...]) -> None:
    """Write the versions of the plugins that workflow files use to `mmflow.lock` beside them.

    `mmflow check` warns where others are installed. Name all files of a folder: the lock is written anew. The plugins that come
    with mmflow have its version, and are left out.
    """
    used: dict[Path, set[Installed]] = {}
    for file in dict.fromkeys(files):
        if file == "-" or file.endswith(".json"):
            raise WrongUse(f"`{file}` is not a workflow file", "name the files of a folder, such as `*.mmf`")
        used.setdefault(Path(file).parent, set()).update(_built(file).plugins)
    for folder, plugins in used.items():
        _write(folder / LOCK, plugins)
        click.echo(f"{folder / LOCK}:")
        for each in sorted(plugins, key=str):
            if each.distribution != OURS:
                click.echo(f"  {each.plugin}: {each.distribution} {each.version}")


def _built(file: str) -> Build:
    try:
        found = build(read_source(file), Registry.installed())
    except ParamError as problem:
        raise WrongUse(problem.message, problem.help) from problem
    if found.plan is None:
        errors = [each for each in found.diagnostics if each.severity == "error"]
        put(render(errors, color=wants_colour(sys.stderr)), sys.stderr)
        raise Failure("")
    return found


def _write(path: Path, plugins: set[Installed]) -> None:
    try:
        path.write_bytes(encode_lock(lock_of(plugins)))
    except OSError as problem:
        raise Failure(f"`{path}` cannot be written: {clause(problem.strerror)}") from problem
