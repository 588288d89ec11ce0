"""`mmflow doctor`: what keeps a declared model from answering, and what it never shows."""

import json
from typing import Any

import pytest
import upstream as up
from cli import Shell
from upstream import Upstream, closed_port

KEY = "sk-canary-0123456789"
HEAD = 'mmflow 1\nprovider p using openai_compatible {{ url = "{url}", key = secret("P_KEY") }}\n'


def workflow(url: str, *ids: str, more: str = "") -> str:
    models = "".join(f'model m{number} {{ provider = p, id = "{id_}" }}\n' for number, id_ in enumerate(ids))
    return f"{HEAD.format(url=url)}{models}{more}flow main {{ else -> m0 }}\n"


@pytest.fixture(autouse=True)
def key(mmflow: Shell) -> None:
    mmflow.environ["P_KEY"] = KEY


def examined(mmflow: Shell, text: str, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and each model's diagnosis."""
    mmflow.write("a.mmf", text)
    done = mmflow("doctor", "a.mmf", "--json", *arguments)
    assert KEY not in f"{done.out}{done.err}"
    return done.code, json.loads(done.out)["models"]


def finding(mmflow: Shell, text: str, *arguments: str) -> dict[str, Any]:
    """The diagnosis of the only model, which must fail."""
    code, (found, *_) = examined(mmflow, text, *arguments)
    assert code == 1
    return found


def test_a_model_that_answers_is_well(mmflow: Shell, upstream: Upstream) -> None:
    code, (found,) = examined(mmflow, workflow(upstream.url, "good"))
    assert (code, found["finding"], found["served_model"]) == (0, "answers", "served-1")
    (seen,) = upstream.seen
    assert seen.body == {"model": "good", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 16}


def test_every_model_is_asked_once(mmflow: Shell, upstream: Upstream) -> None:
    code, found = examined(mmflow, workflow(upstream.url, "good", "404", "fine"))
    assert (code, [each["finding"] for each in found]) == (1, ["answers", "unknown id", "answers"])
    assert sorted(seen.model for seen in upstream.seen) == ["404", "fine", "good"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("401", "refused key"),
        ("403", "refused key"),
        ("404", "unknown id"),
        ("429", "limited"),
        ("500", "fault"),
        ("400", "fault"),
        ("html", "wrong url"),
        ("redirect", "wrong url"),
        ("reset", "unreachable"),
    ],
)
def test_each_fault_has_its_word(mmflow: Shell, upstream: Upstream, model: str, expected: str) -> None:
    found = finding(mmflow, workflow(upstream.url, model))
    assert found["finding"] == expected
    assert found["message"]
    assert found["help"]


def test_a_path_that_leads_nowhere_is_a_wrong_url(mmflow: Shell, upstream: Upstream) -> None:
    async def play(wire: up.Wire) -> None:
        await wire.reply(404, b"404 page not found", {"content-type": "text/plain"})

    up.BEHAVIOURS["nowhere"] = play
    assert finding(mmflow, workflow(upstream.url, "nowhere"))["finding"] == "wrong url"


def test_a_server_that_is_not_there_is_unreachable(mmflow: Shell, upstream: Upstream) -> None:
    found = finding(mmflow, workflow(f"http://127.0.0.1:{closed_port()}/v1", "good"))
    assert found["finding"] == "unreachable"
    assert "127.0.0.1" in found["message"]


def test_a_model_that_says_nothing_is_given_up(mmflow: Shell, upstream: Upstream) -> None:
    found = finding(mmflow, workflow(upstream.url, "hang"), "--timeout", "50ms")
    assert (found["finding"], found["message"]) == ("timeout", "no whole answer within 50ms")


def test_a_key_that_is_missing_is_named(mmflow: Shell, upstream: Upstream) -> None:
    del mmflow.environ["P_KEY"]
    found = finding(mmflow, workflow(upstream.url, "good"))
    assert (found["finding"], found["message"]) == ("missing key", "the environment variable P_KEY is not set")
    assert "P_KEY" in found["help"]
    assert upstream.seen == []


def test_simulation_in_the_place_of_a_key_does_not_hide_that_it_is_missing(mmflow: Shell) -> None:
    text = (
        "mmflow 1\nprovider openai { without_key = simulate }\n"
        'model m { provider = openai, id = "gpt-4o" }\nflow main { else -> m }\n'
    )
    assert finding(mmflow, text)["message"] == "the environment variable OPENAI_API_KEY is not set"


def test_a_key_that_a_provider_echoes_is_not_shown(mmflow: Shell, upstream: Upstream) -> None:
    found = finding(mmflow, workflow(upstream.url, "echo_key"))
    assert found["message"] == "HTTP 401: no such key: [P_KEY] in this account"


def test_a_limit_that_is_too_small_for_thoughts_shows_that_key_and_id_are_right(mmflow: Shell, upstream: Upstream) -> None:
    async def play(wire: up.Wire) -> None:
        message = "Could not finish the message because max_tokens or model output limit was reached."
        await wire.reply(400, {"error": {"message": message, "type": "invalid_request_error"}})

    up.BEHAVIOURS["thinker"] = play
    assert examined(mmflow, workflow(upstream.url, "thinker"))[0] == 0


def test_a_provider_without_a_model_and_a_recording_are_not_asked(mmflow: Shell, upstream: Upstream) -> None:
    mmflow.write("calls.jsonl", "")
    more = (
        'provider idle using openai_compatible { url = "http://127.0.0.1:9/v1" }\n'
        'provider taped using tape { from = file("calls.jsonl"), record = p }\n'
        'model t { provider = taped, id = "good" }\n'
    )
    _, found = examined(mmflow, workflow(upstream.url, "good", more=more))
    by_provider = {each["provider"]: each["finding"] for each in found}
    assert by_provider["p"] == "answers"
    assert by_provider["idle"] == "skipped"
    assert len(upstream.seen) == 1


def test_it_is_told_in_lines(mmflow: Shell, upstream: Upstream) -> None:
    mmflow.write("a.mmf", workflow(upstream.url, "good", "401"))
    done = mmflow("doctor", "a.mmf")
    assert done.code == 1
    well, failed, help_, total = done.out.splitlines()
    assert well.startswith("ok       m0  p/good  0.")
    assert well.endswith("s, served by served-1")
    assert failed == "failed   m1  p/401   refused key: HTTP 401: wrong key"
    assert help_ == "         = help: check the key, and that it may use this model"
    assert total == "1 of 2 models answer"


@pytest.mark.parametrize("timeout", ["5", "soon", "0s", "$1"])
def test_a_time_that_is_none_is_wrong_use(mmflow: Shell, upstream: Upstream, timeout: str) -> None:
    mmflow.write("a.mmf", workflow(upstream.url, "good"))
    done = mmflow("doctor", "a.mmf", "--timeout", timeout)
    assert (done.code, "--timeout" in done.err) == (2, True)


def test_a_file_with_errors_is_not_examined(mmflow: Shell, upstream: Upstream) -> None:
    mmflow.write("a.mmf", workflow(upstream.url, "good").replace("-> m0", "-> nobody"))
    assert mmflow("doctor", "a.mmf").code == 1
    assert upstream.seen == []
