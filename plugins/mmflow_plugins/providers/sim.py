"""Simulated models: deterministic answers with the latency, quality, price and failures that the file declares.

What an answer says depends on the provider's `seed`, the model's name and the messages (and on the limit and the format that the
request asks for), never on what was asked before. So do the time it takes and whether it fails, when it is asked for the first
time; each further time that the same is asked of the same instance, these two are drawn anew, in a fixed order, so that a retry
can succeed.

- The whole answer takes longer than the model's `p95` in 5% of all calls; the times are log-normal. The first token comes around
  `first_token`. Where one is not declared it is four times, or a quarter of, the other; without both they are 800 ms and 200 ms.
- `failures` of the calls fail after the time to the first token, three in five with HTTP 503, the others with HTTP 429.
- A stream brings one word at a time, evenly from the first token to the end.
- Tokens: one for each 4 bytes begun of a run of letters and digits, one for each other character that is not a space; 4 more for
  each message and 100 for an image. The mark in front of an answer counts for none.
- Time-outs, the context window and the limit of the output hold as they would at a real provider.
"""

import asyncio
import math
import re
from collections import OrderedDict
from collections.abc import Iterable
from statistics import NormalDist
from typing import Any

import msgspec

from mmflow.plugin import (
    Call,
    CallError,
    Delta,
    Emit,
    Function,
    Host,
    Model,
    ProviderWord,
    Reply,
    ToolCall,
    Usage,
    hook,
    option,
    options,
)
from mmflow_plugins.providers.sim_answers import Draws, answer_of, tool_arguments

DEFAULT_P95_S = 0.8
SPREAD = 0.35
"""Standard deviation of the logarithm of the time of an answer."""
REMEMBERED = 10_000
"""How many different calls are counted; the oldest is forgotten first."""

_NORMAL = NormalDist()
_P95_Z = _NORMAL.inv_cdf(0.95)
_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"\s*\S+\s*|\s+")


@options
class SimOptions:
    """Fields of `provider x using sim`."""

    seed: int = option(0, doc="Another seed gives other answers, times and failures.")


class Sim:
    """A provider whose models are simulated."""

    def __init__(self, options: SimOptions) -> None:
        self._seed = options.seed
        self._asked: OrderedDict[bytes, int] = OrderedDict()

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        """Answer in the words of the simulation, in its time. Raises `CallError` as often as the model's `failures` say."""
        started_at = asyncio.get_running_loop().time()
        draws = Draws(self._seed, call.model.name, call.messages)
        luck = Draws(draws.digest, self._times_asked(draws.digest))
        input_tokens = _input_tokens(call)
        if call.model.context_tokens is not None and input_tokens > call.model.context_tokens:
            message = f"simulated: {input_tokens} tokens exceed the window of `{call.model.name}`, {call.model.context_tokens}"
            raise CallError(
                "context_overflow", message, status=400, dispatched="no", help="shorten the input, or route it elsewhere"
            )
        first_s, whole_s = times(call.model, luck)
        if luck.unit("fails") < call.model.failures:
            await _wait(call, started_at, first_s, None)
            raise _failure(call.model, luck)

        reply = self._reply(call, draws, input_tokens)
        pieces = _pieces(reply)
        step_s = (whole_s - first_s) / max(len(pieces) - 1, 1)
        for index, piece in enumerate(pieces if emit else pieces[:2]):
            piece_s = first_s + index * step_s
            await _wait(call, started_at, piece_s, piece_s - step_s if index else None)
            if emit is not None:
                await emit(piece)
        await _wait(call, started_at, whole_s, whole_s - step_s)
        return reply

    def _times_asked(self, digest: bytes) -> int:
        times_asked = self._asked.pop(digest, 0)
        self._asked[digest] = times_asked + 1
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        return times_asked

    def _reply(self, call: Call, draws: Draws, input_tokens: int) -> Reply:
        request_id = f"sim-{draws.digest.hex()[:12]}"
        if call.purpose == "answer" and (tool := _tool_that_must_be_called(call)) is not None:
            function = Function(str(tool["function"]["name"]), tool_arguments(tool, f"[simulated by {call.model.name}]"))
            usage = Usage(input_tokens=input_tokens, output_tokens=count_tokens(function.name + function.arguments))
            tool_call = ToolCall(f"call_{draws.digest.hex()[:12]}", function)
            return Reply(
                text="", tool_calls=(tool_call,), finish="tool_calls", usage=usage,
                served_model=call.model.id, request_id=request_id, simulated=True,
            )  # fmt: skip
        answer = answer_of(call, draws, Draws(self._seed, call.messages))
        body = _before_stop(answer.body, call.request.stop)
        limits = (call.max_output_tokens, call.request.max_output_tokens, call.model.max_output_tokens)
        body, output_tokens, cut = _cut(body, min((limit for limit in limits if limit is not None), default=None))
        return Reply(
            text=answer.mark + body, finish="length" if cut else "stop",
            usage=Usage(input_tokens=input_tokens, output_tokens=output_tokens),
            served_model=call.model.id, request_id=request_id, simulated=True,
        )  # fmt: skip


def times(model: Model, luck: Draws) -> tuple[float, float]:
    """Seconds to the first token and to the end of an answer."""
    p95_s = model.p95_s if model.p95_s is not None else DEFAULT_P95_S if model.first_token_s is None else model.first_token_s * 4
    first_s = model.first_token_s if model.first_token_s is not None else p95_s / 4
    whole_s = p95_s * _log_normal(luck.unit("whole"), SPREAD, -_P95_Z)
    return min(first_s * _log_normal(luck.unit("first"), SPREAD / 2, 0.0), whole_s), whole_s


def _log_normal(unit: float, spread: float, shift_z: float) -> float:
    z = _NORMAL.inv_cdf(min(max(unit, 1e-9), 1 - 1e-9))
    return math.exp(spread * (z + shift_z))


def count_tokens(text: str) -> int:
    """The tokens of a text by the rule of this module."""
    return sum(_token_size(match[0]) for match in _TOKEN.finditer(text))


def _token_size(run: str) -> int:
    return 1 if len(run) == 1 else -(-len(run.encode("utf-8", "replace")) // 4)


def _input_tokens(call: Call) -> int:
    tokens = 0
    for message in call.messages:
        tokens += 4 + count_tokens(message.text)
        if not isinstance(message.content, str):
            tokens += 100 * sum(part.get("type") != "text" for part in message.content or ())
        tokens += sum(count_tokens(each.function.name + each.function.arguments) for each in message.tool_calls)
    return tokens + (count_tokens(msgspec.json.encode(call.request.tools).decode()) if call.request.tools else 0)


def _cut(text: str, limit: int | None) -> tuple[str, int, bool]:
    """The text up to so many tokens, how many it has, and whether some were cut off."""
    tokens = 0
    for match in _TOKEN.finditer(text):
        size = _token_size(match[0])
        if limit is not None and tokens + size > limit:
            return text[: match.start()].rstrip(), tokens, True
        tokens += size
    return text, tokens, False


def _before_stop(text: str, stops: Iterable[str]) -> str:
    found = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(found)] if found else text


def _tool_that_must_be_called(call: Call) -> dict[str, Any] | None:
    choice = call.request.tool_choice
    usable = [tool for tool in call.request.tools if isinstance(tool.get("function"), dict) and tool["function"].get("name")]
    if choice == "required":
        return usable[0] if usable else None
    if isinstance(choice, dict) and isinstance(named := choice.get("function"), dict):
        return next((tool for tool in usable if tool["function"]["name"] == named.get("name")), None)
    return None


def _pieces(reply: Reply) -> list[Delta]:
    pieces = [Delta(text=word) for word in _WORD.findall(reply.text)]
    calls = tuple({"index": index, **msgspec.to_builtins(each)} for index, each in enumerate(reply.tool_calls))
    return [*pieces, Delta(tool_calls=calls)] if calls else pieces


async def _wait(call: Call, started_at: float, until_s: float, since_s: float | None) -> None:
    """Sleep until so long after the start, or until a time-out of the call, which fails it.

    `since_s`: when the piece before came, None where none has.
    """
    bounds = [(call.timeouts.total_s, 0.0, "the answer")]
    if since_s is None:
        bounds.append((call.timeouts.first_token_s, 0.0, "the first token"))
    else:
        bounds.append((call.timeouts.idle_s, since_s, "the next piece"))
    known = [(from_s + bound_s, bound_s, of) for bound_s, from_s, of in bounds if bound_s is not None]
    end_s, bound_s, of = min(known, default=(until_s, 0.0, ""))
    await asyncio.sleep(max(started_at + min(end_s, until_s) - asyncio.get_running_loop().time(), 0))
    if until_s > end_s:
        message = f"simulated: {of} of `{call.model.name}` did not come within {bound_s:g} s"
        raise CallError("timeout", message, dispatched="maybe", help="raise the time-out, or add a fallback")


def _failure(model: Model, luck: Draws) -> CallError:
    help_ = f"`{model.name}` declares failures = {model.failures:.4g} of all calls: add a fallback or a retry, as for a real one"
    if luck.unit("failure") < 0.6:
        return CallError("5xx", f"simulated: `{model.name}` answered HTTP 503", status=503, dispatched="maybe", help=help_)
    return CallError("429", f"simulated: `{model.name}` answered HTTP 429", status=429, dispatched="no", help=help_)


def _make(options: SimOptions, host: Host) -> Sim:
    return Sim(options)


@hook
def mmflow_providers() -> list[ProviderWord]:
    return [ProviderWord("sim", SimOptions, _make)]
