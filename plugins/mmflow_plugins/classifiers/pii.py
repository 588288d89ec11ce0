"""`classify x using pii`: whether a text has private data, by rules; no model, no network, the same every time.

Each label names what it stands for: `finds = { confidential = [card, iban], internal = [email] }`. Of the labels of which
something is found, the highest wins, and its confidence is that of the surest detector that found something:

| detector      | finds                                                                                   | confidence |
|---------------|-----------------------------------------------------------------------------------------|-----------:|
| `card`        | numbers of payment cards, by network, length and check digit                            |       0.99 |
| `iban`        | bank accounts, by country, length and check digits                                      |       0.99 |
| `national_id` | national numbers of 16 countries, by their rules and check digits                       |       0.95 |
| `passport`    | passports: the machine-readable line, and numbers that are called so                    |       0.95 |
| `secret`      | keys and tokens of well-known forms, private keys, passwords that are set               |       0.95 |
| `email`       | addresses of e-mail                                                                     |       0.99 |
| `phone`       | telephone numbers, international or in a usual national form                            |       0.92 |
| `birth_date`  | dates that are called a date of birth                                                   |       0.92 |
| `ip`          | addresses of the internet protocol, versions 4 and 6                                    |       0.92 |
| nothing       | the lowest label, the first of `labels`                                                 |       0.90 |

Numbers are found with spaces, dashes, dots and line breaks between their digits, and in the digits of any script. The whole text
is read, in time linear in its length.

What it cannot see: names, postal addresses, health, and whatever only the context tells; numbers in words or in images; data
that is encoded, or spread over the text. *Nothing found* is therefore less sure than a find, and is no proof. With a bound above
0.90 no text is sure to be of the lowest label: under `unsure = up` every text then counts as the one above. It reads what the
classifier reads, so that by default system prompts and the assistant's turns are left out: `input = all` has them read too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import attrs

from mmflow.plugin import Ask, ClassifierWord, Guess, Host, OptionError, hook, option, options
from mmflow_plugins.private_data import birth_date, card, email, iban, ip, national_id, passport, phone, secret
from mmflow_plugins.private_data.text import ready

DetectorName = Literal["card", "iban", "national_id", "passport", "secret", "email", "phone", "birth_date", "ip"]

NOTHING_FOUND = 0.90
"""How sure it is that a text without a find is of the lowest label."""

USUAL_LABELS = ("public", "internal", "confidential")
USUAL_FINDS: Mapping[str, tuple[DetectorName, ...]] = {
    "confidential": ("card", "iban", "national_id", "passport", "secret"),
    "internal": ("email", "phone", "birth_date"),
}
"""What the usual labels stand for where the file does not say it."""


@attrs.frozen
class Detector:
    """Whether a prepared text has data of one kind, and how sure a find is."""

    found_in: Callable[[str], bool]
    confidence: float


DETECTORS: Mapping[str, Detector] = {
    "card": Detector(card.found_in, 0.99),
    "iban": Detector(iban.found_in, 0.99),
    "national_id": Detector(national_id.found_in, 0.95),
    "passport": Detector(passport.found_in, 0.95),
    "secret": Detector(secret.found_in, 0.95),
    "email": Detector(email.found_in, 0.99),
    "phone": Detector(phone.found_in, 0.92),
    "birth_date": Detector(birth_date.found_in, 0.92),
    "ip": Detector(ip.found_in, 0.92),
}


@options
class PiiOptions:
    """Whether a request has private data, by rules with check digits: card numbers, accounts, national numbers, keys, addresses.

    The highest label of which something is found wins; where nothing is found, the lowest with a confidence of 0.90. Names,
    postal addresses and what only the context tells stay unseen.
    """

    finds: Mapping[str, tuple[DetectorName, ...]] | None = option(
        None,
        doc="For each label but the lowest, what it stands for; labels `public < internal < confidential` have a usual meaning.",
    )


def accept(options: PiiOptions, labels: Sequence[str]) -> None:
    """Refuse labels without a meaning, and a find that could change nothing."""
    if options.finds is None and tuple(labels) != USUAL_LABELS:
        help = f"write `finds = {{ {labels[-1]} = [card, iban, national_id] }}`"
        if set(labels) == set(USUAL_LABELS):
            help = f"declare `labels = {' < '.join(USUAL_LABELS)}`, from low to high"
        raise OptionError("finds", "what the labels stand for is not said: `finds` is missing", help)
    if options.finds is not None and not any(options.finds.values()):
        raise OptionError("finds", "`finds` names nothing to find", f"write `finds = {{ {labels[-1]} = [card] }}`")
    if options.finds is not None and labels[0] in options.finds:
        message = f"`{labels[0]}` is the lowest label, which a text has where nothing is found"
        raise OptionError("finds", message, "name a higher label, or list the labels from low to high")


class Pii:
    """Asks the detectors of the highest label first."""

    def __init__(self, options: PiiOptions, labels: Sequence[str]) -> None:
        accept(options, labels)
        finds = _finds(options)
        for label in finds:
            if label not in labels:
                raise OptionError("finds", f"`{label}` is not one of the labels", f"add `{label}` to `labels`")
        self._lowest = labels[0]
        # The surest first: it is the confidence of the label.
        self._detectors = [
            (label, sorted({DETECTORS[name] for name in finds[label]}, key=lambda each: -each.confidence))
            for label in reversed(labels)
            if label in finds
        ]

    async def classify(self, text: str, ask: Ask) -> Guess:
        """The label and its confidence, by the table of this module."""
        text = ready(text)
        for label, detectors in self._detectors:
            for detector in detectors:
                if detector.found_in(text):
                    return Guess(label, detector.confidence)
        return Guess(self._lowest, NOTHING_FOUND)


def _finds(options: PiiOptions) -> Mapping[str, tuple[DetectorName, ...]]:
    return USUAL_FINDS if options.finds is None else options.finds


def _labels(options: PiiOptions) -> tuple[str, ...]:
    return tuple(_finds(options))


def _most_confident(options: PiiOptions, labels: tuple[str, ...]) -> float:
    return max([NOTHING_FOUND, *(DETECTORS[name].confidence for names in _finds(options).values() for name in names)])


def _make(options: PiiOptions, labels: tuple[str, ...], host: Host) -> Pii:
    return Pii(options, labels)


@hook
def mmflow_classifiers() -> list[ClassifierWord]:
    return [ClassifierWord("pii", PiiOptions, _make, _labels, accept, most_confident=_most_confident, finds_private_data=True)]
