"""What a simulated model says: a short answer about the question, marked as simulated and with the quality that it stands for.

The mark `[simulated by small, quality 0.62]` opens every text. In JSON it stands in a string, since nothing may stand before the
object. A simulated judge reads the mark, which is how a judged cascade works offline.
"""

import json
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import attrs
import msgspec

from mmflow.plugin import Call, Message
from mmflow_plugins.providers.json_instance import json_instance

UNKNOWN_QUALITY = 0.6
"""Of a model that declares none."""
QUESTION_SWING = 0.06
"""How far the question moves the quality of an answer, for every model alike: some questions are easier."""
OWN_SWING = 0.03
"""How far one model's answer to one question differs from what that model does on average."""
JUDGE_SWING = 0.02
"""How far a simulated judge is off."""

_MARK = re.compile(r"\[simulated by [^\]\n]{1,200}, quality (\d\.\d\d)\]")
_SECTION = re.compile(r"<answer-([0-9a-f]{8,64})>\n(.*)\n</answer-\1>", re.DOTALL)
_CHOICES = re.compile(r"(?:labels?|one of|classes|categories|choices)\b[^:\n]{0,40}:\s*([^\n]{1,2000})", re.IGNORECASE)
_LABEL = re.compile(r"[\w-]+")
_WORD = re.compile(r"[^\W_]{3,24}")

# One of each row, top down; the better the answer, the more rows.
_SENTENCES = (
    ("On “{topic}”: this is where the answer would stand.", "About “{topic}”: here is what an answer would say."),
    ("It turns on {a}.", "The point that matters is {a}.", "Most of it follows from {a}."),
    ("First come the facts about {b}, then what follows from them.", "It takes {b} step by step and says why each step holds."),
    ("One example shows {a} together with {c}.", "A worked example makes {c} plain."),
    ("Where {b} is in doubt, it says so and names what would settle it.", "It names the exception: {c} may be different."),
    ("In short: with {a} and {c} settled, the rest follows.", "It ends with a summary and what to do next."),
)  # fmt: skip


class Draws:
    """Numbers that look random and depend on nothing but what they are made from."""

    __slots__ = ("digest",)

    def __init__(self, *parts: object) -> None:
        self.digest = blake2b(b"\0".join(_bytes(part) for part in parts), digest_size=16).digest()

    def unit(self, name: str) -> float:
        """A number in 0 ≤ x < 1, the same for the same name."""
        drawn = blake2b(name.encode(), key=self.digest, digest_size=8).digest()
        return (int.from_bytes(drawn) >> 11) / (1 << 53)

    def around(self, name: str, swing: float) -> float:
        """A number between -swing and +swing."""
        return (2 * self.unit(name) - 1) * swing


def _bytes(part: object) -> bytes:
    if isinstance(part, bytes):
        return part
    if isinstance(part, str):
        return part.encode("utf-8", "surrogatepass")
    try:
        return msgspec.json.encode(part)
    except UnicodeEncodeError:  # half of a surrogate pair, which only a program can have put there
        return repr(part).encode("utf-8", "backslashreplace")


@attrs.frozen
class Answer:
    """`mark` opens the text and counts for no tokens; it is empty where the text carries its own."""

    mark: str
    body: str


def answer_of(call: Call, draws: Draws, question: Draws) -> Answer:
    """What the model answers. `draws` is of this model and these messages, `question` of these messages for any model."""
    if call.purpose == "judge":
        return Answer("", _verdict(call.messages[-1].text if call.messages else "", draws))
    if call.purpose == "classify":
        return Answer("", _label(call, draws))
    quality = quality_of(call, draws, question)
    mark = f"[simulated by {call.model.name}, quality {quality:.2f}]"
    asked = _last_user(call.messages)
    wanted = call.request.response_format or call.contract or {}
    if wanted.get("type") == "json_schema":
        named = wanted.get("json_schema")
        schema = named.get("schema", {}) if isinstance(named, dict) else {}
        return Answer("", _json(json_instance(schema, f"{mark} {_topic(asked)}")))
    if wanted.get("type") == "json_object":
        return Answer("", _json({"answer": f"{mark} {_prose(asked, quality, draws)}"}))
    return Answer(f"{mark} ", _prose(asked, quality, draws))


def quality_of(call: Call, draws: Draws, question: Draws) -> float:
    """How good this answer is, 0..1: the model's quality, moved a little by the question and a little by chance."""
    usual = call.model.quality if call.model.quality is not None else UNKNOWN_QUALITY
    return min(max(usual + question.around("easy", QUESTION_SWING) + draws.around("own", OWN_SWING), 0.0), 1.0)


def tool_arguments(tool: dict[str, Any], mark: str) -> str:
    """Arguments that the tool's schema allows, as JSON text."""
    function = tool.get("function")
    return _json(json_instance(function.get("parameters", {"type": "object"}) if isinstance(function, dict) else {}, mark))


def _prose(asked: str, quality: float, draws: Draws) -> str:
    found = sorted(dict.fromkeys(_WORD.findall(asked[:2000])), key=len, reverse=True)[:3]
    words = [word for word in found if len(word) > 4] or found[:1] or [_topic(asked) or "the question"]
    a, b, c = (words * 3)[:3]
    rows = _SENTENCES[: 1 + round(quality * (len(_SENTENCES) - 1))]
    chosen = (row[int(draws.unit(f"sentence {n}") * len(row))] for n, row in enumerate(rows))
    return " ".join(sentence.format(topic=_topic(asked), a=f"“{a}”", b=f"“{b}”", c=f"“{c}”") for sentence in chosen)


def _topic(asked: str) -> str:
    """The beginning of the question on one line, without marks that earlier simulated answers left in it."""
    line = " ".join(_MARK.sub("", asked[:600]).split())
    return line if len(line) <= 80 else line[:79].rstrip() + "…"


def _verdict(prompt: str, draws: Draws) -> str:
    """A judge's answer: the quality that the judged answer is marked with; an unmarked one is judged by its length."""
    section = _SECTION.search(prompt)
    judged = section[2] if section else prompt
    marks = _MARK.findall(judged)
    # Our own prompt sets the answer apart. In another's, the answer comes after the conversation: its mark is the last.
    if marks:
        quality = float(marks[0] if section else marks[-1])
        if not judged.rstrip().endswith((".", "!", "?", "}", "]", "…", "。", "”")):
            quality -= 0.2  # it was cut off
    else:
        quality = min(0.3 + len(judged) / 2000, 0.7) if judged.strip() else 0.0
    score = min(max(quality + draws.around("judge", JUDGE_SWING), 0.0), 1.0)
    return _json({"score": round(score, 3), "reason": "simulated: the quality that the answer is marked with"})


def _label(call: Call, draws: Draws) -> str:
    """A classifier's answer: of the labels listed after `labels:` or `one of:`, the one in the text, else any."""
    listed = _CHOICES.search("\n".join(message.text for message in call.messages))
    found = _LABEL.findall(listed[1].split(". ")[0]) if listed else []
    labels = [label for label in dict.fromkeys(found) if label not in ("or", "and")] or ["unknown"]
    text = _last_user(call.messages).replace(listed[1] if listed else "\0", "").lower()
    words = set(_LABEL.findall(text))
    named = [label for label in labels if label.lower() in words]
    chosen = named[0] if named else labels[int(draws.unit("label") * len(labels))]
    usual = call.model.quality if call.model.quality is not None else UNKNOWN_QUALITY
    return _json({"label": chosen, "confidence": round(usual if named else usual * 0.8, 2), "reason": "simulated"})


def _last_user(messages: Sequence[Message]) -> str:
    return next((message.text for message in reversed(messages) if message.role == "user"), messages[-1].text if messages else "")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
