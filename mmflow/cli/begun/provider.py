"""A provider that begins: it streams over HTTP, and its test scripts the server."""

SUMMARY = "A provider for mmflow: reaches models over HTTP"

MODULE = '''\
"""The provider `$name`: reaches models over HTTP, and streams."""

import msgspec
from mmflow.plugin import (
    Call,
    CallError,
    Delta,
    Emit,
    Host,
    ProviderWord,
    Reply,
    Secret,
    Usage,
    error_of_status,
    hook,
    option,
    options,
    retry_after_s,
)


@options
class ${cls}Options:
    """The key, and where the server is."""

    key: Secret = option(doc="the key of your account", env="${env}_API_KEY")
    url: str = option("https://api.example.com", doc="where the server is", env="${env}_URL")


class Piece(msgspec.Struct):
    """An event of the stream: a piece of the answer, and at the end the tokens of both sides."""

    text: str = ""
    tokens: tuple[int, int] | None = None


class ${cls}:
    """Answers calls."""

    def __init__(self, options: ${cls}Options, host: Host) -> None:
        self.options, self.http = options, host.http

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        """Answer a call. Raises `CallError`."""
        turns = [{"role": each.role, "text": each.text} for each in call.messages]
        body = {"model": call.model.id, "turns": turns, "limit": call.max_output_tokens}
        headers = {"Authorization": f"Bearer {self.options.key.reveal()}"}
        url, text, tokens = f"{self.options.url}/generate", "", None
        async with self.http.stream(url, body, headers, call.timeouts) as answer:
            if answer.status != 200:
                said = (await answer.body())[:200].decode(errors="replace")
                wait_s = retry_after_s(answer.headers)
                raise error_of_status(answer.status, said, retry_after_s=wait_s)
            async for event in answer.events():
                try:
                    piece = msgspec.json.decode(event.data, type=Piece)
                except msgspec.MsgspecError as error:
                    raise CallError("protocol", f"an event cannot be read: {error}") from error
                text, tokens = text + piece.text, piece.tokens
                if emit is not None and piece.text:
                    await emit(Delta(piece.text))
        if tokens is None:
            raise CallError("protocol", "the answer broke off before its end")
        return Reply(text=text, usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]))


@hook
def mmflow_providers() -> list[ProviderWord]:
    """The word `$name`."""
    return [ProviderWord("$word", ${cls}Options, ${cls})]
'''

TEST = """\
from pathlib import Path

from mmflow.plugin import Secret, Usage
from mmflow.testing import Exchange, check_provider, check_workflow

import $module
from $module import ${cls}Options

OPTIONS = ${cls}Options(key=Secret("${env}_API_KEY", "a-key-for-tests"))
ANSWER = Exchange(
    text="It is on its way.",
    events=[{"text": "It is "}, {"text": "on its way."}, {"tokens": [4, 6]}],
    usage=Usage(input_tokens=4, output_tokens=6),
)


def test_it_keeps_the_promises_of_a_provider() -> None:
    check_provider($module.mmflow_providers()[0], OPTIONS, exchanges=ANSWER)
"""

EXAMPLE = """\
mmflow 1

provider $word using $name { key = secret("${env}_API_KEY") }

model small {
  provider = $word
  id = "model-1"
  price = { input = $$0.20/1M, output = $$0.80/1M }
}

flow main {
  deadline = 20s
  else -> small
}
"""
