"""The signals of one request: each classifier is asked when a condition first needs it, and never again."""

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from mmflow.plan import Classifier
from mmflow.plugin import Guess, Request
from mmflow.runtime.deadline import Bounds

UNSURE = "unsure"
"""The label that `unsure = none` adds."""


@attrs.frozen
class Signal:
    """What a classifier said, and the label that the arms see. `unsure` says why the guess does not count; None where it does."""

    label: str
    guess: str | None = None
    confidence: float | None = None
    unsure: str | None = None

    def fact(self, name: str) -> str:
        """The signal in words: `complexity = high (0.92)`."""
        why = f"{self.confidence:.2f}" if self.unsure is None else f"unsure: {self.unsure}"
        return f"{name} = {self.label} ({why})"


class Signals:
    """Signals by name, each read once, within the bounds of its first reader; concurrent readers wait for the same answer."""

    def __init__(self, read: Callable[[str, Bounds], Awaitable[Signal]]) -> None:
        self._read = read
        self._known: dict[str, Signal] = {}
        self._under_way: dict[str, asyncio.Event] = {}

    def knows(self, name: str) -> bool:
        """Whether a signal has been read."""
        return name in self._known

    async def get(self, name: str, bounds: Bounds) -> Signal:
        while (known := self._known.get(name)) is None:
            if (reading := self._under_way.get(name)) is not None:
                # Look again afterwards: the reader may have been cancelled, and then it is on us.
                await reading.wait()
                continue
            done = self._under_way[name] = asyncio.Event()
            try:
                self._known[name] = await self._read(name, bounds)
            finally:
                del self._under_way[name]
                done.set()
        return known


def text_for(classifier: Classifier, request: Request) -> str:
    """The text that a classifier reads."""
    if classifier.input == "all":
        return "\n".join(message.text for message in request.messages)
    turns = [message.text for message in request.messages if message.role == "user"]
    return "\n".join(turns if classifier.input == "all_user" else turns[-classifier.input_turns :])


def signal_of(classifier: Classifier, guess: object) -> Signal:
    """What the arms see of a guess."""
    if not isinstance(guess, Guess):
        return unsure(classifier, f"failed: answered with {type(guess).__name__}, not with a guess")
    if guess.label not in classifier.labels:
        return unsure(classifier, f"failed: answered `{guess.label}`, which is not among the labels")
    # The comparison is so written that a confidence that is not a number is below every bound.
    if not (isinstance(guess.confidence, int | float) and guess.confidence >= classifier.confidence):
        return unsure(classifier, f"confidence {guess.confidence:.2f} < {classifier.confidence:.2f}", guess)
    return Signal(guess.label, guess.label, float(guess.confidence))


def unsure(classifier: Classifier, why: str, guess: Guess | None = None) -> Signal:
    """The label that stands in for a guess that does not count, or for none at all."""
    match classifier.unsure:
        case "none":
            label = UNSURE
        case "up":
            at = len(classifier.labels) if guess is None else classifier.labels.index(guess.label) + 1
            label = classifier.labels[min(at, len(classifier.labels) - 1)]
        case label:
            pass
    if guess is None:
        return Signal(label, unsure=why)
    return Signal(label, guess.label, guess.confidence, why)
