"""Models that a classifier or a scorer on trial asks: they say what its author writes down, and watch how they are asked."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import attrs

from mmflow.plugin import OPINION_OUTPUT_TOKENS, CallError, Message, ModelName, Reply
from mmflow.testing.broken import BrokenPromise
from mmflow.testing.trial import Trial

Says = str | Mapping[str, str] | Callable[[Sequence[Message]], str]
"""What the models that are asked say: all of them the same, each its own by name, or what a function makes of the messages."""

ASKED_FOR_S = 0.05


@attrs.define
class ScriptedAsk:
    """An `Ask` for one opinion. `broken` is the first promise that was broken in asking."""

    trial: Trial
    models: tuple[str, ...]
    says: Says
    fails: bool = False
    broken: BrokenPromise | None = None
    asked: list[str] = attrs.field(factory=list)

    async def __call__(self, model: ModelName, messages: Sequence[Message], *, max_output_tokens: int) -> Reply:
        if model not in self.models:
            raise self._past(f"it asks `{model}`; its options name {', '.join(self.models) or 'no model'}")
        if model in self.asked:
            raise self._past(f"it asks `{model}` a second time for one opinion")
        if not 0 < max_output_tokens <= OPINION_OUTPUT_TOKENS:
            raise self._past(f"it asks for {max_output_tokens} tokens; {OPINION_OUTPUT_TOKENS} are the most")
        if not messages or not all(isinstance(each, Message) for each in messages):
            raise self._past("it asks with what are no messages")
        self.asked.append(str(model))
        await asyncio.sleep(ASKED_FOR_S)
        if self.fails:
            raise CallError("5xx", "the model has trouble")
        says = self.says
        if callable(says):
            return Reply(text=says(messages))
        return Reply(text=says if isinstance(says, str) else says[str(model)])

    def check(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _past(self, how: str) -> BrokenPromise:
        self.broken = self.broken or self.trial.broken("asks past its bounds", how)
        return self.broken
