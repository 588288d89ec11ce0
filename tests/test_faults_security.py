"""Faults that somebody wants: keys in what comes out, addresses and keys in what comes in, answers made to break the reader."""

import json
import traceback
from collections.abc import Iterable
from pathlib import Path
from time import process_time

import pytest
from cli import Done, Shell
from faulty import KEY, MODEL, PROVIDER
from upstream import BEHAVIOURS, Upstream, Wire, chat

from mmflow.api import RunFailed, load
from mmflow.plan import Output
from mmflow.plugin import Reply
from mmflow.request import RequestError, decode
from mmflow.runtime.outputs import Invalid, contract_of


async def _key_as_ids(wire: Wire) -> None:
    """An answer whose headers, id and model hold the key that came in."""
    key = wire.seen.headers["authorization"]
    await wire.reply(200, chat("Yes.", model=key, id=key), {"x-request-id": key, "x-key": key})


async def _key_in_stream(wire: Wire) -> None:
    """A stream that ends in an error which holds the key."""
    await wire.begin_stream()
    await wire.event({"error": {"message": f"no such key: {wire.seen.headers['authorization']}", "code": KEY}})
    await wire.end_stream()


REST = """
budget daily {{ limit = $5/day }}
cache answers {{ ttl = 1h, scope = all }}
flow main {{ deadline = 5s, max_output = 50, budget = daily, cache = answers, else -> {model} }}
"""


@pytest.fixture
def keyed(mmflow: Shell, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in whose environment a canary is the key, and whose state and cache lie in its own folder."""
    monkeypatch.setitem(BEHAVIOURS, "key_as_ids", _key_as_ids)
    monkeypatch.setitem(BEHAVIOURS, "key_in_stream", _key_in_stream)
    mmflow.environ |= {"LAB_KEY": KEY, "MMFLOW_STATE": str(mmflow.folder / "state.sqlite")}
    mmflow.environ |= {name: str(mmflow.folder / name) for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME")}
    return mmflow


def written(keyed: Shell, url: str, model: str) -> str:
    text = PROVIDER.format(url=url, timeout="total = 3s", fields="") + MODEL.format(name=model) + REST.format(model=model)
    keyed.write("keyed.mmf", text)
    return "keyed.mmf"


def canary_in(done: Iterable[Done], folder: Path) -> list[str]:
    """Where the key stands: in what commands wrote, or in any file that they left."""
    found = [f"output {number}" for number, each in enumerate(done) if KEY in each.out + each.err]
    return found + [str(each) for each in folder.rglob("*") if each.is_file() and KEY.encode() in each.read_bytes()]


@pytest.mark.parametrize(
    ("model", "code"),
    [("ok", 0), ("key_as_ids", 0), ("echo_key", 1), ("key_in_stream", 1), ("reset", 1), ("redirect", 1), ("html_502", 1)],
)
def test_no_command_writes_a_key_anywhere(keyed: Shell, upstream: Upstream, model: str, code: int) -> None:
    file = written(keyed, upstream.url, model)
    runs = [keyed("run", file, "hi", *flags) for flags in (["--trace"], ["--json"], ["--stream", "--trace"])]
    assert upstream.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert {each.code for each in runs} <= {0, code}
    shown = [("check", file), ("plan", file), ("plan", file, "--json"), ("graph", file), ("run", file, "hi", "--dry-run")]
    rest = [keyed(*arguments) for arguments in shown]
    assert {each.code for each in rest} == {0}
    assert canary_in([*runs, *rest], keyed.folder) == []


async def test_no_error_in_python_holds_a_key(keyed: Shell, upstream: Upstream) -> None:
    for model in ("echo_key", "reset", "html_502"):
        async with load(written(keyed, upstream.url, model), environ=keyed.environ) as flow:
            with pytest.raises(RunFailed) as caught:
                await flow.run("hi")
            told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.answer.events) + repr(flow.plan)
            assert KEY not in told


def test_a_key_that_is_refused_by_the_header_is_not_shown(keyed: Shell, upstream: Upstream) -> None:
    keyed.environ["LAB_KEY"] = f"{KEY}\r\nx-evil: 1"
    done = keyed("run", written(keyed, upstream.url, "ok"), "hi", "--trace")
    assert done.code == 1
    assert upstream.seen == []
    assert canary_in([done], keyed.folder) == []


@pytest.mark.parametrize("field", ["api_base", "base_url", "api_key", "extra_headers", "headers", "extra_body", "provider"])
def test_a_request_names_no_address_and_no_key(field: str) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], field: "http://evil.example"}
    with pytest.raises(RequestError, match=f"`{field}`"):
        decode(json.dumps(body))


# ---- schemas and answers that are made to break ---------------------------------------------------------------------------


def test_an_answer_full_of_mistakes_is_refused_at_the_first(tmp_path: Path) -> None:
    schema = {"type": "array", "items": {"anyOf": [{"const": number} for number in range(1_000)]}}
    (tmp_path / "reply.json").write_text(json.dumps(schema))
    contract = contract_of(Output(name="reply", format="json", schema_file="reply.json"), tmp_path)
    answer = Reply(text=json.dumps(["x"] * 600))
    before_s = process_time()
    with pytest.raises(Invalid) as refused:
        contract.held(answer)
    assert refused.value.where == "$[0]"
    # All of its mistakes take ten seconds of the processor, the first one some milliseconds.
    assert process_time() - before_s < 2


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}]
)
def test_a_schema_that_leads_back_to_itself_ends(schema: object, tmp_path: Path) -> None:
    (tmp_path / "reply.json").write_text(json.dumps(schema))
    contract = contract_of(Output(name="reply", format="json", schema_file="reply.json"), tmp_path)
    assert contract.held(Reply(text="{}"))[0].text == "{}"


# ---- what a model says, on the terminal -----------------------------------------------------------------------------------


async def _rude(wire: Wire) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\r\nerror: all is well\u202e"
    await wire.reply(400, {"error": {"message": evil, "code": evil}}, {"x-request-id": "\x1b[2J"})


def test_what_a_server_says_makes_no_line_of_its_own_and_moves_no_cursor(
    keyed: Shell, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BEHAVIOURS, "rude", _rude)
    done = keyed("run", written(keyed, upstream.url, "rude"), "hi", "--trace")
    assert done.code == 1
    assert not [line for line in (done.out + done.err).splitlines() if line.startswith("error: all is well")]
    assert all(each.isprintable() or each == "\n" for each in done.out + done.err)
