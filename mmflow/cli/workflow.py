"""From the FILE of a command to a plan: a workflow that is checked on the way, or a plan that was saved."""

import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from mmflow import plan as plans
from mmflow.api import ParamError, UnknownFlow, build, flow_name
from mmflow.build import Reader
from mmflow.cli.failure import Failure, WrongUse
from mmflow.cli.inputs import MAX_PLAN_BYTES, read_bytes, read_source
from mmflow.cli.terminal import put, wants_colour, warn
from mmflow.diagnostics.render import render
from mmflow.plan import Plan
from mmflow.registry import Registry
from mmflow.source import Source


@attrs.frozen
class Workflow:
    """A plan, and the folder that its paths are relative to: that of the file."""

    plan: Plan
    folder: Path


def load(file: str, params: Mapping[str, str]) -> Workflow:
    """The workflow in a file, `-` for standard input; its warnings are told on standard error. Raises `Failure`."""
    folder = Path() if file == "-" else Path(file).parent
    if file.endswith(".json"):
        return Workflow(saved(file, read_bytes(file, MAX_PLAN_BYTES, "a saved plan"), params), folder)
    return Workflow(built(read_source(file), params), folder)


def saved(file: str, data: bytes, params: Mapping[str, str]) -> Plan:
    """The plan in a saved one, which is called `file` in messages. Raises `Failure`."""
    if params:
        raise WrongUse("a saved plan has its params built in", f"save it with them: `mmflow plan --json --set … FILE > {file}`")
    try:
        return plans.decode(data)
    except plans.PlanError as problem:
        raise Failure(f"`{file}`: {problem}", "save one with `mmflow plan --json FILE`") from problem


def built(source: Source, params: Mapping[str, str], *, warns: bool = True, read: Reader | None = None) -> Plan:
    """The plan of a workflow; what is wrong with it is told on standard error. `read` as in `build`. Raises `Failure`."""
    try:
        found = build(source, Registry.installed(), params, read)
    except ParamError as problem:
        raise WrongUse(problem.message, problem.help) from problem
    if found.plan is None:
        put(render(found.diagnostics, color=wants_colour(sys.stderr)), sys.stderr)
        raise Failure("")
    for each in found.diagnostics:
        if warns and each.severity == "warning":
            warn(f"{each.span}: {each.message} [{each.code}]")
    return found.plan


def flow_of(plan: Plan, name: str | None) -> str:
    """The flow that is meant: the one that is named, the only one, or `main`. Raises `WrongUse`."""
    try:
        return flow_name(plan, name)
    except UnknownFlow as problem:
        raise WrongUse(problem.message, problem.help) from problem
