"""The checker: each mistake gets its code, in its place, with what to do; and a clean file gets nothing."""

import pytest

from mmflow.build import build
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
    "a field that is misspelt": ('mmflow 1\nmodel cheap { provider = openai, id = "x", price = free, qualty = 0.5 }\nflow f { else -> cheap }', "unknown-field"),
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


def test_a_file_where_a_text_is_due_says_where_the_text_goes() -> None:
    judged = MODELS + 'scorer q using judge { model = cheap, rubric = file("rubric.txt") }\nflow f { else -> strong }'
    (refused,) = [each for each in found(judged) if each.code != "unused"]
    assert (refused.code, refused.span.text) == ("wrong-type", 'file("rubric.txt")')
    assert refused.help == 'write the text itself, on several lines between `"""` and `"""`'


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


def _model(field: str) -> str:
    return f'mmflow 1\nmodel cheap {{ provider = openai, id = "gpt-4o-mini", {field} }}\nflow f {{ else -> cheap }}'


def _flow(field: str) -> str:
    return MODELS + f"flow f {{ {field}\n when request.has_tools -> cheap, else -> strong }}"


def _when(condition: str, before: str = "") -> str:
    return MODELS + before + f"flow f {{ when {condition} -> cheap, else -> strong }}"


def _cascade(condition: str) -> str:
    return MODELS + f"cascade c {{ steps = [cheap, strong], accept = {condition} }}\nflow f {{ else -> c }}"


def _fallback(fields: str) -> str:
    return MODELS + f"fallback x {{ try = [cheap, strong], {fields} }}\nflow f {{ else -> x }}"


def _labels(labels: str) -> str:
    return MODELS + f"classify cx using heuristic {{ {labels} }}\nflow f {{ when cx == low -> cheap, else -> strong }}"


EXPLAINED = {
    "a duration in quotes": (_flow('deadline = "20s"'), "wrong-type", '"20s"', "write `20s` without quotes"),
    "a bare number for a timeout": (_model("timeout = 5"), "wrong-type", "5", "write `5ms` or `5s`"),
    "no time at all": (_model("timeout = { total = 0s }"), "out-of-range", "0s", None),
    "no time at all, in short": (_model("timeout = 0s"), "out-of-range", "0s", None),
    "no tokens at all": (_flow("max_output = 0"), "out-of-range", "0", None),
    "tokens below none": (_flow("max_output = -5"), "out-of-range", "-5", None),
    "a temperature off the scale": (_when("request.has_tools").replace("else -> strong", "else -> strong with { temperature = 9 }"), "out-of-range", "9", None),
    "a weight below none": (_model("weight = -1"), "out-of-range", "-1", None),
    "a number of 5000 digits": (_flow("max_output = " + "1" * 5000), "wrong-type", "1" * 5000, "write at most 60 characters"),
    "a price that is infinite": (_model("weight = 1e999"), "wrong-type", "1e999", "no such quantity is met in practice; is its unit the one you mean?"),
    "free in quotes": (_model('price = "free"'), "wrong-type", '"free"', "write `free` without quotes"),
    "a capability that is misspelt": (_model("capabilities = [tols]"), "wrong-type", "tols", "did you mean `tools`?"),
    "a target in quotes": (_when("request.has_tools").replace("else -> strong", 'when request.has_images -> strong, else -> "cheap"'), "wrong-type", '"cheap"', "write `cheap` without quotes"),
    "a name in quotes": ('mmflow 1\nmodel "cheap" { provider = openai, id = "gpt-4o" }\nflow f { else -> cheap }', "wrong-type", '"cheap"', "write `model cheap { … }`"),
    "a key by its name alone": (MODELS + "provider openai { key = OPENAI_API_KEY }" + USE_BOTH, "wrong-type", "OPENAI_API_KEY", 'write `secret("OPENAI_API_KEY")`'),
    "a required field that is misspelt": (_labels("labls = low < high, unsure = low"), "unknown-field", "labls", "did you mean `labels`?"),
    "labels in quotes": (_labels('labels = ["low", "high"], unsure = low'), "wrong-type", '"low"', "write `low` without quotes"),
    "a label that unsure takes": (_labels("labels = [low, unsure], unsure = none"), "reserved-word", "[low, unsure]", "choose another label"),
    "like of another kind": (MODELS + TASK + 'model x like task { id = "x" }\nflow f { when task == code -> cheap, when request.has_tools -> x, else -> strong }', "wrong-type", "task", "`like` copies from a block of the same kind"),
    "an error class that is misspelt": (_fallback("on = [429, timout]"), "wrong-type", "timout", "did you mean `timeout`?"),
    "an error class in quotes": (_fallback('on = ["429"]'), "wrong-type", '"429"', "write `429` without quotes"),
    "a status with a strange digit": (_fallback("on = [42²]"), "wrong-type", "42²", None),
    "meta without its field": (_when('request.meta == "x"'), "wrong-type", "request.meta", 'write `request.meta("team")`'),
    "meta by itself": (_when('request.meta("team")'), "wrong-type", 'request.meta("team")', 'compare it: `request.meta("team") == …`'),
    "the request by itself": (_when("request"), "wrong-type", "request", None),
    "an answer that is accepted by its request": (_cascade("request.has_tools"), "wrong-type", "request.has_tools", None),
    "an answer that is accepted by the text of its request": (_cascade('request.text matches "x"'), "wrong-type", "request.text", None),
    "with given twice": (_when("request.has_tools").replace("else -> strong", "else -> strong with { max_output = 5 } with { deadline = 2s }"), "duplicate-name", "{ deadline = 2s }", None),
    "a guard that says nothing": (MODELS + "guard g { }\nflow f { guards = [g]\n when request.has_tools -> cheap, else -> strong }", "guard-empty", "guard g", None),
    "a guard with a word for a list": (MODELS + "guard g { when true -> target.zone in own }\nflow f { guards = [g]\n when request.has_tools -> cheap, else -> strong }", "wrong-type", "own", "write `target.zone in [own]`"),
    "a zone that only resembles": (MODELS + "provider openai { zone = internal }" + USE_BOTH, "wrong-type", "internal", None),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_mistake_gets_one_diagnostic_in_its_place_with_its_fix(name: str) -> None:
    text, code, place, help = EXPLAINED[name]
    diagnostic = one(text)
    assert (diagnostic.code, diagnostic.span.text) == (code, place)
    assert help is None or diagnostic.help == help


def test_a_let_may_stand_for_a_signal_a_field_of_the_request_and_a_label_in_a_list() -> None:
    lets = COMPLEXITY + "let how = complexity\nlet who = request.user\nlet least = low\n"
    assert codes(_when('how in [least] or who == "ada"', lets)) == []


def test_a_target_in_a_let_is_blamed_where_it_is_used() -> None:
    diagnostic = one(
        MODELS + 'let t = "cheap"\nflow f { when request.has_tools -> t, when request.has_images -> cheap, else -> strong }'
    )
    assert (diagnostic.span.text, diagnostic.notes[-1].span and diagnostic.notes[-1].span.text) == ("t", '"cheap"')


DOUBLED = "".join(f"let a{i + 1} = a{i} {{}} a{i}\n" for i in range(40))
HUGE = {
    "a condition that doubles": _when("a40", "let a0 = request.has_tools\n" + DOUBLED.replace("{}", "and")),
    "a need that doubles": MODELS
    + "let a0 = target.zone == own\n"
    + DOUBLED.replace("{}", "or")
    + "guard g { when true -> a40 }\nflow f { guards = [g]\n when request.has_tools -> cheap, else -> strong }",
    "a condition that is deep": _when("a999", "let a0 = true\n" + "".join(f"let a{i + 1} = not a{i}\n" for i in range(999))),
    "a target that is deep": _when("request.has_tools", "let a0 = cheap\n" + "".join(f"let a{i + 1} = a{i} with {{ }}\n" for i in range(999)))
    .replace("else -> strong", "when request.has_images -> strong, else -> a999"),
    "a long way by like": _when("request.has_tools", "model m0 like cheap { }\n" + "".join(f"model m{i + 1} like m{i} {{ }}\n" for i in range(99)))
    .replace("else -> strong", "when request.has_images -> strong, else -> m99"),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_what_a_few_lines_blow_up_is_refused_once(name: str) -> None:
    assert codes(HUGE[name]) == ["out-of-range"]


def test_what_does_not_parse_is_not_said_to_lack() -> None:
    text = (
        MODELS + "guard g { when request.has_tools }\nflow f { guards = [g]\n deadline = 20 s\n when request.has_tools -> cheap }"
    )
    found = build(Source("test.mmf", text), Registry.installed()).diagnostics
    assert [each.code for each in found] == ["arrow-missing", "unexpected-token"]


@pytest.mark.parametrize("never", ["false or false", "not true", "not (true or request.has_tools)", "false and false"])
def test_a_condition_that_reads_nothing_is_decided(never: str) -> None:
    assert codes(_when(never).replace("else ->", "when request.has_tools -> cheap, else ->")) == ["unreachable-arm"]


def test_a_block_of_an_unknown_kind_is_told_once_and_not_where_it_is_used() -> None:
    assert codes(MODELS + "expriment trial { else -> cheap }\nflow f { when request.has_tools -> trial, else -> strong }") == [
        "unknown-kind"
    ]
