"""The Python front door: load, run, stream, fail."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import mmflow
from mmflow.api import Flow, LoadError, ParamError, RunFailed, UnknownFlow

WORKFLOWS = Path(__file__).parent.parent / "workflows"
SIM = 'mmflow 1\nmodel own { provider = sim, id = "own", price = free, latency = { first_token = 1ms, p95 = 2ms } }\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "flow.mmf"
    path.write_text(text)
    return path


async def test_a_flow_answers(tmp_path: Path) -> None:
    async with mmflow.load(write(tmp_path, SIM + "flow main { else -> own }")) as flow:
        answer = await flow.run("Why is the sky blue?")
    assert answer.text
    assert (answer.model, answer.cost_usd, answer.simulated) == ("own", 0.0, True)
    assert "own" in answer.trace()


def test_a_script_needs_no_event_loop() -> None:
    assert mmflow.run(str(WORKFLOWS / "quickstart.mmf"), "What is the capital of France?").model == "small"


async def test_a_stream_gives_the_answer_in_pieces(tmp_path: Path) -> None:
    async with mmflow.load(write(tmp_path, SIM + "flow main { else -> own }")) as flow, flow.stream("Tell me a story") as pieces:
        text = "".join([piece.text async for piece in pieces])
        assert text == pieces.answer.text


async def test_leaving_a_stream_early_cancels_the_call(tmp_path: Path) -> None:
    async with mmflow.load(write(tmp_path, SIM + "flow main { else -> own }")) as flow:
        async with flow.stream("Tell me a long story") as pieces:
            async for _ in pieces:
                break
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_stream_that_fails_raises_for_its_reader(tmp_path: Path) -> None:
    text = SIM.replace("price = free", "price = free, failures = 100%") + "flow main { else -> own }"
    async with mmflow.load(write(tmp_path, text)) as flow, flow.stream("hello") as pieces:
        with pytest.raises(RunFailed):
            [piece async for piece in pieces]


async def test_a_failure_says_why_and_keeps_the_record(tmp_path: Path) -> None:
    text = 'mmflow 1\nmodel m { provider = openai, id = "gpt-4o" }\nflow main { else -> m }'
    async with mmflow.load(write(tmp_path, text), environ={}) as flow:
        with pytest.raises(RunFailed, match="OPENAI_API_KEY") as failed:
            await flow.run("hello")
    assert failed.value.error_class == "auth"
    assert failed.value.help
    assert [each.outcome for each in failed.value.answer.summary.calls] == ["failed"]


def test_a_file_with_errors_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="has 2 errors") as failed:
        mmflow.load(write(tmp_path, "mmflow 1\nmodel a { provider = sim, id = 3 }\nflow f { else -> b }"))
    assert [each.code for each in failed.value.diagnostics] == ["wrong-type", "unknown-name"]
    assert [line.rpartition(" ")[2] for line in str(failed.value).splitlines()[1:]] == ["[wrong-type]", "[unknown-name]"]
    assert "flow.mmf:2:32: " in str(failed.value)


FLOWS = SIM + "flow chat { else -> own }\nflow code { else -> own }"


def test_one_of_several_flows_is_named(tmp_path: Path) -> None:
    assert mmflow.load(write(tmp_path, FLOWS), flow="code").name == "code"
    with pytest.raises(UnknownFlow, match="several flows"):
        mmflow.load(write(tmp_path, FLOWS))
    with pytest.raises(UnknownFlow) as failed:
        mmflow.load(write(tmp_path, FLOWS), flow="chatt")
    assert failed.value.help == "did you mean `chat`?"


def test_parameters_are_set_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, SIM + "param patience = 2s\nflow main { deadline = patience\n else -> own }")
    assert mmflow.load(path, params={"patience": "5s"}).plan.flows["main"].deadline_s == 5.0
    with pytest.raises(ParamError):
        mmflow.load(path, params={"patience": "five"})


async def test_a_request_is_a_text_a_mapping_or_a_request(tmp_path: Path) -> None:
    async with mmflow.load(write(tmp_path, SIM + "flow main { else -> own }")) as flow:
        mapping = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]}
        same = mmflow.Request(messages=(mmflow.Message("system", "Be brief."), mmflow.Message("user", "hello")))
        assert (await flow.run(mapping)).text == (await flow.run(same)).text
        with pytest.raises(mmflow.RequestError, match="temprature"):
            await flow.run({"messages": [{"role": "user", "content": "hello"}], "temprature": 1})


@pytest.mark.parametrize("wrong", [[{"role": "user", "content": "hello"}], 3, None])
def test_what_is_no_request_is_refused_with_its_form(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(mmflow.RequestError, match=f"not {type(wrong).__name__}") as failed:
        mmflow.load(write(tmp_path, SIM + "flow main { else -> own }")).run_sync(wrong)
    assert '{"messages": ' in (failed.value.help or "")


async def test_a_script_call_within_an_event_loop_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"write `await flow\.run"):
        mmflow.load(write(tmp_path, SIM + "flow main { else -> own }")).run_sync("hello")


def test_one_flow_serves_many_requests_at_once(tmp_path: Path) -> None:
    flow: Flow = mmflow.load(write(tmp_path, SIM + "flow main { else -> own }"))

    async def many() -> list[str]:
        async with flow:
            return [each.text for each in await asyncio.gather(*(flow.run(f"question {n}") for n in range(50)))]

    assert len(asyncio.run(many())) == 50
