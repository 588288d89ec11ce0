"""Blocks that copy others by `like`: what they lack they have from their base."""

import attrs

from mmflow.check import allow, names, types
from mmflow.check.arms import Item
from mmflow.check.scope import Scope
from mmflow.check.values import attributes_of
from mmflow.diagnostics import Note
from mmflow.syntax import nodes

_MOST_BASES = 50


@attrs.frozen
class Merged:
    """A block's attributes with those that it lacks from the block that it is `like`."""

    attributes: dict[str, nodes.Attr]
    using: nodes.Path | None
    arms: tuple[Item, ...]


def merge(block: nodes.Block, scope: Scope) -> Merged | None:
    """The block with what it copies; None (reported) where the base is unknown, of another kind, or a circle."""
    owner = f"the {block.kind} `{block.name}`"
    is_arm = (nodes.When, nodes.Else, nodes.Share)
    own = attributes_of([item for item in block.body.items if not isinstance(item, is_arm)], owner, scope)
    arms = tuple(item for item in block.body.items if isinstance(item, is_arm))
    own.pop(allow.FIELD, None)  # what a block allows it allows for itself alone
    if block.like is None:
        return Merged(own, block.using, arms)
    base_name = scope.full(block.like)
    base = scope.blocks.get(base_name)
    if base is not None and base.kind != block.kind:
        message = f"expected a {block.kind}, got the {base.kind} `{base_name}`"
        notes = [Note(f"`{base_name}` is declared here", base.header)]
        scope.report(types.wrong_type(message, block.like.span, "`like` copies from a block of the same kind", notes))
        return None
    if base is None:
        known = scope.of_kinds((block.kind,))
        scope.report(
            names.unknown_name(base_name, block.like.span, f"a {block.kind}", (each for each in known if each != block.name))
        )
        return None
    if circle := _circle(block, scope):
        if block.name == min(circle, key=list(scope.blocks).index):
            scope.report(names.cycle([*circle, circle[0]], block.like.span, "`like`"))
        return None
    if (bases := _bases(block, scope)) > _MOST_BASES + 1:
        return None  # reported at the first
    if bases > _MOST_BASES:
        message = f"more than {_MOST_BASES} blocks are copied by `like`, one from the other"
        scope.report(types.out_of_range(message, block.like.span, "copy from one that says more itself"))
        return None
    scope.used.add(base_name)
    with scope.aside():
        merged = merge(base, scope)
    if merged is None:
        return None
    return Merged({**merged.attributes, **own}, block.using or merged.using, arms or merged.arms)


def _bases(block: nodes.Block, scope: Scope) -> int:
    count, at = 0, block
    while at.like is not None and (base := scope.blocks.get(scope.full(at.like))) is not None:
        count, at = count + 1, base
    return count


def _circle(block: nodes.Block, scope: Scope) -> list[str]:
    """The names on the way by `like` from a block back to a name that was passed; empty where the way ends."""
    trail: list[str] = []
    at: nodes.Block | None = block
    while at is not None and at.like is not None:
        if at.name in trail:
            return trail[trail.index(at.name) :]
        trail.append(at.name or "")
        at = scope.blocks.get(scope.full(at.like))
    return []
