"""A plugin for mmflow to copy: it says which words it brings, and each stands in a module of its own."""

from mmflow.plugin import ClassifierWord, PickWord, ProviderWord, ScorerWord, StrategyWord, hook

from mmflow_hello.alphabetical import alphabetical
from mmflow_hello.daytime import DAYTIMES, Daytime, DaytimeOptions
from mmflow_hello.mood import MOODS, Mood, MoodOptions
from mmflow_hello.patient import Patient, PatientOptions, calls
from mmflow_hello.politeness import Politeness, PolitenessOptions
from mmflow_hello.provider import Hello, HelloOptions
from mmflow_hello.stubborn import Stubborn, StubbornOptions


@hook
def mmflow_providers() -> list[ProviderWord]:
    return [ProviderWord("hello", HelloOptions, make=lambda options, host: Hello(options))]


@hook
def mmflow_classifiers() -> list[ClassifierWord]:
    return [
        ClassifierWord("mood", MoodOptions, make=lambda options, labels, host: Mood(options), labels=lambda options: MOODS),
        ClassifierWord(
            "daytime",
            DaytimeOptions,
            make=lambda options, labels, host: Daytime(options),
            labels=lambda options: DAYTIMES,
            pure=False,  # the same text is a day and a night
        ),
    ]


@hook
def mmflow_scorers() -> list[ScorerWord]:
    return [ScorerWord("politeness", PolitenessOptions, make=lambda options, host: Politeness(options))]


@hook
def mmflow_strategies() -> list[StrategyWord | PickWord]:
    return [
        PickWord("alphabetical", alphabetical, "Tries the models by their names, from A to Z."),
        StrategyWord("patient", PatientOptions, make=lambda options, host: Patient(options), calls=calls),
        StrategyWord("stubborn", StubbornOptions, make=lambda options, host: Stubborn(options)),
    ]
