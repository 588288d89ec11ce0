"""The plan as one value, its JSON and its fingerprint."""

import hashlib

import msgspec

from mmflow.plan.declarations import Classifier, Limits, Provider, Scorecard, Scorer
from mmflow.plan.flows import Budget, Cache, Flow, Output, Prompt
from mmflow.plan.guards import Guard
from mmflow.plan.steps import Step
from mmflow.plan.tests import TestCase
from mmflow.plugin import Model

SCHEMA = 1


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag=SCHEMA, tag_field="schema"):
    """Everything that runs. `params` are the values that this plan was compiled with, as text."""

    edition: int = 1
    file: str = ""
    params: dict[str, str] = {}
    providers: dict[str, Provider] = {}
    models: dict[str, Model] = {}
    classifiers: dict[str, Classifier] = {}
    scorers: dict[str, Scorer] = {}
    scorecards: dict[str, Scorecard] = {}
    model_limits: dict[str, Limits] = {}
    budgets: dict[str, Budget] = {}
    caches: dict[str, Cache] = {}
    prompts: dict[str, Prompt] = {}
    outputs: dict[str, Output] = {}
    guards: dict[str, Guard] = {}
    steps: dict[str, Step] = {}
    flows: dict[str, Flow] = {}
    tests: dict[str, TestCase] = {}


class PlanError(ValueError):
    """A saved plan that cannot be read: not a plan, or of a newer schema."""


def encode(plan: Plan) -> bytes:
    """The plan as JSON, the same bytes for the same plan."""
    return msgspec.json.format(msgspec.json.encode(plan, order="deterministic"), indent=2)


def decode(data: bytes) -> Plan:
    """A plan from its JSON. Raises `PlanError`."""
    try:
        return msgspec.json.decode(data, type=Plan)
    except msgspec.MsgspecError as error:
        if "$.schema" in str(error):
            raise PlanError(f"this plan is of another schema than {SCHEMA}, the one that this mmflow reads") from error
        raise PlanError(f"this is not a plan: {error}") from error


def fingerprint(plan: Plan) -> str:
    """Twelve hexadecimal digits that name what the plan does; its file's name and its tests are left out."""
    bare = msgspec.structs.replace(plan, file="", tests={})
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:12]
