"""The compiler: a clean file always has a plan, the plan says what the file says, and its JSON reads back the same."""

from pathlib import Path

import pytest

from mmflow.api import build
from mmflow.plan import (
    Cascade,
    Fallback,
    LabelIs,
    Plan,
    PlanError,
    RequestIs,
    Route,
    Split,
    Tier,
    With,
    decode,
    encode,
    fingerprint,
)
from mmflow.registry import Registry
from mmflow.source import Source

WORKFLOWS = sorted((Path(__file__).parent.parent / "workflows").glob("*.mmf"))


def plan_of(text: str, **params: str) -> Plan:
    built = build(Source("test.mmf", text), Registry.installed(), params)
    assert built.plan is not None, built.diagnostics
    return built.plan


FILE = """mmflow 1
provider own using openai_compatible {
  url = "http://127.0.0.1:1/v1"
  key = secret("OWN_KEY")
  zone = own
  region = eu
  timeout = { connect = 500ms, first_token = 2s }
}
model llama { provider = own, id = "llama", price = { input = $0.10/1M, output = $0.10/1M }, timeout = 8s }
model mini { provider = openai, id = "gpt-4o-mini" }
classify complexity using heuristic {
  labels = low < medium < high
  confidence = 0.8
  unsure = up
  input = last_user(3)
}
scorer long using length { min = 3 }
tier fast { models = [llama, mini], pick = cheapest }
cascade answer { steps = [fast, mini with { max_output = 50 }], accept = long >= 0.5 }
fallback safe { try = [answer, llama], on = [429, 5xx], retry = { times = 2, backoff = 100ms } }
split trial { 12.5% -> safe, else -> mini, sticky = request.meta("team") }
flow main {
  deadline = 20s
  max_input = 8k
  max_output = 1k
  max_cost = $0.10
  when complexity >= medium and request.tokens > 2k -> trial
  when not (request.language in ["de", "fr"]) -> llama with { deadline = 3s, temperature = 0.2 }
  else -> safe
}
"""


def test_the_plan_says_what_the_file_says() -> None:
    plan = plan_of(FILE)
    own, llama, mini = plan.providers["own"], plan.models["llama"], plan.models["mini"]
    assert (own.word, own.zone, own.region, own.timeouts.connect_s) == ("openai_compatible", "own", "eu", 0.5)
    assert own.options == {"url": "http://127.0.0.1:1/v1", "key": "OWN_KEY"}
    assert (llama.zone, llama.prices.input if llama.prices else None, llama.timeouts.total_s) == ("own", 100_000, 8.0)
    assert (mini.prices.output if mini.prices else None, mini.context_tokens, mini.family) == (600_000, 128_000, "gpt")
    assert plan.providers["openai"].word == "openai"
    assert plan.steps["fast"] == Tier("fast", ("llama", "mini"), "cheapest")
    answer, safe, trial, main = (plan.steps[name] for name in ("answer", "safe", "trial", "main"))
    assert isinstance(answer, Cascade)
    assert isinstance(safe, Fallback)
    assert isinstance(trial, Split)
    assert isinstance(main, Route)
    assert answer.steps == ("fast", "answer/step 2")
    assert plan.steps["answer/step 2"] == With("answer/step 2", "mini", max_output_tokens=50)
    assert (safe.on, safe.retry_times, safe.backoff_s) == (("429", "5xx"), 2, 0.1)
    assert ([(each.buckets, each.step) for each in trial.slices], trial.sticky) == ([(1250, "safe"), (8750, "mini")], "meta.team")
    assert main.otherwise == "safe"
    assert plan.flows["main"].max_cost_microusd == 100_000
    assert plan.classifiers["complexity"].input_turns == 3


def test_an_ordered_comparison_becomes_the_labels_that_satisfy_it() -> None:
    main = plan_of(FILE).steps["main"]
    assert isinstance(main, Route)
    first = main.arms[0].test
    assert first.tests == (LabelIs("complexity", ("medium", "high")), RequestIs("tokens", ">", 2000))  # type: ignore[union-attr]
    assert main.arms[0].text == "complexity >= medium and request.tokens > 2k"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_plan_reads_back_from_its_json_as_it_was(path: Path) -> None:
    plan = plan_of(path.read_text())
    assert decode(encode(plan)) == plan
    assert encode(decode(encode(plan))) == encode(plan)


def test_the_fingerprint_follows_what_the_plan_does_and_not_where_its_file_lies() -> None:
    here = plan_of(FILE)
    there = build(Source("elsewhere.mmf", "# a remark\n" + FILE), Registry.installed()).plan
    assert there is not None
    assert fingerprint(here) == fingerprint(there)
    assert fingerprint(here) != fingerprint(plan_of(FILE.replace("20s", "21s")))


@pytest.mark.parametrize("data", [b"", b"[]", b'{"schema": 99}', b'{"flows": {"main": 3}}', b"\xff"])
def test_what_is_not_a_plan_is_refused(data: bytes) -> None:
    with pytest.raises(PlanError):
        decode(data)


def test_no_secret_stands_in_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_KEY", "sk-canary-1234567890")
    assert b"canary" not in encode(plan_of(FILE))


def test_a_saved_plan_runs_without_lark(tmp_path: Path) -> None:
    import subprocess
    import sys

    quickstart = next(path for path in WORKFLOWS if path.stem == "quickstart")
    saved = tmp_path / "plan.json"
    saved.write_bytes(encode(plan_of(quickstart.read_text())))
    script = (
        "import sys; sys.modules['lark'] = None; import mmflow; "
        f"print(mmflow.run({str(saved)!r}, 'What is the capital of France?').model)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={"PATH": ""})
    assert (done.returncode, done.stdout.strip()) == (0, "small"), done.stderr


def test_the_text_of_a_condition_shows_the_value_of_a_let() -> None:
    text = FILE.replace("accept = long >= 0.5", "accept = long >= bar").replace("provider own", "let bar = 0.75\nprovider own")
    answer = plan_of(text).steps["answer"]
    assert isinstance(answer, Cascade)
    assert answer.text == "long >= 0.75"
