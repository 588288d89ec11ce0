"""The provider `hello`: answers with a greeting, without a network."""

import asyncio
from typing import Literal

import attrs
from mmflow.plugin import Call, CallError, Delta, Duration, Emit, Reply, Usage, option, options


def _one_word(text: str) -> None:
    if len(text.split()) != 1:
        raise ValueError("a greeting is one word")


@options
class HelloOptions:
    """Greets whoever asks, and repeats what was said."""

    greeting: str = option("Hello", doc="the word that every answer begins with", check=_one_word)
    style: Literal["plain", "cheerful"] = option("plain", doc="how the greeting ends: with a full stop or an exclamation mark")
    delay: Duration = option(Duration(0), doc="how long an answer takes to begin")
    wait: Duration | None = option(None, doc="the name of `delay` before version 0.1", replaced_by="delay")


@attrs.frozen
class Hello:
    """Answers calls with a greeting."""

    options: HelloOptions

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        """Greet, word by word where somebody streams; `CallError` where nothing was said."""
        said = next((message.text for message in reversed(call.messages) if message.role == "user"), "")
        if not said.strip():
            raise CallError("4xx", "nobody said anything", dispatched="no", help="give a message of the user")
        await asyncio.sleep(self.options.delay if self.options.wait is None else self.options.wait)

        end = "!" if self.options.style == "cheerful" else "."
        words = f"{self.options.greeting}{end} You said: {said}".split(" ")
        shown = words[: call.max_output_tokens]
        if emit is not None:
            for number, word in enumerate(shown):
                await emit(Delta(f" {word}" if number else word))
        return Reply(
            text=" ".join(shown),
            finish="stop" if len(shown) == len(words) else "length",
            usage=Usage(input_tokens=len(said.split()), output_tokens=len(shown)),
            served_model=call.model.id,
        )
