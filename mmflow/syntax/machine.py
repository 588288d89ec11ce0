"""The LALR automaton: runs over tokens, makes nodes, and stops at the first token that does not fit."""

from collections.abc import Callable, Iterable
from typing import Any

from mmflow.syntax.build import Builder
from mmflow.syntax.lexer import END, Tokens
from mmflow.syntax.tables import Tables

_PASS, _DROP, _PARTS = range(3)


class Machine:
    """A parser's stack over some tokens. The stacks are parallel: a state, the value of its symbol, its first and last token."""

    def __init__(self, tables: Tables, tokens: Tokens, builder: Builder) -> None:
        self.tables, self.tokens, self.builder = tables, tokens, builder
        self.states = [tables.start]
        self.values: list[Any] = [None]
        self.firsts = [0]
        self.lasts = [0]
        self.result: Any = None
        self._words = frozenset(tables.words.values())
        self._steps = [self._step(index) for index in range(len(tables.productions))]

    def _step(self, index: int) -> tuple[str, int, int, tuple[int | None, ...], Callable[[list[Any], int, int], Any] | None]:
        production = self.tables.productions[index]
        make = None
        if production.passes:
            how = _PASS
        elif production.maker is None and not production.picks:
            how = _DROP
        else:
            how = _PARTS
            make = self.builder.maker(production.maker) if production.maker else None
        return production.symbol, production.length, how, production.picks, make

    def run(self, at: int) -> int | None:
        """Take tokens from `at` on; the index of the first that does not fit, or None where the file is complete."""
        types, size = self.tokens.types, len(self.tokens)
        take = self.take
        while at < size:
            if not take(types[at], at):
                return at
            at += 1
        return None

    def take(self, kind: str, index: int, *, shift: bool = True) -> bool:
        """Take one token of a kind, which stands for the token at `index` in spans; False where it does not fit.

        Without `shift`, only finish what such a token would finish.
        """
        actions, states, values, firsts, lasts = self.tables.actions, self.states, self.values, self.firsts, self.lasts
        steps, end = self._steps, self.tables.end
        state = states[-1]
        while True:
            action = actions[state].get(kind)
            if action is None:
                if kind not in self._words:
                    return False
                kind = "NAME"  # a keyword is one only where the grammar has it
                continue
            if action >= 0:
                if shift:
                    self.push(action, index, index, index)
                return True
            symbol, length, how, picks, make = steps[~action]
            if length == 1 and how == _PASS:
                states.pop()
                state = actions[states[-1]][symbol]
                states.append(state)
                continue
            base = len(states) - length
            value: Any = None
            if how == _PASS:
                value = values[base + (picks[0] or 0)]
            elif how == _PARTS:
                value = self._parts(picks, base)
                if make is not None:
                    value = make(value, firsts[base], lasts[-1])
            first, last = firsts[base], lasts[-1]
            del states[base:], values[base:], firsts[base:], lasts[base:]
            state = actions[states[-1]][symbol]
            self.push(state, value, first, last)
            if state == end and kind == END:
                self.result = value
                return True

    def push(self, state: int, value: Any, first: int, last: int) -> None:
        self.states.append(state)
        self.values.append(value)
        self.firsts.append(first)
        self.lasts.append(last)

    def pop_to(self, size: int) -> None:
        del self.states[size:], self.values[size:], self.firsts[size:], self.lasts[size:]

    def fits(self, kinds: Iterable[str], *, drop: int = 0, as_names: bool = True) -> bool:
        """Could the automaton take tokens of these kinds now, or after its last `drop` symbols were taken away?

        `as_names` lets keywords be names where they can be no keywords.
        """
        actions, productions = self.tables.actions, self.tables.productions
        states = self.states[: len(self.states) - drop]
        for kind in kinds:
            while (action := actions[states[-1]].get(kind)) is None or action < 0:
                if action is None:
                    if not as_names or kind not in self._words:
                        return False
                    kind = "NAME"
                    continue
                production = productions[~action]
                del states[-production.length :]
                states.append(actions[states[-1]][production.symbol])
                if kind == END and states[-1] == self.tables.end:
                    return True
            states.append(action)
        return True

    def _parts(self, picks: tuple[int | None, ...], base: int) -> list[Any]:
        values = self.values
        parts: list[Any] | None = None
        for pick in picks:
            if pick is None:
                part = [None]
            elif pick >= 0:
                part = [values[base + pick]]
            else:
                part = values[base + ~pick]
                if parts is None:
                    parts = part  # a list that repeats grows in place: copying it would take quadratic time
                    continue
            if parts is None:
                parts = part
            else:
                parts += part
        return parts if parts is not None else []
