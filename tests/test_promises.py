"""What `check` finds in money, time, windows and routing: each code where it is due, and not where it is not."""

from collections.abc import Sequence

import pytest

from mmflow.build import build
from mmflow.diagnostics import Diagnostic
from mmflow.registry import Registry
from mmflow.source import Source

OWN = 'provider own using openai_compatible { url = "http://llm.internal/v1", zone = own'
MINI = 'model mini { provider = openai, id = "gpt-4o-mini" }\n'
STRONG = 'model strong { provider = openai, id = "gpt-4o" }\n'
FREE = f'{OWN} }}\nmodel free {{ provider = own, id = "llama", price = free }}\n'
TASK = 'classify task using keywords { labels = [code, other], patterns = { code = ["trace"] }, unsure = other }\n'
JUDGED = 'allow = [late_first_token("judged")]'


def found(text: str) -> list[Diagnostic]:
    def absent(path: str) -> Source:
        raise FileNotFoundError(2, "No such file or directory", path)

    return list(build(Source("main.mmf", f"mmflow 1\n{text}"), Registry.installed(), read=absent).diagnostics)


def one(text: str, code: str) -> Diagnostic:
    (diagnostic,) = found(text)
    assert diagnostic.code == code
    return diagnostic


def codes(text: str) -> list[str]:
    return [each.code for each in found(text)]


def flow(*fields: str, body: str = "else -> mini") -> str:
    return "flow main {\n" + "".join(f"  {each}\n" for each in fields) + f"  {body}\n}}\n"


# ---- worst-cost -------------------------------------------------------------------------------------------------------------


def test_a_long_request_that_may_cost_too_much_is_a_warning_with_the_length() -> None:
    diagnostic = one(STRONG + flow("max_input = 10k", "max_output = 1k", "max_cost = $0.02", body="else -> strong"), "worst-cost")
    # $10/1M for 1k out is $0.01, which leaves $0.01 at $2.50/1M.
    assert diagnostic.severity == "warning"
    assert "of more than 4k tokens" in diagnostic.message
    assert "up to $0.035" in diagnostic.notes[0].message
    assert diagnostic.span.text == "$0.02"


def test_the_shortest_request_that_may_cost_too_much_is_an_error() -> None:
    diagnostic = one(STRONG + flow("max_input = 1k", "max_output = 1k", "max_cost = $0.005", body="else -> strong"), "worst-cost")
    assert diagnostic.severity == "error"
    assert "however short it is" in diagnostic.message


def test_only_the_arm_that_is_too_dear_is_named_with_a_witness() -> None:
    text = MINI + STRONG + TASK + flow("max_input = 8k", "max_output = 1k", "max_cost = $0.02", body=TWO_ARMS)
    diagnostic = one(text, "worst-cost")
    assert diagnostic.message.startswith("with task = code a request of more than 4k tokens")
    assert diagnostic.notes[1].message == "path: main -> strong"


TWO_ARMS = "when task == code -> strong\n  else -> mini"


def test_an_arm_for_short_requests_bounds_what_they_cost() -> None:
    body = "when request.tokens <= 2k -> strong\n  else -> mini"
    assert codes(MINI + STRONG + flow("max_input = 8k", "max_output = 1k", "max_cost = $0.016", body=body)) == []


def test_an_answer_of_any_length_has_no_bound() -> None:
    model = f'{OWN} }}\nmodel paid {{ provider = own, id = "x", price = {{ input = $1/1M, output = $2/1M }} }}\n'
    diagnostic = one(model + flow("max_input = 1k", "max_cost = $1", body="else -> paid"), "worst-cost")
    assert (diagnostic.severity, diagnostic.help) == ("error", "set `max_output` in the flow")


def test_a_judge_without_a_price_is_told_once() -> None:
    judge = f'{OWN} }}\nmodel answerer {{ provider = own, id = "x", max_output = 1k }}\n'
    judge += "scorer quality using judge { model = answerer }\n"
    cascade = f"cascade judged {{ steps = [mini, strong], accept = quality >= 0.5, {JUDGED} }}\n"
    text = MINI + STRONG + judge + cascade + flow("max_input = 1k", "max_output = 1k", "max_cost = $1", body="else -> judged")
    assert codes(text) == ["unknown-price"]


def test_a_retry_that_may_cost_too_much_is_a_warning() -> None:
    retry = "fallback again { try = [strong], on = [5xx], retry = { times = 2 } }\n"
    text = STRONG + retry + flow("max_input = 1k", "max_output = 1k", "max_cost = $0.02", body="else -> again")
    diagnostic = one(text, "worst-cost")
    assert diagnostic.severity == "warning"
    assert "once calls are made again" in diagnostic.message


def test_one_request_may_not_cost_all_of_a_budget() -> None:
    budget = "budget tiny { limit = $0.005/day }\n"
    diagnostic = one(
        STRONG + budget + flow("max_input = 1k", "max_output = 1k", "budget = tiny", body="else -> strong"), "worst-cost"
    )
    assert (diagnostic.severity, "all of budget `tiny`" in diagnostic.message) == ("error", True)


def test_a_prompt_counts_in_what_a_request_costs() -> None:
    limits = ("max_input = 1", "max_output = 1", "max_cost = $0.00002")
    prompt = 'prompt voice { else -> "' + "Be brief and kind. " * 20 + '" }\n'
    assert codes(STRONG + flow(*limits, body="else -> strong")) == []
    assert codes(STRONG + prompt + flow(*limits, "prompt = voice", body="else -> strong")) == ["worst-cost"]


# ---- budgets ----------------------------------------------------------------------------------------------------------------


def budget_of(target: str, limit: str = "$50/day") -> str:
    return f"budget daily {{\n  limit = {limit}\n  when spent >= 90% -> degrade({target})\n}}\n"


def test_a_degrade_that_saves_nothing_is_told() -> None:
    limits = ("max_input = 4k", "max_output = 1k", "budget = daily")
    assert codes(MINI + STRONG + budget_of("strong") + flow(*limits)) == ["degrade-not-cheaper"]
    assert codes(MINI + STRONG + budget_of("mini") + flow(*limits, body="else -> strong")) == []
    assert codes(MINI + STRONG + TASK + budget_of("mini") + flow(*limits, body=TWO_ARMS)) == []


def test_traffic_is_compared_with_the_budget_that_flows_share() -> None:
    limits = ("max_input = 4k", "max_output = 1k", "budget = daily")
    budget = "budget daily { limit = $10/day }\n"
    # 2k in and 500 out of `mini` are $0.0006: 10/min are $8.64 a day.
    assert codes(MINI + budget + flow(*limits, "traffic = 10/min")) == []
    second = flow(*limits, "traffic = 10/min").replace("main", "other")
    diagnostic = one(MINI + budget + flow(*limits, "traffic = 10/min") + second, "traffic-over-budget")
    assert "$17.28/day" in diagnostic.message
    per_user = "budget daily { limit = $10/day, per = request.user }\n"
    assert codes(MINI + per_user + flow(*limits, "traffic = 1000/min")) == []


# ---- time -------------------------------------------------------------------------------------------------------------------


def timed(name: str, total: str) -> str:
    return (
        f'provider p_{name} using openai_compatible {{ url = "https://{name}.example/v1", timeout = {total} }}\n'
        f'model {name} {{ provider = p_{name}, id = "{name}", price = free }}\n'
    )


def test_what_is_declared_may_not_take_longer_than_the_deadline() -> None:
    tier = "tier both { models = [one, two] }\n"
    diagnostic = one(timed("one", "12s") + timed("two", "12s") + tier + flow("deadline = 20s", body="else -> both"), "worst-time")
    assert "may take 24s" in diagnostic.message
    assert codes(timed("one", "9s") + timed("two", "9s") + tier + flow("deadline = 20s", body="else -> both")) == []


def test_a_call_without_a_time_out_is_no_reason_to_warn() -> None:
    assert codes(MINI + TASK + STRONG + flow("deadline = 1s", body=TWO_ARMS)) == []


def fast(p95: str) -> str:
    return f'model mini {{ provider = openai, id = "gpt-4o-mini", latency = {{ first_token = 200ms, p95 = {p95} }} }}\n'


def test_a_promised_percentile_is_compared_with_the_estimate() -> None:
    sla = "sla = { p95 = 1s, of = total }"
    assert codes(fast("900ms") + flow(sla)) == []
    assert "about 3s to the whole answer" in one(fast("3s") + flow(sla), "sla-estimate").message
    assert codes(fast("3s") + flow("sla = { p95 = 1s, of = first_token }")) == []


def test_a_promise_without_a_latency_names_the_model() -> None:
    diagnostic = one(MINI + flow("sla = { p95 = 1s, of = total }"), "unknown-latency")
    assert "`mini`" in diagnostic.message


def test_a_contract_holds_the_first_token_back() -> None:
    reply = "output reply { format = json }\n"
    sla = ("sla = { p95 = 4s, of = first_token }", "output = reply")
    assert codes(fast("3s") + reply + flow(*sla)) == ["late-first-token"]
    assert codes(fast("5s") + reply + flow(*sla)) == ["late-first-token", "sla-estimate"]


@pytest.mark.parametrize(("word", "expected"), [("race", []), ("best_of", ["late-first-token", "sla-estimate"])])
def test_a_strategy_that_waits_for_whole_answers_delays_the_first_token(word: str, expected: Sequence[str]) -> None:
    scored = ", scorer = long" if word == "best_of" else ""
    scorer = "scorer long using length { min = 20 }\n" if scored else ""
    both = f"strategy both using {word} {{ of = [mini, other]{scored} }}\n"
    other = "model other like mini { }\n"
    text = fast("3s") + other + scorer + both + flow("sla = { p95 = 1s, of = first_token }", body="else -> both")
    assert codes(text) == expected


CASCADE = "scorer long using length {{ min = 20 }}\ncascade answer {{ steps = {steps}, accept = long {bound}, {allow} }}\n"


def cascade(steps: str = "[mini, strong]", bound: str = ">= 0.5", allow: str = JUDGED) -> str:
    return MINI + STRONG + CASCADE.format(steps=steps, bound=bound, allow=allow)


def test_a_judged_cascade_is_told_once_for_all_flows() -> None:
    flows = flow(body="else -> answer") + flow(body="else -> answer").replace("main", "other")
    diagnostic = one(cascade(allow="") + flows, "late-first-token")
    assert diagnostic.span.text == "[mini, strong]"
    assert codes(cascade() + flows) == []
    # A single step is not judged.
    assert codes(cascade("[mini]", allow="") + flow(body="when request.has_tools -> strong\n  else -> answer")) == []


# ---- windows and capabilities -----------------------------------------------------------------------------------------------


def local(extra: str) -> str:
    return f'{OWN} }}\nmodel local {{ provider = own, id = "l", price = free, {extra} }}\n'


@pytest.mark.parametrize(
    ("most", "arms", "expected"),
    [
        ("8k", "else -> local", ["context-overflow"]),
        ("7k", "else -> local", []),
        ("100k", "when request.tokens <= 7k -> local\n  else -> mini", []),
        ("100k", "when request.tokens <= 7001 -> local\n  else -> mini", ["context-overflow"]),
        ("8k", "else -> local with { max_output = 100 }", ["context-overflow"]),
        ("7800", "else -> local with { max_output = 100 }", []),
    ],
)
def test_request_and_answer_fit_into_the_window(most: str, arms: str, expected: Sequence[str]) -> None:
    models = local("context = 8k") + (MINI if "mini" in arms else "")
    assert codes(models + flow(f"max_input = {most}", "max_output = 1k", body=arms)) == expected


def test_a_judge_reads_the_request_and_the_answer() -> None:
    judge = local("context = 4k") + "scorer good using judge { model = local }\n"
    steps = f"cascade answer {{ steps = [mini, strong], accept = good >= 0.5, {JUDGED} }}\n"
    text = MINI + STRONG + judge + steps + flow("max_input = 3500", "max_output = 1k", body="else -> answer")
    assert "path: main -> answer -> good -> local" in [note.message for note in one(text, "context-overflow").notes]


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [("capabilities = [tools]", ["missing-capability"]), ("capabilities = [images]", []), ("", [])],
)
def test_an_arm_for_images_needs_a_model_that_reads_them(capabilities: str, expected: Sequence[str]) -> None:
    body = "when request.has_images -> local\n  else -> mini"
    assert codes(local(capabilities) + MINI + flow(body=body)) == expected


def test_a_contract_needs_a_model_that_keeps_to_json() -> None:
    reply = "output reply { format = json }\n"
    assert codes(local("capabilities = [streaming]") + reply + flow("output = reply", body="else -> local")) == [
        "missing-capability"
    ]
    assert codes(local("capabilities = [tools]") + reply + flow("output = reply", body="else -> local")) == []


# ---- cascades and fallbacks -------------------------------------------------------------------------------------------------


def test_a_cascade_rises_in_cost_and_in_quality() -> None:
    assert "costs less" in one(cascade("[strong, mini]") + flow(body="else -> answer"), "cascade-order").message
    assert codes(cascade() + flow(body="else -> answer")) == []
    worse = cascade().replace('"gpt-4o-mini"', '"gpt-4o-mini", quality = 0.9').replace('"gpt-4o"', '"gpt-4o", quality = 0.8')
    assert "worse" in one(worse + flow(body="else -> answer"), "cascade-order").message
    twice = cascade("[mini, strong, mini]") + flow(body="else -> answer")
    assert "twice" in one(twice, "cascade-order").message


def test_retries_within_retries_multiply() -> None:
    inner = "fallback inner { try = [mini, free], retry = { times = 1 } }\n"
    outer = "split trial { 10% -> mini, else -> inner }\nfallback outer { try = [trial, free], retry = { times = 2 } }\n"
    diagnostic = one(MINI + FREE + inner + outer + flow(body="else -> outer"), "retry-product")
    assert "6 times" in diagnostic.message
    assert "outer -> trial -> inner" in diagnostic.notes[0].message
    once = outer.replace(", retry = { times = 2 }", "")
    assert codes(MINI + FREE + inner + once + flow(body="else -> outer")) == []


def test_retries_for_a_contract_multiply_too() -> None:
    text = MINI + FREE + "fallback again { try = [mini, free], retry = { times = 1 } }\noutput reply { on_invalid = retry(2) }\n"
    assert "6 times" in one(text + flow("output = reply", body="else -> again"), "retry-product").message


@pytest.mark.parametrize(
    ("total", "on", "deadline", "expected"),
    [
        ("20s", "[timeout]", "20s", ["dead-fallback"]),
        ("20s", "[timeout, 5xx]", "20s", ["dead-fallback"]),
        ("20s", "[5xx]", "20s", []),
        ("8s", "[timeout]", "20s", []),
        ("{ first_token = 3s, total = 20s }", "[timeout]", "20s", []),
    ],
)
def test_a_fallback_needs_time_after_a_time_out(total: str, on: str, deadline: str, expected: Sequence[str]) -> None:
    fallback = f"fallback answer {{ try = [one, mini], on = {on} }}\n"
    assert codes(timed("one", total) + MINI + fallback + flow(f"deadline = {deadline}", body="else -> answer")) == expected


def test_a_with_may_leave_time_for_the_next() -> None:
    bare = "fallback answer { try = [mini, free], on = [timeout] }\n"
    assert codes(MINI + FREE + bare + flow(body="else -> answer")) == ["dead-fallback"]
    soon = bare.replace("[mini,", "[mini with { deadline = 5s },")
    assert codes(MINI + FREE + soon + flow(body="else -> answer")) == []


def test_a_fallback_goes_to_another_provider() -> None:
    assert codes(MINI + STRONG + "fallback a { try = [strong, mini] }\n" + flow(body="else -> a")) == ["same-provider"]
    assert codes(MINI + FREE + "fallback a { try = [mini, free] }\n" + flow(body="else -> a")) == []
    content = "fallback a { try = [strong, mini], on = [content_filter] }\n"
    assert codes(MINI + STRONG + content + flow(body="else -> a")) == []


# ---- bounds that decide nothing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "expected"), [(">= 0", ["idle-threshold"]), ("> 1", ["idle-threshold"]), ("< 0", ["idle-threshold"]), ("> 0", [])]
)
def test_a_score_is_from_0_to_1(bound: str, expected: Sequence[str]) -> None:
    assert codes(cascade(bound=bound) + flow(body="else -> answer")) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [("<= 8k", ["idle-threshold"]), ("<= 4k", ["idle-threshold"]), ("< 4k", []), ("> 4k", ["idle-threshold"]), (">= 4k", [])],
)
def test_max_input_decides_some_comparisons(condition: str, expected: Sequence[str]) -> None:
    body = f"when request.tokens {condition} -> mini\n  else -> strong"
    assert codes(MINI + STRONG + flow("max_input = 4k", body=body)) == expected


def test_nothing_is_spent_at_first() -> None:
    budget = 'budget daily {\n  limit = $50/day\n  when spent >= 0% -> alert("ops")\n}\n'
    assert codes(MINI + budget + flow("max_input = 1k", "max_output = 1k", "budget = daily")) == ["idle-threshold"]


@pytest.mark.parametrize(("patterns", "confidence", "expected"), [('"a"', "0.81", 1), ('"a"', "0.8", 0), ('"a", "b"', "0.96", 0)])
def test_a_classifier_is_asked_for_no_more_confidence_than_it_has(patterns: str, confidence: str, expected: int) -> None:
    task = f"patterns = {{ code = [{patterns}] }}, confidence = {confidence}, unsure = other"
    text = f"classify task using keywords {{ labels = [code, other], {task} }}\n"
    assert codes(MINI + STRONG + text + flow(body=TWO_ARMS)) == ["confidence-unreachable"] * expected


def test_a_copied_arm_is_told_and_not_called_unreachable() -> None:
    body = "when task == code -> strong\n  when task == code -> mini\n  else -> mini"
    diagnostic = one(MINI + STRONG + TASK + flow(body=body), "copied-arm")
    assert diagnostic.span.text == "when task == code -> strong"
    same = "when task == code -> strong\n  when task == code -> strong\n  else -> mini"
    assert codes(MINI + STRONG + TASK + flow(body=same)) == ["unreachable-arm"]


# ---- together ---------------------------------------------------------------------------------------------------------------


def test_a_warning_about_a_promise_may_be_allowed_with_a_reason() -> None:
    limits = ("max_input = 10k", "max_output = 1k", "max_cost = $0.02")
    allowed = 'allow = [worst_cost("long requests are rare")]'
    assert codes(STRONG + flow(*limits, allowed, body="else -> strong")) == []
    assert codes(STRONG + flow("max_input = 1k", *limits[1:], allowed, body="else -> strong")) == ["idle-allow"]


def test_twenty_classifiers_of_which_a_flow_reads_eight_end_in_time() -> None:
    names = [f"c{number}" for number in range(20)]
    classifiers = "".join(TASK.replace("task", name) for name in names)
    arms = "\n".join(
        f"  when {a} == code and {b} == other or {c} == code -> mini"
        for a, b, c in zip(names[:8], names[1:9], names[2:8], strict=False)
    )
    text = (
        MINI
        + STRONG
        + classifiers
        + flow("max_input = 4k", "max_output = 1k", "max_cost = $0.1", body=f"{arms}\n  else -> strong")
    )
    assert set(codes(text)) == {"unused"}


def test_retries_within_hundreds_of_retries_come_to_words_and_not_to_a_crash() -> None:
    depth = 320
    chain = "".join(
        f"fallback f{number} {{ try = [{f'f{number + 1}' if number < depth - 1 else 'one'}, mini], retry = {{ times = 10 }} }}\n"
        for number in range(depth)
    )
    told = {each.code: each.message for each in found(timed("one", "5s") + MINI + chain + flow(body="else -> f0"))}
    assert set(told) == {"worst-time", "retry-product"}
    assert "more than a year" in told["worst-time"]
    assert "more than a million times" in told["retry-product"]
