"""`mmflow diff`: what changes for requests between two versions of a workflow."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from mmflow.cli.bounds import (
    calls_text,
    cost_text,
    money_text,
    per_token_text,
    seconds_text,
    situations_text,
    time_text,
    width,
    wrapped,
    zones_text,
)
from mmflow.cli.failure import FOUND, WrongUse
from mmflow.cli.inputs import MAX_PLAN_BYTES, MAX_WORKFLOW_BYTES, read_bytes
from mmflow.cli.params import set_option
from mmflow.cli.revision import Revision, read_revision
from mmflow.cli.terminal import complain, remark, say, write_bytes
from mmflow.cli.workflow import built, saved
from mmflow.diagnostics import did_you_mean
from mmflow.diff import Change, Diff, FieldChange, Harm, diff, new_places
from mmflow.plan import Plan
from mmflow.source import Source

SITUATIONS_SHOWN = 8

_EXAMPLES = """\b
Examples:
  mmflow diff old.mmf new.mmf
  mmflow diff HEAD:support.mmf support.mmf
  mmflow diff main:flows/support.mmf HEAD:flows/support.mmf --fail-on privacy,cost
"""


class _Harms(click.ParamType[tuple[Harm, ...]]):
    name = "privacy,cost,time,target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Harm, ...]:
        if isinstance(value, tuple):
            return value
        words = [each.strip() for each in (",".join(map(str, value)) if isinstance(value, list) else str(value)).split(",")]
        known: tuple[Harm, ...] = get_args(Harm)
        for word in words:
            if word not in known:
                near = did_you_mean(word, known)
                self.fail(f"`{word}` is none of {', '.join(known)}" + (f"; did you mean `{near}`?" if near else ""), param, ctx)
        return tuple(each for each in known if each in words)


@click.command(epilog=_EXAMPLES)
@click.argument("old", metavar="OLD", type=click.Path())
@click.argument("new", metavar="NEW", type=click.Path())
@click.option("--flow", metavar="NAME", help="Compare this flow only.")
@click.option("--fail-on", type=_Harms(), default=(), help="Fail (exit code 1) where one of these is there.")
@click.option("--json", is_flag=True, help="Print the changes as one JSON object.")
@set_option
def command(old: str, new: str, flow: str | None, fail_on: tuple[Harm, ...], json: bool, set: dict[str, str]) -> int:
    """Show what changes for requests from OLD to NEW: behaviour, not text.

    Each is a workflow file, a saved plan, or REVISION:FILE of git (the file from the top of the repository, or `./file` from
    here). For the situations that change: the targets, the calls, dollars and time at worst, and the zones that data can reach.

    \b
    --fail-on privacy  data can reach a zone or a region that it could not, a guard holds for less, or a cache is wider
    --fail-on cost     a request may cost more, its cost is no longer known, or more may be spent
    --fail-on time     a request may take longer, at worst or by the estimate, or less is promised of it
    --fail-on target   a request goes elsewhere, or a flow is gone
    """
    if old == new == "-":
        raise WrongUse("standard input can be read once", "name a file for one of the two")
    if set and old.endswith(".json") and new.endswith(".json"):
        raise WrongUse("saved plans have their params built in", "compare the workflows that they were made from")
    before, after = _plan(old, set), _plan(new, set)
    if flow is not None and flow not in before.flows and flow not in after.flows:
        near = did_you_mean(flow, [*before.flows, *after.flows])
        raise WrongUse(f"neither version has a flow `{flow}`", f"did you mean `{near}`?" if near else None)
    found = diff(before, after, flow)
    if json:
        write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    elif found.is_empty:
        remark("no change in behaviour")
    else:
        say("\n\n".join("\n".join(block) for block in _blocks(found, width())) + "\n")
    if harms := [each for each in found.harms if each in fail_on]:
        complain(f"the change touches {', '.join(harms)}", "read it with care, or leave it out of `--fail-on`")
        return FOUND
    return 0


# ---- what is compared ---------------------------------------------------------------------------------------------------------


def _plan(where: str, params: Mapping[str, str]) -> Plan:
    is_saved = where.endswith(".json")
    limit, noun = (MAX_PLAN_BYTES, "a saved plan") if is_saved else (MAX_WORKFLOW_BYTES, "a workflow file")
    is_revision = where != "-" and ":" in where and not Path(where).exists()
    data = read_revision(where, limit, noun) if is_revision else read_bytes(where, limit, noun)
    if is_saved:
        return saved(where, data, {})
    read = Revision(where).read if is_revision else None
    return built(Source.from_bytes("<stdin>" if where == "-" else where, data), params, warns=False, read=read)


# ---- the changes for people ---------------------------------------------------------------------------------------------------


def _blocks(found: Diff, columns: int | None) -> Iterator[list[str]]:
    for flow in found.flows:
        lines = [f"flow {flow.flow}"]
        for promise in flow.promises:
            lines += wrapped(_field(promise), columns, 2)
        for change in flow.changes:
            lines += _change_lines(change, columns)
        yield lines
    for each in found.added:
        zones, cost, time = zones_text(each.worst), cost_text(each.worst.cost), time_text(each.worst.time)
        yield wrapped(f"flow {each.flow}: added; at most {cost} and {time}; data can reach {zones}", columns, 0)
    if found.removed:
        yield [f"flow {name}: removed" for name in found.removed]
    for declared in found.definitions:
        lines = [f"{declared.kind} {declared.name}"]
        for field in declared.fields:
            lines += wrapped(_field(field), columns, 2)
        yield lines


def _field(change: FieldChange) -> str:
    harms = f" ({', '.join(change.harms)})" if change.harms else ""
    return f"{change.field}: {change.before} => {change.after}{harms}"


def _change_lines(change: Change, columns: int | None) -> Iterator[str]:
    yield from wrapped(f"when {situations_text(change.situations, SITUATIONS_SHOWN)}", columns, 2)
    pairs = [(name, before, after) for name, before, after in _compared(change) if before != after]
    widest = max((len(name) for name, _, _ in pairs), default=0)
    for name, before, after in pairs:
        yield from wrapped(f"{name.ljust(widest)}  {before} => {after}", columns, 4)


def _compared(change: Change) -> Iterator[tuple[str, str, str]]:
    """What is compared, by its name in the table of `mmflow plan`, as text before and after."""
    before, after = change.before, change.after
    was, is_ = before.target or "turned away", after.target or "turned away"
    yield "target", was, f"{is_}, changed within" if was == is_ and "target" in change.harms else is_
    old, new = before.bound, after.bound
    if old is None or new is None:
        return
    yield "calls", calls_text(old.calls_by_model), calls_text(new.calls_by_model)
    yield "worst $", cost_text(old.cost), cost_text(new.cost) + _by(old.cost.worst_microusd, new.cost.worst_microusd)
    if "max_cost" in (old.cost.by, new.cost.by):
        alone = (old.cost.calls_microusd, new.cost.calls_microusd)
        yield "without max_cost", money_text(alone[0]), money_text(alone[1]) + _by(*alone)
    yield "by tokens", per_token_text(old.cost.per_token), per_token_text(new.cost.per_token)
    yield "worst time", time_text(old.time), time_text(new.time)
    yield "est. p95", seconds_text(old.estimated_p95_s), seconds_text(new.estimated_p95_s)
    yield "first token", seconds_text(old.estimated_first_token_s), seconds_text(new.estimated_first_token_s)
    fresh = new_places(old.places, new.places)
    yield "zones", zones_text(old), zones_text(new) + (f" (privacy: {', '.join(fresh)} is new)" if fresh else "")
    providers = [", ".join(dict.fromkeys(place.provider for place in each.places)) or "none" for each in (old, new)]
    yield "providers", *providers  # type: ignore[misc]  # two of them


def _by(before: int | None, after: int | None) -> str:
    """` (+25%)`; nothing where there is no share to tell."""
    if not before or after is None or before == after:
        return ""
    share = (after - before) / before
    return f" ({share:+.0%})" if abs(share) < 10 else f" ({after / before:.0f} times)"
