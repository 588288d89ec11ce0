"""The behaviour diff of two plans: what changes for requests, and not how the text changed."""

from typing import get_args

import msgspec

from mmflow.bounds import FlowBounds, bounds
from mmflow.diff.definitions import DefinitionChange as DefinitionChange
from mmflow.diff.definitions import FieldChange as FieldChange
from mmflow.diff.definitions import definition_changes
from mmflow.diff.flows import Change as Change
from mmflow.diff.flows import FlowChange as FlowChange
from mmflow.diff.flows import Side as Side
from mmflow.diff.flows import flow_change
from mmflow.diff.flows import new_places as new_places
from mmflow.diff.harms import Harm as Harm
from mmflow.plan import Flow, Plan, fingerprint


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What is different in `after`. `harms` are those of all changes; a flow that is gone is a change of target."""

    schema: int = 1
    before: str
    after: str
    flows: tuple[FlowChange, ...]
    added: tuple[FlowBounds, ...]
    removed: tuple[str, ...]
    definitions: tuple[DefinitionChange, ...]
    harms: tuple[Harm, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both behave the same."""
        return not (self.flows or self.added or self.removed or self.definitions)


def diff(old: Plan, new: Plan, flow: str | None = None) -> Diff:
    """What a new plan does otherwise than an old one; of one flow where it is named."""
    before, after = _flows(old, flow), _flows(new, flow)
    both = [(before[name], after[name]) for name in after if name in before]
    changed = [flow_change(old, new, pair) for pair in both]
    flows = tuple(each for each in changed if each.promises or each.changes)
    added = tuple(bounds(new, each) for name, each in after.items() if name not in before)
    removed = tuple(name for name in before if name not in after)
    definitions = tuple(definition_changes(old, new, both))
    harms: list[Harm] = [harm for each in flows for change in each.changes for harm in change.harms]
    fields = [*(field for each in flows for field in each.promises), *(field for each in definitions for field in each.fields)]
    harms += [harm for field in fields for harm in field.harms]
    if added:
        reached = [place for each in before.values() for place in bounds(old, each).worst.places]
        harms += ["privacy" for each in added if new_places(reached, each.worst.places)]
    if removed:
        harms.append("target")
    return Diff(
        before=fingerprint(old),
        after=fingerprint(new),
        flows=flows,
        added=added,
        removed=removed,
        definitions=definitions,
        harms=tuple(harm for harm in get_args(Harm) if harm in harms),
    )


def _flows(plan: Plan, name: str | None) -> dict[str, Flow]:
    return {each.name: each for each in plan.flows.values() if name in (None, each.name)}
