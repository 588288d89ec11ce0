"""Output contracts: what is valid, what is told to models, what happens to an answer that breaks one."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from plans import PRICES, Says, Words, model, of_type, plan_of, words

from mmflow import plan
from mmflow.plan import Output, Plan
from mmflow.plugin import Call, CallError, Delta, Emit, Function, Message, Model, Reply, Request, ToolCall
from mmflow.report import trace
from mmflow.runtime.events import CallEnded, CallStarted, Judged, MovedOn, OutputInvalid, OutputRepaired
from mmflow.runtime.executor import Executor
from mmflow.runtime.outputs import Contract, Invalid, contract_of, is_strict, json_path
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, fail, reply, run_virtual, stream

ANY_JSON = Contract(Output(name="any", format="json"))
REPLY = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "sources": {"type": "array", "items": {"$ref": "#/$defs/source"}}},
    "required": ["answer"],
    "$defs": {"source": {"type": "object", "properties": {"page": {"type": "integer"}}, "required": ["page"]}},
}
GOOD = '{"answer": "yes"}'


def contract(schema: Any, folder: Path, **more: Any) -> Contract:
    (folder / "reply.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return contract_of(Output(name="reply", format="json", schema_file="reply.json", **more), folder)


def invalid(of: Contract, text: str, **more: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        of.held(Reply(text=text, **more))
    return caught.value


def refused(schema: Any, folder: Path) -> CallError:
    with pytest.raises(CallError) as caught:
        contract(schema, folder)
    assert (caught.value.error_class, caught.value.dispatched) == ("protocol", "no")
    assert caught.value.help
    return caught.value


# ---- the normal form --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['{"a": 1}', "[]", "3", '"x"', "null", "true", ' \n{"a": 1}\r\n', '\ufeff{"a": 1}'])
def test_json_is_taken_without_what_is_blank_around_it(text: str) -> None:
    held, how = ANY_JSON.held(Reply(text=text))
    assert (held.text, how) == (text.strip("\ufeff \r\n"), None)


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        '```JSON\n\n{"a": 1}\n\n```\n',
        'Here it is:\n\n```json\n{"a": 1}\n```\n\nTell me if you need more.',
    ],
)
def test_the_one_code_fence_is_taken_away_and_that_is_recorded(text: str) -> None:
    held, how = ANY_JSON.held(Reply(text=text))
    assert held.text == '{"a": 1}'
    assert how


@pytest.mark.parametrize(
    "text",
    [
        'Here it is: {"a": 1}',
        '```json\n{"a": 1}\n```\nor\n```json\n{"a": 2}\n```',
        '```python\n{"a": 1}\n```',
        '```json\n{"a": 1}',
        '{"a": 1} {"a": 2}',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": 1,}',
        '{"a": "\ud800"}',
        "[" * 100_000,
        "[" * 300 + "]" * 300,
    ],
)
def test_what_is_not_surely_one_json_value_is_invalid(text: str) -> None:
    assert invalid(ANY_JSON, text).message


@pytest.mark.parametrize("kind", ["text", "json"])
@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_nothing_is_no_answer(kind: Any, text: str) -> None:
    assert invalid(Contract(Output(name="x", format=kind)), text).message == "it is empty"


@pytest.mark.parametrize("kind", ["text", "json"])
def test_an_answer_that_was_cut_off_is_invalid_and_says_so(kind: Any) -> None:
    assert "cut off" in invalid(Contract(Output(name="x", format=kind)), "1", finish="length").message


def test_calls_of_tools_are_not_of_a_format() -> None:
    called = Reply(text="", tool_calls=(ToolCall("1", Function("f", "{}")),), finish="tool_calls")
    assert ANY_JSON.held(called) == (called, None)


def test_a_text_is_any_text() -> None:
    held, how = Contract(Output(name="x")).held(Reply(text="\ufeffYes.\n"))
    assert (held.text, how) == ("Yes.", None)


# ---- schemas ----------------------------------------------------------------------------------------------------------------


def test_a_schema_says_what_is_wrong_and_where(tmp_path: Path) -> None:
    of = contract(REPLY, tmp_path)
    assert of.held(Reply(text=GOOD))[0].text == GOOD
    wrong = invalid(of, '{"answer": "yes", "sources": [{"page": 1}, {"page": "two"}]}')
    assert (wrong.where, wrong.message) == ("$.sources[1].page", 'the value is not of type "integer"')
    assert invalid(of, "{}").where == ""


def test_what_an_answer_says_is_not_in_the_record_of_what_is_wrong_with_it(tmp_path: Path) -> None:
    wrong = invalid(contract(REPLY, tmp_path), '{"answer": ["4111 1111 1111 1111"]}')
    assert "4111" not in wrong.message


def test_a_name_that_an_answer_made_up_is_escaped_and_cut(tmp_path: Path) -> None:
    closed = contract({"type": "object", "additionalProperties": {"type": "string"}}, tmp_path)
    wrong = invalid(closed, json.dumps({"\x1b[31m" + "x" * 5000: 1}))
    assert wrong.where.isprintable()
    assert len(wrong.where) <= 120
    none = contract({"type": "object", "additionalProperties": False}, tmp_path)
    wrong = invalid(none, json.dumps({"\x1b[31m" + "x" * 5000: 1}))
    assert wrong.message.isprintable()
    assert len(wrong.message) <= 200


@pytest.mark.parametrize(
    ("steps", "said"),
    [([], ""), (["a"], "$.a"), (["a", 0, "b"], "$.a[0].b"), (["odd key", 'q"'], '$["odd key"]["q\\""]')],
)
def test_a_place_is_a_json_path(steps: list[str | int], said: str) -> None:
    assert json_path(steps) == said


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "http://schemas.example/reply.json"}, "not followed"),
        ({"$ref": "file:///etc/hostname"}, "not followed"),
        ({"$ref": "other.json"}, "other.json"),
        ({"$ref": "#/$defs/nowhere"}, "nowhere"),
        ({"type": "strnig"}, "strnig"),
        ({"$schema": "http://schemas.example/own"}, "meta-schema"),
        ({"pattern": "(?=a)b"}, "pattern"),
        ("{", "not JSON"),
        ("[]", "a list"),
        ("", "not JSON"),
        ('{"properties": {"a": ' * 65 + "{}" + "}}" * 65, "deeper"),
        ('{"description": "' + "x" * 300_000 + '"}', "256 kB"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_its_reason(schema: Any, said: str, tmp_path: Path) -> None:
    error = refused(schema, tmp_path)
    assert "reply.json" in error.message
    assert len(error.message) < 400
    if said != "pattern":
        assert said in error.message


def test_a_schema_that_is_not_there_is_an_error_before_any_call(tmp_path: Path) -> None:
    lab, result = ran(contracted_plan("m", schema_file="schemas/none.json"), tmp_path)
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "protocol")
    assert "schemas/none.json" in (result.ended.message or "")
    assert lab.calls == []


def test_a_pattern_that_would_backtrack_is_matched_at_once(tmp_path: Path) -> None:
    assert invalid(contract({"pattern": "^(a+)+$"}, tmp_path), json.dumps("a" * 5000 + "b")).message


# ---- what models are told ---------------------------------------------------------------------------------------------------


def able(*capabilities: str) -> Model:
    return model("m", capabilities=capabilities)


def test_a_model_that_can_is_told_the_schema(tmp_path: Path) -> None:
    told = contract({"$schema": "https://json-schema.org/draft/2020-12/schema", **REPLY}, tmp_path).told(
        able("json", "json_schema"), Request.of("hi")
    )
    assert told.response_format == {"type": "json_schema", "json_schema": {"name": "reply", "schema": REPLY}}


def test_a_schema_that_a_provider_can_promise_is_strict(tmp_path: Path) -> None:
    closed = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    told = contract(closed, tmp_path).told(able("json_schema"), Request.of("hi"))
    assert told.response_format is not None
    assert told.response_format["json_schema"]["strict"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"additionalProperties": True},
        {"required": []},
        {"minProperties": 1},
        {"properties": {"a": {"type": "string", "pattern": "x"}}},
        {"properties": {"a": {"type": "object"}}},
        {"properties": {"a": True}},
        {"type": "array"},
    ],
)
def test_any_other_schema_is_not(change: dict[str, Any]) -> None:
    closed = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    assert is_strict(closed)
    assert not is_strict({**closed, **change})


def test_a_model_of_json_mode_is_told_where_a_message_speaks_of_json() -> None:
    asks = Request.of("Answer in JSON.")
    assert ANY_JSON.told(able("json"), asks).response_format == {"type": "json_object"}
    assert ANY_JSON.told(able("json"), Request.of("Answer.")).response_format is None


def test_json_mode_is_not_used_for_what_is_no_object(tmp_path: Path) -> None:
    assert contract({"type": "array"}, tmp_path).told(able("json"), Request.of("JSON")).response_format is None


def test_a_model_that_cannot_be_told_is_not(tmp_path: Path) -> None:
    assert contract(REPLY, tmp_path).told(able("tools"), Request.of("JSON")).response_format is None


def test_the_form_that_a_caller_asks_for_stays(tmp_path: Path) -> None:
    own = Request(messages=Request.of("hi").messages, response_format={"type": "json_object"})
    assert contract(REPLY, tmp_path).told(able("json_schema"), own) is own


# ---- in a run ---------------------------------------------------------------------------------------------------------------


def contracted_plan(
    *models: str | Model, schema_file: str | None = None, retry_times: int = 0, steps: tuple[plan.Step, ...] = (), **flow: Any
) -> Plan:
    made = plan_of(*steps, models=models, output="reply", scorers=["good"], **flow)
    output = Output(name="reply", format="json", schema_file=schema_file, retry_times=retry_times)
    return Plan(
        providers=made.providers, models=made.models, scorers=made.scorers, steps=made.steps, flows=made.flows,
        outputs={"reply": output},
    )  # fmt: skip


GOOD_SCORER = words(scorers={"good": Says(lambda text: 1.0)})


def ran(
    of: Plan,
    folder: Path = Path(),
    script: dict[str, list[Turn]] | None = None,
    vocabulary: Words = GOOD_SCORER,
    emit: Emit | None = None,
    request: Request | None = None,
) -> tuple[Scripted, Result]:
    lab = Scripted(script)
    executor = Executor(of, vocabulary, folder=folder, random=Random(1), providers={"lab": lab}, environ={})
    return lab, run_virtual(executor.run("main", request or Request.of("hello"), emit))


def test_an_answer_of_the_contract_is_served_in_its_normal_form() -> None:
    _, result = ran(contracted_plan("m"), script={"m": [reply(f"```json\n{GOOD}\n```")]})
    assert result.reply is not None
    assert result.reply.text == GOOD
    (repaired,) = of_type(result, OutputRepaired)
    assert (repaired.path, repaired.model, repaired.output) == ("main/m", "m", "reply")


def test_the_same_model_is_asked_again_as_often_as_is_declared() -> None:
    lab, result = ran(contracted_plan("m", retry_times=2), script={"m": [reply("no"), reply("nor this"), reply(GOOD)]})
    assert result.ended.outcome == "served"
    assert len(lab.calls) == 3
    assert [each.tries_left for each in of_type(result, OutputInvalid)] == [2, 1]
    assert [each.attempt for each in of_type(result, CallStarted)] == [1, 2, 3]
    assert result.ended.cost_microusd == sum(each.cost_microusd for each in of_type(result, CallEnded))


@pytest.mark.parametrize("retry_times", [0, 1])
def test_then_it_fails_with_its_class_and_says_what_else_to_do(retry_times: int) -> None:
    lab, result = ran(contracted_plan("m", retry_times=retry_times), script={"m": [reply("no")]})
    assert (result.ended.outcome, result.ended.error_class) == ("failed", "invalid_output")
    assert "output `reply`" in (result.ended.message or "")
    assert ("on_invalid" in (result.ended.help or "")) is (retry_times == 0)
    assert "a fallback on `invalid_output`" in (result.ended.help or "")
    assert len(lab.calls) == 1 + retry_times
    assert any("invalid" in line and "main/m" in line for line in trace(result.events))


def test_a_call_that_fails_ends_the_tries() -> None:
    lab, result = ran(contracted_plan("m", retry_times=3), script={"m": [reply("no"), fail(429)]})
    assert result.ended.error_class == "429"
    assert len(lab.calls) == 2


def test_the_deadline_ends_the_tries() -> None:
    of = contracted_plan("m", retry_times=3, deadline_s=2.0)
    lab, result = ran(of, script={"m": [reply("no", 1.5), reply(GOOD, 1.5)]})
    assert (result.ended.error_class, result.ended.at_s) == ("timeout", 2.0)
    assert len(lab.calls) == 2


def test_a_fallback_on_invalid_output_moves_on() -> None:
    step = plan.Fallback("try", ("m", "n"), on=("invalid_output",))
    _, result = ran(contracted_plan("m", "n", steps=(step,)), script={"m": [reply("no")], "n": [reply(GOOD)]})
    assert (result.ended.outcome, result.ended.model) == ("served", "n")
    assert [each.reason for each in of_type(result, MovedOn)] == ["invalid_output"]


def test_a_fallback_on_other_classes_does_not() -> None:
    step = plan.Fallback("try", ("m", "n"), on=("5xx",))
    _, result = ran(contracted_plan("m", "n", steps=(step,)), script={"m": [reply("no")], "n": [reply(GOOD)]})
    assert result.ended.error_class == "invalid_output"


def test_a_cascade_counts_it_as_a_step_that_failed_and_judges_only_what_is_valid() -> None:
    step = plan.Cascade("climb", ("m", "n"), accept=plan.ScoreIs("good", ">=", 0.5), text="good >= 0.5")
    _, result = ran(contracted_plan("m", "n", steps=(step,)), script={"m": [reply("no")], "n": [reply(GOOD)]})
    assert (result.ended.outcome, result.ended.model) == ("served", "n")
    assert of_type(result, Judged) == []


def test_a_caller_of_a_stream_hears_the_whole_once_it_is_valid_and_nothing_of_what_was_not() -> None:
    heard: list[str] = []

    async def emit(delta: Delta) -> None:
        heard.append(delta.text)

    script = {"m": [stream(["not ", "json"], 1.0), stream(["```json\n", GOOD, "\n```"], 1.0)]}
    _, result = ran(contracted_plan("m", retry_times=1), script=script, emit=emit)
    assert heard == [GOOD]
    assert result.ended.outcome == "served"


def test_a_provider_learns_the_contract_even_where_its_model_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "reply.json").write_text(json.dumps(REPLY))
    lab, _ = ran(contracted_plan("m", schema_file="reply.json"), tmp_path, {"m": [reply(GOOD)]})
    assert lab.calls[0].request.response_format is None
    assert lab.calls[0].contract is not None
    assert lab.calls[0].contract["json_schema"]["schema"] == REPLY


def test_a_judge_is_held_to_no_contract() -> None:
    step = plan.Cascade("climb", ("m", "n"), accept=plan.ScoreIs("good", ">=", 0.5), text="good >= 0.5")
    of = contracted_plan("m", "n", "judge", steps=(step,))
    of = plan.decode(plan.encode(of))
    scorer = plan.Scorer(name="good", word="judge", options={"model": "judge"})
    of = Plan(
        providers=of.providers, models=of.models, scorers={"good": scorer}, steps=of.steps, flows=of.flows, outputs=of.outputs
    )
    lab, result = ran(of, script={"m": [reply(GOOD)], "judge": [reply("0.9")]}, vocabulary=words())
    assert result.ended.model == "m"
    judged = next(each for each in lab.calls if each.purpose == "judge")
    assert judged.contract is None


def test_the_schema_counts_where_money_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "reply.json").write_text(json.dumps({**REPLY, "description": "word " * 500}))
    told = model("m", capabilities=("json_schema",), prices=PRICES)
    limits = {"max_input_tokens": 50, "max_output_tokens": 10, "max_cost_microusd": 300}
    _, result = ran(contracted_plan(told, schema_file="reply.json", **limits), tmp_path, {"m": [reply(GOOD)]})
    assert result.ended.error_class == "budget"
    _, result = ran(contracted_plan("m", schema_file="reply.json", **limits), tmp_path, {"m": [reply(GOOD)]})
    assert result.ended.outcome == "served"


class Cut:
    """A provider whose answers are cut off."""

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        return Reply(text='{"answer": "ye', finish="length")


def test_an_answer_that_was_cut_off_says_to_raise_the_limit() -> None:
    executor = Executor(contracted_plan("m"), words(), folder=Path(), providers={"lab": Cut()}, environ={})
    ended = run_virtual(executor.run("main", Request(messages=(Message("user", "hi"),)))).ended
    assert ended.error_class == "invalid_output"
    assert "cut off" in (ended.message or "")
    assert "max_output" in (ended.help or "")
