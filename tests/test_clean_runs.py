"""A file without an error compiles, its plan reads back the same, and it runs to an outcome; and no file breaks the checker."""

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vocabulary import Extended

from mmflow.build import Build, build
from mmflow.plan import decode, encode
from mmflow.plugin import Message, Request
from mmflow.registry import Registry
from mmflow.runtime.events import RequestEnded
from mmflow.runtime.executor import Executor
from mmflow.runtime.simulate import run_virtual
from mmflow.source import Source

HERE = Path(__file__).parent
FILES = [*sorted((HERE.parent / "workflows").glob("*.mmf")), HERE / "data" / "support.mmf"]
VOCABULARY = Registry.installed()

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


def built(text: str) -> Build:
    return build(Source("test.mmf", text), Extended(), read=_nothing)


def _nothing(path: str) -> Source:
    raise FileNotFoundError(2, "there is no such file", path)


# ---- random files -----------------------------------------------------------------------------------------------------------

HEAD = """mmflow 1
provider own using sim { zone = own, region = eu }
let bar = 0.6
let long = request.tokens > 40
let both = [a, b]
let kind = task
param who = "ada"
model a { provider = sim, id = "a", price = { input = $1/1M, output = $2/1M }, latency = { p95 = 50ms }, quality = 0.4 }
model b like a { provider = own, id = "b", price = free, failures = 30%, weight = 0 }
model c like a { id = "c", failures = 100%, timeout = 20ms, weight = 3 }
model d { provider = sim, id = "d", price = free, context = 60, max_output = 20, latency = { p95 = 2s } }
classify task using keywords { patterns = { code = ["err", "x+"], math = ["sum"] },
  labels = [code, math, other], unsure = UNSURE_TASK }
classify hard using heuristic { labels = low < medium < high, confidence = 0.6, unsure = UNSURE_HARD, input = all_user }
scorer size using length { min = 2, max = 50 }
scorer clean using pattern { forbid = "sorry" }
scorer json using json_valid { }
scorer quality using judge { model = a, rubric = "Is it right?" }
"""  # fmt: skip
# What may stand in a place, and what may not.
CONDITIONS = (
    "task == code|task != other|task in [code, math]|task not in [other]|hard >= medium|hard < high|hard in [low]|long"
    '|request.tokens <= 20|request.tokens > 2k|request.user == who|request.user in ["ada", "bo"]|request.has_tools'
    '|request.has_images == false|request.language != "de"|request.meta("team") == "red"|request.text matches "err(or)?"'
    "|true|false|kind == math",
    'task == cod|hard > "low"|size >= 0.5|request.tokens|request.meta("team")|long == true|hard == unsure|1 == 1',
)
ACCEPTS = (
    "size >= 0.5|quality >= bar|clean == 1 and json >= bar|not (size < 0.3) or quality > 0.9|true|false",
    "task == code|size >= 5|size|request.has_tools",
)
SETTINGS = "deadline = 30ms|max_output = 5|temperature = 0.5|deadline = 2s, max_output = 1k", "deadline = 3|temperature = -1"
BOUNDS = (
    "deadline = 40ms|deadline = 5s|max_input = 30|max_output = 8|max_cost = $0.00002|max_cost = $1|guards = [home]",
    "max_output = 0|cost = $1|deadline = $3",
)
NEEDS = (
    "target.zone == own|target.region in [eu, ch]|not (target.name == c)|target.provider != own",
    "target.zone == inner|a == b",
)
PICKS = "listed|cheapest|fastest|weighted", "chepest|length"
MEMBERS = "a|a, b|b, c|d, c, a|c|a, a", "size|"
ONS = "|, on = [429, 5xx, timeout]|, on = [overloaded, context_overflow, 4xx, protocol]", ", on = [503]|, on = [blocked]"
RETRIES = "|, retry = { times = 2, backoff = 10ms }|, retry = { times = 1 }", ", retry = 2|, retry = { times = 99 }"
STICKIES = '|, sticky = request.user|, sticky = request.meta("team")|, sticky = request.tokens', ", sticky = user"
SHARES = "10%|99.99%|50%|0.01%", "100%|0.5|0%"
UNSURES = "other|none|code|math", "up|cod"
NOT_TARGETS = ["nobody", "size", "task", "main", "both", "3"]

# The kinds that say what becomes of money, answers and texts.
LIMITS = "$5/day|$1/hour|$0.001/min", "$5|5/day|$0/day"
THRESHOLDS = (
    'spent >= 80% -> alert("ops")|spent > 95.5% -> reject|spent >= 100% -> degrade(TARGET)|spent >= 120% -> degrade(TARGET)',
    "spent >= 0.8 -> reject|spent < 5% -> reject|spent >= 90% -> a|task == code -> reject",
)
TEMPLATES = (
    '"be brief"|"In {{ request.language }} for {{ who }}."|"{{ task }}{{ hard }}"|"""\n  {{ "{{" }}\n  x\n  """|""',
    '"{{ request.languag }}"|"{{ a }}"|"{{"|"{{ }}"|a|"{{ both }}"',
)
OUTPUTS = "format = json|format = json, on_invalid = retry(2)|on_invalid = fail|", 'schema = file("x")|on_invalid = retry(9)'
RULES = "|, promote = { min_samples = 5, not_worse_than = 0.1 }|, sample = 10%", ", promote = 5|, sample = 0.5"
TRAFFIC = "traffic = 100/h|sla = { p95 = 3s }|sla = { p95 = 300ms, of = first_token }", "traffic = 100|sla = 3s"

some = st.sampled_from


@st.composite
def files(draw: st.DrawFn, contracts: bool = False) -> str:
    """A program out of real declarations; one in four has mistakes. With `contracts`, of all kinds, else of those that route."""
    may_be_wrong = draw(st.integers(0, 3)) == 0
    names = ["a", "b", "c", "d"]

    def one_of(each: tuple[str, str]) -> str:
        return draw(some("|".join(each if may_be_wrong else each[:1]).split("|")))

    def condition() -> str:
        text = one_of(CONDITIONS)
        for _ in range(draw(st.integers(0, 2))):
            text = f"{text} {draw(some(['and', 'or', 'and not']))} {one_of(CONDITIONS)}"
        return text if draw(st.booleans()) else f"not ({text})"

    def target() -> str:
        name = draw(some([*names, *names, *NOT_TARGETS] if may_be_wrong else names))
        return f"{name} with {{ {one_of(SETTINGS)} }}" if draw(st.integers(0, 5)) == 0 else name

    def targets() -> str:
        return ", ".join(target() for _ in range(draw(st.integers(1, 3))))

    def arms() -> str:
        lines = [f"  when {condition()} -> {target()}" for _ in range(draw(st.integers(0, 3)))]
        return "\n".join(lines if may_be_wrong and draw(st.booleans()) else [*lines, f"  else -> {target()}"])

    text = HEAD.replace("UNSURE_TASK", one_of(UNSURES)).replace("UNSURE_HARD", draw(some(["up", "high", "none"])))
    for number in range(draw(st.integers(0, 5))):
        kind = draw(some(["tier", "route", "cascade", "fallback", "split", *(["experiment", "strategy"] if contracts else [])]))
        match kind:
            case "tier":
                body = f"models = [{one_of(MEMBERS)}], pick = {one_of(PICKS)}"
            case "route":
                body = f"\n{arms()}\n"
            case "cascade":
                body = f"steps = [{targets()}], accept = {one_of(ACCEPTS)}"
            case "fallback":
                body = f"try = [{targets()}]{one_of(ONS)}{one_of(RETRIES)}"
            case "strategy":
                body = f"of = [{targets()}], scorer = {draw(some(['size', 'quality', *(['a'] if may_be_wrong else [])]))}"
                word = draw(some(["best", "opaque", "broken"]))
                text += f"strategy n{number} using acme.choice.{word} {{ {body} }}\n"
                names.append(f"n{number}")
                continue
            case _:
                body = f"{one_of(SHARES)} -> {target()}, else -> {target()}{one_of(STICKIES)}"
                body += f", metric = quality{one_of(RULES)}" if kind == "experiment" else ""
        text += f"{kind} n{number} {{ {body} }}\n"
        names.append(f"n{number}")
    text += f"guard home {{ when {condition()} -> {one_of(NEEDS)} }}\n"
    bounds = {each.split(" ")[0]: each for each in (one_of(BOUNDS) for _ in range(draw(st.integers(0, 3))))}
    if contracts:
        spent = [f"  when {one_of(THRESHOLDS).replace('TARGET', target())}\n" for _ in range(draw(st.integers(0, 3)))]
        text += f"budget daily {{\n  limit = {one_of(LIMITS)}\n{''.join(spent)}}}\n"
        text += f"cache kept {{\n  when {condition()} -> off\n}}\n"
        said = [f"  when {one_of(NEEDS)} -> {one_of(TEMPLATES)}\n" for _ in range(draw(st.integers(0, 2)))]
        text += f"prompt voice {{\n{''.join(said)}  else -> {one_of(TEMPLATES)}\n}}\n"
        text += f"output form {{ {one_of(OUTPUTS)} }}\n"
        uses = ["budget = daily", "cache = kept", "prompt = voice", "output = form"]
        bounds |= {each: each for each in (*draw(st.lists(some(uses), unique=True)), one_of(TRAFFIC))}
    return text + "flow main {\n" + "".join(f"  {each}\n" for each in bounds.values()) + f"{arms()}\n}}\n"


requests = st.builds(
    lambda text, user, team, more: Request(
        messages=(*([Message("user", "an earlier turn"), Message("assistant", "yes")] if more else []), Message("user", text)),
        user=user,
        meta={"team": team} if team else {},
    ),
    some(["hello", "an error in xxx, the sum of it", "prove that this holds for every n " * 12, " "]),
    some([None, "ada", "bo"]),
    some([None, "red"]),
    st.booleans(),
)


@settings(quick, max_examples=150)
@given(text=files(), request=requests, seed=st.integers(0, 3))
def test_a_clean_file_compiles_and_runs_to_an_outcome(text: str, request: Request, seed: int) -> None:
    found = built(text)
    if any(each.severity == "error" for each in found.diagnostics):
        assert found.plan is None
        return
    plan = found.plan
    assert plan is not None
    assert decode(encode(plan)) == plan

    async def both() -> list[RequestEnded]:
        executor = Executor(plan, VOCABULARY, folder=HERE, random=Random(seed), environ={})
        try:
            return [(await executor.decide("main", request)).ended, (await executor.run("main", request)).ended]
        finally:
            await executor.close()

    for ended in run_virtual(both(), seed):
        assert ended.error_class != "protocol", ended
        assert (ended.outcome == "served") <= (ended.error_class is None), ended


@settings(quick, max_examples=150)
@given(text=files(contracts=True))
def test_a_clean_file_of_any_kinds_compiles_and_its_plan_reads_back_the_same(text: str) -> None:
    found = built(text)
    is_clean = not any(each.severity == "error" for each in found.diagnostics)
    assert (found.plan is not None) == is_clean
    if found.plan is not None:
        assert decode(encode(found.plan)) == found.plan


# ---- mutations --------------------------------------------------------------------------------------------------------------

WORDS = ["{", "}", "[", "]", "(", ")", ",", "\n", "->", "=", "==", "<", ".", "when", "else", "not", "with", "like", "using", "in"]
WORDS += [
    "model",
    "flow",
    "let",
    "import",
    "use",
    "request",
    "target",
    "up",
    "none",
    "unsure",
    "$3",
    "$3/1M",
    "10%",
    "-5",
    "20m",
    "2M",
]
WORDS += ["5xx", '"x"', '""', '"""x"""', "true", "file", "secret", "last_user", "1e9", "9" * 30, "1²", "sim", "openai", "## doc"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@settings(quick, max_examples=60)
@given(data=st.data())
def test_no_mutation_of_a_file_breaks_the_checker(path: Path, data: st.DataObject) -> None:
    tokens = _tokens(path)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(tokens) - 1))
        match data.draw(some(["drop", "double", "swap", "replace", "insert"])):
            case "drop":
                del tokens[at]
            case "double":
                tokens.insert(at, tokens[at])
            case "swap":
                other = data.draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "replace":
                tokens[at] = f" {data.draw(some(WORDS))} "
            case _:
                tokens.insert(at, f" {data.draw(some(WORDS))} ")
    found = built("".join(tokens))
    assert (found.plan is None) == any(each.severity == "error" for each in found.diagnostics)
    if found.plan is not None:
        assert decode(encode(found.plan)) == found.plan


def _tokens(path: Path) -> list[str]:
    """The text of a file in pieces: each token, and what stands between two."""
    return re.findall(r'"""(?s:.*?)"""|"[^"\n]*"|\w+|\s+|->|[<>=!]=|.', path.read_text())
