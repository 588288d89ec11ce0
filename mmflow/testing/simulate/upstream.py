"""Providers of a simulation: they answer, and go wrong as the weather has it."""

import asyncio
from collections import defaultdict
from random import Random
from typing import Any, Literal, NoReturn

import attrs

from mmflow.plugin import (
    Call,
    CallError,
    Delta,
    Emit,
    ErrorClass,
    Function,
    Model,
    Reply,
    ToolCall,
    Usage,
    error_of_status,
)
from mmflow.runtime.cost import input_tokens, output_tokens
from mmflow.testing.simulate.caller import Asked, Caller, here
from mmflow.testing.simulate.faults import Weather

SOME_TOKENS = 300
"""The longest answer where nothing bounds it."""

_STATUSES = (400, 401, 403, 404, 408, 409, 413, 429, 429, 500, 502, 503, 504, 529)
_CLASSES: tuple[ErrorClass, ...] = ("connect", "connect", "timeout", "protocol", "content_filter", "context_overflow", "5xx")
_WAITS: tuple[Any, ...] = (None, None, 0, 0.5, 2, 2.0, 30.0, 3600.0, 1e12, -5.0, float("nan"), float("inf"), "soon")
_TYPICAL_S = (0.0, 0.02, 0.3, 0.3, 1.0, 1.0, 4.0)
_WORDS = ("yes ", "no ", "it depends ", "perhaps ", "see above ")


@attrs.define(eq=False)
class Load:
    """What one provider or model has seen: calls under way, the most at a time, and when calls began."""

    under_way: int = 0
    most: int = 0
    began: list[Asked] = attrs.field(factory=list)


@attrs.define(eq=False)
class Upstream:
    """All providers of a run. `texts` has the answers of flows whose contract prescribes more than JSON, by flow."""

    weather: Weather
    random: Random
    texts: dict[str, str]
    loads: dict[str, Load] = attrs.field(factory=lambda: defaultdict(Load))
    """By `provider NAME` and `model NAME`."""
    tasks: "set[asyncio.Task[None]]" = attrs.field(factory=set)
    """What providers left behind."""
    _typical_s: dict[str, float] = attrs.field(factory=dict)
    _count: int = 0

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        """Answer, or not."""
        caller = here.get()
        asked = Asked(call, caller.started, asyncio.get_running_loop().time())
        caller.asked.append(asked)
        loads = (self.loads[f"provider {call.model.provider}"], self.loads[f"model {call.model.name}"])
        for load in loads:
            load.under_way += 1
            load.most = max(load.most, load.under_way)
            load.began.append(asked)
        try:
            return await self._answered(call, emit, asked, caller)
        except CallError as error:
            asked.is_counted = error.dispatched != "no" or error.status is not None
            raise
        finally:
            if asked.stopped_at is not None:
                caller.delayed_s += asyncio.get_running_loop().time() - asked.stopped_at
            for load in loads:
                load.under_way -= 1

    def _has(self, kind: str, part: float = 1.0) -> bool:
        level = self.weather.levels[kind]
        return bool(level) and self.random.random() < level * part

    async def _answered(self, call: Call, emit: Emit | None, asked: Asked, caller: Caller) -> Reply:
        random, model = self.random, call.model
        if model.context_tokens is not None and input_tokens(call.messages, call.request) >= model.context_tokens:
            raise CallError("context_overflow", "the window is too small", status=400, dispatched="no")
        if (spell := self.weather.spell(model.provider, asked.at)) is not None:
            await self._troubled(spell.manner)
        if self._has("hangs", 0.5):
            await self._pause(None, asked)
        if self._has("errors"):
            await self._failed(asked)
        after_s = self._took_s(model)
        if self._has("garbage", 0.5):
            await self._pause(after_s, asked)
            garbage: Reply = self._garbage()
            return garbage
        self._write(asked, caller)
        if emit is None:
            await self._pause(after_s, asked)
        else:
            await self._spoken(asked, after_s, emit)
            if self._has("stubborn"):
                self._leave_behind(emit)
        asked.is_answered = True
        calls: tuple[ToolCall, ...] = ()
        if call.request.tools and call.purpose == "answer" and random.random() < 0.5:
            calls = (ToolCall("t1", Function("look_up", '{"what": 1}')),)
            asked.is_honest = False
        finish: Literal["stop", "length"] = "length" if random.random() < 0.05 else "stop"
        return Reply(text=asked.text, tool_calls=calls, finish=finish, usage=asked.usage, served_model=model.id)

    # ---- time ------------------------------------------------------------------------------------------------------------

    def _took_s(self, model: Model) -> float:
        if (typical_s := self._typical_s.get(model.name)) is None:
            typical_s = self._typical_s[model.name] = self.random.choice((*_TYPICAL_S, (model.p95_s or 1.0) / 2))
        took_s = typical_s * self.random.lognormvariate(0, 0.5)
        return took_s * 100 if self._has("slow", 0.5) else took_s

    async def _pause(self, for_s: float | None, asked: Asked) -> None:
        """Take so long, or forever; some do not let themselves be stopped at once."""
        try:
            if for_s is None:
                await asyncio.get_running_loop().create_future()
            elif for_s:
                await asyncio.sleep(for_s)
        except asyncio.CancelledError:
            if not self._has("stubborn"):
                raise
            if asked.stopped_at is None:
                asked.stopped_at = asyncio.get_running_loop().time()
            await asyncio.sleep(self.random.choice((0.0, 0.5, 5.0)))
            if self.random.random() < 0.5:
                raise

    async def _troubled(self, manner: str | None) -> NoReturn:
        match manner:
            case "refused":
                raise CallError("connect", "connection refused", dispatched="no")
            case "hangs":
                await asyncio.get_running_loop().create_future()
            case "breaks":
                await asyncio.sleep(self.random.choice((0.0, 0.1, 2.0)))
                raise error_of_status(self.random.choice((500, 503, 529)), "out of order")
        raise error_of_status(429, "too many requests", retry_after_s=self.random.choice(_WAITS))

    async def _failed(self, asked: Asked) -> NoReturn:
        random = self.random
        await self._pause(random.choice((0.0, 0.0, 0.1, 1.0, 10.0)), asked)
        wait_s = random.choice(_WAITS) if random.random() < 0.3 else None
        if random.random() < 0.6:
            raise error_of_status(random.choice(_STATUSES), "as the weather has it", retry_after_s=wait_s)
        dispatched: Literal["no", "maybe", "yes"] = random.choice(("no", "maybe", "yes"))
        raise CallError(random.choice(_CLASSES), "as the weather has it", retry_after_s=wait_s, dispatched=dispatched)

    # ---- what is said ----------------------------------------------------------------------------------------------------

    def _write(self, asked: Asked, caller: Caller) -> None:
        """An answer that no other call gives, and its tokens."""
        call, random = asked.call, self.random
        self._count += 1
        most = min(call.max_output_tokens or SOME_TOKENS, call.model.max_output_tokens or SOME_TOKENS)
        if call.purpose != "answer":
            text = str(round(random.random(), 2))
        elif call.contract is not None and random.random() > 0.2:
            text = self.texts.get(caller.flow.name) or f'{{"answer": "c{self._count}"}}'
        else:
            text = f"c{self._count} {random.choice(_WORDS) * min(random.randint(0, 3), most // 8)}"
        asked.text = text
        read = random.randint(1, caller.input_tokens) if call.purpose == "answer" else random.randint(1, 20)
        wrote = random.randint(1, most)
        if (window := call.model.context_tokens) is not None:
            read = min(read, max(1, window - 1))
            wrote = max(1, min(wrote, window - read))
        cached = random.randint(0, read - 1) if random.random() < 0.2 else 0
        reasoning = random.randint(0, wrote - 1) if random.random() < 0.2 else 0
        asked.usage = Usage(read - cached, cached, 0, wrote - reasoning, reasoning)
        if self._has("usage"):
            asked.usage = self._claimed(asked.usage, asked)
        if asked.usage is None and output_tokens(text) > most:
            asked.is_honest = False

    def _claimed(self, usage: Usage, asked: Asked) -> Usage | None:
        """Tokens as they may be reported."""
        match self.random.randrange(7):
            case 0 | 1:
                return None
            case 2:
                claimed = Usage(-usage.input_tokens, output_tokens=usage.output_tokens)
            case 3:
                claimed = Usage(usage.input_tokens, output_tokens=usage.output_tokens * 1_000)
            case 4:
                claimed = Usage(10**12, output_tokens=10**12)
            case 5:
                odd: Any = self.random.choice((1.5, True, "12", None))
                claimed = Usage(odd, output_tokens=usage.output_tokens)
            case _:
                claimed = Usage()
        asked.is_honest = False
        return claimed

    async def _spoken(self, asked: Asked, after_s: float, emit: Emit) -> None:
        """Say it in pieces."""
        pieces = _pieces(asked.text, self.random.choice((1, 2, 2, 4)))
        cut_at = self.random.randrange(len(pieces) + 1) if self._has("cuts") else None
        for number, piece in enumerate(pieces):
            if number == cut_at:
                break
            await self._pause(after_s / len(pieces), asked)
            await emit(Delta(piece))
        if cut_at is not None:
            error: ErrorClass = self.random.choice(("connect", "timeout", "protocol"))
            raise CallError(error, "the stream broke off", dispatched="yes")

    def _leave_behind(self, emit: Emit) -> None:
        async def late() -> None:
            await asyncio.sleep(0.01)
            await emit(Delta("too late "))

        task = asyncio.create_task(late())
        self.tasks.add(task)

    def _garbage(self) -> Any:
        match self.random.randrange(8):
            case 0:
                return None
            case 1:
                return "a text"
            case 2:
                return Reply(text=None)  # type: ignore[arg-type]
            case 3:
                return Reply(text="", tool_calls=["no call"])  # type: ignore[arg-type]
            case 4:
                raise KeyError("choices")
            case 5:
                raise asyncio.CancelledError
            case 6:
                raise SystemExit(3)
            case _:
                raise CallError("429", "odd", status="429", retry_after_s="never")  # type: ignore[arg-type]


def _pieces(text: str, count: int) -> list[str]:
    size = max(1, -(-len(text) // count))
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]
