"""What somebody fixes of a request before it runs: tests in the language, and `mmflow explain --given`."""

from collections.abc import Mapping

import attrs

from mmflow.plan import Classifier
from mmflow.plugin import Guess
from mmflow.runtime.signals import UNSURE, Signal, signal_of, unsure


@attrs.frozen
class Given:
    """Signals and draws that are not left to classifiers and chance.

    `signals` has a label by classifier, or a guess, which is unsure below the classifier's bound as any other; `unsure` where
    that is no label is no guess at all. `draws` has the target that a split or an experiment draws, as the file names it.
    """

    signals: Mapping[str, str | Guess] = attrs.field(factory=dict)
    draws: Mapping[str, str] = attrs.field(factory=dict)

    def signal(self, classifier: Classifier) -> Signal | None:
        """What a classifier says; None where that is left to it."""
        said = self.signals.get(classifier.name)
        if said is None:
            return None
        if said == UNSURE and UNSURE not in classifier.labels:
            return unsure(classifier, "given")
        return signal_of(classifier, Guess(said, 1.0) if isinstance(said, str) else said)


NOTHING_GIVEN = Given()
