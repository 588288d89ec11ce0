"""`scorer x using agreement`: another model answers the same conversation, and the score is how much the two answers agree.

It serves where answers are short or have one result: a number, a choice, a name, a value in JSON. The other model is asked once,
with the conversation as it is, and answers in at most 1,024 tokens. The first line that fits decides:

| the two answers                                                                                      | score            |
|------------------------------------------------------------------------------------------------------|------------------|
| one of them is empty                                                                                 | 0                |
| the same, but for case, spaces, markup and punctuation                                               | 1                |
| both JSON with the same value                                                                        | 1                |
| both name a result: it stands alone, or after `answer is`, `Answer:`, `####`, or within `\\boxed{}`   | 1 the same, else 0 |
| one begins with yes, the other with no                                                               | 0                |
| any others                                                                                           | F1 of their words |

A result is compared as a number where it is one: `1,000`, `1000.0` and `$1000` are the same; so are `B`, `(b)` and `B.`. F1 is
the harmonic mean of the shares of words that each has in common with the other, repeated words counted; where one of the answers
has numbers, it is the mean of that and the F1 of the numbers. Each sign of a script without spaces is a word. Of an answer over
20,000 characters the first are compared.

That two models agree does not make them right, least of all two of one family: they share mistakes.
"""

import re
from collections import Counter
from collections.abc import Iterable
from unicodedata import normalize

import msgspec

from mmflow.plugin import OPINION_OUTPUT_TOKENS, Ask, Host, ModelName, Reply, Request, ScorerWord, hook, option, options
from mmflow_plugins.scorers.json_valid import unfenced

MAX_CHARS = 20_000

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_WORD = re.compile(rf"-?{_NUMBER}|[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+(?:['’][^\W\d_]+)?|[^\W_]")
_MARKED = re.compile(
    r"\\boxed\{([^{}\n]{1,80})\}|####[ \t]*([^\n]{1,80})|\b(?:answer|antwort|réponse|respuesta|risposta|ответ) ?"
    r"(?: (?:is|ist|est|es|è)\b|:|=)[ \t:]*([^\n]{1,80})|答案(?:是|：|:)[ \t]*([^\n]{1,80})"
)
_YES, _NO = ("yes", "ja", "oui", "sí", "si", "sì", "да"), ("no", "nein", "non", "нет")


@options
class AgreementOptions:
    """Another model answers the same conversation; the score is how much the two answers agree.

    It is 1 where both have the same result, such as a number or a choice. Its call counts in cost, time and guards.
    Agreement is no proof: models of one family share mistakes.
    """

    with_: ModelName = option(doc="The model whose answer is compared; its calls count in cost, deadline and guards.")


class Agreement:
    """Asks the other model, and compares."""

    def __init__(self, options: AgreementOptions) -> None:
        self._other = options.with_

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        """How much the answers agree. Raises whatever the call raises."""
        if not reply.text.strip():
            return 0.0
        other = await ask(self._other, request.messages, max_output_tokens=OPINION_OUTPUT_TOKENS)
        return agreement(reply.text, other.text)


def agreement(one: str, other: str) -> float:
    """How much two answers agree, 0..1, by the table of this module; the same in both directions."""
    one, other = one[:MAX_CHARS], other[:MAX_CHARS]
    left, right = _words(one), _words(other)
    if not left or not right:
        return 0.0
    if left == right or _json(one) == _json(other) != _NOT_JSON:
        return 1.0
    results = _result(one, left), _result(other, right)
    if None not in results:
        return float(results[0] == results[1])
    if (left[0] in _YES and right[0] in _NO) or (left[0] in _NO and right[0] in _YES):
        return 0.0
    of_words, ours, theirs = _f1(left, right), [*filter(_is_number, left)], [*filter(_is_number, right)]
    return (of_words + _f1(ours, theirs)) / 2 if ours or theirs else of_words


def _words(text: str) -> list[str]:
    """The words of a text, in lower case, its numbers in one form."""
    text = normalize("NFKC", text).casefold().replace("−", "-").replace("’", "'")
    # A dash between a word and a number joins them: it is no sign.
    return [_plain(word) for word in _WORD.findall(re.sub(r"(?<=\w)-", " ", text))]


def _is_number(word: str) -> bool:
    return word[-1].isdecimal()


def _plain(word: str) -> str:
    if not _is_number(word):
        return word
    whole, _, fraction = word.replace(",", "").partition(".")
    sign, digits = whole[: -len(whole.lstrip("-"))], whole.lstrip("-").lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    return f"{sign}{digits}.{fraction}" if fraction else f"{sign}{digits}"


def _result(text: str, words: list[str]) -> tuple[str, ...] | None:
    """The result that an answer names: a single word or number, or what it marks last as its answer."""
    if len(words) == 1:
        return tuple(words)
    found = [next(filter(None, each)) for each in _MARKED.findall(text.casefold()[-4_000:])]
    if not found:
        return None
    marked = _words(found[-1].partition(". ")[0])
    # `the answer is B because …`: what comes first is the result.
    if marked and (_is_number(marked[0]) or len(marked[0]) == 1):
        marked = marked[:1]
    return tuple(marked) or None


_NOT_JSON = object()


def _json(text: str) -> object:
    """The value of an answer that is an object or a list of JSON."""
    try:
        value = msgspec.json.decode(unfenced(text))
    # A lone surrogate is a ValueError, nesting beyond any use a RecursionError.
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _NOT_JSON
    return value if isinstance(value, dict | list) else _NOT_JSON


def _f1(left: Iterable[str], right: Iterable[str]) -> float:
    """The harmonic mean of the shares in common; one of them has some."""
    ours, theirs = Counter(left), Counter(right)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


def _make(options: AgreementOptions, host: Host) -> Agreement:
    return Agreement(options)


@hook
def mmflow_scorers() -> list[ScorerWord]:
    return [ScorerWord("agreement", AgreementOptions, _make, scale="similarity")]
