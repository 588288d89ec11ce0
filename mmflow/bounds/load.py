"""What may happen on a path, added up: calls, dollars, time, and what data can reach."""

from collections.abc import Mapping
from math import inf

import attrs
import msgspec

from mmflow.bounds.reasons import Endless, LongAnswer, LongRequest, NoPrice, NoTimeout, Unknown
from mmflow.plugin import Model, Purpose
from mmflow.units import TOKENS_PER_PRICE

Counts = Mapping[tuple[str, Purpose], int]
"""Calls by model and purpose."""


class PerToken(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars as a linear function of the tokens of a request and of an answer, before each call is rounded up.

    `input` and `output` are micro-dollars for a million tokens; `fixed_microusd` is what system prompts and the words of judges
    cost besides.
    """

    input: int = 0
    output: int = 0
    fixed_microusd: int = 0

    def at(self, input_tokens: int, output_tokens: int) -> float:
        """Micro-dollars."""
        return (input_tokens * self.input + output_tokens * self.output) / TOKENS_PER_PRICE + self.fixed_microusd

    def __add__(self, other: "PerToken") -> "PerToken":
        fixed = self.fixed_microusd + other.fixed_microusd
        return PerToken(input=self.input + other.input, output=self.output + other.output, fixed_microusd=fixed)

    def __or__(self, other: "PerToken") -> "PerToken":
        """What neither exceeds."""
        fixed = max(self.fixed_microusd, other.fixed_microusd)
        return PerToken(input=max(self.input, other.input), output=max(self.output, other.output), fixed_microusd=fixed)

    def times(self, count: int) -> "PerToken":
        return PerToken(input=self.input * count, output=self.output * count, fixed_microusd=self.fixed_microusd * count)


@attrs.frozen
class Load:
    """The most of everything that a step may come to; None and infinity are without a bound.

    `time_s` is without what servers ask us to wait; `declared_s` is the part of it that time-outs, pauses and deadlines of a
    `with` make up. `endless` says what only a deadline bounds, `unknown` why dollars have no bound. `is_cut` is whether the
    deadline of a `with` bounds some of the time. `longest` is the longest answer in tokens.
    `signals` are the classifiers that are read; their own load is not in here, since each is read once a request.
    """

    calls: Counts = attrs.field(factory=dict)
    total: int = 0
    microusd: int | None = 0
    per_token: PerToken | None = attrs.field(factory=PerToken)
    time_s: float = 0.0
    declared_s: float = 0.0
    is_cut: bool = False
    endless: frozenset[Endless] = frozenset()
    unknown: frozenset[Unknown] = frozenset()
    longest: float = 0
    signals: frozenset[str] = frozenset()

    def __add__(self, other: "Load") -> "Load":
        """One after the other."""
        return attrs.evolve(
            self._either(other),
            calls={key: self.calls.get(key, 0) + other.calls.get(key, 0) for key in {**self.calls, **other.calls}},
            total=self.total + other.total,
            microusd=None if self.microusd is None or other.microusd is None else self.microusd + other.microusd,
            per_token=None if self.per_token is None or other.per_token is None else self.per_token + other.per_token,
            time_s=self.time_s + other.time_s,
            declared_s=self.declared_s + other.declared_s,
        )

    def __or__(self, other: "Load") -> "Load":
        """One or the other, whichever is worse in each respect."""
        return attrs.evolve(
            self._either(other),
            calls={key: max(self.calls.get(key, 0), other.calls.get(key, 0)) for key in {**self.calls, **other.calls}},
            total=max(self.total, other.total),
            microusd=None if self.microusd is None or other.microusd is None else max(self.microusd, other.microusd),
            per_token=None if self.per_token is None or other.per_token is None else self.per_token | other.per_token,
            time_s=max(self.time_s, other.time_s),
            declared_s=max(self.declared_s, other.declared_s),
        )

    def times(self, count: int) -> "Load":
        """So many times, one after the other; at least once."""
        return attrs.evolve(
            self,
            calls={key: each * count for key, each in self.calls.items()},
            total=self.total * count,
            microusd=None if self.microusd is None else self.microusd * count,
            per_token=None if self.per_token is None else self.per_token.times(count),
            time_s=self.time_s * count,
            declared_s=self.declared_s * count,
        )

    def within(self, deadline_s: float | None) -> "Load":
        """The same under a deadline of its own."""
        if deadline_s is None or (self.time_s <= deadline_s and not self.endless):
            return self
        return attrs.evolve(self, time_s=deadline_s, declared_s=deadline_s, is_cut=True, endless=frozenset())

    def at_once(self, other: "Load") -> "Load":
        """Both, begun at the same time."""
        longest, declared = max(self.time_s, other.time_s), max(self.declared_s, other.declared_s)
        return attrs.evolve(self + other, time_s=longest, declared_s=declared)

    def _either(self, other: "Load") -> "Load":
        """What is the same whether both happen or one of them."""
        return Load(
            is_cut=self.is_cut or other.is_cut,
            endless=self.endless | other.endless,
            unknown=self.unknown | other.unknown,
            longest=max(self.longest, other.longest),
            signals=self.signals | other.signals,
        )


def worst(loads: list[Load]) -> Load:
    """The worst of several in each respect; nothing where there are none."""
    found = loads[0] if loads else Load()
    for each in loads[1:]:
        found = found | each
    return found


def at_once(loads: list[Load]) -> Load:
    """All of them, begun at the same time."""
    found = loads[0] if loads else Load()
    for each in loads[1:]:
        found = found.at_once(each)
    return found


def in_turn(loads: list[Load]) -> Load:
    """All of them, one after the other."""
    found = Load()
    for each in loads:
        found = found + each
    return found


def call(
    model: Model, purpose: Purpose, total_s: float | None, input_tokens: float, output_tokens: float, own_tokens: int = 0
) -> Load:
    """One call of a model that reads and writes at most so many tokens, within a time-out of its own.

    `own_tokens` of the input are not the request's: the system prompt, the words of a judge or a classifier.
    """
    microusd, unknown = _microusd(model, input_tokens, output_tokens)
    return Load(
        calls={(model.name, purpose): 1},
        total=1,
        microusd=microusd,
        per_token=_per_token(model, purpose, output_tokens, own_tokens),
        time_s=inf if total_s is None else total_s,
        declared_s=total_s or 0.0,
        endless=frozenset() if total_s is not None else frozenset((NoTimeout(model.name),)),
        unknown=frozenset() if unknown is None else frozenset((unknown,)),
        longest=min(output_tokens, inf if model.context_tokens is None else model.context_tokens),
    )


def _dearest(model: Model) -> tuple[int, int] | None:
    """The highest prices that a token in and a token out may have, whatever kind they are of."""
    if (prices := model.prices) is None:
        return None
    dearest_input = max(prices.input, prices.cached_input or 0, prices.cache_write or 0)
    return dearest_input, max(prices.output, prices.reasoning or 0)


def _microusd(model: Model, input_tokens: float, output_tokens: float) -> tuple[int | None, Unknown | None]:
    """The most that a call can cost, or why that is unknown. A prompt and its answer share the context window."""
    if (prices := _dearest(model)) is None:
        return None, NoPrice(model.name)
    window = inf if model.context_tokens is None else model.context_tokens
    left, exact = window, 0
    both: list[tuple[Unknown, int, float]] = [
        (LongRequest(model.name), prices[0], input_tokens),
        (LongAnswer(model.name), prices[1], output_tokens),
    ]
    for reason, price, tokens in sorted(both, key=lambda each: -each[1]):
        if price == 0:
            continue
        count = min(tokens, left)
        if count == inf:
            return None, reason
        exact += price * int(count)
        left -= count
    return -(-exact // TOKENS_PER_PRICE), None


def _per_token(model: Model, purpose: Purpose, output_tokens: float, own_tokens: int) -> PerToken | None:
    if (prices := _dearest(model)) is None:
        return None
    match purpose:
        case "answer":
            own = -(-own_tokens * prices[0] // TOKENS_PER_PRICE)
            return PerToken(input=prices[0], output=prices[1], fixed_microusd=own)
        case _:
            own = -(-(own_tokens * prices[0] + int(output_tokens) * prices[1]) // TOKENS_PER_PRICE)
            return PerToken(input=prices[0], output=prices[0] if purpose == "judge" else 0, fixed_microusd=own)
