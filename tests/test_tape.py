"""Recorded calls: what was recorded is what is replayed, and nothing else is."""

import asyncio
import subprocess
import sys

import pytest
from mmflow_plugins.providers.tape import Tape, TapeOptions, mmflow_providers

from mmflow.plugin import (
    Call,
    CallError,
    Delta,
    File,
    Function,
    Message,
    MissingSecret,
    Model,
    ProviderName,
    Reply,
    Request,
    ToolCall,
    Usage,
)


class Live:
    """A provider that plays a script: deltas, then a reply or an error, for each call."""

    def __init__(self, *script):
        self.script, self.asked = list(script), 0

    async def complete(self, call, emit):
        self.asked += 1
        for step in self.script.pop(0):
            if isinstance(step, Delta):
                if emit is not None:
                    await emit(step)
            elif isinstance(step, Reply):
                return step
            else:
                raise step
        raise AssertionError("the script has no end")


class Host:
    def __init__(self, live=None):
        self.live = live

    def provider(self, name):
        if isinstance(self.live, Exception):
            raise self.live
        assert self.live is not None, "no call may be made"
        return self.live


REPLY = Reply(
    text="Paris.",
    tool_calls=(ToolCall("1", Function("map", '{"town":"Paris"}')),),
    usage=Usage(input_tokens=7, output_tokens=2),
    served_model="gpt-4o-2024",
    request_id="r1",
)


def call(text="The capital of France?", **request):
    made = Request(messages=(Message("user", text),), **request)
    return Call(model=Model(name="mini", id="gpt-4o-mini", provider="taped"), messages=made.messages, request=made)


def recorder(path, *script):
    live = Live(*script)
    return Tape(TapeOptions(from_=File(path), record=ProviderName("live")), Host(live)), live


def player(path):
    return Tape(TapeOptions(from_=File(path)), Host())


def run(tape, asked=None, stream=False):
    pieces = []

    async def emit(delta):
        pieces.append(delta)

    reply = asyncio.run(tape.complete(asked or call(), emit if stream else None))
    return (reply, pieces) if stream else reply


def failing(tape, asked=None, stream=False):
    with pytest.raises(CallError) as caught:
        run(tape, asked, stream)
    return caught.value


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tapes" / "calls.jsonl"


def test_a_recorded_reply_is_replayed_whole(path):
    assert run(recorder(path, [REPLY])[0]) == REPLY
    assert run(player(path)) == REPLY


def test_a_stream_is_replayed_piece_by_piece(path):
    script = [Delta(text="Pa"), Delta(reasoning="hm"), Delta(text="ris."), REPLY]
    assert run(recorder(path, script)[0], stream=True) == (REPLY, script[:3])
    assert run(player(path), stream=True) == (REPLY, script[:3])
    assert run(player(path)) == REPLY


def test_a_reply_recorded_whole_is_streamed_in_one_piece(path):
    run(recorder(path, [REPLY])[0])
    reply, (piece,) = run(player(path), stream=True)
    assert (reply, piece.text) == (REPLY, "Paris.")
    assert piece.tool_calls[0]["function"] == {"name": "map", "arguments": '{"town":"Paris"}'}


def test_a_failure_is_replayed_as_it_was_also_in_the_middle_of_a_stream(path):
    error = CallError("429", "slow down", status=429, retry_after_s=1.5, dispatched="no", help="wait")
    assert failing(recorder(path, [Delta(text="Pa"), error])[0], stream=True) is error
    replayed = failing(player(path))
    assert vars(replayed) == vars(error)
    pieces = []

    async def emit(delta):
        pieces.append(delta.text)

    with pytest.raises(CallError):
        asyncio.run(player(path).complete(call(), emit))
    assert pieces == ["Pa"]


def test_the_same_call_replays_in_the_order_of_its_recordings_and_then_repeats_the_last(path):
    error = CallError("5xx", "down", status=503)
    tape, live = recorder(path, [error], [REPLY])
    failing(tape)
    run(tape)
    assert live.asked == 2
    replay = player(path)
    assert failing(replay).error_class == "5xx"
    assert run(replay) == REPLY
    assert run(replay) == REPLY


def test_what_is_on_the_tape_is_not_recorded_again(path):
    run(recorder(path, [REPLY])[0])
    tape, live = recorder(path, [Reply(text="Lyon.")])
    assert run(tape) == REPLY
    assert live.asked == 0
    assert run(tape).text == "Lyon."
    assert path.read_text().count("\n") == 2


@pytest.mark.parametrize(
    "other",
    [
        call("The capital of Spain?"),
        call(temperature=0.5),
        call(max_output_tokens=5),
        call(tools=({"type": "function", "function": {"name": "f"}},)),
        call(response_format={"type": "json_object"}),
        Call(model=Model(name="mini", id="o1", provider="taped"), messages=call().messages, request=call().request),
    ],
)
def test_what_was_not_recorded_is_refused_before_anything_is_sent(path, other):
    run(recorder(path, [REPLY])[0])
    error = failing(player(path), other)
    assert (error.error_class, error.dispatched) == ("protocol", "no")
    assert str(path) in error.message
    assert "record" in error.help


def test_a_call_is_the_same_under_another_name_of_the_model_and_for_another_user(path):
    run(recorder(path, [REPLY])[0], call(temperature=0))
    same = call(temperature=0.0, user="ada", meta={"team": "x"})
    renamed = Call(model=Model(name="other", id="gpt-4o-mini", provider="p"), messages=same.messages, request=same.request)
    assert run(player(path), renamed) == REPLY


def test_a_tape_that_is_not_there_says_how_to_record_it(path):
    error = failing(player(path))
    assert f"there is no tape {path}" in error.message
    assert "record" in error.help


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "no recorded call"),
        ('{"tape": 1}', "no recorded call"),
        ('{"tape": 99}', "version 99"),
        ('{"tape":1,"asked":{"model":"m","messages":[]},"took_s":0}', "either a reply or a failure"),
        ('{"tape":1,"asked":{"model":"\udcff","messages":[]},"took_s":0}', "no recorded call"),
    ],
)
def test_a_bad_line_is_named_whatever_is_asked(path, line, says):
    run(recorder(path, [REPLY])[0])
    path.write_bytes(path.read_bytes() + b"\n" + line.encode("utf-8", "surrogateescape") + b"\n")
    tape = player(path)
    for asked in (call(), call("Another?"), call()):
        error = failing(tape, asked)
        assert f"{path}:3: " in error.message
        assert says in error.message
        assert error.dispatched == "no"


def test_a_file_that_ends_without_a_newline_is_added_to_on_a_new_line(path):
    run(recorder(path, [REPLY])[0])
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    run(recorder(path, [Reply(text="Madrid.")])[0], call("Spain?"))
    assert run(player(path), call("Spain?")).text == "Madrid."
    assert run(player(path)) == REPLY


def test_a_tape_that_cannot_be_written_is_found_out_before_the_call(tmp_path):
    (tmp_path / "file").write_text("")
    tape, live = recorder(tmp_path / "file" / "tape.jsonl", [REPLY])
    assert failing(tape).dispatched == "no"
    assert live.asked == 0
    assert failing(player(tmp_path)).dispatched == "no"


def test_recording_without_the_key_of_the_recorded_provider_names_its_variable(path):
    tape = Tape(TapeOptions(from_=File(path), record=ProviderName("openai")), Host(MissingSecret("OPENAI_API_KEY")))
    error = failing(tape)
    assert (error.error_class, error.dispatched) == ("auth", "no")
    assert "OPENAI_API_KEY" in error.help


def test_replaying_needs_no_key_even_with_record(path):
    run(recorder(path, [REPLY])[0])
    tape = Tape(TapeOptions(from_=File(path), record=ProviderName("openai")), Host(MissingSecret("OPENAI_API_KEY")))
    assert run(tape) == REPLY


def test_a_tape_that_records_itself_is_refused(path):
    host = Host()
    host.live = Tape(TapeOptions(from_=File(path), record=ProviderName("taped")), host)
    assert "records itself" in failing(host.live).message


def test_a_cancelled_call_is_not_recorded(path):
    class Hanging:
        async def complete(self, call, emit):
            await asyncio.Event().wait()

    async def cancelled():
        tape = Tape(TapeOptions(from_=File(path), record=ProviderName("live")), Host(Hanging()))
        task = asyncio.ensure_future(tape.complete(call(), None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert path.read_text() == ""


def test_another_process_sees_what_this_one_adds(path):
    first, _ = recorder(path, [REPLY])
    second, live = recorder(path)
    third = player(path)
    failing(third)
    run(first)
    assert run(second) == REPLY
    assert run(third) == REPLY
    assert live.asked == 0


WRITER = """
import sys
from pathlib import Path
from mmflow.plugin import Message, Reply
from mmflow_plugins.providers.tape_file import VERSION, Asked, Line, TapeFile
tape = TapeFile(Path(sys.argv[1]))
for n in range(100):
    asked = Asked(model=sys.argv[2], messages=(Message("user", f"{n} " + "x" * 20_000),))
    tape.add(Line(tape=VERSION, asked=asked, took_s=0.0, reply=Reply(text=str(n))))
"""


def test_lines_of_several_processes_stay_whole(tmp_path):
    path = tmp_path / "tape.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"m{n}"]) for n in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert path.read_bytes().count(b"\n") == 300
    assert "no call of" in failing(player(path)).message  # every line was read


def test_the_plugin_brings_its_word():
    (word,) = mmflow_providers()
    assert word.name == "tape"
    assert isinstance(word.make(TapeOptions(from_=File("t")), Host()), Tape)
