"""Every workflow that ships is clean, in the canonical layout, and answers on every flow without a key or a network."""

import re
import shlex
from pathlib import Path
from random import Random

import pytest
from cli import Shell

from mmflow.api import build
from mmflow.plan import Plan
from mmflow.plugin import Request
from mmflow.registry import Registry
from mmflow.runtime.events import CallEnded, CallStarted, Judged, MovedOn
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import run_virtual
from mmflow.source import Source
from mmflow.syntax.format import format

FOLDER = Path(__file__).parent.parent / "workflows"
FILES = sorted(FOLDER.glob("*.mmf"))
QUESTIONS = (
    "hi",
    "What is the capital of France?",
    "Prove that the square root of two is irrational, then generalise the proof, and compare three other proofs step by step.",
    "Why does this raise an exception? ```print(x)```",
    "My card 4111 1111 1111 1111 was declined, what is my password?",
)


def plan_of(path: Path) -> Plan:
    built = build(Source.from_bytes(str(path), path.read_bytes()), Registry.installed())
    assert built.plan is not None, built.diagnostics
    assert not built.diagnostics
    return built.plan


def run(name: str, question: str, flow: str = "main", user: str | None = None) -> Result:
    """The flow of a workflow on a virtual clock, with no key in the environment."""
    path = FOLDER / name
    executor = Executor(plan_of(path), Registry.installed(), folder=FOLDER, environ={}, random=Random(1))
    request = Request(messages=Request.of(question).messages, user=user)
    return run_virtual(executor.run(flow, request))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_in_the_canonical_layout(path: Path) -> None:
    text = path.read_text()
    assert format(Source(str(path), text)).text == text


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_flow_answers_without_a_key(path: Path, question: str) -> None:
    for flow in plan_of(path).flows:
        result = run(path.name, question, flow)
        assert result.ended.outcome == "served", result.ended
        assert all(each.simulated for each in result.events if isinstance(each, CallEnded) and each.outcome == "answered")
        assert result.ended.cost_microusd is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_commands_in_its_head_run(path: Path, mmflow: Shell) -> None:
    commands = re.findall(r"^#   mmflow (run .*)$", path.read_text(), re.M)
    assert commands
    mmflow.write(f"workflows/{path.name}", path.read_bytes())
    for command in commands:
        done = mmflow(*shlex.split(command))
        assert (done.code, done.out.startswith("[simulated by")) == (0, True), done.err


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_own_tests_pass_and_take_every_arm(path: Path, mmflow: Shell) -> None:
    done = mmflow("test", str(path), "--coverage")
    assert (done.code, done.err) == (0, ""), done.out
    assert re.findall(r"\((\d+)%\)", done.out) == ["100"] * len(plan_of(path).flows)


def test_simple_questions_go_to_the_small_model_and_hard_ones_to_the_large() -> None:
    assert run("quickstart.mmf", QUESTIONS[1]).ended.model == "small"
    assert run("quickstart.mmf", QUESTIONS[2]).ended.model == "large"


def test_three_tiers_by_complexity() -> None:
    assert run("complexity.mmf", QUESTIONS[1]).ended.model == "mini"
    assert run("complexity.mmf", QUESTIONS[2]).ended.model == "thinker"


def test_a_weak_answer_escalates_and_a_good_one_does_not() -> None:
    answers = [run("cascade.mmf", f"Summarise the causes of event {number}.") for number in range(12)]
    verdicts = {(judged.accepted, each.ended.model) for each in answers for judged in each.events if isinstance(judged, Judged)}
    assert verdicts == {(True, "mini"), (False, "strong")}


def test_each_task_has_its_model() -> None:
    assert run("tasks.mmf", QUESTIONS[3], "code").ended.model == "coder"
    assert run("tasks.mmf", "Prove this theorem about the integral.", "code").ended.model == "thinker"
    assert run("tasks.mmf", "Is this urgent?", "classify_ticket").ended.model == "mini"


def test_where_the_first_provider_fails_the_other_answers() -> None:
    results = [run("fallback.mmf", f"Write haiku {number}.", user=f"user {number}") for number in range(40)]
    moved = [each for each in results if any(isinstance(event, MovedOn) for event in each.events)]
    assert {each.ended.model for each in moved} == {"spare"}
    assert {each.ended.model for each in results} == {"primary", "next", "spare"}


def test_what_is_confidential_or_unclear_stays_at_home() -> None:
    for question in ("My card 4111 1111 1111 1111 was declined", "asdf"):
        assert {each.model for each in run("private.mmf", question).events if isinstance(each, CallStarted)} == {"llama"}
    assert run("private.mmf", "What is the weather like?").ended.model == "mini"
