"""A checked file: every declaration with typed fields, every name resolved; what the compiler lowers."""

from collections.abc import Mapping
from typing import Any

import attrs

from mmflow.catalogue import Known, known_model
from mmflow.check.kinds import Condition, Kind, Target
from mmflow.plan import TargetIs
from mmflow.plugin import ClassifierWord, ProviderWord, ScorerWord
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.units import Share

OptionWord = ProviderWord | ClassifierWord | ScorerWord


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

    def family_of(self, model: Declaration) -> str | None:
        """A model's family: its own, or the catalogue's."""
        known = self.known(model)
        return model.fields.family or (known.family if known else None)

    def known(self, model: Declaration) -> Known | None:
        """What the catalogue knows of a model, by its provider's word and its id."""
        provider = self.declarations.get(model.fields.provider)
        word = provider.word_path if provider is not None else model.fields.provider
        return known_model(word or "", model.fields.id)

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
    return named + [arm.target for arm in declaration.arms]
