"""Money of one request: what a call may cost, what it did cost, and the purse that holds both under `max_cost`."""

import attrs
import msgspec

from mmflow.plugin import CallError, Message, Model, Prices, Reply, Request, ToolCall, Usage
from mmflow.tokens import bound_tokens, estimate_tokens
from mmflow.units import MICROUSD_PER_USD, TOKENS_PER_PRICE

MESSAGE_TOKENS = 4
"""The frame of a message: its role and its delimiters."""

IMAGE_TOKENS = 800
IMAGE_TOKENS_AT_MOST = 1_700

MOST_TOKENS = 100_000_000
"""A provider that reports more for one call does not count tokens."""


def input_tokens(messages: tuple[Message, ...], request: Request | None = None) -> int:
    """About how many tokens a provider will read: the messages, and the request's tools where it is given."""
    total = 0
    for message in messages:
        total += MESSAGE_TOKENS + estimate_tokens(message.text)
        if not isinstance(message.content, str):
            total += IMAGE_TOKENS * images_in(message)
        if message.tool_calls:
            total += sum(estimate_tokens(each) for each in _written(message.tool_calls))
    return total + estimate_tokens(_declared(request)) if request is not None and request.tools else total


def input_tokens_at_most(messages: tuple[Message, ...], request: Request) -> int:
    """How many tokens a provider may read, for money."""
    parts = [message.text for message in messages]
    parts += [each for message in messages for each in _written(message.tool_calls)]
    frames = 2 * MESSAGE_TOKENS * (len(messages) + 1)
    images = sum(map(images_in, messages))
    return frames + images * IMAGE_TOKENS_AT_MOST + sum(map(bound_tokens, parts)) + bound_tokens(_declared(request))


def output_tokens(text: str, tool_calls: tuple[ToolCall, ...] = ()) -> int:
    """About how many tokens a model wrote."""
    return estimate_tokens(text) + sum(estimate_tokens(each) for each in _written(tool_calls))


def images_in(message: Message) -> int:
    """How many parts of a message are images."""
    if message.content is None or isinstance(message.content, str):
        return 0
    return sum("image" in str(part.get("type", "")) for part in message.content)


def _written(tool_calls: tuple[ToolCall, ...]) -> list[str]:
    return [f"{call.function.name} {call.function.arguments}" for call in tool_calls]


def _declared(request: Request) -> str:
    extra = [*request.tools, *([request.response_format] if request.response_format else [])]
    return msgspec.json.encode(extra).decode() if extra else ""


def usable(reply: Reply) -> Usage | None:
    """The usage that a provider reported, or None where it reported none, or one that cannot be."""
    usage = reply.usage
    if type(usage) is not Usage:
        return None
    read = (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens)
    wrote = (usage.output_tokens, usage.reasoning_tokens)
    for count in read + wrote:
        if type(count) is not int or not 0 <= count <= MOST_TOKENS:
            return None
    said_something = bool(reply.text or reply.tool_calls)
    return usage if any(read) and (any(wrote) or not said_something) else None


def cost_microusd(usage: Usage, prices: Prices | None) -> int | None:
    """What tokens cost, to the nearest micro-dollar and never 0 where they are not free; None where no price is known."""
    if prices is None:
        return None
    exact = usage.input_tokens * prices.input + usage.output_tokens * prices.output
    if usage.cached_input_tokens:
        exact += usage.cached_input_tokens * (prices.input if prices.cached_input is None else prices.cached_input)
    if usage.cache_write_tokens:
        exact += usage.cache_write_tokens * (prices.input if prices.cache_write is None else prices.cache_write)
    if usage.reasoning_tokens:
        exact += usage.reasoning_tokens * (prices.output if prices.reasoning is None else prices.reasoning)
    return (exact + TOKENS_PER_PRICE // 2) // TOKENS_PER_PRICE or (1 if exact else 0)


def worst_microusd(prices: Prices, input_tokens: int, output_tokens: int) -> int:
    """The most that a call of at most so many tokens can cost."""
    dearest_input = max(prices.input, prices.cached_input or 0, prices.cache_write or 0)
    dearest_output = max(prices.output, prices.reasoning or 0)
    return -(-(input_tokens * dearest_input + output_tokens * dearest_output) // TOKENS_PER_PRICE)


def worst_of(model: Model, input_tokens: int, max_output_tokens: int | None, bound: str) -> int:
    """The most that a call of a model can cost. `CallError` of class `budget` where that has no end, and `bound` holds."""
    if model.prices is None:
        raise refused(f"the price of `{model.name}` is unknown, and {bound} holds", f"declare the price of `{model.name}`")
    if max_output_tokens is None and model.context_tokens is not None:
        # A prompt may be shorter than its bound, and what it leaves of the window is the answer's.
        left = max(0, model.context_tokens - input_tokens)
        return max(worst_microusd(model.prices, input_tokens, left), worst_microusd(model.prices, 0, model.context_tokens))
    if max_output_tokens is None and (model.prices.output or model.prices.reasoning):
        raise refused(f"an answer of `{model.name}` may be of any length, and {bound} holds", "set `max_output` in the flow")
    return worst_microusd(model.prices, input_tokens, max_output_tokens or 0)


def dollars(microusd: int) -> str:
    """An amount as people read it: `$0.000120`."""
    return f"${microusd / MICROUSD_PER_USD:.6f}"


@attrs.define
class Purse:
    """The money of one request. Nothing is dispatched that could bring what is spent and promised above the limit."""

    limit_microusd: int
    taken_microusd: int = 0
    """Spent, and promised to calls that are under way."""

    def reserve(self, model: Model, input_tokens: int, max_output_tokens: int | None) -> int:
        """Promise the worst that a call can cost, and return it. `CallError` of class `budget` where it may cost too much."""
        worst = worst_of(model, input_tokens, max_output_tokens, "`max_cost`")
        if self.taken_microusd + worst > self.limit_microusd:
            left = max(0, self.limit_microusd - self.taken_microusd)
            raise refused(
                f"`{model.name}` may cost up to {dollars(worst)}, and {dollars(left)} is left of `max_cost`",
                "raise `max_cost`, or lower `max_output`",
            )
        self.taken_microusd += worst
        return worst

    def settle(self, reserved_microusd: int, cost_microusd: int) -> None:
        """A call is over and its cost is known. One whose cost is uncertain is not settled: its promise stays taken."""
        self.taken_microusd += cost_microusd - reserved_microusd


def refused(message: str, help: str) -> CallError:
    """A call that money forbids."""
    return CallError("budget", message, dispatched="no", help=help)
