"""The command line of the simulator: `mmflow simulate`, and `python -m mmflow.testing.simulate`."""

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import attrs
import click
import msgspec

from mmflow.api import LoadError, ParamError, UnknownFlow
from mmflow.diagnostics.render import render
from mmflow.registry import Registry
from mmflow.testing.simulate.check import INVARIANTS
from mmflow.testing.simulate.faults import KINDS
from mmflow.testing.simulate.plans import random_scene
from mmflow.testing.simulate.scenes import scene_of
from mmflow.testing.simulate.search import Finding, Tally, search
from mmflow.testing.simulate.told import document, lines, summary
from mmflow.testing.simulate.world import Scene, Size
from mmflow.wording import clause

MOST_FINDINGS = 5
"""After so many seeds of one workflow that break something the search ends."""

RANDOM = "random workflows"

_EXAMPLES = f"""\b
Faults:
{"".join(f"  {kind:<9} {what}{chr(10)}" for kind, what in KINDS.items())}
\b
Invariants:
  {", ".join(INVARIANTS[:8])},
  {", ".join(INVARIANTS[8:])}

\b
Examples:
  mmflow simulate support.mmf
  mmflow simulate support.mmf --flow main --seeds 10000 --jobs 4
  mmflow simulate support.mmf --seed 4711
  mmflow simulate support.mmf --faults storms,outages
"""


class _Faults(click.ParamType[tuple[str, ...]]):
    name = "kinds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = [each.strip() for each in str(value).split(",") if each.strip()]
        if names == ["all"]:
            return tuple(KINDS)
        if names == ["none"]:
            return ()
        for each in names:
            if each not in KINDS:
                self.fail(f"there is no fault `{each}`: write `all`, `none`, or some of {', '.join(KINDS)}", param, ctx)
        return tuple(names)


def _settings(context: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.BadParameter(f"expected `param=value`, got `{each}`", context, param)
        found[name.strip()] = value.strip()
    return found


@click.command(epilog=_EXAMPLES)
@click.argument("files", metavar="[FILE]...", type=click.Path(dir_okay=False), nargs=-1)
@click.option("--flow", metavar="NAME", help="Send the requests to this flow; without it to all flows of the file.")
@click.option("--seeds", metavar="N", type=click.IntRange(1), default=200, show_default=True, help="How many seeds to run.")
@click.option("--seed", metavar="N", type=click.IntRange(0), help="Run this seed only: it does the same each time.")
@click.option("--requests", metavar="N", type=click.IntRange(1), default=30, show_default=True, help="Requests in a run.")
@click.option("--concurrency", metavar="N", type=click.IntRange(1), default=8, show_default=True, help="Callers at a time.")
@click.option("--faults", metavar="KINDS", type=_Faults(), default="all", show_default=True, help="What may go wrong, see below.")
@click.option("-j", "--jobs", metavar="N", type=click.IntRange(1), default=1, help="Run in so many processes.")
@click.option("--json/--no-json", help="Print one JSON object: the runs, and each finding with its events.")
@click.option("-s", "--set", metavar="PARAM=VALUE", multiple=True, callback=_settings, help="Give a param of the files a value.")
def command(
    files: tuple[str, ...],
    flow: str | None,
    seeds: int,
    seed: int | None,
    requests: int,
    concurrency: int,
    faults: tuple[str, ...],
    jobs: int,
    json: bool,
    set: dict[str, str],
) -> int:
    """Run whole flows under random faults, and check after each run what must hold whatever goes wrong.

    Models, classifiers, scorers and stores are simulated, and so is time: no key and no network. Each seed has its own traffic
    and weather. Of a seed that breaks an invariant the least that shows it is told, with the command that replays it. Without a
    FILE, random workflows are run.

    The exit code is 1 where an invariant is broken or a file has errors, 2 for wrong use.
    """
    size = Size(requests, concurrency, faults)
    numbers = range(seeds) if seed is None else range(seed, seed + 1)
    documents, is_broken = [], False
    for file in files or (None,):
        if (scenes := _scenes(file, flow, set)) is None:
            is_broken = True
            continue
        again = _command(file, flow, set)
        tally, findings = Tally(), list[Finding]()
        for finding in _found(scenes, numbers, size, tally, jobs):
            findings.append(finding)
            if not json:
                click.echo("\n".join(lines(finding, again)) + "\n")
            if len(findings) == MOST_FINDINGS:
                break
        is_broken = is_broken or bool(findings)
        if json:
            documents.append(document(file or RANDOM, tally, findings, again))
        else:
            click.echo(summary(file or RANDOM, tally, len(findings)))
    if json:
        click.echo(msgspec.json.format(msgspec.json.encode({"schema": 1, "runs": documents})).decode())
    return 1 if is_broken else 0


@attrs.frozen
class _Same:
    """The scene of a file, for every seed."""

    file: str
    flow: str | None
    params: Mapping[str, str]
    _made: list[Scene] = attrs.field(factory=list)

    def __call__(self, seed: int) -> Scene:
        if not self._made:
            self._made.append(scene_of(Path(self.file), Registry.installed(), self.flow, self.params))
        return self._made[0]

    def __getstate__(self) -> tuple[str, str | None, dict[str, str]]:
        # Another process makes its own.
        return self.file, self.flow, dict(self.params)

    def __setstate__(self, state: tuple[str, str | None, dict[str, str]]) -> None:
        self.__init__(*state)  # type: ignore[misc]


def _random(seed: int) -> Scene:
    return random_scene(seed, Registry.installed())


def _scenes(file: str | None, flow: str | None, params: dict[str, str]) -> Callable[[int], Scene] | None:
    """What gives the scene of a seed; None where the file has errors, which are told."""
    if file is None:
        if flow is not None or params:
            raise click.UsageError("`--flow` and `--set` are for a file, and none is given")
        return _random
    same = _Same(file, flow, params)
    try:
        same(0)
    except OSError as problem:
        raise click.UsageError(f"`{file}` cannot be read: {clause(problem.strerror)}") from problem
    except (ParamError, UnknownFlow) as problem:
        raise click.UsageError(f"{problem.message}; {problem.help}") from problem
    except LoadError as problem:
        told = render(problem.diagnostics, color=sys.stderr.isatty()) if problem.diagnostics else f"error: {problem.message}\n"
        click.echo(told, err=True, nl=False)
        return None
    return same


def _found(scenes: Callable[[int], Scene], seeds: range, size: Size, tally: Tally, jobs: int) -> Iterator[Finding]:
    if jobs == 1 or len(seeds) < 2 * jobs:
        yield from search(scenes, seeds, size, tally)
        return
    step = max(1, min(500, len(seeds) // (jobs * 4)))
    parts = [seeds[start : start + step] for start in range(0, len(seeds), step)]
    with ProcessPoolExecutor(jobs) as pool:
        for other, broken in pool.map(partial(_part, scenes, size), parts):
            tally.merge(other)
            # Found there, and made again here: what a run holds does not leave its process.
            for seed in broken:
                yield from search(scenes, (seed,), size, Tally())


def _part(scenes: Callable[[int], Scene], size: Size, seeds: range) -> tuple[Tally, list[int]]:
    tally, broken = Tally(), list[int]()
    for finding in search(scenes, seeds, size, tally):
        broken.append(finding.seed)
        if len(broken) == MOST_FINDINGS:
            break
    return tally, broken


def _command(file: str | None, flow: str | None, params: Mapping[str, str]) -> list[str]:
    """The beginning of the command that runs the same again."""
    found = ["python", "-m", "mmflow.testing.simulate"]
    found += [] if file is None else [file]
    found += [] if flow is None else ["--flow", flow]
    return found + [each for name, value in params.items() for each in ("--set", f"{name}={value}")]
