"""`mmflow run`: what it prints where, its exit codes, and its errors for whatever can go wrong upstream."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli import Shell
from upstream import BEHAVIOURS, TEXT, Upstream, Wire, chat, closed_port

WRONG_USE = 2

SIM = """\
mmflow 1

param limit = 10s

model small { provider = sim, id = "small", price = free, latency = { first_token = 1ms, p95 = 2ms } }
model large like small { id = "large" }

flow main {
  deadline = limit
  when request.tokens > 20 -> large
  else -> small
}

flow other { else -> large }
"""

KEY = "sk-very-secret-key-0123456789"


@pytest.fixture
def file(mmflow: Shell) -> str:
    mmflow.write("support.mmf", SIM)
    return "support.mmf"


def live(mmflow: Shell, upstream_url: str, behaviour: str, more: str = "") -> str:
    """A workflow whose model behaves like this."""
    mmflow.environ["UPSTREAM_KEY"] = KEY
    mmflow.write(
        "live.mmf",
        f"""\
mmflow 1
provider near using openai_compatible {{
  url = "{upstream_url}"
  key = secret("UPSTREAM_KEY")
  timeout = 300ms
}}
model m {{ provider = near, id = "{behaviour}", price = free, latency = {{ first_token = 1ms, p95 = 2ms }} }}
flow main {{ deadline = 5s, else -> m }}
{more}
""",
    )
    return "live.mmf"


# ---- what is printed where ------------------------------------------------------------------------------------------------


def test_the_answer_is_all_there_is_on_standard_output(mmflow: Shell, file: str, upstream: Upstream) -> None:
    done = mmflow("run", live(mmflow, upstream.url, "ok"), "Hello")
    assert (done.code, done.out, done.err) == (0, f"{TEXT}\n", "")


def test_a_simulated_answer_says_so_on_standard_error(mmflow: Shell, file: str) -> None:
    done = mmflow("run", file, "Hello")
    assert done.code == 0
    assert done.out.endswith("\n")
    assert done.err == "note: answers of `sim` are simulated\n"


def test_a_missing_key_is_named_where_answers_are_simulated_for_it(mmflow: Shell) -> None:
    mmflow.write("q.mmf", 'mmflow 1\nprovider openai { without_key = simulate }\nmodel m { provider = openai, id = "gpt-4o" }\n'
                          "flow main { else -> m }\n")  # fmt: skip
    done = mmflow("run", "q.mmf", "Hello")
    assert done.code == 0
    assert done.err == "note: OPENAI_API_KEY is not set: answers are simulated\n"


def test_json_is_one_object(mmflow: Shell, file: str) -> None:
    done = mmflow("run", file, "Hello", "--json")
    assert done.out.count("\n") == 1
    document = json.loads(done.out)
    assert document["answer"]
    assert document["model"] == "small"
    assert document["path"] == "main/small"
    assert document["calls"][0]["tokens"]
    assert document["decision"][0]["text"] == "request.tokens > 20"


def test_an_answer_that_asks_for_a_tool_says_so(mmflow: Shell, upstream: Upstream) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}

    async def calls_a_tool(wire: Wire) -> None:
        await wire.reply(200, chat(None, finish="tool_calls", tool_calls=[call]))

    BEHAVIOURS["calls_a_tool"] = calls_a_tool
    file = live(mmflow, upstream.url, "calls_a_tool")
    done = mmflow("run", file, "Hello")
    assert (done.code, done.out) == (0, "")
    assert done.err == "note: the model asks for a call of `weather`; `--json` shows it\n"
    document = json.loads(mmflow("run", file, "Hello", "--json").out)
    assert (document["finish"], document["tool_calls"]) == ("tool_calls", [call])


def test_the_trace_goes_to_standard_error(mmflow: Shell, file: str) -> None:
    plain, traced = mmflow("run", file, "Hello"), mmflow("run", file, "Hello", "--trace")
    assert traced.out == plain.out
    assert "request.tokens > 20" in traced.err
    assert "small" in traced.err


def test_a_dry_run_prints_the_decision_and_asks_nobody(mmflow: Shell, file: str, upstream: Upstream) -> None:
    done = mmflow("run", live(mmflow, upstream.url, "ok"), "Hello", "--dry-run")
    assert done.code == 0
    assert "would ask m" in done.out
    assert upstream.seen == []
    assert json.loads(mmflow("run", file, "Hello", "--dry-run", "--json").out)["outcome"] == "decided"


def test_a_stream_is_the_same_text(mmflow: Shell, file: str, upstream: Upstream) -> None:
    done = mmflow("run", live(mmflow, upstream.url, "ok"), "Hello", "--stream")
    assert (done.code, done.out) == (0, f"{TEXT}\n")
    assert upstream.seen[0].body["stream"] is True


# ---- what goes in ---------------------------------------------------------------------------------------------------------


def test_a_request_with_messages_is_sent_as_it_is(mmflow: Shell, upstream: Upstream) -> None:
    request = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}], "max_tokens": 7}
    done = mmflow("run", live(mmflow, upstream.url, "ok"), "-", stdin=json.dumps(request).encode())
    assert done.code == 0
    body = upstream.seen[0].body
    assert body["messages"] == request["messages"]
    assert 7 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def test_a_pipe_is_read_without_being_named(mmflow: Shell, upstream: Upstream) -> None:
    assert mmflow("run", live(mmflow, upstream.url, "ok"), stdin=b"Hi there\n").code == 0
    assert upstream.seen[0].body["messages"][-1]["content"] == "Hi there"


def test_the_flow_is_named_by_flag_or_by_the_model_of_the_request(mmflow: Shell, file: str) -> None:
    request = '{"model": "other", "messages": [{"role": "user", "content": "Hi"}]}'
    for arguments in (["Hi", "--flow", "other"], ["Hi", "-f", "other"], [request]):
        assert json.loads(mmflow("run", file, *arguments, "--json").out)["model"] == "large"


def test_params_are_set_by_every_source_at_once(mmflow: Shell) -> None:
    declared = "\n".join(f'param {name} = "x"' for name in "abc")
    arms = "\n".join(f"  when request.user == {name} -> small" for name in "abc")
    mmflow.write("p.mmf", SIM.partition("\nflow")[0] + f"\n{declared}\nflow main {{\n{arms}\n  else -> large\n}}\n")
    mmflow.write("mmflow.toml", '[plan.set]\na = "file"\nb = "file"\nc = "file"\n')
    mmflow.environ["MMFLOW_PLAN_SET"] = "b=variable 'c=a variable'"
    done = mmflow("plan", "p.mmf", "--json", "--set", "c=flag")
    params = json.loads(done.out)["params"]
    assert {name: params[name] for name in "abc"} == {"a": "file", "b": "variable", "c": "flag"}


def test_a_saved_plan_runs_like_its_workflow(mmflow: Shell, file: str) -> None:
    mmflow.write("plan.json", mmflow("plan", file, "--json").out)
    assert mmflow("run", "plan.json", "Hello") == mmflow("run", file, "Hello")


def test_a_workflow_may_be_piped_in(mmflow: Shell, file: str) -> None:
    assert mmflow("run", "-", "Hello", stdin=SIM.encode()) == mmflow("run", file, "Hello")


@pytest.mark.parametrize(
    ("arguments", "message", "help"),
    [
        (["missing.mmf", "Hi"], "there is no file `missing.mmf`", "workflows in that folder: `support.mmf`"),
        (["suport.mmf", "Hi"], "there is no file `suport.mmf`", "did you mean `support.mmf`?"),
        ([".", "Hi"], "`.` is a folder", "such as `support.mmf`"),
        (["support.mmf"], "there is no input", "pipe it"),
        (["support.mmf", ""], "the input is empty", None),
        (["support.mmf", "@missing.txt"], "there is no file `missing.txt`", "write `@@missing.txt`"),
        (["support.mmf", "Hi", "--flow", "othr"], "there is no flow `othr`", "did you mean `other`?"),
        (["support.mmf", "Hi", "--set", "limit=3"], "`limit` cannot be the number `3`", "`10s`"),
        (["support.mmf", "Hi", "--set", "limti=3s"], "no parameter `limti`", "did you mean `limit`?"),
        (["support.mmf", "Hi", "--set", "limit"], "expected `param=value`, got `limit`", None),
        (["support.mmf", "Hi", "--json", "--stream"], "exclude each other", None),
        (["support.mmf", '{"messages": []}'], "no messages", None),
        (["support.mmf", '{"messages": [{"role": "user", "content": "x"}], "model": "gpt-9"}'], "`gpt-9`", "leave out `model`"),
        (["support.mmf", "Hi", "there"], "unexpected extra argument (there)", "in quotes"),
        (["support.mmf", "Hi", "--config", "x.toml"], "`mmflow run` has no flag `--config`", "`mmflow --config … run …`"),
        (["-", "-"], "cannot be both", None),
        ([], "`mmflow run` needs `FILE`", None),
    ],
)
def test_wrong_use_is_an_error_with_help(mmflow: Shell, file: str, arguments: list[str], message: str, help: str | None) -> None:
    done = mmflow("run", *arguments)
    assert done.code == WRONG_USE
    assert done.out == ""
    lines = done.err.splitlines()
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert help is None or help in lines[1]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"mmflow 1\n\0", b"mmflow 1\n" + b"(" * 10_000, b"{}", b"mmflow 1\n"])
def test_a_file_that_is_no_workflow_cannot_run(mmflow: Shell, content: bytes) -> None:
    mmflow.write("bad.mmf", content)
    done = mmflow("run", "bad.mmf", "Hi")
    assert done.code in (1, WRONG_USE)
    assert done.out == ""
    assert "error" in done.err
    assert "internal" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schema": 99}', b'{"schema": "x"}', b"\xff"])
def test_a_file_that_is_no_plan_cannot_run(mmflow: Shell, content: bytes) -> None:
    mmflow.write("plan.json", content)
    done = mmflow("run", "plan.json", "Hi")
    assert done.code in (1, WRONG_USE)
    assert done.err.startswith("error: ")
    assert "internal" not in done.err


def test_params_of_a_saved_plan_cannot_be_set(mmflow: Shell, file: str) -> None:
    mmflow.write("plan.json", mmflow("plan", file, "--json").out)
    assert mmflow("run", "plan.json", "Hi", "--set", "limit=1s").code == WRONG_USE


# ---- what goes wrong upstream ---------------------------------------------------------------------------------------------


BAD = ["hang", "401", "429", "500", "empty", "no_content", "html", "html_502", "truncated", "no_choices", "reset", "close"]
BAD += ["not_http", "redirect", "short_body", "error_in_200", "echo_key"]
BROKEN = ["cut_stream", "drop_stream", "reset_mid_stream", "invalid_chunk", "error_in_stream", "hang_mid_stream"]


@pytest.mark.parametrize("behaviour", BAD)
def test_a_bad_upstream_is_a_clear_error(mmflow: Shell, upstream: Upstream, behaviour: str) -> None:
    done = mmflow("run", live(mmflow, upstream.url, behaviour), "Hello", "--trace")
    assert done.code == 1
    assert done.out == ""
    *_, error, help = done.err.splitlines()
    assert error.startswith("error: ")
    assert help.startswith("  = help: ")
    assert_clean(done.err)


@pytest.mark.parametrize("behaviour", BROKEN)
def test_a_stream_that_breaks_is_told_after_what_came(mmflow: Shell, upstream: Upstream, behaviour: str) -> None:
    done = mmflow("run", live(mmflow, upstream.url, behaviour), "Hello", "--stream")
    assert done.code == 1
    assert done.out == "First\n"
    assert done.err.startswith("error: ")
    assert_clean(done.err)


def test_nobody_listening_is_a_clear_error(mmflow: Shell) -> None:
    done = mmflow("run", live(mmflow, f"http://127.0.0.1:{closed_port()}/v1", "ok"), "Hello")
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert_clean(done.err)


def test_a_missing_key_is_a_clear_error(mmflow: Shell, upstream: Upstream) -> None:
    file = live(mmflow, upstream.url, "ok")
    del mmflow.environ["UPSTREAM_KEY"]
    done = mmflow("run", file, "Hello")
    assert done.code == 1
    assert "UPSTREAM_KEY is not set" in done.err
    assert "  = help: set UPSTREAM_KEY" in done.err
    mmflow.write(".env", "UPSTREAM_KEY=k\n")
    assert mmflow("run", file, "Hello").code == 0


def test_json_tells_of_a_failure_too(mmflow: Shell, upstream: Upstream) -> None:
    done = mmflow("run", live(mmflow, upstream.url, "500"), "Hello", "--json")
    assert done.code == 1
    document = json.loads(done.out)
    assert document["outcome"] == "failed"
    assert document["error"]["class"] == "5xx"
    assert done.err.startswith("error: ")


def assert_clean(text: str) -> None:
    assert "Traceback" not in text
    assert "internal" not in text
    assert KEY not in text
    assert "\x1b" not in text


# ---- as a process ---------------------------------------------------------------------------------------------------------


def process(mmflow: Shell, *arguments: str, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "mmflow", *arguments]
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, cwd=mmflow.folder, env=mmflow.environ, **options)  # type: ignore[call-overload, no-any-return]


def until_asked(upstream: Upstream) -> None:
    ends_at = time.monotonic() + 60
    while not upstream.seen:
        assert time.monotonic() < ends_at
        time.sleep(0.01)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_ends_quietly_and_settles(
    mmflow: Shell, upstream: Upstream, sent: signal.Signals, code: int
) -> None:
    file = live(mmflow, upstream.url, "hang").replace("300ms", "60s")
    mmflow.write(file, (mmflow.folder / file).read_text().replace("300ms", "60s").replace("5s", "60s"))
    running = process(mmflow, "run", file, "Hello", "--trace", "--stream")
    until_asked(upstream)
    running.send_signal(sent)
    out, err = running.communicate(timeout=60)
    assert running.returncode == code
    assert out == b""
    assert b"Traceback" not in err
    assert b"cancelled" in err


def test_a_reader_that_leaves_stops_the_stream_without_a_word(mmflow: Shell, upstream: Upstream) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    running = process(mmflow, "run", live(mmflow, upstream.url, "ok"), "Hello", "--stream", stdout=writer)
    os.close(writer)
    _, err = running.communicate(timeout=60)
    assert err == b""
    assert running.returncode == 141


def test_on_a_terminal_an_answer_cannot_move_the_cursor(mmflow: Shell, upstream: Upstream) -> None:
    async def rude(wire: Wire) -> None:
        await wire.reply(200, chat("a\x1b[2Jb\n"))

    BEHAVIOURS["rude"] = rude
    file = live(mmflow, upstream.url, "rude")
    ours, theirs = pty.openpty()
    on_terminal = process(mmflow, "run", file, "Hello", stdout=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            if not (piece := os.read(ours, 1024)):
                break
        except OSError:
            break
        shown += piece
    os.close(ours)
    on_terminal.wait(60)
    assert shown == b"a\\x1b[2Jb\r\n"
    piped, _ = process(mmflow, "run", file, "Hello").communicate(timeout=60)
    assert piped == b"a\x1b[2Jb\n"


def test_a_locale_without_unicode_is_no_obstacle(mmflow: Shell, upstream: Upstream) -> None:
    mmflow.environ |= {"PYTHONIOENCODING": "ascii"}
    file = live(mmflow, upstream.url, "ok")
    text, _ = process(mmflow, "run", file, "Hello").communicate(timeout=60)
    assert text.startswith(b"Gr\\xfc\\xdfe, ")
    document, _ = process(mmflow, "run", file, "Hello", "--json").communicate(timeout=60)
    assert json.loads(document)["answer"] == TEXT


def test_closed_streams_are_no_fault(mmflow: Shell, file: str) -> None:
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -m mmflow run {file} Hello {closed}'], env=mmflow.environ, timeout=60
        )
        assert done.returncode == 0


def test_a_machine_without_uvloop_answers_too(mmflow: Shell, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert mmflow("run", file, "Hello").code == 0


def test_what_init_writes_runs_at_once(mmflow: Shell) -> None:
    assert mmflow("init").code == 0
    assert mmflow("check", "workflow.mmf", "--strict") == mmflow("check", "workflow.mmf")
    done = mmflow("run", "workflow.mmf", "Why is the sky blue?", "--trace")
    assert done.code == 0
    assert done.out
    assert "note: OPENAI_API_KEY is not set: answers are simulated" in done.err
    assert Path("workflow.mmf").exists()
