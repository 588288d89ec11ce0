"""What a provider said of its tool calls and wants to hear again, which the form of chat completions has no place for."""

from collections import OrderedDict

_LARGEST = 4096


class Memory:
    """Texts by the id of a call, the oldest forgotten first: a conversation that another process began is not in it."""

    def __init__(self, largest: int = _LARGEST) -> None:
        self._largest = largest
        self._kept: OrderedDict[str, str] = OrderedDict()

    def keep(self, call_id: str, text: str) -> None:
        """Remember a text."""
        self._kept[call_id] = text
        self._kept.move_to_end(call_id)
        if len(self._kept) > self._largest:
            self._kept.popitem(last=False)

    def recall(self, call_id: str) -> str | None:
        """The text, if it is still known."""
        return self._kept.get(call_id)
