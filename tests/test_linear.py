"""The bundled `linear` words: what a file's numbers mean, that a bad file is told, and that a fitted one sorts texts."""

import asyncio
import struct
from math import exp, sqrt
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmflow_plugins.linear import words
from mmflow_plugins.linear.features import Features
from mmflow_plugins.linear.model import Calibration, ClassifierModel, Curve, LinearClassifier, LinearScorer, Part, ScorerModel

from mmflow.plugin import File, OptionError, Reply, Request

BUCKETS = 1 << 12
WORDS = Features(buckets=BUCKETS, words=(1, 1))


def floats(*numbers):
    return struct.pack(f"<{len(numbers)}f", *numbers)


def wholes(*numbers):
    return struct.pack(f"<{len(numbers)}I", *numbers)


def bucket(word):
    return crc32(word.encode(), crc32(b"words")) & (BUCKETS - 1)


def part(*weights, idf=None, features=WORDS):
    """A part that lists the buckets of words: {word: [a weight for each row]}."""
    (by_word,) = weights
    rows = zip(*by_word.values(), strict=True)
    packed = b"".join(floats(*row) for row in rows)
    return Part(features=features, buckets=wholes(*map(bucket, by_word)), weights=packed, idf=idf and floats(*idf))


def tasks(**fields):
    text = part({"function": [3, -1, 0], "integral": [-1, 3, 0], "the": [0, 0, 1]})
    return ClassifierModel(**{"schema": 1, "labels": ("code", "math", "other"), "text": text, "bias": (0, 0, 0.5), **fields})


def write(folder: Path, model, name="task.json"):
    path = folder / name
    path.write_bytes((msgspec.json if name.endswith(".json") else msgspec.msgpack).encode(model))
    return words.LinearOptions(model=File(path))


async def never(*args, **kwargs):
    raise AssertionError("this word asks no model")


def guess(model, text):
    return LinearClassifier(model).guess(text)


def softmax(*scores):
    return exp(max(scores)) / sum(map(exp, scores))


def test_a_score_is_the_sum_of_the_known_words_weights_by_the_root_of_their_number():
    label, confidence = guess(tasks(), "Why is THE function the-integral unknown?")
    assert label == "code"
    # `the`, `function` and `integral` are known; `why`, `is` and `unknown` count for nothing.
    assert confidence == pytest.approx(softmax(2 / sqrt(3), 2 / sqrt(3), 1 / sqrt(3) + 0.5))
    assert guess(tasks(), "the function") == ("code", pytest.approx(softmax(3 / sqrt(2), -1 / sqrt(2), 1 / sqrt(2) + 0.5)))


def test_a_text_without_a_known_word_has_the_bias_alone():
    assert guess(tasks(), "") == guess(tasks(), "¡!") == ("other", pytest.approx(softmax(0, 0, 0.5)))


def test_idf_weighs_both_the_sum_and_its_length():
    text = part({"function": [3, 0], "the": [0, 1]}, idf=[2.0, 0.5])
    model = tasks(labels=("code", "other"), text=text, bias=(0, 0))
    length = sqrt(2.0**2 + 0.5**2)
    assert guess(model, "the function") == ("code", pytest.approx(softmax(3 * 2 / length, 0.5 / length)))


def test_without_a_list_every_bucket_has_a_weight_and_counts():
    row = [0.0] * BUCKETS
    row[bucket("yes")] = 4.0
    model = tasks(labels=("no", "yes"), text=Part(features=WORDS, weights=floats(*[0.0] * BUCKETS, *row)), bias=(0, 0))
    assert guess(model, "yes but why not") == ("yes", pytest.approx(softmax(0, 4 / sqrt(4))))


def test_pairs_of_words_and_characters_are_features_too():
    features = Features(buckets=BUCKETS, words=(2, 2), characters=(3, 3))
    pairs, characters = features.blocks(features.read("Ab  cd"))
    assert pairs == {bucket("ab cd")}
    grams = [" ab", "ab ", "b c", " cd", "cd "]
    assert characters == {crc32(each.encode("utf-32-le"), crc32(b"characters")) & (BUCKETS - 1) for each in grams}


def test_the_surface_counts():
    names = ("words", "lines", "questions", "digits", "capitals", "marks", "code", "other_scripts")
    features = Features(words=None, surface=names)
    assert features.counts("WHY 2?\nf() é") == pytest.approx([2.321928, 1, 1, 1 / 12, 3 / 12, 3 / 12, 1, 1 / 12])
    text = Part(features=features, surface=((0,) * 8, (0, 0, 0, 0, 0, 0, 5, 0)))
    assert guess(tasks(labels=("prose", "code"), text=text, bias=(1, 0)), "f() {\n}")[0] == "code"


def test_a_long_text_is_read_at_both_ends():
    model = tasks(
        text=part({"function": [3, 0, 0], "integral": [0, 3, 0]}, features=Features(buckets=BUCKETS, words=(1, 1), max_chars=40))
    )
    assert guess(model, "function " + "x " * 10_000)[0] == "code"
    assert guess(model, "x " * 10_000 + "integral")[0] == "math"
    assert guess(model, "x " * 10_000 + "integral" + " x" * 10_000)[0] == "other"


def test_confidence_is_calibrated_by_temperature_and_curve_and_capped():
    plain = guess(tasks(), "function")[1]
    cooler = guess(tasks(calibration=Calibration(temperature=3.0)), "function")[1]
    assert cooler == pytest.approx(softmax(3 / 3, -1 / 3, 0.5 / 3))
    assert cooler < plain
    curve = Curve(from_=(0.5, 0.95), to=(0.2, 0.65))
    assert guess(tasks(calibration=Calibration(curves={"code": curve})), "function")[1] == pytest.approx(0.2 + (plain - 0.5))
    assert guess(tasks(max_confidence=0.7), "function")[1] == 0.7


@pytest.mark.parametrize(("value", "due"), [(0, 0.1), (0.2, 0.1), (0.3, 0.2), (0.4, 0.3), (0.7, 0.6), (1, 0.9), (1.5, 0.9)])
def test_a_curve_is_straight_between_its_points_and_level_beyond(value, due):
    assert Curve(from_=(0.2, 0.4, 1.0), to=(0.1, 0.3, 0.9)).at(value) == pytest.approx(due)


@pytest.mark.parametrize("name", ["task.json", "task.msgpack"])
def test_the_word_reads_its_file_in_both_forms(tmp_path, name):
    (word,) = words.mmflow_classifiers()
    options = write(tmp_path, tasks(max_confidence=0.97), name)
    made = word.make(options, ("math", "other", "code"), None)
    assert asyncio.run(made.classify("the function", never)).label == "code"
    assert word.labels(options) == ("code", "math", "other")
    assert (word.most_confident(options, ()), word.pure) == (0.97, True)


def test_what_cannot_be_read_yet_is_not_known_and_breaks_nothing(tmp_path):
    (word,) = words.mmflow_classifiers()
    (tmp_path / "bad.json").write_text("{")
    for path in ("models/task.json", tmp_path / "none.json", tmp_path / "bad.json", tmp_path):
        options = words.LinearOptions(model=File(path))
        assert word.labels(options) is None
        assert word.most_confident(options, ("a", "b")) is None


def test_the_file_says_which_labels_are_due(tmp_path):
    with pytest.raises(OptionError, match="`math`, which is not among the labels") as caught:
        words.Linear(write(tmp_path, tasks()), ("code", "maths", "other"), None)
    assert caught.value.help == "declare its labels: `code`, `math`, `other`"


GOOD = msgspec.to_builtins(tasks())


def changed(at, value):
    """The good file's data with another value at a path such as `text.weights`."""
    model = msgspec.json.decode(msgspec.json.encode(GOOD))
    *within, last = at.split(".")
    inner = model
    for name in within:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return msgspec.json.encode(model)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"\x80\x04\x95pickle", "not a linear classifier"),
        (b'{"schema": 1, "kind": "\xff"}', "not a linear classifier"),
        (b"[" * 100_000, "not a linear classifier"),
        (b"{" * 100_000, "not a linear classifier"),
        (changed("schema", 2), "has schema 2, and this version reads 1"),
        (changed("kind", "linear-scorer"), "linear-scorer"),
        (changed("labels", ["code"]), "at least two"),
        (changed("labels", ["code", "code", "math"]), "each once"),
        (changed("bias", [1, 2]), "one number for each of 3 labels"),
        (changed("max_confidence", 1.5), "at most 1"),
        (changed("calibration.temperature", 0), "above 0"),
        (changed("calibration.curves", {"maths": {"from": [0.5], "to": [0.5]}}), "`maths`, which is not among the labels"),
        (changed("calibration.curves", {"math": {"from": [0.5, 0.5], "to": [0.1, 0.5]}}), "rises"),
        (changed("calibration.curves", {"math": {"from": [], "to": []}}), "has points"),
        (changed("text.features.buckets", 1000), "power of two"),
        (changed("text.features.buckets", 1 << 40), "power of two"),
        (changed("text.features.words", [3, 2]), "rising"),
        (changed("text.features.hash", "md5"), "md5"),
        (changed("text.features.surface", ["smell"]), "smell"),
        (changed("text.weights", "AAAA"), "cut off"),
        (changed("text.weights", "AAAAAA=="), "1 numbers, and 3 rows of 3 are due"),
        (changed("text.idf", "AAAAAA=="), "`idf` has 1 numbers"),
        (changed("text.buckets", "/////w=="), "below 4096"),
        (changed("text.surface", [[1], [1], [1]]), "`surface`"),
        (changed("surprise", 1), "surprise"),
    ],
)
def test_a_bad_file_is_told_when_it_is_read(tmp_path, data, says):
    (tmp_path / "task.json").write_bytes(data)
    with pytest.raises(OptionError) as caught:
        words.Linear(words.LinearOptions(model=File(tmp_path / "task.json")), ("code", "math", "other"), None)
    assert says in caught.value.message
    assert caught.value.field == "model"
    assert caught.value.help


def test_a_file_that_is_not_there_or_too_large_is_told(tmp_path):
    with pytest.raises(OptionError, match="No such file"):
        words.Linear(words.LinearOptions(model=File(tmp_path / "none.json")), ("a", "b"), None)
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(OptionError, match="over 64 MiB"):
        words.Linear(words.LinearOptions(model=File(tmp_path / "huge.json")), ("a", "b"), None)


@given(st.text())
def test_any_text_gets_a_label_and_a_probability(text):
    features = Features(buckets=64, words=(1, 2), characters=(2, 4), surface=("words", "digits", "other_scripts"))
    model = tasks(
        labels=("a", "b"),
        text=Part(features=features, weights=floats(*range(128)), surface=((1, 2, 3), (3, 2, 1))),
        bias=(0, 0),
    )
    label, confidence = guess(model, text)
    assert label in ("a", "b")
    assert 0.5 <= confidence <= 1


# ---- the scorer -------------------------------------------------------------------------------------------------------------


def test_the_scorer_reads_the_last_question_and_the_answer(tmp_path):
    model = ScorerModel(schema=1, prompt=part({"hard": [-2]}), answer=part({"because": [3]}), bias=0.5)
    path = tmp_path / "good.json"
    path.write_bytes(msgspec.json.encode(model))
    (word,) = words.mmflow_scorers()
    made = word.make(words.LinearScorerOptions(model=File(path)), None)

    def score(prompt, answer):
        return asyncio.run(made.score(Request.of(prompt), Reply(text=answer), never))

    assert word.scale == "probability"
    assert score("a hard one", "because") == pytest.approx(1 / (1 + exp(-(0.5 - 2 + 3))))
    assert score("an easy one", "because") > score("a hard one", "because") > score("a hard one", "so what")


def test_the_scorer_checks_the_answer_beside_its_prompt():
    def score(answer, **pair):
        return LinearScorer(ScorerModel(schema=1, pair=pair)).score("Why is the sky blue?", answer)

    assert score("", empty=-5) < 0.01 < 0.5 == score("Light scatters.", empty=-5)
    assert score("Light scatters.", ended=1) > score("Light scat", ended=1)
    assert score("The sky is blue since…", overlap=1) > score("Light scatters", overlap=1)
    assert score("I’m not sure, but light scatters.", hedges=-1) < score("Light scatters.", hedges=-1)
    assert score("x" * 2000, longer=1) > score("x", longer=1)


def test_a_scorers_curve_maps_its_probability():
    model = ScorerModel(schema=1, bias=0.0, calibration=Calibration(curves={"score": Curve(from_=(0.0, 1.0), to=(0.2, 0.4))}))
    assert LinearScorer(model).score("a", "b") == pytest.approx(0.3)
    assert LinearScorer(ScorerModel(schema=1, bias=-1e6)).score("a", "b") == pytest.approx(0, abs=1e-300)


def test_a_classifiers_file_is_no_scorers(tmp_path):
    path = write(tmp_path, tasks()).model
    with pytest.raises(OptionError, match="not a linear scorer"):
        words.LinearScorer(words.LinearScorerOptions(model=path), None)


# ---- a fitted model ---------------------------------------------------------------------------------------------------------

EXAMPLES = {
    "code": ["write a python function", "fix this function", "why does my loop crash", "refactor the class and its function"],
    "math": ["compute the integral", "prove this theorem", "solve the equation for x", "what is the integral of x"],
    "other": ["where is my parcel", "tell me a story", "translate this letter", "recommend a restaurant"],
}


def test_weights_that_were_fitted_sort_texts_that_were_not_seen():
    features, labels = Features(buckets=BUCKETS, words=(1, 2), characters=(3, 4)), tuple(EXAMPLES)
    rows = {label: [0.0] * BUCKETS for label in labels}
    seen = [(label, features.blocks(features.read(text))) for label, texts in EXAMPLES.items() for text in texts]
    for _ in range(20):  # a perceptron
        for label, blocks in seen:
            scores = {each: sum(rows[each][at] / sqrt(len(block)) for block in blocks for at in block) for each in labels}
            if (found := max(labels, key=scores.__getitem__)) != label:
                for block in blocks:
                    for at in block:
                        rows[label][at] += 1 / sqrt(len(block))
                        rows[found][at] -= 1 / sqrt(len(block))
    weights = floats(*(each for row in rows.values() for each in row))
    model = tasks(labels=labels, text=Part(features=features, weights=weights), bias=(0, 0, 0))
    assert [guess(model, text)[0] for texts in EXAMPLES.values() for text in texts] == [label for label, _ in seen]
    assert guess(model, "Please fix the function!")[0] == "code"
    assert guess(model, "The integral of sin x?")[0] == "math"
    assert guess(model, "My parcel, where is it?")[0] == "other"


# ---- in a workflow ----------------------------------------------------------------------------------------------------------

FILE = """mmflow 1

model small {{ provider = sim, id = "s", price = free }}
model large {{ provider = sim, id = "l", price = free }}

classify task using linear {{
  model = file("models/task.json")
  labels = [{labels}]
  confidence = {confidence}
  unsure = other
}}

flow main {{
  deadline = 20s
  when task == code -> large
  else -> small
}}
"""


@pytest.fixture
def workflow(mmflow):
    """A workflow beside its model, in a folder that is not the current one."""

    def written(labels="code, math, other", confidence=0.5):
        path = mmflow.write("flows/task.mmf", FILE.format(labels=labels, confidence=confidence))
        folder = path.parent / "models"
        folder.mkdir(exist_ok=True)
        write(folder, tasks(max_confidence=0.9))
        return path

    return written


def test_a_workflow_routes_by_its_model(mmflow, workflow):
    path = workflow()
    assert mmflow("check", str(path)).code == 0
    assert "[simulated by large" in mmflow("run", str(path), "fix the function").out
    assert "[simulated by small" in mmflow("run", str(path), "compute the integral").out


def test_check_compares_the_labels_with_those_of_the_file(mmflow, workflow):
    done = mmflow("check", str(workflow(labels="code, maths, other")))
    assert (done.code, "unknown-label" in done.out, "`math`" in done.out) == (1, True, True)


def test_check_compares_the_bound_with_the_confidence_that_the_file_can_give(mmflow, workflow):
    done = mmflow("check", str(workflow(confidence=0.95)))
    assert "confidence-unreachable" in done.out
    assert "lower `confidence` to 0.9" in done.out


def test_a_missing_model_is_told_and_leaves_the_request_unsure(mmflow, workflow):
    path = workflow()
    (path.parent / "models" / "task.json").unlink()
    assert "missing-file" in mmflow("check", str(path)).out
    done = mmflow("run", str(path), "fix the function", "--json")
    assert "[simulated by small" in done.out
    assert "cannot read" in done.out
