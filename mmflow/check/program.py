"""A checked file: every declaration with typed fields, every name resolved; what the compiler lowers."""

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from mmflow.catalogue import Known, known_model
from mmflow.check.kinds import Condition, Kind, Target
from mmflow.plan import Slot, TargetIs, TestCase
from mmflow.plugin import CacheWord, ClassifierWord, ProviderWord, ScorerWord, StrategyWord
from mmflow.scorecard import ANY_LABEL, Measured, names_of
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.units import Share

OptionWord = ProviderWord | ClassifierWord | ScorerWord | StrategyWord | CacheWord


@attrs.frozen
class Arm:
    """`when condition -> target` (`share` is None), `10% -> target` (`condition` is None), or `else` (both are None)."""

    condition: Condition | None
    share: Share | None
    target: Target
    node: nodes.When | nodes.Else | nodes.Share = attrs.field(eq=False, repr=False)


@attrs.frozen
class Rule:
    """`when condition -> target.zone == own`: the alternatives that `needs` lists, as a plan has them."""

    condition: Condition
    needs: tuple[tuple[TargetIs, ...], ...]
    text: str
    node: nodes.When = attrs.field(eq=False, repr=False)


@attrs.frozen
class Threshold:
    """`when spent >= 80% -> alert("ops")`: the channel of `alert`, or the target of `degrade`."""

    share: float
    action: Literal["alert", "degrade", "reject"]
    channel: str | None
    target: Target | None
    node: nodes.When = attrs.field(eq=False, repr=False)


@attrs.frozen
class Off:
    """`when data >= confidential -> off` of a cache."""

    condition: Condition
    node: nodes.When = attrs.field(eq=False, repr=False)


@attrs.frozen
class Needed:
    """What a model must be for a template, as the alternatives of a plan, and its text."""

    needs: tuple[tuple[TargetIs, ...], ...]
    text: str


@attrs.frozen
class Template:
    """`when target.family == "llama" -> "…"`, or `else` (`condition` is None): texts, and places for values."""

    condition: Needed | None
    parts: tuple[str | Slot, ...]
    node: nodes.When | nodes.Else = attrs.field(eq=False, repr=False)


@attrs.frozen
class Declaration:
    """A block whose fields are typed. `fields` is an object of the kind's class, `options` the written fields of the word."""

    kind: Kind
    name: str
    fields: Any
    arms: tuple[Arm, ...]
    rules: tuple[Rule, ...]
    word_path: str | None
    word: OptionWord | None
    options: Mapping[str, object]
    block: nodes.Block = attrs.field(eq=False, repr=False)
    spans: Mapping[str, Span] = attrs.field(eq=False, repr=False)
    """Where each field's value was written (in the block, or in the one that it is `like`)."""
    thresholds: tuple[Threshold, ...] = ()
    off: tuple[Off, ...] = ()
    templates: tuple[Template, ...] = ()

    @property
    def name_span(self) -> Span:
        return self.block.name_span


@attrs.frozen
class Program:
    """The declarations by name, in file order, and the values that the parameters have, as text."""

    file: nodes.File
    declarations: Mapping[str, Declaration]
    params: Mapping[str, str]
    implicit_providers: tuple[str, ...]
    """Words that models name as their provider without declaring one."""
    labels: Mapping[str, tuple[str, ...]]
    """What arms may see of each classifier: the labels that it declares, and `unsure` under `unsure = none`."""
    measured: Mapping[str, Measured] = attrs.field(factory=dict)
    """What the files of scorecards say, as far as they could be read."""
    tests: Mapping[str, TestCase] = attrs.field(factory=dict)
    catalogue: Mapping[tuple[str, str], Known] = attrs.field(factory=dict)
    """The project's own: what it knows by provider (its name or word) and id."""

    def family_of(self, model: Declaration) -> str | None:
        """A model's family: its own, or the catalogue's."""
        known = self.known(model)
        return model.fields.family or (known.family if known else None)

    def known(self, model: Declaration) -> Known | None:
        """What the catalogue knows of a model, by its provider's word and its id; the project's own comes first."""
        provider = self.declarations.get(model.fields.provider)
        word = provider.word_path if provider is not None else model.fields.provider
        for name in (model.fields.provider, word):
            if (own := self.catalogue.get((str(name), model.fields.id))) is not None:
                return own
        return known_model(word or "", model.fields.id)

    def classifier_of(self, scorecard: Declaration) -> str:
        """The classifier by whose labels a scorecard has its numbers; empty where only its file says it."""
        if scorecard.fields.by is not None:
            return str(scorecard.fields.by)
        measured = self.measured.get(scorecard.name)
        prefix = scorecard.name[: scorecard.name.rfind(".") + 1]
        if measured is not None and prefix + measured.by in self.labels:
            return prefix + measured.by
        seen = measured.labels if measured is not None else set()
        fitting = [name for name, labels in self.labels.items() if seen <= set(labels)]
        return fitting[0] if len(fitting) == 1 else ""

    def has_figures(self, scorecard: Declaration) -> bool:
        """Whether the file of a scorecard could be read, and is by labels that are declared."""
        measured = self.measured.get(scorecard.name)
        return measured is not None and (not measured.labels or bool(self.classifier_of(scorecard)))

    def quality_of(self, model: Declaration, scorecard: Declaration | None) -> dict[str, float]:
        """What is known of a model's quality: by label where the scorecard has figures, else its own (under `*`)."""
        own = {ANY_LABEL: float(model.fields.quality)} if model.fields.quality is not None else {}
        measured = self.measured.get(scorecard.name) if scorecard is not None else None
        if scorecard is None or measured is None:
            return own
        names = names_of(model.name, model.fields.provider, model.fields.id)
        labels = self.labels.get(self.classifier_of(scorecard), (ANY_LABEL,))
        known = {label: measured.quality(names, label) for label in labels}
        return {label: quality for label, quality in known.items() if quality is not None} or own

    def of_kind(self, kind: str) -> list[Declaration]:
        return [each for each in self.declarations.values() if each.kind.name == kind]


def targets_of(declaration: Declaration) -> list[Target]:
    """What a declaration may hand a request to, in file order."""
    named: list[Target] = []
    match declaration.kind.name:
        case "tier":
            named = [Target(str(model)) for model in declaration.fields.models]
        case "cascade":
            named = list(declaration.fields.steps)
        case "fallback":
            named = list(declaration.fields.try_)
        case "strategy":
            named = list(declaration.fields.of)
    return named + [arm.target for arm in declaration.arms]
