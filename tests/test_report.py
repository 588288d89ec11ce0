"""The report: events folded into a trace that people read and a summary that programs read."""

import msgspec
import pytest
from plans import Says, model, plan_of, run, words

from mmflow import plan
from mmflow.plugin import Usage
from mmflow.report import summary, trace
from mmflow.runtime.events import CallEnded, RequestEnded, RequestStarted
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import fail, reply

USAGE = Usage(input_tokens=10, cached_input_tokens=4, output_tokens=5, reasoning_tokens=2)


@pytest.fixture
def cascade() -> Result:
    """`small` is rejected, `medium` fails, `large` is served."""
    step = plan.Cascade("main", ("small", "medium", "large"), plan.ScoreIs("fine", ">=", 0.5), "fine >= 0.5")
    of = plan_of(step, models=["small", "medium", "large"], scorers=["fine"])
    script = {
        "small": [reply("0.2", 0.8, usage=USAGE)],
        "medium": [fail(503, 0.1)],
        "large": [reply("Yes.", 2.0, served_model="large-2")],
    }
    return run(of, script, vocabulary=words(scorers={"fine": Says(float)}))


def test_a_summary_has_every_call_with_its_outcome(cascade: Result) -> None:
    found = summary(cascade.reply, cascade.events)
    assert [(call.model, call.outcome) for call in found.calls] == [
        ("small", "rejected"),
        ("medium", "uncertain"),
        ("large", "served"),
    ]
    assert (found.answer, found.model, found.served_model, found.path) == ("Yes.", "large", "large-2", "main/step 3/large")
    assert found.cost_microusd == sum(call.cost_microusd or 0 for call in found.calls)
    assert found.latency_s == 2.9


def test_a_summary_has_tokens_by_kind_and_dollars(cascade: Result) -> None:
    document = msgspec.to_builtins(summary(cascade.reply, cascade.events))
    small, medium, _ = document["calls"]
    assert small["tokens"] == {"input": 10, "cached_input": 4, "cache_write": 0, "output": 5, "reasoning": 2}
    assert (small["cost_microusd"], small["cost_usd"], small["latency_s"], small["estimated"]) == (28, 0.000028, 0.8, False)
    assert (medium["error"]["class"], medium["estimated"]) == ("5xx", True)


def test_an_unknown_cost_is_null_and_not_zero() -> None:
    found = summary(None, run(plan_of(models=[model("small", prices=None)])).events)
    assert (found.cost_usd, found.cost_microusd, found.calls[0].cost_usd) == (None, None, None)


def test_a_request_without_an_answer_has_its_error() -> None:
    found = summary(None, run(plan_of(models=["small"]), {"small": [fail(401)]}).events)
    assert found.error is not None
    assert (found.answer, found.outcome, found.error.error_class) == (None, "failed", "auth")


def test_a_run_that_has_not_ended_has_no_summary(cascade: Result) -> None:
    with pytest.raises(ValueError, match="not the events of a run"):
        summary(cascade.reply, cascade.events[:-1])


def test_a_trace_has_a_line_for_whatever_happened(cascade: Result) -> None:
    text = "\n".join(trace(cascade.events))
    for part in (
        "0.800s scored    main/step 1: fine = 0.20",
        "rejected  main/step 1: needs fine >= 0.5",
        "served by large-2",
        "total",
    ):
        assert part in text


def test_a_trace_lets_no_control_character_through() -> None:
    evil = "\x1b[2J\r\n\u202e\x9bm\x00"
    events = [
        RequestStarted(at_s=0, request_id="1", flow="main", plan="p", at_unix_s=0, input_tokens=1),
        CallEnded(
            at_s=1, call=1, path="main/m", model="m", provider="p", purpose="answer", attempt=1, outcome="answered",
            started_at_s=0, served_model=evil, error_class="5xx", message=evil,
        ),
        RequestEnded(at_s=1, outcome="failed", error_class="5xx", message=evil),
    ]  # fmt: skip
    lines = trace(events)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 3
