"""What models answer in a test where no script says it: a text that names them, or JSON that the output contract allows."""

from pathlib import Path
from typing import Any

from mmflow.plan import Plan
from mmflow.plugin import Call, CallError, Host, Model, ProviderWord, Request
from mmflow.runtime.outputs import contract_of
from mmflow.vocabulary import Vocabulary


class Unscripted:
    """Writes the answers of a plan's models."""

    def __init__(self, plan: Plan, vocabulary: Vocabulary, host: Host, folder: Path) -> None:
        self._plan, self._vocabulary, self._host, self._folder = plan, vocabulary, host, folder
        self._formats: dict[str, dict[str, Any] | None] = {}

    async def text(self, flow: str, call: Call) -> str:
        """The text of an answer."""
        wanted = self._format(flow) if call.purpose == "answer" else None
        if wanted is None:
            return f"an answer of {call.model.name}"
        # The simulated models know how to write what a schema allows.
        word = self._vocabulary.find("provider", "sim")
        assert isinstance(word, ProviderWord)
        at_once = Model(name=call.model.name, id=call.model.id, provider="", first_token_s=0.0, p95_s=0.0)
        asked = Call(model=at_once, messages=call.messages, request=Request(messages=call.messages, response_format=wanted))
        return (await word.make(word.options(), self._host).complete(asked, None)).text

    def _format(self, flow: str) -> dict[str, Any] | None:
        """The form that a flow's answers must have, in that of chat completions; None where any text will do."""
        output = self._plan.flows[flow].output
        if output is not None and output not in self._formats:
            try:
                self._formats[output] = contract_of(self._plan.outputs[output], self._folder).response_format
            except CallError:  # a schema that cannot be used fails the run itself, and says why
                self._formats[output] = None
        return self._formats[output] if output is not None else None
