"""The kinds of block: the fields of each, what its arms are, and the kind of its word."""

from typing import Literal

import attrs

from mmflow.check.kinds.declarations import ClassifyFields, ModelFields, ProviderFields, ScorecardFields, ScorerFields, TierFields
from mmflow.check.kinds.flows import BudgetFields, CacheFields, FlowFields, GuardFields, OutputFields, PromptFields
from mmflow.check.kinds.steps import CascadeFields, ExperimentFields, FallbackFields, RouteFields, SplitFields, StrategyFields
from mmflow.check.kinds.tests import TestFields
from mmflow.vocabulary import WordKind

Arms = Literal["none", "conditions", "shares", "needs", "spent", "off", "templates", "scripts"]
"""What stands right of the arrow: targets, facts of a callee (`needs`), actions of a budget, `off`, texts, what a model does."""


@attrs.frozen
class Kind:
    """A kind of block: its fields, what its arms are, and the kind of word that `using` names."""

    name: str
    fields: type
    arms: Arms = "none"
    word: WordKind | None = None
    word_required: bool = False
    default_word: str | None = None
    """The word of a block without `using`; without it, that is the block's own name."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("provider", ProviderFields, word="provider"),
        Kind("model", ModelFields),
        Kind("tier", TierFields),
        Kind("classify", ClassifyFields, word="classifier", word_required=True),
        Kind("scorer", ScorerFields, word="scorer", word_required=True),
        Kind("route", RouteFields, arms="conditions"),
        Kind("cascade", CascadeFields),
        Kind("fallback", FallbackFields),
        Kind("split", SplitFields, arms="shares"),
        Kind("guard", GuardFields, arms="needs"),
        Kind("flow", FlowFields, arms="conditions"),
        Kind("scorecard", ScorecardFields),
        Kind("experiment", ExperimentFields, arms="shares"),
        Kind("strategy", StrategyFields, word="strategy", word_required=True),
        Kind("budget", BudgetFields, arms="spent"),
        Kind("cache", CacheFields, arms="off", word="cache", default_word="exact"),
        Kind("prompt", PromptFields, arms="templates"),
        Kind("output", OutputFields),
        Kind("test", TestFields, arms="scripts"),
    )
}


TARGET_KINDS = ("model", "tier", "route", "cascade", "fallback", "split", "experiment", "strategy")
