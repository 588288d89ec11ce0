"""The upstream of these tests, read by the vendors' own Python clients: it says what their clients understand.

They are no dependency: a client that is not installed is left out.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import upstream as up
from upstream import TEXT, Upstream

KEY = "sk-canary-0123456789"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with up.running() as running:
        yield running


def client(module: str) -> Any:
    return pytest.importorskip(module, reason="this client is not installed")


async def test_openai_reads_chat_completions(upstream: Upstream) -> None:
    openai = client("openai").AsyncOpenAI(base_url=upstream.url, api_key=KEY)
    messages = [{"role": "user", "content": "hi"}]
    whole = await openai.chat.completions.create(model="good", messages=messages)
    assert (whole.choices[0].message.content, whole.usage.prompt_tokens_details.cached_tokens) == (TEXT, 8)
    stream = await openai.chat.completions.create(
        model="good", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens == 4
    await openai.close()


async def test_openai_reads_responses(upstream: Upstream) -> None:
    openai = client("openai").AsyncOpenAI(base_url=upstream.url, api_key=KEY)
    whole = await openai.responses.create(model="good", input="hi")
    assert (whole.output_text, whole.usage.output_tokens_details.reasoning_tokens) == (TEXT, 4)
    events = [event async for event in await openai.responses.create(model="good", input="hi", stream=True)]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert (events[-1].type, events[-1].response.usage.input_tokens) == ("response.completed", 20)
    await openai.close()


async def test_anthropic_reads_messages(upstream: Upstream) -> None:
    anthropic = client("anthropic").AsyncAnthropic(base_url=upstream.root, api_key=KEY)
    asked = {"model": "good", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
    whole = await anthropic.messages.create(**asked)
    assert (whole.content[0].text, whole.usage.cache_read_input_tokens) == (TEXT, 8)
    events = [event async for event in await anthropic.messages.create(**asked, stream=True)]
    assert "".join(event.delta.text for event in events if event.type == "content_block_delta") == TEXT
    await anthropic.close()


async def test_google_reads_contents(upstream: Upstream) -> None:
    google = client("google.genai").Client(api_key=KEY, http_options={"base_url": upstream.root})
    whole = await google.aio.models.generate_content(model="good", contents="hi")
    assert (whole.text, whole.usage_metadata.thoughts_token_count) == (TEXT, 4)
    stream = await google.aio.models.generate_content_stream(model="good", contents="hi")
    assert "".join([answer.text async for answer in stream]) == TEXT
    await google.aio.aclose()


async def test_what_they_send_is_what_is_sent_here(upstream: Upstream) -> None:
    """The paths and the headers of the keys, which the tests of each provider hold too."""
    openai = client("openai")
    azure = openai.AsyncAzureOpenAI(azure_endpoint=upstream.root, api_key=KEY, api_version="2024-10-21")
    await azure.chat.completions.create(model="good", messages=[{"role": "user", "content": "hi"}])
    google = client("google.genai").Client(api_key=KEY, http_options={"base_url": upstream.root, "api_version": "v1beta"})
    await google.aio.models.generate_content(model="good", contents="hi")
    azured, googled = upstream.seen
    assert (azured.path, azured.headers["api-key"]) == ("/openai/deployments/good/chat/completions?api-version=2024-10-21", KEY)
    assert (googled.path, googled.headers["x-goog-api-key"]) == ("/v1beta/models/good:generateContent", KEY)
    await azure.close()
    await google.aio.aclose()


async def test_boto_reads_converse(upstream: Upstream) -> None:
    """The events that the upstream sends are those that AWS's parser takes."""
    eventstream = client("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(up.amazon("messageStop", {"stopReason": "end_turn"}))
    (event,) = list(buffer)
    assert event.headers == {":message-type": "event", ":event-type": "messageStop", ":content-type": "application/json"}
    assert event.payload == b'{"stopReason": "end_turn"}'
