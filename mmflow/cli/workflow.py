"""From the FILE of a command to a plan: a workflow that is checked on the way, or a plan that was saved."""

import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from mmflow import plan as plans
from mmflow.cli.failure import Failure, WrongUse
from mmflow.cli.inputs import MAX_PLAN_BYTES, MAX_WORKFLOW_BYTES, read_bytes
from mmflow.cli.terminal import complain, warn, wants_colour
from mmflow.diagnostics import Diagnostic, did_you_mean
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
        return Workflow(_saved(file, params), folder)
    source = Source.from_bytes("<stdin>" if file == "-" else file, read_bytes(file, MAX_WORKFLOW_BYTES, "a workflow file"))
    return Workflow(_built(source, params), folder)


def _saved(file: str, params: Mapping[str, str]) -> Plan:
    if params:
        raise WrongUse("a saved plan has its params built in", f"save it with them: `mmflow plan --json --set … FILE > {file}`")
    try:
        return plans.decode(read_bytes(file, MAX_PLAN_BYTES, "a saved plan"))
    except plans.PlanError as problem:
        raise Failure(f"`{file}`: {problem}", "save one with `mmflow plan --json FILE`") from problem


def _built(source: Source, params: Mapping[str, str]) -> Plan:
    # A saved plan runs without the compiler and the parser behind it.
    from mmflow.api import ParamError, build

    try:
        built = build(source, Registry.installed(), params)
    except ParamError as problem:
        raise WrongUse(problem.message, problem.help) from problem
    if built.plan is None:
        raise Refused(source.path, built.diagnostics)
    for each in built.diagnostics:
        if each.severity == "warning":
            warn(f"{each.span}: {each.message} [{each.code}]")
    return built.plan


def flow_name(plan: Plan, name: str | None, file: str) -> str:
    """The flow that is meant: the one that is named, the only one, or `main`. Raises `WrongUse`."""
    flows = ", ".join(f"`{each}`" for each in plan.flows)
    if not plan.flows:
        raise Failure(f"`{file}` has no flow, so nothing can be run", "add one: `flow main { else -> … }`")
    if name is not None and name not in plan.flows:
        near = did_you_mean(name, plan.flows)
        raise WrongUse(f"`{file}` has no flow `{name}`", f"did you mean `{near}`?" if near else f"its flows: {flows}")
    if name is None and len(plan.flows) > 1 and "main" not in plan.flows:
        raise WrongUse(f"`{file}` has several flows, and none is called `main`", f"name one with `--flow`: {flows}")
    return name or ("main" if "main" in plan.flows else next(iter(plan.flows)))
