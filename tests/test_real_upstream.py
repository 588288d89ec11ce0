"""A server that nobody here wrote answers: llama.cpp with a tiny model, reached through `openai_compatible` and `openai`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_server import KEY

import mmflow

ROOT = Path(__file__).parents[1]
FLOW = """\
mmflow 1

provider llama using openai_compatible {{
  url = "{url}/v1"
  key = secret("LLAMA_KEY")
}}

model tiny {{
  provider = llama
  id = "tiny"
  price = {{ input = $1/1M, output = $2/1M }}
}}

flow main {{
  max_output = 24
  else -> tiny with {{ temperature = 0.0 }}
}}
"""


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    """The address of a running llama.cpp server."""
    server = [sys.executable, str(Path(__file__).with_name("llama_server.py"))]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            assert address.startswith("http://127.0.0.1:"), "the server did not start"
            yield address
        finally:
            process.kill()


@pytest.fixture
def file(llama: str, tmp_path: Path) -> Path:
    path = tmp_path / "local.mmf"
    path.write_text(FLOW.format(url=llama))
    return path


def run(*arguments: str, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """`mmflow run` in a process of its own, with only these keys."""
    kept = {key: value for key, value in os.environ.items() if not re.search("_API_KEY|_BASE_URL|^MMFLOW_", key)}
    command = [sys.executable, "-m", "mmflow", "run", *arguments]
    done = subprocess.run(command, env=kept | environ, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def test_the_answer_comes_with_the_servers_own_figures(file: Path) -> None:
    report = json.loads(run(str(file), "Where is the tower?", "--json", LLAMA_KEY=KEY).stdout)
    assert len(report["answer"].split()) == 24
    (call,) = report["calls"]
    assert (call["outcome"], call["model"], call["served_model"]) == ("served", "tiny", "tiny")
    assert (call["estimated"], call["simulated"]) == (False, False)
    tokens = call["tokens"]
    assert tokens["output"] == 24
    assert tokens["input"] + tokens["cached_input"] > 30
    assert report["cost_microusd"] == tokens["input"] + tokens["cached_input"] + 2 * tokens["output"]


def test_a_stream_is_the_whole_answer_in_pieces(file: Path) -> None:
    whole = run(str(file), "Where is the tower?", LLAMA_KEY=KEY)
    streamed = run(str(file), "Where is the tower?", "--stream", LLAMA_KEY=KEY)
    assert len(whole.stdout.split()) == 24
    assert streamed.stdout == whole.stdout


async def test_a_program_gets_the_pieces_and_the_usage(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_KEY", KEY)
    async with mmflow.load(file) as flow:
        async with flow.stream("Where is the tower?") as stream:
            pieces = [piece.text async for piece in stream]
        whole = await flow.run("Where is the tower?")
    assert len(pieces) > 10
    assert "".join(pieces) == stream.answer.text == whole.text
    assert stream.answer.model == "tiny"
    assert stream.answer.cost_usd


def test_the_quickstart_answers_from_a_live_server_with_no_change_of_the_file(llama: str) -> None:
    arguments = [str(ROOT / "workflows" / "quickstart.mmf"), "How do I reset my password?", "--json"]
    simulated = json.loads(run(*arguments).stdout)
    live = json.loads(run(*arguments, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"{llama}/v1").stdout)
    assert simulated["simulated"]
    assert not any(call["simulated"] for call in live["calls"])
    assert {call["served_model"] for call in live["calls"]} == {"tiny"}
    assert live["answer"]
    assert live["answer"] != simulated["answer"]


def test_a_wrong_key_is_refused_and_not_shown(file: Path) -> None:
    done = run(str(file), "Where is the tower?", code=1, LLAMA_KEY="sk-wrong-0123456789")
    assert "401" in done.stderr
    assert "sk-wrong" not in done.stdout + done.stderr
    assert done.stdout == ""


def test_a_prompt_over_the_models_window_is_named_as_such(file: Path) -> None:
    done = run(str(file), "tower " * 1000, "--json", code=1, LLAMA_KEY=KEY)
    assert json.loads(done.stdout)["error"]["class"] == "context_overflow"


def test_nobody_listens(tmp_path: Path) -> None:
    file = tmp_path / "local.mmf"
    file.write_text(FLOW.format(url="http://127.0.0.1:1"))
    done = run(str(file), "Where is the tower?", code=1, LLAMA_KEY=KEY)
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
