"""`classify x using heuristic`: how complex a request is, from features of its text; no model, no network, the same every time.

It answers with any ordered labels, simplest first: the score, a logistic function of the features, is cut into as many bands as
there are labels, equal ones unless `thresholds` says where. The confidence is 0.5 at an edge between two bands and grows to 1.0
half a band's width away from it (for the first and last band, towards their outer end).

| feature                                                                      | adds to the logit              |
|------------------------------------------------------------------------------|--------------------------------|
| base                                                                         | −2.9                           |
| length: tokens, as bytes that are not spaces ÷ 4                             | 0.6 × log2(1 + tokens ÷ 10)    |
| demanding words found, different ones (prove, design, debug, beweise, 证明…) | 1.2 each, at most 4            |
| working words found, different ones (write, explain, function, schreib, 写…) | 0.6 each, at most 2            |
| linking words found, different ones (must, unless, then, dann, 如果…)        | 0.35 each, at most 4           |
| questions after the first                                                    | 0.5 each, at most 3            |
| sentences after the second                                                   | 0.15 each, at most 8           |
| clauses: commas, semicolons, colons                                          | 0.1 each, at most 8            |
| lines that are points of a list                                              | 0.35 each, at most 5           |
| code: a fence, an inline piece, a stack trace, or marks that only code has   | 1.2                            |
| mathematics: symbols, LaTeX, or an equation                                  | 1.2                            |
| different numbers after the first                                            | 0.15 each, at most 4           |

Length, questions, sentences, clauses, points, code, mathematics and numbers are seen in any script. The words are in English,
German, French, Spanish, Portuguese, Italian, Russian, Chinese, Japanese and Korean; in other languages the rest decides. Of a
text over 40,000 characters the first and the last 20,000 are read. What a text *means* it cannot see: a short, hard question
without any of these words looks simple.
"""

import math
import re
from collections.abc import Sequence
from functools import cache

import attrs

from mmflow.plugin import (
    Ask,
    ClassifierWord,
    CompiledPattern,
    Guess,
    Host,
    OptionError,
    Score,
    compile_pattern,
    hook,
    option,
    options,
)

MAX_CHARS = 40_000

# Stems, found at the start of a word.
_DEMANDING = """
prove proof deriv design architect optimi[sz] refactor debug implement compare contrast analy[sz] evaluat critici[sz] justif
synthes trade-?off algorithm complexity diagnos investigat migrat concurren distributed root.cause step.by.step formali simulat
strateg essay theorem hypothes reason.about explain.why edge.case in.depth
beweis entwirf entwerf entwick optimier vergleich analysier begründ erörter herleit implementier untersuch bewert schrittweise
démontr prouv conce[vp] compar optimis justifi évalu implément étape.par.étape raisonn
demuestr demostr diseñ optimiz justific evalú desarroll implementa paso.a.paso razon
prov[ea] projet desenvolv avali passo.a.passo dimostr progett ottimizz confront valut sviluppa passo.per.passo
докаж доказа спроектир разработ оптимизир сравни проанализир обоснуй реализуй отлад пошагов
"""
_WORKING = """
explain describe write draft outline plan generate function script code report rewrite convert fix difference example
erklär beschreib schreib entwurf plane funktion unterschied beispiel expliqu décri[rvs] écri[rvst] rédige fonction exemple
explica describ escrib redacta función ejemplo diferencia escrev função spiega descriv scriv funzione esempio
объясни опиши напиши составь функци разниц пример
"""
_LINKING = """
must should unless without while however therefore because although whereas then next finally first second third including
ensure ensuring constraints? requirements? at.most at.least exactly given assume assuming if such.that
muss müssen sollte?n? ohne während jedoch deshalb weil obwohl dann danach schließlich zuerst mindestens höchstens genau falls
doit doivent sans pendant cependant puis ensuite enfin d.abord au.moins au.plus exactement supposons
debe deben sin mientras embargo porque aunque luego después finalmente primero al.menos exactamente suponga
deve devem devono sem enquanto porém depois senza mentre però perché quindi almeno
должен должна должны без пока однако потому затем потом сначала если минимум
"""
# Found anywhere: these scripts write no spaces, or join endings.
_DEMANDING_ANYWHERE = """
证明 證明 推导 推導 设计 設計 架构 架構 优化 優化 重构 调试 除錯 实现 實作 比较 比較 分析 评估 評估 论证 算法 逐步 权衡
証明 導出 最適化 実装 評価 考察 アルゴリズム 段階的 デバッグ 증명 설계 최적화 구현 비교 분석 평가 단계별 알고리즘 디버깅
"""
_WORKING_ANYWHERE = "解释 解釋 说明 說明 写 寫 描述 函数 函數 区别 區別 例子 説明 書いて 関数 違い 例を 설명 작성 함수 차이 예를"
_LINKING_ANYWHERE = """
必须 必須 如果 假设 然后 首先 最后 因为 但是 不超过 至少 并且 要求 もし ただし まず 次に 最後に 以上 以下 반드시 만약 그리고 먼저
"""

_QUESTION = re.compile(r"[?？؟⁇]")
_SENTENCE = re.compile(r"[.!?…](?=\s|$)|[。！？؟।]")
_CLAUSE = re.compile(r"[,;:](?=\s)|[，、；：،؛]")
_POINT = re.compile(r"^[ \t]{0,8}(?:[-*•–]|\(?(?:\d{1,2}|[a-z])[.)])[ \t]{1,8}\S", re.MULTILINE)
_CODE = (
    r"(?m)```|`[^`\n]{3,80}`|^Traceback |^[ \t]{1,8}at \S{1,200}\(|\bException\b|\w\(\)|[{};]$|=>|->|!==?|===?|&&|\|\||</\w"
    r"|\bdef \w|\bclass \w{1,80}[:({]|\bSELECT\b.{1,100}\bFROM\b|#include"
)
_MATHS = (
    r"[∀∃∑∏∫√∂∇∈∉⊂⊆∪∩≤≥≠≈≡∞±×÷⇒⇔ℝℕℤℚℂ]|\\[a-zA-Z]{2,12}[{( ^_]|\$[^$\n]{0,80}[\\^_=][^$\n]{0,80}\$"
    r"|\w ?\^ ?[\w({]|\b[a-z] ?[-+*/=] ?\d"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def _rise(values: Sequence[float]) -> None:
    if any(low >= high for low, high in zip((0.0, *values), (*values, 1.0), strict=True)):
        raise ValueError("thresholds rise, and lie between 0 and 1")


@options
class HeuristicOptions:
    """How complex a request looks: length, demanding words in ten languages, questions, lists, code, mathematics. No model is
    asked.

    It fits any ordered labels, simplest first. It does not understand: a short hard question looks simple.
    """

    thresholds: tuple[Score, ...] = option(
        (), doc="Where the bands of the labels meet, rising; one fewer than labels.", check=_rise
    )


@attrs.frozen
class Features:
    """What is counted in a text; the names are those of the table of this module."""

    tokens: int
    demanding: int
    working: int
    linking: int
    questions: int
    sentences: int
    clauses: int
    points: int
    code: bool
    mathematics: bool
    numbers: int

    @property
    def score(self) -> float:
        """How complex, 0..1."""
        logit = (
            -2.9
            + 0.6 * math.log2(1 + self.tokens / 10)
            + 1.2 * min(self.demanding, 4)
            + 0.6 * min(self.working, 2)
            + 0.35 * min(self.linking, 4)
            + 0.5 * min(max(self.questions - 1, 0), 3)
            + 0.15 * min(max(self.sentences - 2, 0), 8)
            + 0.1 * min(self.clauses, 8)
            + 0.35 * min(self.points, 5)
            + 1.2 * self.code
            + 1.2 * self.mathematics
            + 0.15 * min(max(self.numbers - 1, 0), 4)
        )
        return 1 / (1 + math.exp(-logit))


def accept(options: HeuristicOptions, labels: Sequence[str]) -> None:
    """Refuse thresholds that do not part the labels."""
    edges = len(labels) - 1
    if options.thresholds and len(options.thresholds) != edges:
        message = f"{len(options.thresholds)} thresholds are given for {len(labels)} labels"
        raise OptionError("thresholds", message, f"give {edges}, or none for equal bands")


class Heuristic:
    """Puts the score of a text into one of the bands."""

    def __init__(self, options: HeuristicOptions, labels: Sequence[str]) -> None:
        accept(options, labels)
        count = len(labels)
        edges: Sequence[float] = options.thresholds or [n / count for n in range(1, count)]
        self._labels, self._edges = tuple(labels), (0.0, *map(float, edges), 1.0)

    async def classify(self, text: str, ask: Ask) -> Guess:
        """The label of the band, and how far from its edges the score lies."""
        score = features(text).score
        return Guess(self._labels[self._band(score)], self.confidence(score))

    def confidence(self, score: float) -> float:
        """0.5 at an edge between two bands, 1.0 from half a band's width away from it."""
        band = self._band(score)
        low, high = self._edges[band], self._edges[band + 1]
        # 0 and 1 are the ends of the scale, not edges to doubt.
        to_low = score - low if band > 0 else 1.0
        to_high = high - score if band < len(self._labels) - 1 else 1.0
        return min(0.5 + min(to_low, to_high) / (high - low), 1.0)

    def _band(self, score: float) -> int:
        return sum(score >= edge for edge in self._edges[1:-1])


def features(text: str) -> Features:
    """Count what the table of this module lists."""
    if len(text) > MAX_CHARS:
        text = f"{text[: MAX_CHARS // 2]}\n{text[-MAX_CHARS // 2 :]}"
    *lists, code, mathematics = _patterns()
    demanding, working, linking = (len({found.strip().lower() for found in words.find_all(text)}) for words in lists)
    return Features(
        tokens=-(-len("".join(text.split()).encode("utf-8", "replace")) // 4),
        demanding=demanding,
        working=working,
        linking=linking,
        questions=len(_QUESTION.findall(text)),
        sentences=len(_SENTENCE.findall(text)),
        clauses=len(_CLAUSE.findall(text)),
        points=len(_POINT.findall(text)),
        code=code.matches(text),
        mathematics=mathematics.matches(text),
        numbers=len(set(_NUMBER.findall(text))),
    )


@cache
def _patterns() -> tuple[CompiledPattern, ...]:
    """Patterns of the demanding, the working and the linking words, of code, and of mathematics."""
    stem, word = r"(?:\A|[^\pL\pM\pN])(?:{})|{}", r"(?:\A|[^\pL\pM\pN])(?:{})(?:[^\pL\pM\pN]|\z)|{}"
    lists = (
        (stem, _DEMANDING, _DEMANDING_ANYWHERE),
        (stem, _WORKING, _WORKING_ANYWHERE),
        (word, _LINKING, _LINKING_ANYWHERE),
    )
    words = (form.format("|".join(spaced.split()), "|".join(anywhere.split())) for form, spaced, anywhere in lists)
    return *(compile_pattern(each, ignore_case=True) for each in words), compile_pattern(_CODE), compile_pattern(_MATHS)


def _most_confident(options: HeuristicOptions, labels: tuple[str, ...]) -> float:
    """That of a score far from every edge: the outer ends of the scale are no edges."""
    return 1.0


def _make(options: HeuristicOptions, labels: tuple[str, ...], host: Host) -> Heuristic:
    return Heuristic(options, labels)


@hook
def mmflow_classifiers() -> list[ClassifierWord]:
    return [ClassifierWord("heuristic", HeuristicOptions, _make, accept=accept, most_confident=_most_confident)]
