"""The installed words with some more, as if a plugin that brings them were installed."""

import attrs

from mmflow.options import ModelName, ScorerName, option, options
from mmflow.plugin import Calls, Host, Scorer, ScorerWord, Strategy, StrategyWord, Word
from mmflow.registry import Registry
from mmflow.units import Duration
from mmflow.vocabulary import Installed, WordKind


@options
class RubricFields:
    """A judge by a rubric."""

    model: ModelName = option(doc="the judge")


@options
class ChoiceFields:
    """The best of several answers."""

    scorer: ScorerName = option(doc="what tells the best")
    after: Duration | None = option(None, doc="when the next is asked")


def _no_scorer(options: RubricFields, host: Host) -> Scorer:
    raise NotImplementedError


def _no_strategy(options: ChoiceFields, host: Host) -> Strategy:
    raise NotImplementedError


def _all(options: ChoiceFields, targets: int) -> Calls:
    return Calls(targets, parallel=options.after is None)


def _broken(options: ChoiceFields, targets: int) -> Calls:
    raise RuntimeError("this plugin has a bug")


WORDS: dict[tuple[WordKind, str], Word] = {
    ("scorer", "acme.judge.rubric"): ScorerWord("rubric", RubricFields, _no_scorer, scale="rubric"),
    ("strategy", "acme.choice.best"): StrategyWord("best", ChoiceFields, _no_strategy, _all),
    ("strategy", "acme.choice.opaque"): StrategyWord("opaque", ChoiceFields, _no_strategy),
    ("strategy", "acme.choice.broken"): StrategyWord("broken", ChoiceFields, _no_strategy, _broken),
}


@attrs.frozen
class Extended:
    """The installed vocabulary, and the words of `acme`."""

    installed: Registry = attrs.field(factory=Registry.installed)

    def find(self, kind: WordKind, word: str) -> Word:
        return WORDS.get((kind, word)) or self.installed.find(kind, word)

    def known(self, kind: WordKind) -> tuple[str, ...]:
        return (*self.installed.known(kind), *(word for of, word in WORDS if of == kind))

    def plugin(self, path: str) -> Installed | None:
        owner = ".".join(path.split(".")[:2])
        is_ours = any(word.startswith(f"{owner}.") for _, word in WORDS)
        return Installed(owner, owner.replace(".", "-"), "2.1.0") if is_ours else self.installed.plugin(path)
