"""The request that a test in the language describes."""

import msgspec

from mmflow.plan import TEST_INPUT, TestCase
from mmflow.plugin import Message, Request
from mmflow.runtime.cost import MESSAGE_TOKENS, input_tokens
from mmflow.tokens import estimate_tokens

_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
_TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


class CannotRehearse(Exception):
    """A test whose request cannot be as it says; the message says why."""


def request_of(case: TestCase) -> Request:
    """The request that a test describes, filled up to its tokens. Raises `CannotRehearse`."""
    text = case.input if case.input is not None else TEST_INPUT if case.tokens is None else ""
    request = _with_text(case, text)
    if case.tokens is None:
        return request
    missing = case.tokens - input_tokens(request.messages, request)
    if missing == 0:
        return request
    if case.input is None and missing > 0:
        return _with_text(case, _filler(missing))
    if missing <= MESSAGE_TOKENS:
        has = case.tokens - missing
        raise CannotRehearse(f"the request has about {has} tokens already, so it cannot have {case.tokens}")
    # A turn of the model, which classifiers do not read unless they are told to.
    earlier = Message("assistant", _filler(missing - MESSAGE_TOKENS))
    return msgspec.structs.replace(request, messages=(earlier, *request.messages))


def _with_text(case: TestCase, text: str) -> Request:
    content = ({"type": "text", "text": text}, _IMAGE) if case.has_images else text
    return Request(
        messages=(Message("user", content),),
        tools=(_TOOL,) if case.has_tools else (),
        user=case.user,
        language=case.language,
        meta=case.meta,
    )


def _filler(tokens: int) -> str:
    """A text of about so many tokens, by our own count exactly so many."""
    low, high = 1, 4 * tokens + 4
    while low < high:
        middle = (low + high) // 2
        if estimate_tokens("a " * middle) < tokens:
            low = middle + 1
        else:
            high = middle
    return "a " * low
