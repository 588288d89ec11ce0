"""The files of linear models, JSON or MessagePack: what `mmflow train` writes and `linear` reads. Nothing in them is run.

A classifier, with numbers in arrays of 32-bit floats, lowest byte first (base64 in JSON, bytes in MessagePack):

    {"schema": 1, "kind": "linear-classifier", "labels": ["code", "math", "other"],
     "text": {"features": {"buckets": 65536, "words": [1, 2]}, "weights": "…", "idf": "…", "buckets": "…", "surface": [[…], …]},
     "bias": [0.1, 0, -0.1],
     "calibration": {"temperature": 1.3, "curves": {"code": {"from": [0.2, 0.9], "to": [0.1, 0.8]}}},
     "max_confidence": 0.97, "trained": {"at": "2026-11-24", "rows": 3000}}

A scorer has `"kind": "linear-scorer"`, no labels, `prompt` and `answer` in the place of `text`, and `pair` with a weight for each
check of an answer beside its prompt.

**Score of a label.** Of each block of n-grams (words, characters), sum over the buckets that occur of weight × idf, divided by
the square root of the sum of idf²; plus the surface's numbers by their weights; plus the bias. `weights` has a row for each
label, and in it a number for each bucket, or for each that `buckets` (32-bit whole numbers) lists; one that is not listed counts
for nothing. Without `idf` it is 1 everywhere.

**Confidence.** The softmax of the scores ÷ `temperature`; then the label's curve, between whose points lines are drawn and beyond
whose ends it is level; at most `max_confidence`. A scorer's is the logistic function of its score ÷ `temperature`, then its
`curve`.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import exp, isfinite, sqrt
from typing import Any, TypeVar

import msgspec

from mmflow.plugin import OptionError
from mmflow_plugins.linear.features import Features, PairName, pair_counts

SCHEMA = 1
MOST_BYTES = 64 << 20
MOST_NUMBERS = 1 << 23
"""Of all rows of one text: 32 MiB."""


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A function through points: `from_` rises, `to` does not fall, both from 0 to 1."""

    from_: tuple[float, ...]
    to: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.from_ or len(self.from_) != len(self.to):
            raise ValueError("a curve has points, each with a `from` and a `to`")
        if not all(0 <= each <= 1 for each in (*self.from_, *self.to)):
            raise ValueError("a curve's points are from 0 to 1")
        if any(low >= high for low, high in pairwise(self.from_)) or any(low > high for low, high in pairwise(self.to)):
            raise ValueError("a curve rises: `from` in order, `to` never falling")

    def at(self, value: float) -> float:
        """The value of the function."""
        after = bisect_right(self.from_, value)
        if after in (0, len(self.from_)):
            return self.to[min(after, len(self.to) - 1)]
        low, high = self.from_[after - 1], self.from_[after]
        return self.to[after - 1] + (self.to[after] - self.to[after - 1]) * (value - low) / (high - low)


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How scores become probabilities."""

    temperature: float = 1.0
    curves: dict[str, Curve] = {}

    def __post_init__(self) -> None:
        if not (isfinite(self.temperature) and self.temperature > 0):
            raise ValueError("`temperature` is above 0")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The features of one text and their weights."""

    features: Features
    weights: bytes = b""
    buckets: bytes | None = None
    idf: bytes | None = None
    surface: tuple[tuple[float, ...], ...] = ()


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    schema: int
    calibration: Calibration = Calibration()
    trained: dict[str, Any] = {}


class _Head(msgspec.Struct):
    schema: int


class ClassifierModel(_Model, frozen=True, tag="linear-classifier"):
    """A classifier's file; the rows of its weights are in the order of its labels."""

    labels: tuple[str, ...]
    text: Part
    bias: tuple[float, ...]
    max_confidence: float = 1.0

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError("`labels` are at least two, each once")
        if len(self.bias) != len(self.labels) or not all(map(isfinite, self.bias)):
            raise ValueError(f"`bias` has not one number for each of {len(self.labels)} labels")
        if not 0 < self.max_confidence <= 1:
            raise ValueError("`max_confidence` is above 0 and at most 1")
        if strange := [label for label in self.calibration.curves if label not in self.labels]:
            raise ValueError(f"there is a curve for `{strange[0]}`, which is not among the labels")


class ScorerModel(_Model, frozen=True, tag="linear-scorer"):
    """A scorer's file; its curve, where it has one, is called `score`."""

    prompt: Part | None = None
    answer: Part | None = None
    pair: dict[PairName, float] = {}
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(isfinite, (self.bias, *self.pair.values()))):
            raise ValueError("`bias` and `pair` are finite numbers")


class Rows:
    """The weights of a part, ready to be used."""

    def __init__(self, part: Part, rows: int) -> None:
        self._features, self._surface = part.features, part.surface
        has_ngrams = part.features.words is not None or part.features.characters is not None
        size, listed = part.features.buckets if has_ngrams else 0, _numbers("I", part.buckets, "buckets")
        columns = size if listed is None else len(listed)
        if rows * size > MOST_NUMBERS:
            raise ValueError(f"{rows} rows of {size} buckets are over {MOST_NUMBERS} numbers")
        if listed is not None and (len(set(listed)) < columns or (listed and max(listed) >= size)):
            raise ValueError(f"`buckets` are below {size}, each once")
        weights = _numbers("f", part.weights, "weights")
        if len(weights) != rows * columns:
            raise ValueError(f"`weights` has {len(weights)} numbers, and {rows} rows of {columns} are due")
        idf = _numbers("f", part.idf, "idf")
        if idf is not None and len(idf) != columns:
            raise ValueError(f"`idf` has {len(idf)} numbers, and {columns} are due")
        surface = len(part.features.surface)
        if (surface or part.surface) and [len(row) for row in part.surface] != [surface] * rows:
            raise ValueError(f"`surface` has not {rows} rows of {surface} numbers")
        if not all(isfinite(each) for row in part.surface for each in row):
            raise ValueError("`surface` has a number that is not finite")
        self._rows = [_spread(weights[row * columns : (row + 1) * columns], idf, listed, size).__getitem__ for row in range(rows)]
        # Without either, each bucket that occurs counts 1.
        self._squares = None
        if idf is not None or listed is not None:
            ones = array("f", [1.0]) * columns if idf is None else idf
            self._squares = _spread(ones, ones, listed, size).__getitem__

    def scores(self, text: str) -> list[float]:
        """A score for each row."""
        features = self._features
        totals = [0.0] * len(self._rows)
        for block in features.blocks(features.read(text)):
            square = float(len(block)) if self._squares is None else sum(map(self._squares, block))
            if square > 0:
                length = sqrt(square)
                totals = [total + sum(map(row, block)) / length for total, row in zip(totals, self._rows, strict=True)]
        if features.surface:
            counts = features.counts(text[: features.max_chars])
            totals = [
                total + sum(weight * count for weight, count in zip(weights, counts, strict=True))
                for total, weights in zip(totals, self._surface, strict=True)
            ]
        return totals


_ModelT = TypeVar("_ModelT", ClassifierModel, ScorerModel)


class LinearClassifier:
    """A classifier's file, ready to be used."""

    def __init__(self, model: ClassifierModel) -> None:
        self._model, self._rows = model, Rows(model.text, len(model.labels))

    def guess(self, text: str) -> tuple[str, float]:
        """The most probable label, and the confidence of it."""
        model, scores = self._model, self._rows.scores(text)
        scores = [(score + bias) / model.calibration.temperature for score, bias in zip(scores, model.bias, strict=True)]
        highest = max(scores)
        at = scores.index(highest)
        confidence = 1 / sum(exp(score - highest) for score in scores)
        if (curve := model.calibration.curves.get(model.labels[at])) is not None:
            confidence = curve.at(confidence)
        return model.labels[at], min(confidence, model.max_confidence)


class LinearScorer:
    """A scorer's file, ready to be used."""

    def __init__(self, model: ScorerModel) -> None:
        self._model = model
        self._prompt = None if model.prompt is None else Rows(model.prompt, 1)
        self._answer = None if model.answer is None else Rows(model.answer, 1)
        self._pair: Sequence[PairName] = tuple(model.pair)

    def score(self, prompt: str, answer: str) -> float:
        """How probable it is that the answer is good."""
        model, total = self._model, self._model.bias
        for rows, text in ((self._prompt, prompt), (self._answer, answer)):
            if rows is not None:
                total += rows.scores(text)[0]
        counts = pair_counts(self._pair, prompt, answer)
        total += sum(weight * count for weight, count in zip(model.pair.values(), counts, strict=True))
        score = _logistic(total / model.calibration.temperature)
        curve = model.calibration.curves.get("score")
        return score if curve is None else curve.at(score)


def read_classifier(path: str) -> ClassifierModel:
    """The classifier in a file. Raises `OptionError` of the field `model`."""
    return _read(path, ClassifierModel, "a linear classifier")


def read_scorer(path: str) -> ScorerModel:
    """The scorer in a file. Raises `OptionError` of the field `model`."""
    return _read(path, ScorerModel, "a linear scorer")


_HELP = "train it anew with `mmflow train`"


def ready_classifier(path: str, labels: Sequence[str]) -> LinearClassifier:
    """The classifier of a file for declared labels. Raises `OptionError` of the field `model`."""
    model = read_classifier(path)
    if strange := [label for label in model.labels if label not in labels]:
        listed = ", ".join(f"`{label}`" for label in model.labels)
        message = f"{path} sorts into `{strange[0]}`, which is not among the labels"
        raise OptionError("model", message, f"declare its labels: {listed}")
    try:
        return LinearClassifier(model)
    except ValueError as error:
        raise OptionError("model", f"{path}: {error}", _HELP) from None


def ready_scorer(path: str) -> LinearScorer:
    """The scorer of a file. Raises `OptionError` of the field `model`."""
    try:
        return LinearScorer(read_scorer(path))
    except OptionError:
        raise
    except ValueError as error:
        raise OptionError("model", f"{path}: {error}", _HELP) from None


def _read(path: str, type_: type[_ModelT], what: str) -> _ModelT:
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        help = "train it with `mmflow train`, or check the path: it starts at the folder of the workflow"
        raise OptionError("model", f"cannot read {path}: {reason}", help) from None
    if len(data) > MOST_BYTES:
        raise OptionError("model", f"{path} is over {MOST_BYTES >> 20} MiB, too large for {what}", "train it with fewer buckets")
    try:
        is_json = data.lstrip()[:1] in (b"{", b"")
        decode = msgspec.json.decode if is_json else msgspec.msgpack.decode
        schema = decode(data, type=_Head).schema
        if schema != SCHEMA:
            message = f"{path} has schema {schema}, and this version reads {SCHEMA}"
            raise OptionError("model", message, "train it with this version, or install the one that wrote it")
        return decode(data, type=type_)
    except OptionError:
        raise
    # Bad UTF-8 is a ValueError, nesting beyond any use a RecursionError.
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise OptionError("model", f"{path} is not {what}: {error}", _HELP) from None


def _numbers(typecode: str, data: bytes | None, name: str) -> Any:
    """An array of 4-byte numbers; None where there is none."""
    if data is None:
        return None
    if len(data) % 4:
        raise ValueError(f"`{name}` is cut off")
    numbers = array(typecode)
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    if typecode == "f" and not all(map(isfinite, numbers)):
        raise ValueError(f"`{name}` has a number that is not finite")
    return numbers


def _spread(values: "array[float]", by: "array[float] | None", listed: "array[int] | None", size: int) -> "array[float]":
    """Values (times `by`) in the places of their buckets, 0 in all others."""
    if by is not None:
        values = array("f", (each * factor for each, factor in zip(values, by, strict=True)))
    if listed is None:
        return values
    spread = array("f", [0.0]) * size
    for bucket, value in zip(listed, values, strict=True):
        spread[bucket] = value
    return spread


def _logistic(value: float) -> float:
    return 1 / (1 + exp(-value)) if value >= 0 else (growth := exp(max(value, -700.0))) / (1 + growth)
