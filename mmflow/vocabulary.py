"""What the checker and the executor ask of the installed plugins: a word of a kind, or why it cannot be had."""

from typing import Literal, Protocol

import attrs

from mmflow.plugin import Word

WordKind = Literal["provider", "classifier", "scorer", "pick", "strategy", "cache"]


class WordError(Exception):
    """A word that cannot be used: `unknown`, `broken` (its plugin cannot be imported), or `ambiguous` (two owners)."""

    def __init__(self, reason: Literal["unknown", "broken", "ambiguous"], message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.reason, self.message, self.help = reason, message, help


@attrs.frozen
class Installed:
    """A plugin, by its name in the language, and the distribution that it comes with."""

    plugin: str
    distribution: str
    version: str


class Vocabulary(Protocol):
    """The installed words, by kind and by their path in the language: `sim`, `acme.judge.rubric`."""

    def find(self, kind: WordKind, word: str) -> Word:
        """The word. Imports only the plugin that has it. Raises `WordError`."""
        ...

    def known(self, kind: WordKind) -> tuple[str, ...]:
        """Every word of the kind that can be used, for suggestions and completion; imports every plugin."""
        ...

    def plugin(self, path: str) -> Installed | None:
        """The plugin of that name, or of the word at that path; None where there is none, or more than one. Imports nothing."""
        ...
