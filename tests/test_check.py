"""The checker: each mistake gets its code, in its place, with what to do; and a clean file gets nothing."""

import pytest

from mmflow.check import ParamError, check
from mmflow.diagnostics import Diagnostic
from mmflow.registry import Registry
from mmflow.source import Source
from mmflow.syntax.parse import parse

MODELS = """mmflow 1
model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
"""
USE_BOTH = "\nflow f { when request.has_tools -> cheap, else -> strong }"
COMPLEXITY = """classify complexity using heuristic {
  labels = low < medium < high
  unsure = up
}
"""
TASK = """classify task using keywords {
  patterns = { code = ["stack trace"] }
  labels = [code, other]
  unsure = other
}
"""


def found(text: str, **params: str) -> list[Diagnostic]:
    parsed = parse(Source("test.mmf", text))
    assert not parsed.diagnostics, parsed.diagnostics
    return list(check(parsed.file, Registry.installed(), params).diagnostics)


def codes(text: str) -> list[str]:
    return [each.code for each in found(text)]


def one(text: str) -> Diagnostic:
    (diagnostic,) = found(text)
    return diagnostic


BROKEN = {
    "a kind that is misspelt": (MODELS + "teir fast { models = [cheap] }" + USE_BOTH, "unknown-kind"),
    "a kind of a later version": (MODELS + "budget g { }" + USE_BOTH, "unknown-kind"),
    "a field that is misspelt": ('mmflow 1\nmodel cheap { provider = openai, id = "x", price = free, qualty = 0.5 }\nflow f { else -> cheap }', "unknown-field"),
    "a field of a later version": (MODELS + "flow f { cache = x\n when request.has_tools -> cheap, else -> strong }", "unknown-field"),
    "a duration without a unit": (MODELS + "flow f { deadline = 20\n when request.has_tools -> cheap, else -> strong }", "wrong-type"),
    "millions where minutes are due": (MODELS + "flow f { deadline = 20M\n when request.has_tools -> cheap, else -> strong }", "wrong-type"),
    "a score above one": ('mmflow 1\nmodel cheap { provider = openai, id = "x", price = free, quality = 1.5 }\nflow f { else -> cheap }', "out-of-range"),
    "a string where a name is due": ('mmflow 1\nmodel cheap { provider = "openai", id = "gpt-4o" }\nflow f { else -> cheap }', "wrong-type"),
    "a name where a string is due": ("mmflow 1\nmodel cheap { provider = openai, id = gpt }\nflow f { else -> cheap }", "wrong-type"),
    "a provider that is not installed": ('mmflow 1\nmodel cheap { provider = opnai, id = "x" }\nflow f { else -> cheap }', "unknown-word"),
    "a target that is a classifier": (MODELS + COMPLEXITY + "flow f { when request.has_tools -> complexity, else -> cheap }", "wrong-type"),
    "a label that is not declared": (MODELS + TASK + "flow f { when task == cod -> cheap, else -> strong }", "unknown-label"),
    "an order of labels without one": (MODELS + TASK + "flow f { when task > code -> cheap, else -> strong }", "unordered-label"),
    "unsure up without an order": (MODELS + TASK.replace("unsure = other", "unsure = up") + "flow f { when task == code -> cheap, else -> strong }", "unordered-label"),
    "a pattern for a label that is not declared": (MODELS + TASK.replace("{ code", "{ cod") + "flow f { when task == code -> cheap, else -> strong }", "unknown-label"),
    "thresholds that do not part the labels": (
        MODELS
        + COMPLEXITY.replace("unsure", "thresholds = [0.5]\n  unsure")
        + "flow f { when complexity == low -> cheap, else -> strong }",
        "out-of-range",
    ),
    "a cascade that accepts nothing": (MODELS + "cascade c { steps = [cheap, strong] }\nflow f { else -> c }", "cascade-without-accept"),
    "shares below the whole": (MODELS + "split s { 10% -> cheap, 20% -> strong }\nflow f { else -> s }", "shares"),
    "shares above the whole": (MODELS + "split s { 70% -> cheap, 70% -> strong }\nflow f { else -> s }", "shares"),
    "a condition in a split": (MODELS + "split s { when request.has_tools -> cheap, else -> strong }\nflow f { else -> s }", "wrong-type"),
    "a flow without arms": (MODELS + "flow f { deadline = 2s }\nflow g { when request.has_tools -> cheap, else -> strong }", "uncovered"),
    "a key in the file": (MODELS + 'provider openai { key = "x" }' + USE_BOTH, "secret-in-file"),
    "a field of the request that is misspelt": (MODELS + "flow f { when request.token < 2k -> cheap, else -> strong }", "unknown-field"),
    "a signal by itself": (MODELS + COMPLEXITY + "flow f { when complexity -> cheap, else -> strong }", "wrong-type"),
    "a score in a route": (MODELS + "scorer s using length { min = 1 }\ncascade c { steps = [cheap, strong], accept = s >= 0.5 }\nflow f { when s > 0.5 -> cheap, else -> c }", "wrong-type"),
    "a retry of budgets": (MODELS + "fallback x { try = [cheap, strong], on = [budget] }\nflow f { else -> x }", "out-of-range"),
    "a status that is no class": (MODELS + "fallback x { try = [cheap, strong], on = [503] }\nflow f { else -> x }", "wrong-type"),
    "an attribute at the top": (MODELS + "deadline = 2s" + USE_BOTH, "unexpected-token"),
    "an empty list": (MODELS + "tier t { models = [] }" + USE_BOTH, "out-of-range"),
    "a let that is a circle": ("mmflow 1\nlet a = b\nlet b = a\nmodel cheap { provider = openai, id = a }\nflow f { else -> cheap }", "cycle"),
    "like in a circle": ('mmflow 1\nmodel a like b { id = "x" }\nmodel b like a { id = "y" }\nflow f { when request.has_tools -> a, else -> b }', "cycle"),
    "a price that nobody knows, promised": ('mmflow 1\nmodel own { provider = sim, id = "x" }\nflow f { max_cost = $1\n else -> own }', "unknown-price"),
    "an import": (MODELS + 'import "x.mmf" as x' + USE_BOTH, "unreadable-import"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_gets_its_code_and_nothing_else(name: str) -> None:
    text, code = BROKEN[name]
    assert sorted(set(codes(text))) == [code]


def test_the_smallest_useful_file_is_clean() -> None:
    assert codes(MODELS + "flow main { when request.tokens <= 2k -> cheap\n else -> strong }") == []


def test_a_misspelt_name_is_suggested() -> None:
    assert (
        one(MODELS + "flow f { when request.has_tools -> chep, else -> strong }\nflow g { else -> cheap }").help
        == "did you mean `cheap`?"
    )


def test_minutes_are_suggested_for_millions() -> None:
    assert "20m" in (one(BROKEN["millions where minutes are due"][0]).help or "")


def test_arms_that_cover_every_label_need_no_else() -> None:
    assert codes(MODELS + COMPLEXITY + "flow f { when complexity < high -> cheap, when complexity == high -> strong }") == []


def test_unsure_none_adds_a_label_that_arms_must_cover() -> None:
    classifier = TASK.replace("unsure = other", "unsure = none")
    text = MODELS + classifier + "flow f { when task == code -> cheap, when task == other -> strong }"
    assert one(text).message == "`f` has no target for a request with task = unsure"


def test_uncovered_shows_the_situation_of_two_classifiers() -> None:
    text = MODELS + COMPLEXITY + TASK
    text += "flow f { when task == code -> cheap, when task == other and complexity <= medium -> strong }"
    assert one(text).message == "`f` has no target for a request with task = other, complexity = high"


def test_token_ranges_are_told_apart() -> None:
    text = MODELS + "flow f { when request.tokens < 10 -> cheap, when request.tokens >= 10 -> strong }"
    assert codes(text) == []
    assert "request.tokens = 10" in one(text.replace(">= 10", "> 10")).message


def test_an_arm_below_else_is_never_taken() -> None:
    diagnostic = one(MODELS + "flow f { else -> cheap, when request.has_tools -> strong }")
    assert (diagnostic.code, diagnostic.notes[0].message) == ("unreachable-arm", "an `else` before it takes everything")


def test_a_let_is_blamed_where_it_is_used_with_a_note_of_where_it_stands() -> None:
    diagnostic = one(MODELS + "let d = 20\nflow f { deadline = d\n when request.has_tools -> cheap, else -> strong }")
    assert diagnostic.span.text == "d"
    assert diagnostic.notes[-1].span is not None
    assert diagnostic.notes[-1].span.text == "20"


def test_mistakes_in_several_blocks_are_all_found() -> None:
    text = 'mmflow 1\nmodel a { provider = sim, id = 3 }\nmodel b { provider = sim, id = "b", price = 3 }\nflow f { when x == y -> a, else -> b }'
    assert codes(text) == ["wrong-type", "wrong-type", "unknown-name"]


def test_like_copies_what_is_not_set() -> None:
    text = 'mmflow 1\nmodel a { provider = sim, id = "a", price = free, quality = 0.5 }\nmodel b like a { id = "b" }\n'
    parsed = parse(Source("t", text + "flow f { when request.has_tools -> a, else -> b }"))
    program = check(parsed.file, Registry.installed()).program
    assert (program.declarations["b"].fields.id, program.declarations["b"].fields.quality) == ("b", 0.5)


def test_many_classifiers_cost_only_what_is_read() -> None:
    names = [f"c{i}" for i in range(20)]
    text = MODELS + "".join(COMPLEXITY.replace("complexity", name) for name in names)
    text += "flow f {\n" + "".join(f"  when {name} == high -> cheap\n" for name in names) + "  else -> strong\n}\n"
    assert codes(text) == []


PARAM = MODELS + 'param bar = 0.8\nparam who = "me"\nscorer s using length { min = 1 }\n'
PARAM += "cascade c { steps = [cheap, strong], accept = s >= bar }\nflow f { when request.user == who -> cheap, else -> c }"


def test_a_param_is_set() -> None:
    program = check(parse(Source("t", PARAM)).file, Registry.installed(), {"bar": "0.9", "who": "you two"}).program
    assert program.params == {"bar": "0.9", "who": "you two"}
    assert program.declarations["c"].fields.accept.test.value == 0.9
    assert program.declarations["f"].arms[0].condition.test.value == "you two"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"baar": "1"}, "no parameter `baar`"),
        ({"bar": "20s"}, "cannot be the duration `20s`"),
        ({"bar": "hello"}, "is a quantity, not `hello`"),
        ({"bar": "}"}, "is a quantity, not `}`"),
    ],
)
def test_a_param_that_cannot_be_set_is_refused(params: dict[str, str], message: str) -> None:
    with pytest.raises(ParamError, match=message):
        check(parse(Source("t", PARAM)).file, Registry.installed(), params)
