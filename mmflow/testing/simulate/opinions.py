"""Classifiers and scorers of a simulation: they say anything, take their time, and ask the models that the file gives them."""

import asyncio
from random import Random
from typing import Any

import attrs

from mmflow.plan import Classifier
from mmflow.plugin import Ask, Guess, Message, Model, ModelName, Reply, Request

_TAKE_S = (0.0, 0.0, 0.0, 0.01, 0.2)
_SHAKY_S = (0.0, 0.5, 5.0, 3600.0)
_NO_SCORES = (None, -0.1, 1.1, float("nan"), float("inf"), "0.9", True)


@attrs.frozen
class Opinion:
    """One classifier or scorer; `level` is how often something is wrong with it."""

    random: Random
    level: float
    models: tuple[Model, ...]
    declared: Classifier | None = None

    async def classify(self, text: str, ask: Ask) -> Any:
        """A label of those declared, more or less sure."""
        assert self.declared is not None, "a scorer does not classify"
        if await self._is_odd(text, ask):
            return self.random.choice((None, "high", Guess("no such label", 0.9), Guess(self.declared.labels[0], float("nan"))))
        return Guess(self.random.choice(self.declared.labels), self.random.random() ** 0.3)

    async def score(self, request: Request, reply: Reply, ask: Ask) -> Any:
        """A score."""
        if await self._is_odd(reply.text, ask):
            return self.random.choice(_NO_SCORES)
        return self.random.choice((0.0, 0.3, 0.5, 0.8, 1.0, self.random.random()))

    async def _is_odd(self, text: str, ask: Ask) -> bool:
        """Take some time, ask the models; whether what follows is no opinion."""
        random = self.random
        is_shaky = bool(self.level) and random.random() < self.level
        if (take_s := random.choice(_SHAKY_S if is_shaky else _TAKE_S)) > 0:
            await asyncio.sleep(take_s)
        for model in self.models:
            await ask(ModelName(model.name), [Message("user", text)], max_output_tokens=random.choice((5, 5_000)))
        if is_shaky and random.random() < 0.3:
            raise random.choice((ValueError, asyncio.CancelledError, SystemExit, RecursionError))("an opinion that broke")
        return is_shaky
