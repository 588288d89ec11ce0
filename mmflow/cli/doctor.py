"""`mmflow doctor`: whether every declared model can be asked, and what is wrong where one cannot."""

import sys
from collections.abc import Iterator, Sequence

import click
import msgspec

from mmflow.cli.failure import FOUND, WrongUse
from mmflow.cli.loop import run_loop
from mmflow.cli.params import set_option
from mmflow.cli.terminal import one_line, say, wants_colour, write_bytes
from mmflow.cli.workflow import Workflow, load
from mmflow.registry import Registry
from mmflow.runtime.doctor import Diagnosis, examine
from mmflow.units import Duration, UnitError, parse_quantity
from mmflow.wording import clause

_EXAMPLES = """\b
Examples:
  mmflow doctor support.mmf
  mmflow doctor support.mmf --timeout 5s --json
"""
_COLOURS = {True: "\x1b[32m", False: "\x1b[1;31m"}


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    answer: int
    fail: int
    models: Sequence[Diagnosis]


@click.command(epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path())
@set_option
@click.option("--timeout", metavar="DURATION", default="30s", show_default=True, help="How long a model has for its answer.")
@click.option("--json/--no-json", help="Print one JSON object: every model with what was found.")
def command(file: str, set: dict[str, str], timeout: str, json: bool) -> int:
    """Ask every model that FILE declares for a few tokens, and say what keeps one from answering.

    A key that is missing or refused, an id that the provider does not know, an address that leads nowhere: each is named, with
    what to do. A model is asked once, with `hi`, for 16 tokens at most; the calls cost what they cost. Keys are never shown.

    The exit code is 1 where one model fails, 2 for wrong use.
    """
    found = run_loop(_examined(load(file, set), _seconds(timeout)))
    failed = sum(not each.is_well for each in found)
    if json:
        document = Document(answer=sum(each.finding == "answers" for each in found), fail=failed, models=found)
        write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    else:
        say("".join(f"{line}\n" for line in _lines(found, wants_colour(sys.stdout))))
    return FOUND if failed else 0


async def _examined(workflow: Workflow, timeout_s: float) -> list[Diagnosis]:
    return await examine(workflow.plan, Registry.installed(), folder=workflow.folder, timeout_s=timeout_s)


def _seconds(text: str) -> float:
    try:
        value = parse_quantity(text)
    except UnitError as problem:
        raise WrongUse(f"`--timeout`: {clause(str(problem))}", "write a duration, such as `30s`") from problem
    if not isinstance(value, Duration) or value <= 0:
        raise WrongUse(f"`--timeout`: `{text}` is no duration", "write one such as `30s`")
    return float(value)


def _lines(found: Sequence[Diagnosis], colours: bool) -> Iterator[str]:
    """A line for each model, with what to do below those that fail, and the sum."""
    names = max((len(each.model or "—") for each in found), default=0)
    ids = max((len(f"{each.provider}/{each.id or '—'}") for each in found), default=0)
    for each in found:
        mark = "ok     " if each.finding == "answers" else "skipped" if each.is_well else "failed "
        if colours:
            mark = f"{_COLOURS[each.is_well]}{mark}\x1b[0m"
        place = f"{each.provider}/{each.id or '—'}"
        yield f"{mark}  {each.model or '—':<{names}}  {place:<{ids}}  {one_line(_said(each))}"
        if not each.is_well and each.help:
            yield f"         = help: {one_line(each.help)}"
    asked = [each for each in found if each.finding != "skipped"]
    answer = sum(each.is_well for each in asked)
    yield f"{answer} of {len(asked)} {'model answers' if len(asked) == 1 else 'models answer'}" if asked else "no model to ask"


def _said(each: Diagnosis) -> str:
    if each.finding == "skipped":
        return each.message or ""
    if each.finding != "answers":
        return f"{each.finding}: {each.message}"
    told = [f"{each.latency_s:.3f}s"] if each.latency_s is not None else []
    told += [f"served by {each.served_model}"] if each.served_model not in (None, each.id) else []
    return ", ".join([*told, *(["simulated"] if each.simulated else [])])
