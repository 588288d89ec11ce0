"""How many tokens the system prompt of a flow adds to each call of a model, at most."""

from mmflow.plan import Flow, Plan, Prompt, PromptArm, Slot, meets
from mmflow.plugin import Model
from mmflow.tokens import bound_tokens

MESSAGE_TOKENS = 16
"""The frame of a message, as money counts it."""

SLOT_TOKENS = 256
"""What a field of the request says at most where a template names it: longer ones are cut when the prompt is made."""


def prompt_tokens(plan: Plan, flow: Flow, model: Model) -> int:
    """The tokens of a flow's system prompt for a model; 0 where it has none."""
    arm = None if flow.prompt is None else arm_of(plan.prompts[flow.prompt], model)
    if arm is None:
        return 0
    return MESSAGE_TOKENS + sum(_tokens_of(part, plan) for part in arm.parts)


def prompt_signals(plan: Plan, flow: Flow, model: Model) -> list[str]:
    """The classifiers whose labels a flow's system prompt shows to a model."""
    arm = None if flow.prompt is None else arm_of(plan.prompts[flow.prompt], model)
    return [] if arm is None else [each.path for each in arm.parts if isinstance(each, Slot) and each.path in plan.classifiers]


def arm_of(prompt: Prompt, model: Model) -> PromptArm | None:
    """The template that a model gets: that of the first arm which fits it."""
    return next((arm for arm in prompt.arms if arm.needs is None or meets(model, arm.needs)), None)


def _tokens_of(part: str | Slot, plan: Plan) -> int:
    if isinstance(part, str):
        return bound_tokens(part)
    classifier = plan.classifiers.get(part.path)
    if classifier is None:
        return SLOT_TOKENS
    return max(map(bound_tokens, (*classifier.labels, "unsure")))
