"""Every word that reaches a model, against a real socket: what each must do alike, whatever its wire format."""

import importlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs
import pytest
import upstream as up
from provider_calls import KEY, LentHost, ask, call, fault
from upstream import TEXT, Upstream

from mmflow.options import Surroundings, build, fields_of
from mmflow.plugin import Message, MissingSecret, Provider, ProviderWord, Timeouts, Usage
from mmflow.registry import Registry
from mmflow.runtime.http import AioHttp


@attrs.frozen
class Case:
    """A word with some options, and what is known of its vendor."""

    word: str
    path: str
    key: str = "OPENAI_API_KEY"
    key_header: str = "authorization"
    root: str = ""
    options: Mapping[str, Any] = attrs.field(factory=dict)

    def __str__(self) -> str:
        return "_".join((self.word, *map(str, self.options.values())))


CASES = [
    Case("openai", "/v1/chat/completions", root="/v1"),
    Case("openai", "/v1/responses", root="/v1", options={"api": "responses"}),
    Case("openai_compatible", "/v1/chat/completions", "", root="/v1"),
    Case("anthropic", "/v1/messages", "ANTHROPIC_API_KEY", "x-api-key"),
    Case("gemini", "/v1beta/models/{}", "GEMINI_API_KEY", "x-goog-api-key"),
    Case("bedrock", "/model/{}/converse", "AWS_BEARER_TOKEN_BEDROCK", options={"aws_region": "eu-central-1"}),
    Case("azure_openai", "/openai/v1/chat/completions", "AZURE_OPENAI_API_KEY", "api-key"),
    Case("azure_openai", "/openai/v1/responses", "AZURE_OPENAI_API_KEY", "api-key", options={"api": "responses"}),
    Case(
        "azure_openai",
        "/openai/deployments/{}/chat/completions?api-version=2024-10-21",
        "AZURE_OPENAI_API_KEY",
        "api-key",
        options={"api_version": "2024-10-21"},
    ),
    Case("deepseek", "/chat/completions", "DEEPSEEK_API_KEY"),
    Case("mistral", "/v1/chat/completions", "MISTRAL_API_KEY", root="/v1"),
    Case("qwen", "/compatible-mode/v1/chat/completions", "DASHSCOPE_API_KEY", root="/compatible-mode/v1"),
    Case("groq", "/openai/v1/chat/completions", "GROQ_API_KEY", root="/openai/v1"),
    Case("together", "/v1/chat/completions", "TOGETHER_API_KEY", root="/v1"),
    Case("openrouter", "/api/v1/chat/completions", "OPENROUTER_API_KEY", root="/api/v1"),
    Case("xai", "/v1/chat/completions", "XAI_API_KEY", root="/v1"),
    Case("xai", "/v1/responses", "XAI_API_KEY", root="/v1", options={"api": "responses"}),
]
LOCAL = {"sim", "tape"}
USAGE = Usage(input_tokens=12, cached_input_tokens=8, output_tokens=5, reasoning_tokens=4)
WRITTEN = Usage(input_tokens=12, cached_input_tokens=8, cache_write_tokens=3, output_tokens=9)
USAGES = {"anthropic": WRITTEN, "bedrock": WRITTEN}
# These say nowhere in an answer which model it is of.
NAMELESS = {"bedrock"}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    http = AioHttp()
    yield http
    await http.close()


def word_of(case: Case) -> ProviderWord:
    module = importlib.import_module(f"mmflow_plugins.providers.{case.word}")
    (word,) = module.mmflow_providers()
    assert isinstance(word, ProviderWord)
    return word


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    return case


@pytest.fixture
def provider(case: Case, upstream: Upstream, http: AioHttp) -> Provider:
    word = word_of(case)
    made: Provider = word.make(word.options(url=upstream.root + case.root, key=KEY, **case.options), LentHost(http))
    return made


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def test_every_installed_word_that_reaches_a_model_is_tried_here() -> None:
    ours = [plugin for plugin in Registry.installed().plugins() if plugin.distribution == "mmflow"]
    bundled = {path for plugin in ours for path in plugin.words.get("provider", ())}
    assert bundled - LOCAL == {case.word for case in CASES}


@both
async def test_an_answer_has_its_text_usage_model_and_id(provider: Provider, case: Case, streamed: bool) -> None:
    reply = await ask(provider, call(), streamed=streamed)
    served = None if case.word in NAMELESS else "served-1"
    assert (reply.text, reply.finish, reply.served_model, reply.simulated) == (TEXT, "stop", served, False)
    assert reply.request_id == "req-1"
    asked = streamed or case.word == "qwen"
    # Mistral's server is not asked for usage in a stream, and this one sends none unasked.
    assert reply.usage == (None if asked and case.word == "mistral" else USAGES.get(case.word, USAGE))


@both
async def test_the_key_goes_in_its_header_to_the_declared_address(
    provider: Provider, upstream: Upstream, case: Case, streamed: bool
) -> None:
    await ask(provider, call(), streamed=streamed)
    (seen,) = upstream.seen
    methods = {"gemini": (":generateContent", ":streamGenerateContent?alt=sse"), "bedrock": ("", "-stream")}
    assert seen.path == case.path.format("good") + methods.get(case.word, ("", ""))[streamed]
    assert seen.headers[case.key_header].removeprefix("Bearer ") == KEY.reveal()
    others = {"authorization", *up.KEY_HEADERS} - {case.key_header}
    assert not others & seen.headers.keys()
    assert KEY.reveal() not in seen.path


async def test_a_model_whose_id_has_a_slash_is_asked_for_by_it(provider: Provider, upstream: Upstream, case: Case) -> None:
    await ask(provider, call("meta-llama/x 1"))
    path = upstream.seen[0].path
    if case.word == "gemini":
        assert path == "/v1beta/meta-llama/x%201:generateContent"
    elif case.word == "bedrock":
        assert path == "/model/meta-llama%2Fx%201/converse"
    elif case.options.get("api_version"):
        assert path.startswith("/openai/deployments/meta-llama%2Fx%201/chat/completions?")
    else:
        assert upstream.seen[0].body["model"] == "meta-llama/x 1"


@both
@pytest.mark.parametrize(
    ("model", "error_class", "dispatched"),
    [
        ("400", "4xx", "no"),
        ("401", "auth", "no"),
        ("403", "auth", "no"),
        ("404", "4xx", "no"),
        ("429", "429", "no"),
        ("500", "5xx", "maybe"),
        ("503", "5xx", "maybe"),
        ("529", "overloaded", "no"),
        ("overflow", "context_overflow", "no"),
        ("filtered", "content_filter", "no"),
        ("error_in_200", "5xx", "yes"),
        ("empty", "protocol", "yes"),
        ("html", "protocol", "yes"),
        ("truncated", "protocol", "yes"),
        ("no_choices", "protocol", "yes"),
        ("redirect", "protocol", "no"),
        ("reset", "connect", "maybe"),
    ],
)
async def test_each_fault_has_its_class(
    provider: Provider, model: str, error_class: str, dispatched: str, streamed: bool
) -> None:
    error = await fault(provider, call(model), streamed=streamed)
    assert (error.error_class, error.dispatched) == (error_class, dispatched)


@pytest.mark.parametrize(
    ("model", "error_class"),
    [
        ("cut_stream", "protocol"),
        ("drop_stream", "connect"),
        ("reset_mid_stream", "connect"),
        ("invalid_chunk", "protocol"),
        ("error_in_stream", "overloaded"),
    ],
)
async def test_a_stream_that_goes_wrong_is_never_an_answer(provider: Provider, model: str, error_class: str) -> None:
    error = await fault(provider, call(model), streamed=True)
    assert (error.error_class, error.dispatched) == (error_class, "yes")


@both
async def test_a_redirect_gets_no_key(provider: Provider, upstream: Upstream, streamed: bool) -> None:
    error = await fault(provider, call("redirect"), streamed=streamed)
    assert error.help is not None
    assert "redirects are not followed" in error.help
    assert len(upstream.seen) == 1


@both
async def test_an_echoed_key_is_masked(provider: Provider, streamed: bool) -> None:
    error = await fault(provider, call("echo_key"), streamed=streamed)
    assert error.message == "HTTP 401: no such key: [TEST_KEY] in this account"


@both
async def test_the_wait_that_a_provider_asks_for_is_passed_on(provider: Provider, streamed: bool) -> None:
    assert (await fault(provider, call("429_seconds"), streamed=streamed)).retry_after_s == 7.0


async def test_a_server_that_does_not_stream_is_understood(provider: Provider) -> None:
    assert (await ask(provider, call("no_stream"), streamed=True)).text == TEXT


async def test_a_bound_on_the_first_token_holds_though_nobody_streams(provider: Provider) -> None:
    error = await fault(provider, call("hang_after_headers", timeouts=Timeouts(first_token_s=0.05)))
    assert (error.error_class, error.message) == ("timeout", "no first token within 50ms")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_what_holds_no_piece_of_the_answer_is_no_first_token(provider: Provider, streamed: bool) -> None:
    error = await fault(provider, call("says_nothing", timeouts=Timeouts(first_token_s=0.1, total_s=5)), streamed=streamed)
    assert (error.error_class, error.message) == ("timeout", "no first token within 100ms")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_signs_of_life_are_no_pieces_of_an_answer(provider: Provider, streamed: bool) -> None:
    error = await fault(provider, call("says_no_more", timeouts=Timeouts(idle_s=0.1, total_s=5)), streamed=streamed)
    assert (error.error_class, error.message) == ("timeout", "nothing more came for 100ms")


async def test_what_is_for_routing_stays_here(provider: Provider, upstream: Upstream) -> None:
    await ask(provider, call(user="ann@example.com", language="de", meta={"team": "blue"}))
    sent = str(upstream.seen[0].body)
    assert not [each for each in ("ann@example.com", "'de'", "blue") if each in sent]


async def test_a_limit_and_a_temperature_arrive_under_the_names_of_the_api(provider: Provider, upstream: Upstream) -> None:
    messages = (Message("developer", "Be brief."), Message("user", "hi"))
    await ask(provider, call(max_output_tokens=77, temperature=0.5, messages=messages))
    sent = str(upstream.seen[0].body)
    assert "77" in sent
    assert "0.5" in sent
    assert "Be brief." in sent


def test_the_key_comes_from_the_variable_that_the_vendor_names(case: Case, tmp_path: Any) -> None:
    cls = word_of(case).options
    (key,) = (field for field in fields_of(cls) if field.name == "key")
    url = {"url": "https://example.com"} if case.word in ("azure_openai", "openai_compatible") else {}
    url |= {"aws_region": "eu-central-1"} if case.word == "bedrock" else {}
    if not case.key:
        assert key.env is None
        return
    options: Any = build(cls, url, Surroundings(tmp_path, {case.key: "sk-1"}))
    assert options.key.reveal() == "sk-1"
    if key.default is None and case.word == "bedrock":
        return
    with pytest.raises(MissingSecret, match=case.key):
        build(cls, url, Surroundings(tmp_path, {}))


def test_no_default_address_is_without_tls(case: Case) -> None:
    (url,) = (field for field in fields_of(word_of(case).options) if field.name == "url")
    assert url.default is None or str(url.default).startswith("https://")
