"""A model that plugins ask for an opinion: one reply, and what it was asked."""

from mmflow.plugin import Reply


class Asked:
    """A model that gives one reply, and remembers what it was asked."""

    def __init__(self, text):
        self.text, self.calls = text, []

    async def __call__(self, model, messages, *, max_output_tokens):
        self.calls.append((model, tuple(messages), max_output_tokens))
        return Reply(text=self.text)
