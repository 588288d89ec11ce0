"""`classify x using linear` and `scorer x using linear`: models that `mmflow train` has written, without a network or a library.

The classifier answers with the labels of its file, all of which the workflow declares, and with a calibrated confidence. The
scorer reads the last turn of the user, and the answer. Both are a few sums over the n-grams that occur: tens of microseconds for
a short text. `mmflow_plugins.linear.model` tells the form of the files.
"""

from pathlib import Path

from mmflow.plugin import (
    Ask,
    ClassifierWord,
    File,
    Guess,
    Host,
    OptionError,
    Reply,
    Request,
    ScorerWord,
    hook,
    option,
    options,
)
from mmflow_plugins.linear.model import ClassifierModel, read_classifier, ready_classifier, ready_scorer


@options
class LinearOptions:
    """A small model that `mmflow train` wrote: weights of words and characters, and a calibrated confidence.

    No model is asked and nothing leaves the machine. The labels are those that it was trained on.
    """

    model: File = option(doc="The file of the model, as `mmflow train` writes it.")


class Linear:
    """The label that the model finds most probable."""

    def __init__(self, options: LinearOptions, labels: tuple[str, ...], host: Host) -> None:
        self._model = ready_classifier(options.model, labels)

    async def classify(self, text: str, ask: Ask) -> Guess:
        """The label and its confidence, by the formulas of the model's file."""
        return Guess(*self._model.guess(text))


@options
class LinearScorerOptions:
    """How probable it is that an answer is good, by a small model that `mmflow train` wrote.

    It reads the last turn of the user, and the answer. No model is asked and nothing leaves the machine.
    """

    model: File = option(doc="The file of the model, as `mmflow train` writes it.")


class LinearScorer:
    """The probability that the model gives."""

    def __init__(self, options: LinearScorerOptions, host: Host) -> None:
        self._model = ready_scorer(options.model)

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        """The probability, by the formulas of the model's file."""
        prompt = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
        return self._model.score(prompt, reply.text)


def _known(options: LinearOptions) -> ClassifierModel | None:
    """What the file holds; None where it cannot be read, or stands relative to a folder that is not known here."""
    if not Path(options.model).is_absolute():
        return None
    try:
        return read_classifier(options.model)
    except OptionError:
        return None


def _labels(options: LinearOptions) -> tuple[str, ...] | None:
    known = _known(options)
    return None if known is None else known.labels


def _most_confident(options: LinearOptions, labels: tuple[str, ...]) -> float | None:
    known = _known(options)
    return None if known is None else known.max_confidence


@hook
def mmflow_classifiers() -> list[ClassifierWord]:
    return [ClassifierWord("linear", LinearOptions, Linear, _labels, most_confident=_most_confident)]


@hook
def mmflow_scorers() -> list[ScorerWord]:
    return [ScorerWord("linear", LinearScorerOptions, LinearScorer, scale="probability")]
