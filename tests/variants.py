"""Files with one mistake each, as people write them from the design alone: the code that is due, and what stands at its place."""

from pathlib import Path

import attrs

SUPPORT = (Path(__file__).parent / "data" / "support.mmf").read_text(encoding="utf-8")


@attrs.frozen
class Variant:
    """A file with one mistake. The line and column at which it is told begin with `place`; empty for the end of a line."""

    code: str
    sentence: str
    place: str
    text: str


def edited(code: str, sentence: str, place: str, *changes: tuple[str, str]) -> Variant:
    """The support workflow of the design with a part, or several, written otherwise."""
    text = SUPPORT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return Variant(code, sentence, place, text)


def written(code: str, sentence: str, place: str, text: str) -> Variant:
    """A small file of its own."""
    return Variant(code, sentence, place, text)


TWO = """mmflow 1

model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
"""

VARIANTS = (
    written(
        "edition-missing",
        "a file that starts with a model",
        'model cheap { provider = openai, id = "gpt-4o-',
        """\
model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    written(
        "edition-missing",
        "the edition after the first block",
        'model cheap { provider = openai, id = "gpt-4o-',
        """\
model cheap { provider = openai, id = "gpt-4o-mini" }
mmflow 1
flow main { else -> cheap }
""",
    ),
    edited("edition-missing", "the edition without number", "mmflow", ("mmflow 1\n", "mmflow\n")),
    written(
        "edition-newer",
        "edition 2",
        "2",
        """\
mmflow 2

model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited(
        "unexpected-token",
        "a closing brace too many",
        "}",
        ("tier private { models = [llama] }\n", "tier private { models = [llama] } }\n"),
    ),
    written(
        "arrow-missing",
        "a question mark",
        "? cheap",
        TWO
        + """\
flow main {
  when request.tokens <= 2k ? cheap
  else -> strong
}
""",
    ),
    edited("unexpected-token", "two operators", "<= 0.85", ("quality >= 0.85", "quality >= <= 0.85")),
    edited("value-missing", "deadline without value", "", ("deadline = 20s", "deadline =")),
    edited(
        "value-missing",
        "an attribute of a record without value",
        " , p95 = 420ms }",
        ("first_token = 90ms, p95", "first_token = , p95"),
    ),
    written(
        "value-missing",
        "a let without value",
        "",
        TWO
        + """\
let limit =
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited("not-an-attribute", "a colon as in YAML", ": 8k", ("max_input = 8k", "max_input: 8k")),
    edited("not-an-attribute", "nothing between", "quality >= 0.85", ("accept = quality >= 0.85", "accept quality >= 0.85")),
    written(
        "not-an-attribute",
        "colons in a one-line block",
        ': openai, id: "gpt-4o" }',
        """\
mmflow 1

model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider: openai, id: "gpt-4o" }
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited("arrow-missing", "no arrow", "answer", ("when complexity == low -> answer", "when complexity == low answer")),
    edited("arrow-missing", "else without arrow", "deep", ("  else -> deep\n}", "  else deep\n}")),
    edited(
        "comma-missing", "labels without comma", "math, other]", ("labels = [code, math, other]", "labels = [code math, other]")
    ),
    edited("comma-missing", "errors without comma", "5xx timeout]", ("on = [429, 5xx, timeout]", "on = [429 5xx timeout]")),
    written(
        "comma-missing",
        "strings on lines without commas",
        "",
        TWO
        + """\
classify task using keywords {
  patterns = { code = [
    "trace"
    "panic",
  ] }
  labels = [code, other]
  unsure = other
}
flow main { when task == code -> strong
 else -> cheap }
""",
    ),
    edited(
        "equal-for-compare",
        "one equals sign in a condition",
        "= low -> answer",
        ("when complexity == low -> answer", "when complexity = low -> answer"),
    ),
    edited("equal-for-compare", "one equals sign in a guard", "= own", ("target.zone == own", "target.zone = own")),
    written(
        "equal-for-compare",
        "one equals sign after and",
        "= code -> cheap",
        TWO
        + """\
classify task using keywords {
  patterns = { code = ["stack trace"], math = ["prove"] }
  labels = [code, math, other]
  unsure = other
}
flow main {
  when request.tokens <= 2k and task = code -> cheap
  else -> strong
}
""",
    ),
    edited(
        "two-on-a-line",
        "two arms on a line",
        "when task == math -> thinker with { deadline =",
        ("when task == code -> code_answer\n  when", "when task == code -> code_answer when"),
    ),
    edited(
        "two-on-a-line",
        "two attributes of a tier on a line",
        "min_quality = 0.70",
        ("pick = cheapest\n  min_quality", "pick = cheapest min_quality"),
    ),
    written(
        "two-on-a-line",
        "two attributes on one line in braces",
        'id = "gpt-4o" }',
        """\
mmflow 1

model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai id = "gpt-4o" }
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited("target-missing", "no target after else", "", ("  else -> deep\n}", "  else ->\n}")),
    edited("target-missing", "no target after a share", "", ("10% -> sonnet_next", "10% ->")),
    written(
        "target-missing",
        "the target on the next line",
        "",
        TWO
        + """\
flow main {
  when request.tokens <= 2k ->
    cheap
  else -> strong
}
""",
    ),
    edited("two-names", "two names of a cascade", "quick {", ("cascade answer {", "cascade answer quick {")),
    written(
        "two-names",
        "two names of a model",
        'big { provider = openai, id = "gpt-4o" }',
        """\
mmflow 1

model cheap { provider = openai, id = "gpt-4o-mini" }
model strong big { provider = openai, id = "gpt-4o" }
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited("two-names", "name and string", '"in house" { models = [llama] }', ("tier private {", 'tier private "in house" {')),
    edited(
        "open-string",
        "a secret without its end",
        '"ANTHROPIC_API_KEY) }',
        ('key = secret("ANTHROPIC_API_KEY")', 'key = secret("ANTHROPIC_API_KEY)'),
    ),
    edited(
        "open-string",
        "a test's name without its end",
        '"a weak first answer escalates {',
        ('test "a weak first answer escalates" {', 'test "a weak first answer escalates {'),
    ),
    written(
        "open-string",
        "a text without its end",
        '"""',
        TWO
        + '''\
prompt voice {
  else -> """
    You are kind.
}
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
''',
    ),
    edited("open-brace", "a cascade that is not closed", "{", ("  accept = quality >= 0.85\n}", "  accept = quality >= 0.85\n")),
    edited(
        "open-brace",
        "a flow at the end",
        "{",
        ("  when complexity == medium -> general\n  else -> deep\n}", "  when complexity == medium -> general\n  else -> deep\n"),
    ),
    written(
        "open-brace",
        "the last flow",
        "{",
        TWO
        + """\
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
""",
    ),
    edited(
        "leading-operator",
        "or at a line's start",
        "or task == code -> thinker with { deadline = 1",
        ("when task == math -> thinker", "when task == math\n    or task == code -> thinker"),
    ),
    written(
        "leading-operator",
        "the arrow at a line's start",
        "-> cheap",
        TWO
        + """\
flow main {
  when request.tokens <= 2k
    -> cheap
  else -> strong
}
""",
    ),
    written(
        "leading-operator",
        "a comparison at a line's start",
        "<= 2k -> cheap",
        TWO
        + """\
flow main {
  when request.tokens
    <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited("unknown-kind", "casscade", "casscade answer {", ("cascade answer {", "casscade answer {")),
    edited("unknown-kind", "models", "models mini {", ("model mini {", "models mini {")),
    written(
        "unknown-kind",
        "a router as elsewhere",
        "router main {",
        TWO
        + """\
router main {
  else -> cheap
}
""",
    ),
    edited("unknown-field", "a field of another kind", "deadline = 3s", ("pick = cheapest", "pick = cheapest\n  deadline = 3s")),
    edited("unknown-field", "max_tokens", "max_tokens = 1k", ("max_output = 1k", "max_tokens = 1k")),
    edited("unknown-field", "in a record", "back_off = 200ms }", ("backoff = 200ms", "back_off = 200ms")),
    edited("missing-field", "a model without its provider", "model sonnet {", ("  provider = anthropic\n", "")),
    edited("missing-field", "a classifier without unsure", "classify task using linear {", ("  unsure = other\n", "")),
    edited("missing-field", "an experiment without its metric", "experiment sonnet_upgrade {", ("  metric = quality\n", "")),
    edited("wrong-type", "a bare number for a duration", "60", ("ttl = 1h", "ttl = 60")),
    edited("wrong-type", "a bare number for money", "0.1", ("max_cost = $0.10", "max_cost = 0.1")),
    edited("wrong-type", "a price without tokens", "$0.10, output = $0.10/1M }", ("input = $0.10/1M,", "input = $0.10,")),
    edited("wrong-type", "million minutes", "20M", ("deadline = 20s", "deadline = 20M")),
    edited("wrong-type", "a string for a duration", '"20s"', ("deadline = 20s", 'deadline = "20s"')),
    edited("unknown-name", "a target", "code_answers", ("-> code_answer", "-> code_answers")),
    edited("unknown-name", "a member", "sonett] }", ("models = [mini, sonnet] }", "models = [mini, sonett] }")),
    edited(
        "unknown-name",
        "a signal",
        "topic == math -> thinker with { deadline = 18s",
        ("when task == math -> thinker", "when topic == math -> thinker"),
    ),
    edited("duplicate-name", "an attribute twice", "max_input = 9k", ("max_input = 8k\n", "max_input = 8k\n  max_input = 9k\n")),
    edited(
        "duplicate-name",
        "a field of a record twice",
        "requests = 600/min, tokens = 2M/min, concurren",
        ("requests = 500/min,", "requests = 500/min, requests = 600/min,"),
    ),
    written(
        "duplicate-name",
        "a let and a model",
        "cheap = 5s",
        TWO
        + """\
let cheap = 5s
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited("unknown-word", "a classifier that is not installed", "bert {", ("task using linear", "task using bert")),
    edited("unknown-word", "of another kind", "judge {", ("complexity using linear", "complexity using judge")),
    edited("unknown-word", "a pick", "smartest", ("pick = cheapest", "pick = smartest")),
    edited(
        "hidden-name",
        "a let named as a label",
        "low < medium < high",
        ("param daily_limit = $50/day\n", "param daily_limit = $50/day\nlet low = 5s\n"),
    ),
    written(
        "hidden-name",
        "a label named as a let",
        "[code, math, other]",
        TWO
        + """\
let code = 2k
classify task using keywords {
  patterns = { code = ["stack trace"], math = ["prove"] }
  labels = [code, math, other]
  unsure = other
}
flow main {
  max_output = code
  when task == code -> strong
  when task == math -> strong
  else -> cheap
}
""",
    ),
    written(
        "cycle",
        "two routes",
        "route a {",
        TWO
        + """\
route a {
  when request.has_tools -> b
  else -> cheap
}
route b {
  when request.tokens > 1k -> a
  else -> strong
}
flow main { else -> a }
""",
    ),
    edited(
        "cycle",
        "a model like itself",
        'sonnet_next { id = "claude-sonnet-4" }',
        ("model sonnet_next like sonnet {", "model sonnet_next like sonnet_next {"),
    ),
    edited(
        "cycle",
        "a cascade that contains itself",
        "cascade answer {",
        ("steps = [fast, general, deep]", "steps = [fast, general, answer]"),
    ),
    edited("out-of-range", "confidence above one", "9", ("confidence = 0.9", "confidence = 9")),
    edited("out-of-range", "quality above one", "1.2", ("quality = 0.70\n", "quality = 1.2\n")),
    edited("out-of-range", "a bar above one", "70", ("min_quality = 0.70", "min_quality = 70")),
    edited(
        "unused",
        "a tier that nobody uses",
        "spare { models = [llama] }",
        ("tier private {", "tier spare { models = [llama] }\ntier private {"),
    ),
    written(
        "unused",
        "a param that nobody uses",
        "limit = $1/day",
        TWO
        + """\
param limit = $1/day
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    written(
        "unused",
        "a plugin that nobody uses",
        "task using keywords {",
        TWO
        + """\
classify task using keywords {
  patterns = { code = ["stack trace"], math = ["prove"] }
  labels = [code, math, other]
  unsure = other
}
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited(
        "mixed-scores",
        "a rubric and a length",
        "brevity",
        ("accept = quality >= 0.85", "accept = quality >= brevity"),
        ("guard residency", "scorer brevity using length { max = 200 }\n\nguard residency"),
    ),
    written(
        "reserved-word",
        "a model called else",
        'else { provider = openai, id = "gpt-4o" }',
        TWO
        + """\
model else { provider = openai, id = "gpt-4o" }
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited("reserved-word", "a field called when", "when = 5s", ("  metric = quality\n", "  metric = quality\n  when = 5s\n")),
    written(
        "reserved-word",
        "a tier called in",
        "in { models = [cheap, strong] }",
        TWO
        + """\
tier in { models = [cheap, strong] }
flow main { else -> in }
""",
    ),
    edited(
        "attribute-or-block",
        "limits as a block",
        "limits {",
        (
            "limits = { requests = 500/min, tokens = 2M/min, concurrency = 64 }",
            "limits {\n    requests = 500/min\n    tokens = 2M/min\n  }",
        ),
    ),
    edited(
        "attribute-or-block",
        "retry as a block",
        "retry { times = 1, backoff = 200ms }",
        ("retry = { times = 1, backoff = 200ms }", "retry { times = 1, backoff = 200ms }"),
    ),
    written(
        "attribute-or-block",
        "a block as an attribute",
        "tier = { models = [cheap, strong] }",
        TWO
        + """\
tier = { models = [cheap, strong] }
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    written(
        "untested-arm",
        "one of two",
        "else -> strong",
        TWO
        + """\
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
test "short" {
  request = { tokens = 10 }
  expect = [served_by(cheap)]
}
""",
    ),
    edited(
        "idle-allow",
        "nothing to silence",
        'same_provider("one is enough")]',
        ("pick = cheapest", 'pick = cheapest\n  allow = [same_provider("one is enough")]'),
    ),
    edited(
        "idle-allow",
        "without a reason",
        "late_first_token]",
        ("  steps = [fast, general, deep]", "  allow = [late_first_token]\n  steps = [fast, general, deep]"),
    ),
    written(
        "idle-allow",
        "with an empty reason",
        'same_provider("")]',
        TWO
        + """\
tier both { models = [cheap, strong] }
fallback f {
  allow = [same_provider("")]
  try = [cheap, strong]
  on = [429]
}
flow main { when request.has_tools -> both
 else -> f }
""",
    ),
    written(
        "unreachable-arm",
        "narrower after wider",
        "when request.tokens <= 2k -> strong",
        TWO
        + """\
flow main {
  when request.tokens <= 4k -> cheap
  when request.tokens <= 2k -> strong
  else -> strong
}
""",
    ),
    written(
        "unreachable-arm",
        "ordered labels all covered",
        "when size == high -> strong",
        TWO
        + """\
classify size using heuristic {
  labels = low < medium < high
  unsure = up
}
flow main {
  when size >= medium -> strong
  when size == low -> cheap
  when size == high -> strong
  else -> cheap
}
""",
    ),
    written(
        "unreachable-arm",
        "both of true and false",
        "else -> strong",
        TWO
        + """\
flow main {
  when request.has_images -> strong
  when not request.has_images -> cheap
  else -> strong
}
""",
    ),
    edited("uncovered", "a flow without else", "flow support {", ("  else -> deep\n}", "}")),
    written(
        "uncovered",
        "a label without arm",
        "flow main {",
        TWO
        + """\
classify size using heuristic {
  labels = low < medium < high
  unsure = up
}
flow main {
  when size == low -> cheap
  when size == high -> strong
}
""",
    ),
    written(
        "uncovered",
        "a route without else",
        "route r {",
        TWO
        + """\
classify task using keywords {
  patterns = { code = ["stack trace"], math = ["prove"] }
  labels = [code, math, other]
  unsure = other
}
route r {
  when task == code -> strong
  when task == math -> strong
}
flow main {
  when request.tokens < 1k -> cheap
  else -> r
}
""",
    ),
    edited("unknown-label", "a label misspelt", "mediun -> general", ("when complexity == medium", "when complexity == mediun")),
    edited(
        "unknown-label",
        "a label of another classifier",
        "low -> thinker with { deadline = 18s }",
        ("when task == math", "when task == low"),
    ),
    edited("unknown-label", "unsure with a label that is not there", "others", ("unsure = other", "unsure = others")),
    edited(
        "unordered-label",
        "an order of tasks",
        "task > code -> code_answer",
        ("when task == code -> code_answer", "when task > code -> code_answer"),
    ),
    edited("unordered-label", "up without order", "up", ("unsure = other", "unsure = up")),
    written(
        "unordered-label",
        "less than on a list of labels",
        "task < other -> strong",
        TWO
        + """\
classify task using keywords {
  patterns = { code = ["stack trace"], math = ["prove"] }
  labels = [code, math, other]
  unsure = other
}
flow main {
  when task < other -> strong
  else -> cheap
}
""",
    ),
    edited("shares", "below 100%", "experiment sonnet_upgrade {", ("  else -> sonnet\n", "  50% -> sonnet\n")),
    written(
        "shares",
        "above 100%",
        "split s {",
        TWO
        + """\
split s {
  70% -> cheap
  40% -> strong
}
flow main { else -> s }
""",
    ),
    written(
        "shares",
        "100% and an else",
        "split s {",
        TWO
        + """\
split s {
  50% -> cheap
  50% -> strong
  else -> strong
}
flow main { else -> s }
""",
    ),
    edited(
        "cascade-order",
        "the dear one first",
        "[deep, fast, general]",
        ("steps = [fast, general, deep]", "steps = [deep, fast, general]"),
    ),
    written(
        "cascade-order",
        "strong before cheap",
        "[strong, cheap]",
        TWO
        + """\
scorer brief using length { max = 100 }
cascade c { steps = [strong, cheap]
 accept = brief >= 0.5 }
flow main { else -> c }
""",
    ),
    written(
        "cascade-order",
        "a step twice",
        "[cheap, cheap, strong]",
        TWO
        + """\
scorer brief using length { max = 100 }
cascade c { steps = [cheap, cheap, strong]
 accept = brief >= 0.5 }
flow main { else -> c }
""",
    ),
    written(
        "cascade-without-accept",
        "steps alone",
        "cascade c { steps = [cheap, strong] }",
        TWO
        + """\
cascade c { steps = [cheap, strong] }
flow main { else -> c }
""",
    ),
    edited("cascade-without-accept", "accept taken away", "cascade answer {", ("  accept = quality >= 0.85\n", "")),
    edited("idle-threshold", "accept always", "quality >= 0.0", ("accept = quality >= 0.85", "accept = quality >= 0.0")),
    edited("idle-threshold", "accept never", "quality > 1.0", ("accept = quality >= 0.85", "accept = quality > 1.0")),
    written(
        "idle-threshold",
        "a request of zero tokens",
        "when request.tokens <= 8k -> cheap",
        TWO
        + """\
flow main {
  max_input = 4k
  when request.tokens <= 8k -> cheap
  else -> strong
}
""",
    ),
    edited("same-provider", "both at openai", "[mini, thinker]", ("try = [sonnet_upgrade, mini]", "try = [mini, thinker]")),
    written(
        "same-provider",
        "both at openai, small",
        "[strong, cheap]",
        TWO
        + """\
fallback f {
  try = [strong, cheap]
  on = [429, 5xx, connect]
}
flow main { else -> f }
""",
    ),
    written(
        "same-provider",
        "an experiment's arms and its fallback",
        "[s, third]",
        TWO
        + """\
split s {
  50% -> cheap
  else -> strong
}
model third { provider = openai, id = "gpt-4.1" }
fallback f {
  try = [s, third]
  on = [429]
}
flow main { else -> f }
""",
    ),
    edited(
        "dead-fallback",
        "the first may take the whole deadline",
        "[sonnet_upgrade, mini]",
        ("model = judge_small", "model = judge_small"),
        ("deadline = 20s", 'deadline = 20s\n  allow = [worst_time("x")]'),
        (
            'provider anthropic { key = secret("ANTHROPIC_API_KEY") }',
            'provider anthropic {\n  key = secret("ANTHROPIC_API_KEY")\n  timeout = 30s\n}',
        ),
        ("on = [429, 5xx, timeout]", "on = [timeout]"),
    ),
    written(
        "dead-fallback",
        "a time-out that is the deadline",
        "[strong, claude]",
        """\
mmflow 1

model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o", timeout = 10s }
model claude { provider = anthropic, id = "claude-sonnet-4" }
fallback f {
  try = [strong, claude]
  on = [timeout]
}
flow main {
  deadline = 10s
  when request.tokens < 1k -> cheap
  else -> f
}
""",
    ),
    written(
        "retry-product",
        "fallback in fallback",
        "{ times = 4, backoff = 100ms }",
        TWO
        + """\
model claude { provider = anthropic, id = "claude-sonnet-4" }
fallback inner {
  try = [strong, claude]
  on = [5xx]
  retry = { times = 2, backoff = 100ms }
}
fallback outer {
  try = [inner, cheap]
  on = [5xx]
  retry = { times = 4, backoff = 100ms }
}
flow main { else -> outer }
""",
    ),
    written(
        "retry-product",
        "one with many",
        "{ times = 1 }",
        TWO
        + """\
model claude { provider = anthropic, id = "claude-sonnet-4" }
fallback inner {
  try = [strong, claude]
  on = [5xx]
  retry = { times = 10, backoff = 100ms }
}
fallback outer {
  try = [inner, cheap]
  on = [5xx]
  retry = { times = 1 }
}
flow main { else -> outer }
""",
    ),
    edited(
        "retry-product",
        "output asks again within retries",
        "{ times = 4, backoff = 200ms }",
        ("retry = { times = 1, backoff = 200ms }", "retry = { times = 4, backoff = 200ms }"),
    ),
    written(
        "late-first-token",
        "a small judged cascade",
        "[cheap, strong]",
        TWO
        + """\
scorer good using judge { model = strong }
cascade c { steps = [cheap, strong]
 accept = good >= 0.7 }
flow main { else -> c }
""",
    ),
    edited(
        "context-overflow", "more than the window", "when data >= confidential -> private", ("max_input = 8k", "max_input = 300k")
    ),
    written(
        "context-overflow",
        "a small window",
        "else -> m",
        """\
mmflow 1
model m { provider = openai, id = "gpt-4o-mini", context = 8k }
flow main {
  max_input = 8k
  max_output = 1k
  else -> m
}
""",
    ),
    written(
        "context-overflow",
        "only in one arm",
        "else -> local",
        TWO
        + """\
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, context = 4k, latency = { first_token = 100ms, p95 = 1s } }
flow main {
  max_input = 16k
  max_output = 1k
  when request.has_tools -> strong
  when request.tokens > 10k -> cheap
  else -> local
}
""",
    ),
    edited("confidence-unreachable", "pii never certain", "1.0", ("confidence = 0.9", "confidence = 1.0")),
    written(
        "missing-capability",
        "json from one who cannot",
        "else -> local",
        """\
mmflow 1
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, capabilities = [streaming], latency = { first_token = 100ms, p95 = 1s } }
output reply { format = json }
flow main {
  output = reply
  else -> local
}
""",
    ),
    written(
        "missing-capability",
        "tools to one who cannot",
        "when request.has_tools -> local",
        TWO
        + """\
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, capabilities = [streaming], latency = { first_token = 100ms, p95 = 1s } }
flow main {
  when request.has_tools -> local
  when request.tokens > 10k -> strong
  else -> cheap
}
""",
    ),
    edited(
        "copied-arm",
        "the same condition, another target",
        "when task == code -> code_answer",
        ("when task == math ->", "when task == code -> general\n  when task == math ->"),
    ),
    written(
        "copied-arm",
        "a copied tokens arm",
        "when request.tokens <= 2k -> cheap",
        TWO
        + """\
model claude { provider = anthropic, id = "claude-sonnet-4" }
flow main {
  when request.tokens <= 2k -> cheap
  when request.tokens <= 2k -> claude
  else -> strong
}
""",
    ),
    edited(
        "guard-broken",
        "the confidential arm moved below",
        "when task == code -> code_answer",
        (
            "  when data >= confidential -> private\n  when task == code -> code_answer\n",
            "  when task == code -> code_answer\n  when data >= confidential -> private\n",
        ),
    ),
    edited(
        "guard-broken",
        "a cloud judge for all",
        "when data >= confidential -> guarded",
        ("model = judge_small ", "model = mini "),
        ("when data >= confidential -> private\n", "when data >= confidential -> guarded\n"),
        ("flow support {", "cascade guarded { steps = [private, llama]\n accept = quality >= 0.5 }\nflow support {"),
    ),
    written(
        "guard-broken",
        "a classifier that asks a cloud model",
        "when topic == bill and data >= internal -> loc",
        TWO
        + """\
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, latency = { first_token = 100ms, p95 = 1s } }
classify data using pii {
  labels = public < internal < confidential
  unsure = up
}
classify topic using ask {
  model = cheap
  question = "What is it about?"
  labels = [bill, other]
  unsure = other
}
guard g { when data >= internal -> target.zone == own }
flow main {
  guards = [g]
  when topic == bill and data >= internal -> local
  when data >= internal -> local
  when request.has_tools -> cheap
  else -> strong
}
""",
    ),
    edited("guard-cache", "the cache without its off", "answers", ("  when data >= confidential -> off\n", "")),
    edited(
        "guard-cache", "off for another label", "answers", ("when data >= confidential -> off", "when data == internal -> off")
    ),
    edited("guard-cache", "scope of all", "answers", ("  when data >= confidential -> off\n", "  scope = all\n")),
    edited(
        "class-lowered",
        "meta decides that it is public",
        'data >= confidential and request.meta("class")',
        (
            "when data >= confidential -> target.zone == own",
            'when data >= confidential and request.meta("class") != "public" -> target.zone == own',
        ),
    ),
    written(
        "class-lowered",
        "an or-less condition on meta",
        'data >= confidential and not request.meta("pub',
        TWO
        + """\
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, latency = { first_token = 100ms, p95 = 1s } }
classify data using pii {
  labels = public < internal < confidential
  unsure = up
}
guard g { when data >= confidential and not request.meta("public") == "yes" -> target.zone == own }
flow main {
  guards = [g]
  when data >= confidential -> local
  when request.has_tools -> cheap
  else -> strong
}
""",
    ),
    edited(
        "unguarded-class",
        "no guards at all",
        "data using pii {",
        ("  guards = [residency]\n", ""),
        ("guard residency {\n  when data >= confidential -> target.zone == own\n}\n", ""),
    ),
    written(
        "unguarded-class",
        "a small one",
        "data using pii {",
        TWO
        + """\
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, latency = { first_token = 100ms, p95 = 1s } }
classify data using pii {
  labels = public < internal < confidential
  unsure = up
}
flow main {
  when data >= confidential -> local
  when request.has_tools -> cheap
  else -> strong
}
""",
    ),
    edited("worst-cost", "a small max_cost", "$0.001", ("max_cost = $0.10", "max_cost = $0.001")),
    edited("worst-cost", "a budget of a cent", "$0.10", ("param daily_limit = $50/day", "param daily_limit = $0.01/day")),
    written(
        "worst-cost",
        "a small one",
        "$0.01",
        TWO
        + """\
flow main {
  max_input = 8k
  max_output = 4k
  max_cost = $0.01
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    edited(
        "worst-time",
        "a time-out of 15s each",
        "20s",
        (
            'provider anthropic { key = secret("ANTHROPIC_API_KEY") }',
            'provider anthropic { key = secret("ANTHROPIC_API_KEY"), timeout = 15s }',
        ),
    ),
    written(
        "worst-time",
        "two calls of 10s in 15s",
        "15s",
        """\
mmflow 1

model cheap { provider = openai, id = "gpt-4o-mini", timeout = 10s }
model strong { provider = openai, id = "gpt-4o", timeout = 10s }
scorer brief using length { max = 100 }
cascade c { steps = [cheap, strong]
 accept = brief >= 0.5 }
flow main {
  deadline = 15s
  else -> c
}
""",
    ),
    edited(
        "sla-estimate",
        "a promise of 50 ms",
        "{ p95 = 50ms, of = first_token }",
        ("sla = { p95 = 3s, of = first_token }", "sla = { p95 = 50ms, of = first_token }"),
    ),
    written(
        "sla-estimate",
        "slower than promised",
        "{ p95 = 500ms, of = total }",
        """\
mmflow 1
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, latency = { first_token = 100ms, p95 = 1s } }
flow main {
  sla = { p95 = 500ms, of = total }
  else -> local
}
""",
    ),
    written(
        "degrade-not-cheaper",
        "a small one",
        "when spent >= 90% -> degrade(strong)",
        TWO
        + """\
budget b {
  limit = $5/day
  when spent >= 90% -> degrade(strong)
}
flow main {
  max_input = 4k
  max_output = 1k
  budget = b
  else -> cheap
}
""",
    ),
    edited("below-bar", "a bar above llama", "[llama, mini]", ("min_quality = 0.70", "min_quality = 0.75")),
    written(
        "below-bar",
        "a small one",
        "[cheap, strong]",
        """\
mmflow 1

model cheap { provider = openai, id = "gpt-4o-mini", quality = 0.6 }
model strong { provider = openai, id = "gpt-4o", quality = 0.8 }
tier t {
  models = [cheap, strong]
  min_quality = 0.7
}
flow main { else -> t }
""",
    ),
    written(
        "below-bar",
        "too slow for its tier",
        "[local, local2]",
        """\
mmflow 1
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, latency = { first_token = 100ms, p95 = 1s } }
model local2 like local { id = "two", latency = { first_token = 1s, p95 = 5s } }
tier t {
  models = [local, local2]
  max_p95 = 2s
}
flow main { else -> t }
""",
    ),
    edited("unknown-price", "llama without a price", "llama {", ("  price = { input = $0.10/1M, output = $0.10/1M }\n", "")),
    written(
        "unknown-price",
        "a warning",
        'local { provider = dc, id = "llama", latency =',
        """\
mmflow 1
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", latency = { first_token = 100ms, p95 = 1s } }
flow main { else -> local }
""",
    ),
    written(
        "unknown-price",
        "an error with max_cost",
        'local { provider = dc, id = "llama", latency =',
        """\
mmflow 1
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", latency = { first_token = 100ms, p95 = 1s } }
flow main {
  max_input = 1k
  max_output = 1k
  max_cost = $0.01
  else -> local
}
""",
    ),
    edited(
        "unknown-latency", "llama without latency", "[llama, mini]", ("  latency = { first_token = 90ms, p95 = 420ms }\n", "")
    ),
    written(
        "unknown-latency",
        "a promise about nothing known",
        "{ p95 = 1s, of = total }",
        """\
mmflow 1
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free }
flow main {
  sla = { p95 = 1s, of = total }
  else -> local
}
""",
    ),
    edited(
        "traffic-over-budget",
        "1000 requests a minute for 50 dollars",
        "1000/min",
        ("  budget = daily\n", "  budget = daily\n  traffic = 1000/min\n"),
    ),
    written(
        "traffic-over-budget",
        "a small one",
        "100/min",
        TWO
        + """\
budget d { limit = $1/day }
flow main {
  max_input = 8k
  max_output = 1k
  traffic = 100/min
  budget = d
  else -> strong
}
""",
    ),
    written(
        "retired-model",
        "text-davinci-003",
        '"text-davinci-003" }',
        """\
mmflow 1
model m { provider = openai, id = "text-davinci-003" }
flow main { else -> m }
""",
    ),
    written(
        "retired-model",
        "gpt-4-32k",
        '"gpt-4-32k" }',
        """\
mmflow 1
model m { provider = openai, id = "gpt-4-32k" }
flow main { else -> m }
""",
    ),
    edited(
        "secret-in-file",
        "an OpenAI key",
        '"sk-proj-abcdefghijklmnop1234567890"',
        ('secret("OPENAI_API_KEY")', '"sk-proj-abcdefghijklmnop1234567890"'),
    ),
    edited(
        "secret-in-file",
        "an Anthropic key in secret()",
        'secret("sk-ant-REDACTED") }',
        ('secret("ANTHROPIC_API_KEY")', 'secret("sk-ant-REDACTED")'),
    ),
    written(
        "secret-in-file",
        "a header",
        '"Bearer abcdef0123456789abcdef0123456789" }',
        """\
mmflow 1
provider dc using openai_compatible {
  url = "http://x.local/v1"
  headers = { Authorization = "Bearer abcdef0123456789abcdef0123456789" }
}
model m { provider = dc, id = "m", price = free }
flow main { else -> m }
""",
    ),
    written(
        "old-price",
        "a price of 2024",
        '{ input = $1/1M, output = $2/1M, as_of = "2024',
        """\
mmflow 1
model m { provider = openai, id = "my-tune", price = { input = $1/1M, output = $2/1M, as_of = "2024-01-01" } }
flow main { else -> m }
""",
    ),
    edited(
        "old-price",
        "llama's price of last year",
        "{ input = $0.10/1M, output = $0.10/1M, as_of =",
        ("output = $0.10/1M }", 'output = $0.10/1M, as_of = "2025-06-01" }'),
    ),
    edited("python-not-allowed", "a pickle", 'file("models/task.pkl")', ('file("models/task.json")', 'file("models/task.pkl")')),
    written(
        "python-not-allowed",
        "a python file",
        'file("classify.py")',
        TWO
        + """\
classify t using linear {
  model = file("classify.py")
  labels = [a, b]
  unsure = a
}
flow main {
  when t == a -> cheap
  else -> strong
}
""",
    ),
    written(
        "slow-pattern",
        "a back reference",
        '"(a+)\\\\1" -> cheap',
        TWO
        + """\
flow main {
  when request.text matches "(a+)\\\\1" -> cheap
  else -> strong
}
""",
    ),
    written(
        "slow-pattern",
        "a look-ahead in keywords",
        '"(?=stack)trace"], math = ["prove"] }',
        TWO
        + """\
classify task using keywords {
  patterns = { code = ["(?=stack)trace"], math = ["prove"] }
  labels = [code, math, other]
  unsure = other
}
flow main {
  when task == code -> strong
  when task == math -> strong
  else -> cheap
}
""",
    ),
    written(
        "slow-pattern",
        "a look-behind of a scorer",
        '"(?<!not )please" }',
        TWO
        + """\
scorer polite using pattern { match = "(?<!not )please" }
cascade c { steps = [cheap, strong]
 accept = polite >= 0.5 }
flow main { else -> c }
""",
    ),
    written(
        "unexpected-token",
        "an arm that begins with if",
        "if request.has_tools -> cheap",
        TWO
        + """\
flow main {
  if request.has_tools -> cheap
  else -> strong
}
""",
    ),
    written(
        "unexpected-token",
        "a space before a unit",
        "s",
        TWO
        + """\
flow main {
  deadline = 20 s
  when request.has_tools -> cheap
  else -> strong
}
""",
    ),
    written(
        "unexpected-token",
        "a number with a comma",
        ",000",
        TWO
        + """\
flow main {
  max_input = 8,000
  when request.has_tools -> cheap
  else -> strong
}
""",
    ),
    written(
        "unexpected-token",
        "a condition that ends with or",
        "else -> strong",
        TWO
        + """\
flow main {
  when request.has_tools or
  else -> strong
}
""",
    ),
    written(
        "unexpected-token",
        "a brace on the next line",
        "",
        TWO
        + """\
flow main
{
  when request.has_tools -> cheap
  else -> strong
}
""",
    ),
    written(
        "unexpected-token",
        "a comment with slashes",
        "// ours",
        TWO
        + """\
// ours
flow main {
  when request.tokens <= 2k -> cheap
  else -> strong
}
""",
    ),
    written(
        "guard-sink",
        "a tape that records what is guarded",
        "when data >= internal -> kept",
        """\
mmflow 1
provider dc using openai_compatible { url = "http://llm.local:8000/v1", zone = own, region = eu }
model local { provider = dc, id = "llama", price = free, latency = { first_token = 100ms, p95 = 1s } }
classify data using pii {
  labels = public < internal < confidential
  unsure = up
}
provider taped using tape {
  from = file("calls.jsonl")
  record = dc
  zone = own
}
model kept like local { provider = taped }
guard g { when data >= internal -> target.zone == own }
flow main {
  guards = [g]
  when data >= internal -> kept
  else -> local
}
""",
    ),
    written(
        "plugin-drift",
        "another version is asked for",
        "use acme.judge@3 as judge",
        """\
mmflow 1
use acme.judge@3 as judge

model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
scorer q using judge.rubric { model = strong }
cascade c {
  steps = [cheap, strong]
  accept = q >= 0.5
}
flow main { else -> c }
""",
    ),
    edited(
        "plugin-drift",
        "support with another judge",
        "use acme.judge@4 as judge  # a third-party plu",
        ("use acme.judge@2 as judge", "use acme.judge@4 as judge"),
    ),
    written(
        "opaque-strategy",
        "a strategy without a summary",
        "choice.opaque { of = [cheap, strong], scorer =",
        TWO
        + """\
use acme.choice as choice
scorer brief using length { max = 100 }
strategy s using choice.opaque { of = [cheap, strong], scorer = brief }
flow main { else -> s }
""",
    ),
)
