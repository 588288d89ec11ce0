"""One thing broken in a large workflow: reported once, by its name, in its line, with every other block kept."""

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.source import Source
from mmflow.syntax import nodes
from mmflow.syntax.parse import Parsed, parse

SUPPORT = (Path(__file__).parent / "data" / "support.mmf").read_text()

# What is broken: the code, what stands in the sound file, what in the broken one, and a part of the line that is reported.
VARIANTS: list[tuple[str, str, str, str]] = [
    # the first line
    ("edition-missing", "mmflow 1\n", "", "use acme"),
    ("edition-missing", "mmflow 1\n", "mmflow\n", "mmflow"),
    ("edition-missing", "mmflow 1\n", "mmflo 1\n", "mmflo"),
    ("edition-missing", "mmflow 1\n", "1\n", "1"),
    ("edition-missing", "mmflow 1\n", "mmflow one\n", "mmflow one"),
    ("edition-missing", "mmflow 1\n", "mmflow 1.5\n", "mmflow 1.5"),
    ("edition-missing", "mmflow 1\n", "# a comment\n\n", "use acme"),
    ("edition-newer", "mmflow 1\n", "mmflow 2\n", "mmflow 2"),
    ("edition-newer", "mmflow 1\n", "mmflow 17\n", "mmflow 17"),
    # a value
    ("value-missing", "param daily_limit = $50/day", "param daily_limit =", "param"),
    ("value-missing", 'url = "http://llm.dc1.internal:8000/v1"', "url =", "url ="),
    ("value-missing", "zone = own\n", "zone = # where?\n", "zone ="),
    ("value-missing", "min_quality = 0.70", "min_quality =", "min_quality ="),
    ("value-missing", '{ id = "claude-sonnet-4" }', "{ id = }", "{ id = }"),
    ("value-missing", "limits = { requests = 500/min,", "limits = { requests = ,", "limits ="),
    ("value-missing", "concurrency = 64 }", "concurrency = }", "limits ="),
    ("value-missing", "ttl = 1h", "ttl =", "ttl ="),
    ("value-missing", "with { deadline = 18s }", "with { deadline = }", "when task == math"),
    ("value-missing", "never_called(zone = external)", "never_called(zone = )", "never_called("),
    ("value-missing", "reply(quality = 0.60)", "reply(quality =)", "when fast ->"),
    ("value-missing", "given = { data = public, task = other, complexity = low }", "given =", "given ="),
    ("value-missing", "expect = [served_by(mini), attempts(sonnet) == 2]", "expect =", "expect ="),
    ("value-missing", "models = [llama, mini]", "models =\n    [llama, mini]", "models ="),
    # an arrow
    ("arrow-missing", "confidential -> private", "confidential private", "confidential private"),
    ("arrow-missing", "when task == code -> code_answer", "when task == code code_answer", "code code_answer"),
    ("arrow-missing", "when task == code -> code_answer", "when task == code", "when task == code\n"),
    ("arrow-missing", "when task == code -> code_answer", "when task == code => code_answer", "=> code_answer"),
    ("arrow-missing", "when task == code -> code_answer", "when task == code: code_answer", ": code_answer"),
    ("arrow-missing", "when task == code -> code_answer", "when task == code then code_answer", "then"),
    ("arrow-missing", "else -> deep\n", "else deep\n", "else deep"),
    ("arrow-missing", "else -> deep\n", "else: deep\n", "else: deep"),
    ("arrow-missing", "else -> deep\n", "else\n", "else\n"),
    ("arrow-missing", "10% -> sonnet_next", "10% sonnet_next", "10% sonnet_next"),
    ("arrow-missing", "10% -> sonnet_next", "10%", "10%\n"),
    ("arrow-missing", "10% -> sonnet_next", "10%: sonnet_next", "10%:"),
    ("arrow-missing", 'when spent >= 80% -> alert("ops")', 'when spent >= 80% alert("ops")', "80% alert"),
    ("arrow-missing", "when sonnet -> fail(429)", "when sonnet fail(429)", "sonnet fail"),
    ("arrow-missing", "when fast -> reply(", "when fast reply(", "when fast reply"),
    ("arrow-missing", "-> target.zone == own", "target.zone == own", "when data >= confidential target"),
    ("arrow-missing", 'when target.family == "llama" -> """', 'when target.family == "llama" """', 'family == "llama" """'),
    ("arrow-missing", "when task == math -> thinker with", "when task == math thinker with", "math thinker"),
    # a target
    ("target-missing", "when task == code -> code_answer", "when task == code ->", "when task == code ->"),
    ("target-missing", "else -> deep\n", "else ->\n", "else ->\n}"),
    ("target-missing", "10% -> sonnet_next", "10% ->", "10% ->"),
    ("target-missing", "when data >= confidential -> off", "when data >= confidential -> # nothing", "# nothing"),
    ("target-missing", "when sonnet -> fail(429)", "when sonnet ->", "when sonnet ->"),
    ("target-missing", "when task == code -> code_answer", "when task == code ->\n    code_answer", "when task == code ->"),
    # a comma
    ("comma-missing", "models = [llama, mini]", "models = [llama mini]", "[llama mini]"),
    ("comma-missing", "models = [mini, sonnet]", "models = [\n    mini\n    sonnet,\n  ]", "    mini\n"),
    ("comma-missing", "labels = [code, math, other]", "labels = [code, math other]", "math other"),
    ("comma-missing", "on = [429, 5xx, timeout]", "on = [429 5xx, timeout]", "429 5xx"),
    ("comma-missing", "on = [429, 5xx, timeout]", "on = [429, 5xx timeout]", "5xx timeout"),
    ("comma-missing", "try = [sonnet_upgrade, mini]", "try = [sonnet_upgrade mini]", "upgrade mini"),
    ("comma-missing", "expect = [served_by(private), never", "expect = [served_by(private) never", "(private) never"),
    ("comma-missing", "expect = [calls == [fast, general], cost", "expect = [calls == [fast, general] cost", "general] cost"),
    ("comma-missing", "calls == [fast, general]", "calls == [fast general]", "[fast general]"),
    ("comma-missing", "guards = [residency]", 'guards = ["a" "b"]', '"a" "b"'),
    ("comma-missing", 'key = secret("OPENAI_API_KEY")', 'key = secret("OPENAI_API_KEY" "x")', '" "x'),
    ("comma-missing", "models = [mini, sonnet]", "models = [mini; sonnet]", "mini; sonnet"),
    # `:` or nothing for `=`
    ("not-an-attribute", "zone = own\n", "zone: own\n", "zone: own"),
    ("not-an-attribute", "deadline = 20s\n", "deadline : 20s\n", "deadline : 20s"),
    ("not-an-attribute", "deadline = 20s\n", "deadline 20s\n", "deadline 20s"),
    ("not-an-attribute", "max_cost = $0.10", "max_cost $0.10", "max_cost $"),
    ("not-an-attribute", "pick = cheapest", "pick cheapest", "pick cheapest"),
    ("not-an-attribute", 'id = "gpt-4o-mini"', 'id "gpt-4o-mini"', 'id "gpt'),
    ("not-an-attribute", 'id = "gpt-4o-mini"', 'id: "gpt-4o-mini"', 'id: "gpt'),
    ("not-an-attribute", "models = [llama, mini]", "models [llama, mini]", "models [llama"),
    ("not-an-attribute", "models = [llama, mini]", "models: [llama, mini]", "models: [llama"),
    ("not-an-attribute", 'key = secret("OPENAI_API_KEY")', 'key secret("OPENAI_API_KEY")', "key secret"),
    ("not-an-attribute", 'key = secret("OPENAI_API_KEY")', 'key: secret("OPENAI_API_KEY")', "key: secret"),
    ("not-an-attribute", "price = { input = $0.10/1M,", "price = { input: $0.10/1M,", "input: $"),
    ("not-an-attribute", "price = { input = $0.10/1M,", "price: { input = $0.10/1M,", "price: {"),
    ("not-an-attribute", "p95 = 420ms }", "p95: 420ms }", "p95: 420ms"),
    ("not-an-attribute", "p95 = 420ms }", "p95 420ms }", "p95 420ms"),
    ("not-an-attribute", "accept = quality >= 0.85", "accept quality >= 0.85", "accept quality"),
    ("not-an-attribute", "accept = quality >= 0.85", "accept: quality >= 0.85", "accept: quality"),
    ("not-an-attribute", "param daily_limit = $50/day", "param daily_limit $50/day", "param"),
    ("not-an-attribute", "param daily_limit = $50/day", "param daily_limit: $50/day", "param"),
    ("not-an-attribute", "with { deadline = 18s }", "with { deadline: 18s }", "deadline: 18s"),
    ("not-an-attribute", "cache = answers\n", "cache == answers\n", "cache == answers"),
    ("not-an-attribute", "format = json\n", "format := json\n", "format := json"),
    ("not-an-attribute", "sticky = request.user", "sticky request.user", "sticky request"),
    ("not-an-attribute", "sticky = request.user", "sticky", "sticky\n"),
    ("not-an-attribute", "labels = public < internal", "labels public < internal", "labels public"),
    ("not-an-attribute", "labels = public < internal", "labels: public < internal", "labels: public"),
    # `=` for `==`
    ("equal-for-compare", "when task == code ->", "when task = code ->", "task = code"),
    ("equal-for-compare", "when complexity == low ->", "when complexity = low ->", "complexity = low"),
    ("equal-for-compare", 'when target.family == "llama" ->', 'when target.family = "llama" ->', "family = "),
    ("equal-for-compare", "-> target.zone == own", "-> target.zone = own", ".zone = own"),
    ("equal-for-compare", "[calls == [fast, general]", "[calls = [fast, general]", "calls = "),
    ("equal-for-compare", "attempts(sonnet) == 2", "attempts(sonnet) = 2", "attempts(sonnet) = 2"),
    # two on a line
    ("two-on-a-line", "  zone = own\n  region = eu\n", "  zone = own region = eu\n", "zone = own region"),
    ("two-on-a-line", "deadline = 20s\n  max_input = 8k", "deadline = 20s max_input = 8k", "20s max_input"),
    ("two-on-a-line", "format = json\n  schema = ", "format = json schema = ", "json schema"),
    ("two-on-a-line", "pick = cheapest\n  min_quality", "pick = cheapest min_quality", "cheapest min"),
    ("two-on-a-line", "models = [llama, mini]\n  pick", "models = [llama, mini] pick", "mini] pick"),
    ("two-on-a-line", "$0.10/1M, output = $0.10/1M", "$0.10/1M output = $0.10/1M", "1M output"),
    ("two-on-a-line", "task == code -> code_answer\n  when", "task == code -> code_answer when", "code_answer when"),
    ("two-on-a-line", "complexity == medium -> general\n  else", "complexity == medium -> general else", "general else"),
    ("two-on-a-line", "10% -> sonnet_next\n  else", "10% -> sonnet_next else", "next else"),
    ("two-on-a-line", "output = reply\n\n  when", "output = reply when", "reply when"),
    ("two-on-a-line", 'provider = openai\n  id = "o1"', 'provider = openai id = "o1"', "openai id"),
    ("two-on-a-line", "tier general { models = [mini, sonnet] }\n", "tier general { models = [mini, sonnet] } ", "general {"),
    # names of a block
    ("two-names", "model mini {", "model mini small {", "model mini small"),
    ("two-names", "provider dc1 using", "provider dc1 frankfurt using", "dc1 frankfurt"),
    ("two-names", 'test "a weak', 'test weak "a weak', 'test weak "a'),
    ("two-names", "flow support {", 'flow support "the main one" {', "flow support"),
    ("two-names", "tier deep {", "tier deep thought {", "deep thought"),
    ("two-names", "model judge_small like llama {", "model judge small like llama {", "judge small"),
    ("two-names", "model judge_small like llama {", "model judge very small like llama {", "judge very"),
    # strings
    ("open-string", '"http://llm.dc1.internal:8000/v1"', '"http://llm.dc1.internal:8000/v1', "url ="),
    ("open-string", '"http://llm.dc1.internal:8000/v1"', 'http://llm.dc1.internal:8000/v1"', "url ="),
    ("open-string", '"gpt-4o-mini"', '"gpt-4o-mini', '"gpt-4o-mini'),
    ("open-string", '"gpt-4o-mini"', 'gpt-4o-mini"', 'gpt-4o-mini"'),
    ("open-string", 'secret("OPENAI_API_KEY")', 'secret("OPENAI_API_KEY)', "OPENAI_API_KEY)"),
    ("open-string", 'secret("OPENAI_API_KEY")', 'secret(OPENAI_API_KEY")', "OPENAI_API_KEY"),
    ("open-string", 'secret("ANTHROPIC_API_KEY") }', 'secret("ANTHROPIC_API_KEY) }', "ANTHROPIC_API_KEY)"),
    ("open-string", 'secret("ANTHROPIC_API_KEY") }', 'secret(ANTHROPIC_API_KEY") }', "ANTHROPIC_API_KEY"),
    ("open-string", '"scorecards/2026-q4.json"', '"scorecards/2026-q4.json', "scorecards/"),
    ("open-string", 'alert("ops")', 'alert("ops)', "alert("),
    ("open-string", 'family == "llama" -> """', 'family == "llama -> """', 'family == "llama'),
    ("open-string", 'test "a weak first answer escalates" {', 'test "a weak first answer escalates {', "test"),
    ("open-string", 'test "a weak first answer escalates" {', 'test a weak first answer escalates" {', "test"),
    ("open-string", 'id = "claude-sonnet-4" }', 'id = "claude-sonnet-4 }', "claude-sonnet-4"),
    ("open-string", "Be brief.\n    \"\"\"", "Be brief.", 'family == "llama" ->'),
    ("open-string", "language }}.\n    \"\"\"\n}", "language }}.\n}", 'else -> """'),
    # braces and brackets
    ("open-brace", "region = eu\n}", "region = eu\n", "provider dc1"),
    ("open-brace", "concurrency = 64 }\n}", "concurrency = 64 }\n", "provider openai"),
    ("open-brace", "concurrency = 64 }", "concurrency = 64", "limits ="),
    ("open-brace", 'secret("ANTHROPIC_API_KEY") }', 'secret("ANTHROPIC_API_KEY")', "provider anthropic"),
    ("open-brace", "output = $0.10/1M }", "output = $0.10/1M", "price ="),
    ("open-brace", "p95 = 420ms }", "p95 = 420ms", "p95 = 420ms"),
    ("open-brace", "max_p95 = 2s\n}", "max_p95 = 2s", "tier fast"),
    ("open-brace", "else -> deep\n}", "else -> deep\n", "flow support"),
    ("open-brace", "with { deadline = 18s }", "with { deadline = 18s", "deadline = 18s"),
    ("open-brace", "attempts(sonnet) == 2]\n}", "attempts(sonnet) == 2]\n", 'test "a rate'),
    ("open-brace", "not_worse_than = 0.02 }", "not_worse_than = 0.02", "promote ="),
    ("open-brace", "not_worse_than = 0.02 }\n}", "not_worse_than = 0.02 }", "experiment"),
    ("open-brace", "complexity = low }", "complexity = low", "complexity = low\n"),
    ("open-brace", "models = [llama, mini]", "models = [llama, mini", "[llama, mini"),
    ("open-brace", "on = [429, 5xx, timeout]", "on = [429, 5xx, timeout", "on ="),
    ("open-brace", "cost < $0.02]", "cost < $0.02", "cost < $0.02"),
    ("open-brace", 'secret("OPENAI_API_KEY")', 'secret("OPENAI_API_KEY"', "OPENAI_API_KEY"),
    ("open-brace", 'secret("ANTHROPIC_API_KEY")', 'secret("ANTHROPIC_API_KEY"', "ANTHROPIC_API_KEY"),
    ("open-brace", "served_by(private),", "served_by(private,", "served_by(private"),
    ("open-brace", "reply(quality = 0.91)", "reply(quality = 0.91", "0.91"),
    ("unexpected-token", "provider dc1 using openai_compatible {", "provider dc1 using openai_compatible", "provider dc1"),
    ("unexpected-token", "model mini {", "model mini", "model mini\n"),
    ("unexpected-token", "model judge_small like llama {", "model judge_small like llama", "judge_small like"),
    ("unexpected-token", "tier deep {", "tier deep", "tier deep"),
    ("unexpected-token", "provider anthropic {", "provider anthropic", "provider anthropic key"),
    ("unexpected-token", "flow support {", "flow support", "flow support\n"),
    ("unexpected-token", 'test "a weak first answer escalates" {', 'test "a weak first answer escalates"', 'test "a weak'),
    ("unexpected-token", "limits = { requests", "limits = requests", "limits ="),
    ("unexpected-token", "with { deadline = 18s }", "with deadline = 18s }", "with deadline"),
    ("unexpected-token", "given = { data = public, task = other", "given = data = public, task = other", "given = data"),
    ("unexpected-token", "thinker with { deadline", "thinker { deadline", "thinker { deadline"),
    ("unexpected-token", "accept = quality >= 0.85", "accept = quality >= 0.85)", "0.85)"),
    ("unexpected-token", "models = [llama, mini]", "models = llama, mini]", "models = llama"),
    ("unexpected-token", "else -> deep\n}", "else -> deep\n}\n} # one too many", "} # one"),
    ("unexpected-token", "output = $0.10/1M }", "output = $0.10/1M }}", "}}"),
    ("unexpected-token", "p95 = 420ms }", "p95 = 420ms }\n  } # one too many", "} # one too many"),
    ("unexpected-token", "with { deadline = 18s }", "with { deadline = 18s }}", "}}"),
    ("unexpected-token", "zone = own\n", "zone = own }\n", "zone = own }"),
    ("unexpected-token", "model mini {", "model mini {}", "model mini {}"),
    # operators
    ("leading-operator", "when task == code -> code_answer", "when task == code\n    -> code_answer", "    -> code_answer"),
    ("leading-operator", "when task == code ->", "when task == code\n    and complexity == low ->", "    and complexity"),
    ("leading-operator", "when task == code ->", "when task == code\n  or task == math ->", "  or task == math"),
    ("leading-operator", "else -> deep\n", "else\n    -> deep\n", "    -> deep"),
    ("leading-operator", "10% -> sonnet_next", "10%\n    -> sonnet_next", "    -> sonnet_next"),
    ("leading-operator", "accept = quality >= 0.85", "accept = quality\n    >= 0.85", "    >= 0.85"),
    ("leading-operator", "accept = quality >= 0.85", "accept = quality >= 0.85\n    and true", "    and true"),
    ("leading-operator", "thinker with { deadline = 18s }", "thinker\n    with { deadline = 18s }", "    with {"),
    # others
    ("unexpected-token", "when task == code ->", "when task is code ->", "task is code"),
    ("unexpected-token", "when task == code ->", "when task == ->", "task == ->"),
    ("unexpected-token", "when task == code ->", "when ->", "when ->"),
    ("unexpected-token", "when task == code ->", "task == code ->", "  task == code ->"),
    ("unexpected-token", "when task == code ->", "when task == code && data == public ->", "&&"),
    ("unexpected-token", "when task == code ->", "when task == code || data == public ->", "||"),
    ("unexpected-token", "when task == code ->", "when task === code ->", "==="),
    ("unexpected-token", "else -> deep\n", "else when task == other -> deep\n", "else when"),
    ("unexpected-token", "else -> deep\n", "else if task == other -> deep\n", "else if"),
    ("unexpected-token", "zone = own\n", "zone = own;\n", "own;"),
    ("unexpected-token", 'id = "gpt-4o-mini"', "id = 'gpt-4o-mini'", "'gpt-4o-mini'"),
    ("unexpected-token", 'id = "gpt-4o-mini"', "id = “gpt-4o-mini”", "“gpt"),
    ("unexpected-token", "ttl = 1h", "ttl = ?", "ttl = ?"),
    ("unexpected-token", "ttl = 1h", "ttl = 1h !", "ttl = 1h !"),
    ("unexpected-token", "ttl = 1h", "ttl = 1 h", "ttl = 1 h"),
    ("unexpected-token", "ttl = 1h", "time to live = 1h", "time to live"),
    ("unexpected-token", "model mini {", "model gpt-4o-mini {", "model gpt-4o-mini"),
    ("unexpected-token", "model mini {", "model 4o {", "model 4o"),
    ("unexpected-token", "model mini {", "modèle mini {", "modèle"),
    ("unexpected-token", "provider dc1 using", "provider dc1 use", "dc1 use"),
    ("unexpected-token", "provider dc1 using", "provider dc1 usng", "dc1 usng"),
    ("unexpected-token", "param daily_limit =", "parm daily_limit =", "parm"),
    ("unexpected-token", "labels = [code, math, other]", "labels = [code,, math, other]", "code,,"),
    ("unexpected-token", "use acme.judge@2 as judge", "use acme.judge@2 as", "use acme"),
    ("unexpected-token", "use acme.judge@2 as judge", "use", "use"),
    ("unexpected-token", "param daily_limit = $50/day", 'import tiers.mmf as tiers', "import"),
    ("unexpected-token", "zone = own\n", "let x = 3\n", "let x"),
    ("too-deep", "ttl = 1h", "ttl = " + "[" * 300 + "]" * 300, "ttl ="),
    ("too-deep", "ttl = 1h", "ttl = " + "not " * 300 + "true", "ttl ="),
    ("not-text", "ttl = 1h", "ttl = 1h \x07", "ttl ="),
    ("not-text", "ttl = 1h", 'ttl = "\u202e1h"', "ttl ="),
    ("not-text", "ttl = 1h", "t\x1btl = 1h", "t\x1btl"),
]  # fmt: skip


def broken(before: str, after: str) -> str:
    assert before in SUPPORT, before
    return SUPPORT.replace(before, after, 1)


def line_of(text: str, mark: str, near: int) -> int:
    at = text.find(mark) if text.count(mark) == 1 else text.find(mark, max(0, text.rfind("\n", 0, near) - 1))
    assert at >= 0, mark
    return text.count("\n", 0, at) + 1


def read(text: str) -> Parsed:
    return parse(Source("support.mmf", text))


def found(text: str) -> list[tuple[str, int]]:
    return [(each.code, each.span.position()[0]) for each in read(text).diagnostics]


def blocks(parsed: Parsed) -> list[nodes.Block]:
    return [each for each in parsed.file.items if isinstance(each, nodes.Block)]


SOUND = blocks(read(SUPPORT))


def kept(text: str) -> int:
    """How many blocks of the sound workflow are in the tree as they are there."""
    here = blocks(read(text))
    return sum(each in here for each in SOUND)


def variants() -> Iterator[tuple[str, str, int]]:
    """The code, the text, and the line where it is due."""
    for code, before, after, mark in VARIANTS:
        text = broken(before, after)
        yield code, text, line_of(text, mark, SUPPORT.find(before))


@pytest.mark.parametrize(("code", "before", "after", "mark"), VARIANTS)
def test_one_mistake_is_one_diagnostic_in_its_line(code: str, before: str, after: str, mark: str) -> None:
    text = broken(before, after)
    assert found(text) == [(code, line_of(text, mark, SUPPORT.find(before)))]
    assert kept(text) >= len(SOUND) - (2 if "\n" in before else 1)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"\n", "\r\n"),
        (r"(?m)^  ", "\t"),
        (r"(?m)^( +)", r"\1\1"),
        (r"(?m)^(?=.)", "  "),
        (r"\A", "\ufeff"),
        (r"\n\Z", ""),
    ],
    ids=["CRLF", "tabs", "wide", "all indented", "byte order mark", "no last line end"],
)
def test_the_author_s_layout_does_not_matter(pattern: str, replacement: str) -> None:
    for code, text, line in variants():
        assert found(re.sub(pattern, replacement, text)) == [(code, line)]


def test_mistakes_in_several_blocks_are_reported_each_in_its_place() -> None:
    random = Random(7)
    gap = "\n\n"
    candidates = [each for each in VARIANTS if not each[0].startswith("edition")]
    for _ in range(100):
        chosen: dict[int, tuple[str, str, str, str]] = {}
        for each in random.sample(candidates, 5):
            start = SUPPORT.find(each[1])
            if gap not in each[1] and gap not in each[2]:
                chosen.setdefault(SUPPORT.rfind(gap, 0, start), each)
        text, due, shift = SUPPORT, [], 0
        for _, (code, before, after, mark) in sorted(chosen.items()):
            at = SUPPORT.find(before)
            due.append((code, line_of(broken(before, after), mark, at) + shift))
            shift += after.count("\n") - before.count("\n")
        for _, (_, before, after, _) in sorted(chosen.items(), reverse=True):
            at = SUPPORT.find(before)
            text = text[:at] + after + text[at + len(before) :]
        assert found(text) == sorted(due, key=lambda each: each[1])


SIGNS = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    '"',
    '"""',
    ",",
    "=",
    "==",
    "->",
    ":",
    "and",
    "when",
    "else",
    "#",
    "\n",
    "é",
    "\x00",
    "10%",
]


def mutated(random: Random) -> str:
    """The workflow with a token, a character or a line deleted, inserted or doubled."""
    lines = SUPPORT.split("\n")
    at, line = random.randrange(1, len(SUPPORT)), random.randrange(1, len(lines))
    match random.randrange(6):
        case 0:
            return SUPPORT[:at] + SUPPORT[at + 1 :]
        case 1:
            return SUPPORT[:at] + random.choice(SIGNS) + SUPPORT[at:]
        case 2:
            return SUPPORT[:at] + SUPPORT[at : at + 10] * 2 + SUPPORT[at + 10 :]
        case 3:
            return "\n".join(lines[:line] + lines[line + 1 :])
        case 4:
            return "\n".join(lines[:line] + [lines[line]] * 2 + lines[line + 1 :])
        case _:
            words = list(re.finditer(r"\w+|[^\w\s]", SUPPORT))
            word = random.choice(words)
            return SUPPORT[: word.start()] + SUPPORT[word.end() :]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_a_mutation_leaves_the_other_blocks_alone(seed: int) -> None:
    random = Random(seed)
    shares = [kept(mutated(random)) / (len(SOUND) - 1) for _ in range(10)]
    assert sum(shares) / len(shares) >= 0.95


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_many_mutations_give_a_tree(seed: int, count: int) -> None:
    random = Random(seed)
    text = SUPPORT
    for _ in range(count):
        at = random.randrange(len(text))
        text = text[:at] + random.choice(["", random.choice(SIGNS)]) + text[at + random.randrange(4) :] + "\n"
    read(text)


def test_a_second_open_text_behind_one_that_the_layout_closes_ends_too() -> None:
    text = 'mmflow 1\n\nx = """\nparam y = 1 #"""\n"""a"""\n"""b'
    assert "open-string" in {each.code for each in read(text).diagnostics}


def test_a_file_of_mistakes_reports_a_hundred_and_says_that_there_are_more() -> None:
    diagnostics = read("mmflow 1\n" + "x = \n" * 1000).diagnostics
    assert len(diagnostics) == 100
    assert "not shown" in diagnostics[-1].notes[0].message


def test_the_place_of_a_missing_brace_is_told_by_the_layout() -> None:
    (diagnostic,) = read("mmflow 1\nmodel a {\n  x = { y = 1\n  z = 2\n}\n").diagnostics
    assert diagnostic.span.text == "{"
    assert diagnostic.span.position() == (3, 7)
    (note,) = diagnostic.notes
    assert note.span is not None
    assert note.span.position() == (4, 3)


def test_a_missing_brace_is_found_without_indentation_too() -> None:
    text = "mmflow 1\nmodel a {\nx = 1\n\nmodel b {\nx = { y = 1\n}\nmodel c {\nz = 1\n}\n"
    assert found(text) == [("open-brace", 2), ("open-brace", 6)]
    assert [each.name for each in blocks(read(text))] == ["a", "b", "c"]


def test_what_was_meant_stays_in_the_tree() -> None:
    text = broken("when task == code -> code_answer", "when task = code code_answer")
    (flow,) = (each for each in blocks(read(text)) if each.kind == "flow")
    assert flow == next(each for each in SOUND if each.kind == "flow")


def test_what_cannot_be_read_is_broken_and_its_neighbours_are_not() -> None:
    parsed = read("mmflow 1\nmodel a {\n  x = 1\n  y = ? ? ?\n  z = 3\n}\n")
    (block,) = blocks(parsed)
    assert [type(each) for each in block.body.items] == [nodes.Attr, nodes.Broken, nodes.Attr]
    assert block.body.items[1].span.text == "y = ? ? ?"


@pytest.mark.parametrize(
    "text",
    [
        "mmflow 1\nx = " + "[" * 10_000,
        "mmflow 1\nx = " + "[" * 10_000 + "]" * 10_000,
        "mmflow 1\n" + "a { b { " * 10_000,
        "mmflow 1\n" + "a {\n" * 10_000 + "}\n" * 10_000,
        "mmflow 1\nx = " + "(" * 10_000 + "a" + ")" * 10_000,
        "mmflow 1\nx = " + "not " * 10_000 + "a",
        "mmflow 1\nx = a" + ".a" * 10_000,
        "mmflow 1\nx = a" + "()" * 10_000,
        "mmflow 1\nx = a" + " with {}" * 10_000,
    ],
)
def test_any_depth_is_a_diagnostic(text: str) -> None:
    assert [code for code, _ in found(text)] == ["too-deep"]


def test_a_hundred_levels_are_not_too_deep() -> None:
    assert found("mmflow 1\nx = " + "[" * 100 + "]" * 100) == []
    assert found("mmflow 1\nx = " + "[" * 101 + "]" * 101) == [("too-deep", 2)]


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"mmflow 1\n# caf\xe9\nmodel a {}\n", 2, "byte 14 of the file is not UTF-8"),
        (b"\xff\xfem\x00m\x00", 1, "byte 0 of the file is not UTF-8"),
        (b"mmflow 1\nmodel a { x = 1\x00 }\n", 2, "U+0000"),
        (b"mmflow 1\rmodel a {}\r", 1, "carriage return"),
        ("mmflow 1\n# \u202e reversed\n".encode(), 2, "U+202E"),
        (bytes(range(256)) * 10, 2, "not UTF-8"),
        (b"\x00" * 1000, 1, "not text"),
        (b"mmflow 1\n" + b"#" * 5_000_000, 1, "larger than 5 MB"),
    ],
)
def test_what_is_no_text_is_one_diagnostic(data: bytes, line: int, said: str) -> None:
    diagnostics = parse(Source.from_bytes("x.mmf", data)).diagnostics
    assert {each.code for each in diagnostics} == {"not-text"}
    assert said in diagnostics[0].message
    assert diagnostics[0].span.position()[0] == line


def test_a_bad_character_costs_no_block() -> None:
    parsed = parse(Source.from_bytes("x.mmf", b"mmflow 1\nmodel a { x = \x07 }\nmodel b {} # \xe9\n".replace(b"\xe9", b"")))
    assert [each.name for each in blocks(parsed)] == ["a", "b"]


@pytest.mark.parametrize("text", ["", "\n", "   ", "# only a comment\n", "\ufeff"])
def test_an_empty_file_lacks_its_edition(text: str) -> None:
    assert [code for code, _ in found(text)] == ["edition-missing"]


def test_a_newer_edition_is_all_that_is_said_of_a_file() -> None:
    assert found("mmflow 2\nmodel a => ???\n") == [("edition-newer", 1)]


def test_what_was_expected_is_named() -> None:
    (diagnostic,) = read("mmflow 1\nuse a.b as 3\n").diagnostics
    assert diagnostic.message == "unexpected `3`, expected a name"


@pytest.mark.parametrize("end", ["", "\n", "\n= 5"])
def test_a_condition_that_ends_with_and_at_the_end_of_the_file_is_told(end: str) -> None:
    (diagnostic,) = read(f"mmflow 1\nwhen t and{end}").diagnostics
    assert diagnostic.code == "unexpected-token"


def test_a_keyword_may_be_the_name_of_a_block_to_the_parser() -> None:
    (block,) = read("mmflow 1\ntier in {}").file.items
    assert isinstance(block, nodes.Block)
    assert block.name == "in"
