"""Flows: entry points, their promises, and what they use: budgets, caches, prompts and contracts of output."""

from typing import Any, Literal

import msgspec

from mmflow.plan.conditions import Test
from mmflow.plan.declarations import Rate
from mmflow.plan.guards import TargetIs
from mmflow.plugin import Zone


class Threshold(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens from a share of the limit on: `alert` tells a channel, `degrade` asks a step instead, `reject` refuses."""

    share: float
    action: Literal["alert", "degrade", "reject"]
    target: str | None = None
    """The channel of `alert`, the step of `degrade`."""


class Budget(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Money in a period. Past the limit a request is refused, unless a threshold says otherwise."""

    name: str
    limit_microusd: int
    period_s: int
    per: str | None = None
    """A field of the request: each of its values has a limit of its own."""
    thresholds: tuple[Threshold, ...] = ()


class Cache(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Answers that are kept for `ttl_s`, but not while one of `off` holds."""

    name: str
    word: str = "exact"
    options: dict[str, Any] = {}
    ttl_s: float = 3600.0
    scope: Literal["user", "team", "all"] = "user"
    """Who may get an answer that was kept: the same user, the same `meta("team")`, anybody."""
    zone: Zone | None = None
    """Whose machines keep it; None: the file does not say."""
    off: tuple[Test, ...] = ()


class Slot(msgspec.Struct, frozen=True):
    """A place in a template: `request.language`, `request.meta.team`, or a classifier, whose label is set in."""

    path: str


class PromptArm(msgspec.Struct, frozen=True):
    """A template for the models that are what one of the alternatives asks; `needs` is None for all."""

    needs: tuple[tuple[TargetIs, ...], ...] | None
    parts: tuple[str | Slot, ...]


class Prompt(msgspec.Struct, frozen=True):
    """The system message of each model: the template of the first arm that fits it; None where none fits."""

    name: str
    arms: tuple[PromptArm, ...]


class Output(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The contract of an answer: what is not of the format, or breaks the JSON Schema in `schema_file`, is `invalid_output`.

    `retry_times` is how often the same model is asked again first.
    """

    name: str
    format: Literal["text", "json"] = "text"
    schema_file: str | None = None
    retry_times: int = 0


class Sla(msgspec.Struct, frozen=True):
    """A promise about the 95th percentile of the time to the first token, or to the whole answer."""

    p95_s: float
    of: Literal["first_token", "total"]


class Flow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An entry point and its promises; None is no bound."""

    name: str
    step: str
    deadline_s: float = 60.0
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    max_cost_microusd: int | None = None
    guards: tuple[str, ...] = ()
    sla: Sla | None = None
    traffic: Rate | None = None
    """The requests that are expected."""
    budget: str | None = None
    cache: str | None = None
    prompt: str | None = None
    output: str | None = None
