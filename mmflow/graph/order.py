"""The order of items in their columns in which few lines cross."""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from random import Random
from typing import Generic, TypeVar

import attrs

_ItemT = TypeVar("_ItemT")
_Columns = list[list[_ItemT]]

_SWEEPS = 12
_STARTS = 12
_MOST_FOR_STARTS = 400
_MOST_FOR_SWAPS = 1_500
_TURNED = 0.2
"""How bad it is that two lines leave an item in another order than the given one, beside two that cross."""


@attrs.frozen
class Joined(Generic[_ItemT]):
    """What an item is joined with on its left and on its right, in the order that is due; what has one group stays together."""

    before: Callable[[_ItemT], Sequence[_ItemT]]
    after: Callable[[_ItemT], Sequence[_ItemT]]
    group: Callable[[_ItemT], int | None]


def ordered(columns: _Columns[_ItemT], joined: Joined[_ItemT]) -> _Columns[_ItemT]:
    """The columns, each in a new order. Groups stand together already.

    The best order that comes up is kept, the first among equals. Small pictures are tried from several orders, the same ones
    every time.
    """
    found = _Orders(columns, joined)
    found.improve()
    random = Random(1)
    for _ in range(_STARTS if sum(map(len, columns)) <= _MOST_FOR_STARTS else 0):
        if found.fewest == 0:
            break
        found.restart(random)
        found.improve()
    return found.best


class _Orders(Generic[_ItemT]):
    def __init__(self, columns: _Columns[_ItemT], joined: Joined[_ItemT]) -> None:
        self._joined = joined
        self._places: dict[int, float] = {}
        self._take(columns)
        self.best, self.fewest = columns, self._badness()

    def _take(self, columns: _Columns[_ItemT]) -> None:
        self._columns = [list(column) for column in columns]
        for column in self._columns:
            self._number(column)

    def restart(self, random: Random) -> None:
        """Begin with any order, of groups and in them."""
        columns: _Columns[_ItemT] = []
        for column in self.best:
            parts: _Columns[_ItemT] = []
            for group, items in groupby(column, self._joined.group):
                part = list(items)
                random.shuffle(part)
                parts += [[item] for item in part] if group is None else [part]
            random.shuffle(parts)
            columns.append([item for part in parts for item in part])
        self._take(columns)

    def improve(self) -> None:
        """Sort each column in turn by the mean place of what its items are joined with, forth and back."""
        count = len(self._columns)
        for sweep in range(_SWEEPS):
            if self.fewest == 0:
                return
            forth = sweep % 2 == 0
            for number in range(1, count) if forth else range(count - 2, -1, -1):
                self._sort(self._columns[number], self._joined.before if forth else self._joined.after)
            if len(self._places) <= _MOST_FOR_SWAPS:
                for column in self._columns:
                    self._swap(column)
            badness = self._badness()
            if badness < self.fewest:
                self.best, self.fewest = [list(column) for column in self._columns], badness

    def _number(self, column: Iterable[_ItemT]) -> None:
        self._places.update((id(item), float(place)) for place, item in enumerate(column))

    def _sort(self, column: list[_ItemT], joined: Callable[[_ItemT], Sequence[_ItemT]]) -> None:
        places, group_of = self._places, self._joined.group
        means: dict[int, float] = {}
        groups: dict[int | None, list[float]] = {}
        for item in column:
            others = [places[id(each)] for each in joined(item)]
            means[id(item)] = sum(others) / len(others) if others else places[id(item)]
            groups.setdefault(group_of(item), []).append(means[id(item)])
        groups.pop(None, None)
        of_group = {group: sum(values) / len(values) for group, values in groups.items()}

        def key(item: _ItemT) -> tuple[float, int, float]:
            group, mean = group_of(item), means[id(item)]
            return (mean, -1, mean) if group is None else (of_group[group], group, mean)

        column.sort(key=key)
        self._number(column)

    def _swap(self, column: list[_ItemT]) -> None:
        """Exchange neighbours wherever fewer lines cross then."""
        places, group_of = self._places, self._joined.group
        for place in range(len(column) - 1):
            one, other = column[place], column[place + 1]
            if group_of(one) != group_of(other):
                continue
            now = then = 0
            for joined in (self._joined.before, self._joined.after):
                lefts, rights = [places[id(each)] for each in joined(one)], [places[id(each)] for each in joined(other)]
                now += sum(left > right for left in lefts for right in rights)
                then += sum(left < right for left in lefts for right in rights)
            if then < now:
                column[place], column[place + 1] = other, one
                places[id(one)], places[id(other)] = places[id(other)], places[id(one)]

    def _badness(self) -> float:
        crossings = turned = 0
        for column in self._columns:
            seen: list[float] = []
            for item in column:
                ends = [self._places[id(each)] for each in self._joined.after(item)]
                crossings += sum(len(seen) - bisect_right(seen, end) for end in ends)
                turned += _turned(ends)
                for end in ends:
                    insort(seen, end)
        return crossings + _TURNED * turned


def _turned(ends: list[float]) -> int:
    """How many pairs are out of order."""
    seen: list[float] = []
    count = 0
    for end in ends:
        count += len(seen) - bisect_right(seen, end)
        insort(seen, end)
    return count
