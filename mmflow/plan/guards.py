"""Guards: what must hold of every model that is called."""

from typing import Literal

import msgspec

from mmflow.plan.conditions import Test, compare
from mmflow.plugin import Model


class TargetIs(msgspec.Struct, frozen=True):
    """A fact of the model that would be called. One that is not known makes `==` false and `!=` true."""

    field: Literal["zone", "region", "provider", "family", "name"]
    operator: Literal["==", "!="]
    value: str


class Rule(msgspec.Struct, frozen=True):
    """While `test` holds of a request, one of the alternatives in `needs` holds of every callee. `text`: as written."""

    test: Test
    needs: tuple[tuple[TargetIs, ...], ...]
    text: str


class Guard(msgspec.Struct, frozen=True):
    """What must hold of every callee, for every request of the flows that name it."""

    name: str
    rules: tuple[Rule, ...]


def meets(model: Model, needs: tuple[tuple[TargetIs, ...], ...]) -> bool:
    """Whether a model is what a rule needs."""
    return any(all(compare(getattr(model, each.field), each.operator, each.value) for each in facts) for facts in needs)
