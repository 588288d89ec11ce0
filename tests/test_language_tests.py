"""Tests in the language: what the checker takes and refuses, and what comes when they run."""

from pathlib import Path
from typing import Any

import pytest

from mmflow.build import Build, build
from mmflow.plan import Guessed, Plan, fingerprint
from mmflow.plugin import Ask, Host, Message, ModelName, Reply, Request, ScorerWord, Word, option, options
from mmflow.registry import Registry
from mmflow.report import trace
from mmflow.runtime.rehearsal import Rehearsal, Rehearsed
from mmflow.source import Source
from mmflow.vocabulary import WordKind

FILE = """mmflow 1

provider gpus using sim { zone = own }

model llama {
  provider = gpus
  id = "llama"
  price = { input = $1/1M, output = $1/1M }
  latency = { first_token = 100ms, p95 = 400ms }
  quality = 0.7
}
model mini like llama { provider = openai, id = "gpt-4o-mini", quality = 0.8 }
model strong like llama { provider = openai, id = "gpt-4o", quality = 0.9, latency = { p95 = 2s } }
model judge_model like llama { id = "judge", latency = { p95 = 50ms } }
model lonely like llama { id = "lonely" }

tier fast { models = [llama, mini] }
tier deep { models = [strong, mini] }

classify task using keywords {
  patterns = { code = ["stack trace"], math = ["integral"] }
  labels = [code, math, other]
  confidence = 0.8
  unsure = other
}
classify level using heuristic {
  labels = low < medium < high
  confidence = 0.6
  unsure = up
}
classify asked using keywords {
  patterns = { yes = ["please"] }
  labels = [yes, no]
  confidence = 0.5
  unsure = none
}

scorer quality using judge { model = judge_model, rubric = "Is it right?" }
scorer long using length { min = 20 }

split upgrade {
  50% -> strong
  else -> mini
}
fallback safe {
  try = [upgrade, llama]
  on = [429, 5xx, timeout, connect]
  retry = { times = 1, backoff = 100ms }
}
cascade answer {
  steps = [fast, deep]
  accept = quality >= 0.85
}
cascade wordy {
  steps = [llama, strong]
  accept = long >= 0.9
}
route by_level {
  when level == low -> fast
  when level == medium -> mini
  else -> deep
}

flow main {
  deadline = 20s
  max_output = 300

  when task == code -> safe
  when task == math -> answer
  when request.tokens > 2k -> by_level
  when request.has_images -> wordy
  when request.text matches "urgent" -> strong
  when request.meta("team") == "gold" -> deep
  else -> mini
}
"""


def checked(tests: str, file: str = FILE) -> Build:
    return build(Source("tests.mmf", f"{file}\n{tests}"), Registry.installed())


def codes(tests: str, file: str = FILE) -> list[tuple[str, str, str]]:
    """Code, place as written, and help of what is found in the tests: notes and unused declarations left out."""
    found = [each for each in checked(tests, file).diagnostics if each.code not in ("unused", "untested-arm", "same-provider")]
    return [(each.code, each.span.text, each.help or "") for each in found if each.severity == "error"]


def plan_of(tests: str, file: str = FILE) -> Plan:
    built = checked(tests, file)
    assert built.plan is not None, built.diagnostics
    return built.plan


def ran(plan: Plan) -> Rehearsed:
    """The test called `it`, run."""
    return Rehearsal(plan, Registry.installed(), folder=Path()).run(plan.tests["it"])


def run(body: str, file: str = FILE) -> Rehearsed:
    """One test, run; its name is `it`."""
    plan = plan_of(f'test "it" {{\n{body}\n}}', file)
    return ran(plan)


def passes(body: str, file: str = FILE) -> bool:
    done = run(body, file)
    assert done.problem is None, done.problem
    return done.passed


def got(body: str) -> list[str]:
    """What came of the expectations that do not hold."""
    return [each.got for each in run(body).verdicts if not each.holds]


# ---- what is checked ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "place", "help"),
    [
        ("given = { tsk = code }", "unknown-name", "tsk", "did you mean `task`?"),
        ("given = { task = cod }", "unknown-label", "cod", "did you mean `code`?"),
        ("given = { task = guess(cod, 0.5) }", "unknown-label", "cod", "did you mean `code`?"),
        ("given = { task = guess(code, 1.5) }", "out-of-range", "1.5", ""),
        ('given = { task = "code" }', "wrong-type", '"code"', "write `task = code`"),
        ("given = { fast = llama }", "wrong-type", "fast", ""),
        ("given = { upgrade = llama }", "out-of-range", "llama", "its arms are"),
        ("given = { upgrade = stron }", "unknown-name", "stron", "did you mean `strong`?"),
        ("given = { quality = 3s }", "wrong-type", "3s", ""),
        ("given = [task]", "wrong-type", "[task]", ""),
        ("request = { token = 9k }", "unknown-field", "token", "did you mean `tokens`?"),
        ("request = { tokens = 9s }", "wrong-type", "9s", ""),
        ("flow = mian", "unknown-name", "mian", "did you mean `main`?"),
        ("flow = fast", "wrong-type", "fast", ""),
        ('inputt = "x"', "unknown-field", "inputt", "did you mean `input`?"),
        ('when fats -> reply("x")', "unknown-name", "fats", "did you mean `fast`?"),
        ('when lonely -> reply("x")', "out-of-range", "lonely", "another flow"),
        ("when fast -> repli()", "unknown-name", "repli", "did you mean `reply`?"),
        ("when fast -> mini", "wrong-type", "mini", "reply"),
        ("when fast -> reply(qualty = 0.5)", "unknown-field", "qualty = 0.5", "did you mean `quality`?"),
        ("when fast -> reply(quality = 2)", "out-of-range", "2", ""),
        ('when fast -> reply("a", "b")', "wrong-type", 'reply("a", "b")', ""),
        ("when fast -> fail(430s)", "wrong-type", "430s", "classes are"),
        ("when fast -> fail(timeut)", "wrong-type", "timeut", "did you mean `timeout`?"),
        ("when fast -> fail(budget)", "wrong-type", "budget", "classes are"),
        ("when fast -> slow(3)", "wrong-type", "3", ""),
        ("when fast -> slow()", "wrong-type", "slow()", ""),
        ('when fast -> stream("a")', "wrong-type", '"a"', ""),
        ('else -> reply("a")', "wrong-type", 'else -> reply("a")', "when TARGET"),
        ('when fast with { deadline = 1s } -> reply("a")', "wrong-type", "fast with { deadline = 1s }", "write `fast`"),
    ],
)
def test_a_mistake_is_told_where_it_stands(body: str, code: str, place: str, help: str) -> None:
    found = codes(f'test "it" {{\n{body}\nexpect = [served_by(mini)]\n}}')
    assert [each[:2] for each in found] == [(code, place)]
    assert help in found[0][2]


@pytest.mark.parametrize(
    ("expectation", "code", "place", "help"),
    [
        ("served_bi(fast)", "unknown-name", "served_bi", "did you mean `served_by`?"),
        ("served_by(fats)", "unknown-name", "fats", "did you mean `fast`?"),
        ("served_by(lonely)", "out-of-range", "lonely", ""),
        ("served_by", "wrong-type", "served_by", "write `served_by(fast)`"),
        ("cost", "wrong-type", "cost", "write `cost < $0.02`"),
        ("cost < 3s", "wrong-type", "3s", ""),
        ("latency < $3", "wrong-type", "$3", ""),
        ("attempts(fast) == 2s", "wrong-type", "2s", ""),
        ("attempts(fast) in [2]", "wrong-type", "[2]", "compare by"),
        ("calls == fast", "wrong-type", "fast", "write `calls == [fast]`"),
        ("calls < [fast]", "wrong-type", "[fast]", "compare by"),
        ("label(task) == cod", "unknown-label", "cod", "did you mean `code`?"),
        ("task == cod", "unknown-label", "cod", "did you mean `code`?"),
        ("label(tsk) == code", "unknown-name", "tsk", "did you mean `task`?"),
        ("task < code", "unordered-label", "task < code", ""),
        ("never_called(zone = extern)", "wrong-type", "extern", ""),
        ("never_called(colour = red)", "unknown-field", "colour = red", ""),
        ("outcome == serve", "wrong-type", "serve", "did you mean `served`?"),
        ("error == 999", "wrong-type", "999", ""),
        ('output matches "(a"', "slow-pattern", '"(a"', ""),
        ("request.tokens > 3", "wrong-type", "request.tokens", "a test expects"),
        ("fast", "wrong-type", "fast", "a test expects"),
        ("1", "wrong-type", "1", "a test expects"),
    ],
)
def test_an_expectation_that_cannot_be_is_told(expectation: str, code: str, place: str, help: str) -> None:
    found = codes(f'test "it" {{\nexpect = [{expectation}]\n}}')
    assert [each[:2] for each in found] == [(code, place)]
    assert help in found[0][2]


def test_a_test_needs_a_name_that_is_a_string_and_an_expectation() -> None:
    assert [each[0] for each in codes("test { expect = [cached] }")] == ["missing-field"]
    assert [each[:2] for each in codes("test good { expect = [cached] }")] == [("wrong-type", "good")]
    assert [each[:2] for each in codes('test " " { expect = [cached] }')] == [("out-of-range", '" "')]
    assert [each[0] for each in codes('test "it" { flow = main }')] == ["missing-field"]
    assert [each[0] for each in codes('test "it" { expect = [] }')] == ["out-of-range"]


def test_names_of_tests_are_unique_and_those_of_other_kinds_are_no_strings() -> None:
    assert [each[:2] for each in codes('test "a" { expect = [cached] }\ntest "a" { expect = [cached] }')] == [
        ("duplicate-name", '"a"')
    ]
    assert codes('test "fast" { expect = [served_by(mini)] }') == []  # not the name of the tier
    assert [each[:2] for each in codes('route "a" { else -> mini }')] == [("wrong-type", '"a"')]


def test_the_flow_may_be_left_out_only_where_there_is_one() -> None:
    second = FILE + "\nflow other { else -> mini }\n"
    assert [each[0] for each in codes('test "it" { expect = [served_by(mini)] }', second)] == ["missing-field"]
    assert codes('test "it" { flow = other, expect = [served_by(mini)] }', second) == []


def test_a_test_has_no_plugin_and_no_base() -> None:
    assert [each[:2] for each in codes('test "it" using sim { expect = [cached] }')] == [("unknown-field", "sim")]
    assert [each[:2] for each in codes('test "it" like main { expect = [cached] }')] == [("unknown-field", "main")]


def test_values_may_be_lets_and_expectations_may_be_joined() -> None:
    tests = 'let most = $0.02\nlet what = "hi"\ntest "it" {\nwhen mini -> reply(what)\n'
    tests += "expect = [cost < most and output == what, not (served_by(fast) or latency > 1s), calls != [fast]]\n}"
    plan = plan_of(tests)
    assert ran(plan).passed


def test_tests_are_in_the_plan_and_not_in_its_fingerprint() -> None:
    plan = plan_of('test "it" { given = { task = guess(code, 0.5) }, expect = [served_by(mini)] }')
    assert plan.tests["it"].given == {"task": Guessed("code", 0.5)}
    assert plan.tests["it"].line == FILE.count("\n") + 2
    assert fingerprint(plan) == fingerprint(plan_of(""))


def test_the_tests_of_an_imported_file_are_left_out() -> None:
    library = Source("lib.mmf", 'mmflow 1\nmodel m { provider = openai, id = "gpt-4o" }\ntest "broken" { what = 1 }\n')
    text = 'mmflow 1\nimport "lib.mmf" as lib\nflow main { else -> lib.m }\ntest "it" { expect = [served_by(lib.m)] }\n'
    built = build(Source("in.mmf", text), Registry.installed(), read=lambda path: library)
    assert built.plan is not None, built.diagnostics
    assert ran(built.plan).passed


def test_what_is_imported_is_given_by_its_last_name() -> None:
    tone = 'patterns = { rude = ["!"] }, labels = [rude, kind], confidence = 0.5, unsure = kind'
    library = Source("lib.mmf", f"mmflow 1\nclassify tone using keywords {{ {tone} }}")
    text = 'mmflow 1\nimport "lib.mmf" as lib\nmodel a { provider = openai, id = "gpt-4o" }\nmodel b like a {}\n'
    text += "flow main {\nwhen lib.tone == rude -> a\nelse -> b\n}\n"
    text += 'test "it" { given = { tone = rude }, expect = [served_by(a), label(lib.tone) == rude] }\n'
    built = build(Source("in.mmf", text), Registry.installed(), read=lambda path: library)
    assert built.plan is not None, built.diagnostics
    assert ran(built.plan).passed


# ---- arms that no test takes --------------------------------------------------------------------------------------------------


def untested(tests: str) -> set[str]:
    return {each.span.text.partition(" ->")[0] for each in checked(tests).diagnostics if each.code == "untested-arm"}


def test_arms_that_no_test_takes_are_told_also_those_of_routes() -> None:
    every = {"when task == code", "when task == math", "when request.tokens > 2k", "when request.has_images"}
    every |= {'when request.text matches "urgent"', 'when request.meta("team") == "gold"', "else"}
    every |= {"when level == low", "when level == medium"}
    assert untested("") == set()
    assert untested('test "a" { given = { task = code }, expect = [served_by(mini)] }') == every - {"when task == code"}
    long = 'test "a" { given = { level = low }, request = { tokens = 9k }, expect = [served_by(llama)] }'
    assert untested(long) == every - {"when request.tokens > 2k", "when level == low"}
    assert untested('test "a" { input = "urgent", given = { task = other }, expect = [cached] }') == every - {
        'when request.text matches "urgent"'
    }


def test_a_guess_below_the_confidence_takes_the_arm_of_the_unsure() -> None:
    found = untested(
        'test "a" { given = { task = guess(code, 0.5), level = unsure }, request = { tokens = 9k }, expect = [cached] }'
    )
    assert "when task == code" in found
    assert "when request.tokens > 2k" not in found


def test_what_a_classifier_will_say_of_an_input_leaves_the_arm_open() -> None:
    assert untested('test "a" { input = "hello", expect = [served_by(mini)] }') >= {
        "when request.has_images",
        "when level == low",
    }
    assert "when task == code" not in untested('test "a" { input = "hello", expect = [served_by(mini)] }')


# ---- what is given ------------------------------------------------------------------------------------------------------------


def test_given_signals_decide_and_the_others_are_unsure() -> None:
    assert passes("given = { task = code }\nexpect = [served_by(safe), label(task) == code, task == code]")
    assert passes("given = { task = guess(code, 0.79) }\nexpect = [served_by(mini), label(task) == other, not served_by(safe)]")
    assert passes("given = { level = guess(low, 0.5) }\nrequest = { tokens = 9k }\nexpect = [level == medium, served_by(mini)]")
    assert passes("request = { tokens = 9k }\nexpect = [level == high, task == other, served_by(deep)]")


def test_the_request_is_as_long_as_the_test_says() -> None:
    for tokens in (4, 5, 100, 2001, 200_000):
        done = run(f"request = {{ tokens = {tokens} }}\nexpect = [served_by(mini)]")
        assert done.result is not None
        assert f"about {tokens} input tokens" in "\n".join(trace(done.events))
    assert passes('input = "urgent"\nrequest = { tokens = 2k }\nexpect = [served_by(strong)]')
    assert "already" in (run('input = "a b c d e f g"\nrequest = { tokens = 5 }\nexpect = [cached]').problem or "")


def test_facts_of_the_request_are_those_that_the_test_says() -> None:
    assert passes("request = { has_images = true }\nwhen llama -> reply(long = 1)\nexpect = [served_by(wordy), calls == [llama]]")
    assert passes('request = { meta = { team = "gold" } }\nexpect = [served_by(deep)]')
    assert passes('request = { meta = { team = "tin" } }\nexpect = [not served_by(deep)]')


def test_a_split_draws_what_the_test_gives() -> None:
    for arm in ("strong", "mini"):
        assert passes(f"given = {{ task = code, upgrade = {arm} }}\nexpect = [served_by({arm}), calls == [{arm}]]")


def test_with_an_input_the_classifiers_are_asked_and_the_test_is_live() -> None:
    done = run('input = "Here is my stack trace"\nexpect = [task == code, served_by(safe)]')
    assert (done.passed, done.live) == (True, True)
    done = run('input = "Here is my stack trace"\ngiven = { task = math }\nexpect = [task == math, served_by(answer)]')
    assert (done.passed, done.live) == (True, False)
    assert not run("given = { task = code }\nexpect = [served_by(safe)]").live


# ---- what models do -----------------------------------------------------------------------------------------------------------


def test_a_scripted_score_escalates_and_the_judge_costs_time_and_money() -> None:
    body = "given = { task = math }\nwhen fast -> reply(quality = 0.6)\nwhen deep -> reply(quality = 0.91)\n"
    assert passes(body + "expect = [calls == [fast, deep], served_by(strong), attempts(judge_model) == 1, latency > 2.4s]")
    body = "given = { task = math }\nwhen fast -> reply(quality = 0.9)\n"
    assert passes(body + "expect = [calls == [fast], served_by(fast), attempts(judge_model) == 1, latency == 450ms]")


def test_a_given_score_is_of_every_answer_that_no_script_scores() -> None:
    assert passes("given = { task = math, quality = 0.9 }\nexpect = [calls == [fast]]")
    assert passes("given = { task = math, quality = 0.9 }\nwhen llama -> reply(quality = 0.1)\nexpect = [calls == [fast, deep]]")


def test_without_a_script_the_score_is_the_quality_of_the_model() -> None:
    assert passes("given = { task = math }\nexpect = [calls == [fast, deep]]")  # llama has 0.7, and 0.85 is due


def test_a_scorer_reads_what_the_script_says() -> None:
    long = "request = { has_images = true }\n"
    assert passes(long + 'when llama -> reply("too short")\nexpect = [calls == [llama, strong]]')
    assert passes(long + 'when llama -> reply("a b c d e f g h i j k l m n o p q r s t")\nexpect = [calls == [llama]]')


def test_a_judge_with_a_script_is_read_by_its_scorer() -> None:
    math = "given = { task = math }\n"
    assert passes(math + 'when judge_model -> reply("0.9")\nexpect = [calls == [fast]]')
    assert passes(math + 'when judge_model -> reply("0.1")\nexpect = [calls == [fast, deep]]')
    assert passes(math + 'when judge_model -> reply("no verdict at all")\nexpect = [calls == [fast, deep]]')


def test_a_judge_that_fails_escalates() -> None:
    body = "given = { task = math }\nwhen llama -> reply(quality = 1)\nwhen judge_model -> fail(5xx)\n"
    assert passes(body + "expect = [calls == [fast, deep], served_by(deep)]")


def test_failures_lead_to_the_next_and_are_tried_again() -> None:
    body = "given = { task = code, upgrade = strong }\n"
    assert passes(body + "when strong -> fail(429)\nexpect = [calls == [strong, strong, llama], attempts(strong) == 2]")
    assert passes(
        body + 'when strong -> fail(503)\nwhen strong -> reply("b")\nexpect = [calls == [strong, strong], output == "b"]'
    )
    assert passes(body + "when strong -> fail(400)\nexpect = [outcome == failed, error == 4xx, calls == [strong]]")
    assert passes(body + "when safe -> fail(timeout)\nexpect = [outcome == failed, error == timeout, attempts(safe) == 4]")


def test_retry_after_is_honoured() -> None:
    body = "given = { task = code, upgrade = mini }\nwhen mini -> fail(429, retry_after = 3s)\nwhen mini -> reply()\n"
    assert passes(body + "expect = [served_by(mini), latency == 3.4s]")


def test_the_innermost_target_of_a_call_has_its_script() -> None:
    body = 'given = { task = math, quality = 1 }\nwhen answer -> reply("outer")\n'
    assert passes(body + 'when llama -> reply("inner")\nexpect = [output == "inner"]')
    assert passes(body + 'when fast -> reply("middle")\nexpect = [output == "middle"]')
    assert passes(body + 'when mini -> reply("not asked")\nexpect = [output == "outer"]')


def test_slow_takes_its_time_within_the_deadline() -> None:
    assert passes("when mini -> slow(3s)\nexpect = [latency == 3s, served_by(mini)]")
    assert passes("when mini -> slow(30s)\nexpect = [error == timeout, latency == 20s]")


def test_usage_is_of_the_script_of_its_text_or_typical() -> None:
    assert passes("when mini -> reply(input_tokens = 1k, output_tokens = 1k)\nexpect = [cost == $0.002]")
    assert passes("request = { tokens = 100 }\nexpect = [cost == $0.0004]")  # 300 tokens is what the flow allows
    assert passes('request = { tokens = 100 }\nwhen mini -> reply("ok")\nexpect = [cost < $0.00011]')


def test_a_stream_that_breaks_before_its_first_piece_falls_back_and_one_after_it_does_not() -> None:
    code = "given = { task = code, upgrade = strong }\n"
    broken = 'when strong -> stream(["a", "b"], broken_after = {})\n'
    assert passes(code + broken.format(1) + 'expect = [outcome == stream_broken, error == connect, output == "a"]')
    assert passes(code + broken.format(0) + "expect = [served_by(llama), attempts(strong) == 2]")
    assert passes(code + 'when strong -> stream(["a", "b"], after = 3s)\nexpect = [output == "ab", latency == 3s]')


# ---- what is expected ---------------------------------------------------------------------------------------------------------


def test_never_called_is_of_models_for_any_purpose() -> None:
    math = "given = { task = math, quality = 1 }\n"
    assert passes(math + "expect = [never_called(zone = external), never_called(mini), never_called(lonely)]")
    assert got(math + "expect = [never_called(zone = own)]") == [
        "llama was called (main/answer/step 1/fast/llama), judge_model was called (main/answer/step 1/quality/judge_model)"
    ]
    assert got(math + "expect = [never_called(judge_model)]") == [
        "judge_model was called (main/answer/step 1/quality/judge_model)"
    ]
    assert passes(math + "expect = [never_called(zone = own, provider = openai)]")


def test_calls_name_models_or_what_stands_around_them() -> None:
    body = "given = { task = math, quality = 0 }\nwhen llama -> fail(5xx)\n"  # llama, mini, strong
    assert passes(body + "expect = [calls == [fast, deep]]")
    assert passes(body + "expect = [calls == [llama, mini, strong]]")
    assert passes(body + "expect = [calls == [llama, mini, deep], calls == [answer]]")
    assert not passes(body + "expect = [calls == [llama, deep]]")
    assert not passes(body + "expect = [calls == [fast]]")
    assert not passes(body + "expect = [calls == []]")
    assert got(body + "expect = [calls == [fast]]") == [
        "calls == [llama, mini, strong] (main/answer/step 1/fast/llama) (main/answer/step 1/fast/mini) "
        "(main/answer/step 2/deep/strong)"
    ]


def test_what_came_is_said_in_the_words_of_the_expectation() -> None:
    assert got("expect = [served_by(fast)]") == ["served by mini (main/mini)"]
    assert got("expect = [cost < $0.00001]") == ["cost == $0.000310"]
    assert got("expect = [latency < 1ms]") == ["latency == 0.400s"]
    assert got("expect = [attempts(mini) == 2]") == ["attempts(mini) == 1"]
    assert got("expect = [label(task) == code]") == ["task == other"]
    assert got("expect = [label(level) == low]") == ["level was not read"]
    assert got('expect = [output == "x"]') == ["output == 'an answer of mini'"]
    assert got("expect = [outcome == failed]") == ["outcome == served"]
    assert got("expect = [cached, degraded]") == ["not cached", "not degraded"]
    assert got("expect = [served_by(fast) or cost > $1]") == ["served by mini (main/mini); cost == $0.000310"]


def test_a_test_runs_the_same_way_each_time() -> None:
    body = "given = { task = code }\nwhen safe -> fail(5xx)\nwhen safe -> reply()\nexpect = [served_by(safe)]"
    first, second = run(body), run(body)
    assert first.passed
    assert [each.at_s for each in first.events] == [each.at_s for each in second.events]


def test_a_degraded_answer_is_seen() -> None:
    body = "given = { task = math, quality = 0.5 }\nwhen deep -> fail(4xx)\n"
    assert passes(body + "expect = [degraded, served_by(fast)]")


def test_neither_keys_nor_the_network_are_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it reached for the network"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-read")
    assert passes("expect = [served_by(mini)]")


# ---- budgets, caches, contracts -----------------------------------------------------------------------------------------------

PROMISES = """mmflow 1

model cheap { provider = openai, id = "gpt-4o-mini", price = { input = $1/1M, output = $1/1M }, latency = { p95 = 1s } }
model dear like cheap { id = "gpt-4o", price = { input = $10/1M, output = $10/1M } }

budget daily {
  limit = $10/day
  when spent >= 80% -> alert("ops")
  when spent >= 100% -> degrade(cheap)
}
cache answers { ttl = 1h }
output reply { format = json, on_invalid = retry(1) }

flow main {
  max_input = 1k
  max_output = 200
  budget = daily
  cache = answers
  output = reply
  else -> dear
}
"""


def promises(body: str) -> bool:
    return passes(body, PROMISES)


def test_a_budget_may_be_spent_already() -> None:
    assert promises('expect = [served_by(dear), not alerted("ops"), not degraded]')
    assert promises('given = { daily = 85% }\nexpect = [served_by(dear), alerted("ops"), alerted(), not alerted("dev")]')
    assert promises("given = { daily = 100% }\nexpect = [served_by(cheap), degraded, never_called(dear)]")


def test_arms_in_whose_place_a_budget_asks_something_else_are_not_tested() -> None:
    def left(given: str) -> list[str]:
        found = checked(f'test "a" {{ {given}, expect = [degraded] }}', PROMISES).diagnostics
        return [each.span.text for each in found if each.code == "untested-arm"]

    assert left("given = { daily = 85% }") == []
    assert left("given = { daily = 100% }") == ["else -> dear"]


def test_a_cache_may_be_warm() -> None:
    assert promises("expect = [not cached, calls == [dear], latency == 1s]")
    asked = 'request = { user = "u" }\n'
    assert promises(asked + "given = { answers = warm }\nexpect = [cached, calls == [], latency == 0s, served_by(dear)]")
    assert promises(asked + 'given = { answers = warm }\nwhen dear -> fail(5xx)\nwhen dear -> reply("{}")\nexpect = [not cached]')


def test_an_answer_keeps_the_contract_unless_a_script_breaks_it(tmp_path: Path) -> None:
    assert promises("expect = [outcome == served, attempts(dear) == 1]")
    assert promises("when dear -> reply(output_tokens = 5)\nexpect = [outcome == served, attempts(dear) == 1]")
    assert promises('when dear -> reply("no JSON")\nexpect = [error == invalid_output, attempts(dear) == 2]')
    schema = PROMISES.replace("format = json", 'format = json, schema = file("s.json")')
    (tmp_path / "s.json").write_text('{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}')
    plan = plan_of('test "it" { expect = [outcome == served, output matches "\\"n\\":", attempts(dear) == 1] }', schema)
    assert Rehearsal(plan, Registry.installed(), folder=tmp_path).run(plan.tests["it"]).passed


def test_a_file_that_is_not_there_is_left_out() -> None:
    assert passes("expect = [outcome == served]", PROMISES.replace("format = json", 'format = json, schema = file("gone.json")'))


# ---- the workflow of the design -----------------------------------------------------------------------------------------------


@options
class RubricOptions:
    model: ModelName = option(doc="the judge")


class Rubric:
    """A judge of somebody else, whose words to its model nobody here knows."""

    def __init__(self, options: RubricOptions, host: Host) -> None:
        self._options = options

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        verdict = await ask(self._options.model, [Message("user", reply.text)], max_output_tokens=10)
        return float(verdict.text)


class WithRubric:
    """The installed words, and `acme.judge.rubric`."""

    def find(self, kind: WordKind, path: str) -> Word:
        if (kind, path) == ("scorer", "acme.judge.rubric"):
            return ScorerWord("rubric", RubricOptions, Rubric, scale="rubric")
        return Registry.installed().find(kind, path)

    def __getattr__(self, name: str) -> Any:
        return getattr(Registry.installed(), name)


def test_the_tests_of_the_designs_own_workflow_pass() -> None:
    path = Path(__file__).parent / "data" / "support.mmf"
    built = build(Source.from_bytes(str(path), path.read_bytes()), WithRubric())
    assert built.plan is not None, built.diagnostics
    rehearsal = Rehearsal(built.plan, WithRubric(), folder=path.parent)
    done = [rehearsal.run(case) for case in built.plan.tests.values()]
    assert [(each.case.name, each.passed, each.live) for each in done] == [
        ("a weak first answer escalates", True, False),
        ("confidential code stays inside", True, False),
        ("a rate limit moves to the other provider", True, False),
    ]
