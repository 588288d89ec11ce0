"""A plugin for mmflow to copy: it says which words it brings, and each stands in a module of its own."""

from mmflow.plugin import ClassifierWord, PickWord, ProviderWord, ScorerWord, hook

from mmflow_hello.alphabetical import alphabetical
from mmflow_hello.mood import MOODS, Mood, MoodOptions
from mmflow_hello.politeness import Politeness, PolitenessOptions
from mmflow_hello.provider import Hello, HelloOptions


@hook
def mmflow_providers() -> list[ProviderWord]:
    return [ProviderWord("hello", HelloOptions, make=lambda options, host: Hello(options))]


@hook
def mmflow_classifiers() -> list[ClassifierWord]:
    return [ClassifierWord("mood", MoodOptions, make=lambda options, labels, host: Mood(options), labels=lambda options: MOODS)]


@hook
def mmflow_scorers() -> list[ScorerWord]:
    return [ScorerWord("politeness", PolitenessOptions, make=lambda options, host: Politeness(options))]


@hook
def mmflow_strategies() -> list[PickWord]:
    return [PickWord("alphabetical", alphabetical, "Tries the models by their names, from A to Z.")]
