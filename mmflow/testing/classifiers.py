"""`check_classifier`: the promises of `mmflow.plugin.Classifier`, on texts of all kinds."""

from collections.abc import Awaitable, Callable, Sequence
from math import isfinite
from typing import Any

import attrs

from mmflow.plugin import Classifier, ClassifierWord, Guess, ModelName
from mmflow.testing.opinions import Says, ScriptedAsk
from mmflow.testing.trial import LentHost, NoHttp, Trial, names_of, options_of
from mmflow.testing.watch import Watch

TEXTS = (
    "Where is my parcel?",
    "I want my money back, now! This is the worst shop that I know.",
    "Thank you, that was lovely.",
    "Write a function in Python that sorts a list:\n\n```python\ndef f(xs):\n    ...\n```",
    "Wo ist mein Paket? 包裹在哪里？ أين طردي؟",
    "My card is 4111 1111 1111 1111 and my address is jo@example.org.",
    "  \n\t ",
    "",
    "a " * 2_000,
    "\x00\ud800 \U0001f600",
)
"""Texts that a classifier is tried with where its author gives none."""


def check_classifier(
    word: ClassifierWord,
    options: object = None,
    *,
    labels: Sequence[str] | None = None,
    texts: Sequence[str] = (),
    says: Says = "",
) -> None:
    """Hold a classifier to its promises. Raises `BrokenPromise`, which names the one that is broken.

    `options` are what `make` gets, all defaults where there are none; `labels` those of the block, by default all that the word
    can answer; `texts` those to try, by default of many kinds.
    `says` is what the models say that it asks. A word that says `pure=False` may guess anew each time.
    """
    given, texts = options_of(word.options, options), texts or TEXTS
    trial = Trial(f"the classifier `{word.name}`")
    known = word.labels(given)
    declared = tuple(labels if labels is not None else known or ())
    if not declared:
        raise TypeError("the classifier has no labels of its own: give `labels`")
    word.accept(given, declared)
    tried = _Tried(trial, word, given, declared, texts, says)
    first = tried.guesses(texts)
    if not any(isinstance(each, Guess) for each in first.values()):
        raise trial.broken("never answers", f"of no text it makes a label; of {texts[0]!r:.40} {first[texts[0]]}")
    if word.pure:
        if tried.guesses(texts) != first:
            raise trial.broken("impure", "the same text gets another guess the second time")
        if tried.guesses(texts[::-1]) != first:
            raise trial.broken("depends on order", "texts get other guesses when they come in another order")
    tried.can_be_cancelled(fails=False)
    tried.can_be_cancelled(fails=True)


@attrs.frozen
class _Tried:
    trial: Trial
    word: ClassifierWord
    options: Any
    labels: tuple[str, ...]
    texts: Sequence[str]
    says: Says

    def guesses(self, texts: Sequence[str]) -> dict[str, object]:
        """What one classifier makes of texts, one after the other: guesses, and what it raises in a few words."""

        async def main(watch: Watch) -> dict[str, object]:
            classifier, found = self._made(), dict[str, object]()
            with watch:
                for text in texts:
                    ask = self._ask()
                    ended = await self.trial.ended(_asking(classifier, text, ask))
                    ask.check()
                    if ended.error is None:
                        self._is_sound(ended.value)
                    found[text] = f"{type(ended.error).__name__}: {ended.error}" if ended.error else ended.value
            return found

        return self.trial.run(main, pure=self.word.pure)

    def can_be_cancelled(self, *, fails: bool) -> None:
        async def main(watch: Watch) -> None:
            classifier = self._made()
            with watch:
                await self.trial.is_cancellable(lambda: classifier.classify(self.texts[0], self._ask(fails=fails)))

        self.trial.run(main)

    def _made(self) -> Classifier:
        return self.word.make(self.options, self.labels, LentHost(NoHttp()))

    def _ask(self, *, fails: bool = False) -> ScriptedAsk:
        return ScriptedAsk(self.trial, names_of(self.options, ModelName), self.says, fails)

    def _is_sound(self, guess: object) -> None:
        if not isinstance(guess, Guess):
            raise self.trial.broken("returns what is no Guess", f"it returns {guess!r:.80}")
        if guess.label not in self.labels:
            said = f"it answers `{guess.label}`; the labels are {', '.join(self.labels)}"
            raise self.trial.broken("label outside of the declared", said)
        sure = guess.confidence
        if isinstance(sure, bool) or not isinstance(sure, int | float) or not isfinite(sure) or not 0 <= sure <= 1:
            raise self.trial.broken("confidence outside of 0..1", f"it answers {sure!r}")
        most = self.word.most_confident(self.options, self.labels)
        if most is not None and sure > most + 1e-9:
            raise self.trial.broken("more confident than it says", f"it is sure by {sure:g}, and says {most:g} at most")


def _asking(classifier: Classifier, text: str, ask: ScriptedAsk) -> Callable[[], Awaitable[Guess]]:
    return lambda: classifier.classify(text, ask)
