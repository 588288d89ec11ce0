"""The scorer `hello.politeness`: looks for polite phrases in an answer."""

import attrs
from mmflow.plugin import Ask, OptionError, Reply, Request, option, options


@options
class PolitenessOptions:
    """Scores an answer by how many of some phrases it has."""

    phrases: tuple[str, ...] = option(("please", "thank you", "sorry"), doc="what a polite answer says, in any case")
    enough: int = option(1, doc="how many of them make an answer as polite as can be")

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.enough <= len(self.phrases):
            raise OptionError("enough", f"it must be from 1 to {len(self.phrases)}, the number of phrases")


@attrs.frozen
class Politeness:
    """Scores answers."""

    options: PolitenessOptions

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        """The phrases found, as a part of those that are enough: 0 to 1."""
        text = reply.text.lower()
        found = sum(phrase.lower() in text for phrase in self.options.phrases)
        return min(1.0, found / self.options.enough)
