"""What a search says: for people, and as JSON."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mmflow.report import trace
from mmflow.testing.simulate.faults import KINDS
from mmflow.testing.simulate.search import Finding, Tally
from mmflow.testing.simulate.violation import Violation

MOST_VIOLATIONS = 3
"""So many of a seed are told; the others mostly follow from them."""


def lines(finding: Finding, command: Sequence[str]) -> Iterator[str]:
    """A finding: what was broken, the events that show it, and how to see it again."""
    yield f"seed {finding.seed} breaks an invariant"
    for each in finding.violations[:MOST_VIOLATIONS]:
        yield f"  {each.invariant}: {each.message}"
    shown = next((each.caller for each in finding.violations if each.caller is not None), None)
    if shown is not None:
        yield f"  request {shown.number} of flow {shown.flow.name}:"
        yield from (f"    {line}" for line in trace(shown.events))
    yield f"  replay: {shlex.join(replay(finding, command))}"


def replay(finding: Finding, command: Sequence[str]) -> list[str]:
    """The command that runs a finding again."""
    size = finding.size
    faults = "all" if set(size.faults) == set(KINDS) else ",".join(size.faults) or "none"
    numbers = ["--seed", finding.seed, "--requests", size.requests, "--concurrency", size.concurrency]
    return [*command, *map(str, numbers), "--faults", faults]


def summary(name: str, tally: Tally, broken: int) -> str:
    """One line on all runs of a workflow."""
    shares = ", ".join(f"{_percent(count, tally.requests)} {outcome}" for outcome, count in tally.outcomes.most_common())
    held = f"{broken} of them break an invariant" if broken else "every invariant held"
    seeds = f"{tally.seeds:,} seed{'s' * (tally.seeds != 1)}"
    return f"{name}: {seeds}, {tally.requests:,} requests, {tally.calls:,} calls: {held} ({shares})"


def document(name: str, tally: Tally, findings: Sequence[Finding], command: Sequence[str]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "workflow": name,
        "seeds": tally.seeds,
        "requests": tally.requests,
        "calls": tally.calls,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "findings": [
            {
                "seed": each.seed,
                "replay": replay(each, command),
                "violations": [_violation(violation) for violation in each.violations],
            }
            for each in findings
        ],
    }


def _violation(violation: Violation) -> dict[str, Any]:
    caller = violation.caller
    return {
        "invariant": violation.invariant,
        "message": violation.message,
        "request": None if caller is None else caller.number,
        "flow": None if caller is None else caller.flow.name,
        "events": [] if caller is None else msgspec.to_builtins(caller.events),
    }


def _percent(count: int, total: int) -> str:
    return f"{count / total:.0%}" if total else "0%"
