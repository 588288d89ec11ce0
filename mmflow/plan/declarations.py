"""What a plan declares beside its models: providers, classifiers, scorers, scorecards, and their limits."""

from typing import Any, Literal

import msgspec

from mmflow.plugin import Timeouts, Zone


class Rate(msgspec.Struct, frozen=True):
    """So many in a period."""

    count: int
    period_s: int


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a provider or a model takes: requests and tokens in a period, and calls at a time. None is without a limit."""

    requests: Rate | None = None
    tokens: Rate | None = None
    concurrency: int | None = None


class Provider(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A provider: the plugin's word and its options (seconds, micro-dollars, names of variables for secrets)."""

    name: str
    word: str
    options: dict[str, Any] = {}
    zone: Zone = "external"
    region: str | None = None
    timeouts: Timeouts = Timeouts()
    without_key: Literal["refuse", "simulate"] = "refuse"
    limits: Limits = Limits()


class Classifier(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A classifier. `unsure` is what a label below `confidence`, a failure or a time-out becomes."""

    name: str
    word: str
    labels: tuple[str, ...]
    ordered: bool
    confidence: float
    unsure: str
    """`up`, `none`, or a label."""
    options: dict[str, Any] = {}
    input: Literal["last_user", "all_user", "all"] = "last_user"
    input_turns: int = 2
    timeout_s: float = 2.0


class Scorer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A scorer: the plugin's word and its options."""

    name: str
    word: str
    options: dict[str, Any] = {}


class Scorecard(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Measured quality by model and label. `file` is its path, from the folder of the workflow.

    `by` is the classifier; empty where the checker could not read the file, which then says it.
    """

    name: str
    file: str
    by: str
