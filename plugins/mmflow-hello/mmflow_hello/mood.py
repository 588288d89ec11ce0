"""The classifier `hello.mood`: counts the words of a text that show a mood."""

import re

import attrs
from mmflow.plugin import Ask, Guess, option, options

MOODS = ("cross", "neutral", "happy")


@options
class MoodOptions:
    """Sorts a text into `cross`, `neutral` and `happy` by its words."""

    cross: tuple[str, ...] = option(("angry", "awful", "broken", "hate", "worst"), doc="words of somebody who is cross")
    happy: tuple[str, ...] = option(("glad", "great", "love", "perfect", "thanks"), doc="words of somebody who is happy")


@attrs.frozen
class Mood:
    """Guesses the mood of a text."""

    options: MoodOptions

    async def classify(self, text: str, ask: Ask) -> Guess:
        """The mood with more words, and as confidence its part of the words that show any."""
        words = re.findall(r"\w+", text.lower())
        cross = sum(word in self.options.cross for word in words)
        happy = sum(word in self.options.happy for word in words)
        if cross == happy:
            return Guess("neutral", 0.5 if cross else 1.0)
        return Guess("cross" if cross > happy else "happy", max(cross, happy) / (cross + happy))
