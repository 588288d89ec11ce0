"""The prompt of a flow: the system message that each model gets before the caller's own messages."""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from mmflow.bounds.prompts import SLOT_TOKENS, arm_of
from mmflow.plan import Prompt, Slot
from mmflow.plugin import Message, Model, Request
from mmflow.runtime.conditions import field_of
from mmflow.tokens import bound_tokens

LabelOf = Callable[[str], Awaitable[str]]
"""A classifier's label for this request."""


async def prompted(prompt: Prompt, model: Model, request: Request, label_of: LabelOf) -> Request:
    """The request as a model gets it: with the template of the first arm that fits the model, unchanged where none does."""
    arm = arm_of(prompt, model)
    if arm is None:
        return request
    said = [part if isinstance(part, str) else await _value(part, request, label_of) for part in arm.parts]
    text = "".join(said).strip()
    return replace(request, messages=(Message("system", text), *request.messages)) if text else request


async def _value(slot: Slot, request: Request, label_of: LabelOf) -> str:
    """What stands in for a placeholder: one line of text, empty where the request does not have it."""
    if not slot.path.startswith("request."):
        return await label_of(slot.path)
    found = field_of(request, slot.path.removeprefix("request."))
    return "" if found is None else cut(" ".join(str(found).split()))


def cut(text: str) -> str:
    """As much of the beginning of a text as `SLOT_TOKENS` surely hold: what a prompt costs at most is known before."""
    while bound_tokens(text) > SLOT_TOKENS:
        text = text[: len(text) * 7 // 8]
    return text
