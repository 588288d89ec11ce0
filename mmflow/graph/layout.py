"""A layered layout: where nodes, the texts of lines and the lines themselves stand, so that nothing covers anything else.

Columns run from left to right: those with an even number hold nodes, those between them the texts of lines. A line that passes a
column has a place in it, like a node. Groups stand in the column on the right.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import attrs

from mmflow.graph.columns import Group, Item, Line, Size, chains_of, columns_of, layers_of
from mmflow.graph.order import Joined, ordered
from mmflow.graph.rows import PORT_STEP, place_rows, ports_of

_NARROW_GAP, _WIDE_GAP = 34.0, 120.0


@attrs.frozen
class Rect:
    """A rectangle by its top left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@attrs.frozen
class Stop:
    """Where a line runs level, from the left to the right edge of what it leaves, passes or reaches."""

    left: float
    right: float
    y: float


@attrs.frozen
class Layout:
    """The places of everything, from (0, 0) on; `texts` and `paths` go with the lines, `groups` with the groups."""

    nodes: Mapping[str, Rect]
    texts: Sequence[Rect | None]
    paths: Sequence[Sequence[Stop]]
    groups: Sequence[Rect]
    width: float
    height: float


def layout(sizes: Mapping[str, Size], first: Sequence[str], lines: Sequence[Line], groups: Sequence[Group]) -> Layout:
    """Place nodes of these sizes; the lines lead from `first` on, and never back."""
    last = {node for group in groups for node in group.nodes}
    layers = layers_of(sizes, first, lines, last)
    items = {node: Item(2 * layers[node], *size, "node") for node, size in sizes.items()}
    chains = chains_of(items, lines)
    for chain in chains:
        for one, next_ in pairwise(chain):
            one.after.append(next_)
            next_.before.append(one)
    for item in items.values():
        item.height = max(item.height, (max(len(item.before), len(item.after)) + 1) * PORT_STEP * 0.7)
    columns = columns_of(items, chains, groups)
    group_of = {id(items[node]): number for number, group in enumerate(groups) for node in group.nodes}
    joined = Joined[Item](lambda item: item.before, lambda item: item.after, lambda item: group_of.get(id(item)))
    columns = ordered(columns, joined)
    place_rows(columns, groups, group_of)
    return _drawn(items, columns, chains, groups)


def _drawn(items: Mapping[str, Item], columns: list[list[Item]], chains: list[list[Item]], groups: Sequence[Group]) -> Layout:
    ports = ports_of(items.values())
    room = max((group.padding for group in groups), default=0.0)
    widths = [max((item.width for item in column), default=0.0) for column in columns]
    if groups:
        widths[-1] = max(widths[-1], *(group.width for group in groups))
    lefts: list[float] = []
    x = 0.0
    for number, width in enumerate(widths):
        if number and width:
            # Lines bend in one go over a column in which nothing is written.
            x += _gap(columns[number - 1 : number + 1] if not widths[number - 1] else columns[number : number + 1])
        if number:
            x += room if number == len(columns) - 1 else 0.0
        lefts.append(x)
        x += width
    top = min((item.y - item.height / 2 for column in columns for item in column), default=0.0)
    top = min(
        [
            top,
            *(
                min(items[node].y - items[node].height / 2 for node in group.nodes) - group.head - group.padding
                for group in groups
            ),
        ]
    )
    rects = {
        node: Rect(lefts[item.column], item.y - item.height / 2 - top, widths[item.column], item.height)
        for node, item in items.items()
    }
    texts, paths = [], []
    for chain in chains:
        source, start, target = chain[0], chain[1], chain[-1]
        left, right = lefts[source.column], lefts[source.column] + widths[source.column]
        path = [Stop(left, right, source.y + ports[id(source), id(start), "out"] - top)]
        for item in chain[1:-1]:
            if widths[item.column]:
                path.append(Stop(lefts[item.column], lefts[item.column] + widths[item.column], item.y - top))
        left = lefts[target.column]
        path.append(Stop(left, left, target.y + ports[id(target), id(chain[-2]), "in"] - top))
        paths.append(path)
        is_text = start.kind == "text"
        texts.append(Rect(lefts[start.column], start.y - start.height / 2 - top, start.width, start.height) if is_text else None)
    boxes = [_around([rects[node] for node in group.nodes], group) for group in groups]
    everything = [*rects.values(), *(text for text in texts if text), *boxes]
    bends = [stop.y for path in paths for stop in path]
    width = max((rect.right for rect in everything), default=0.0)
    return Layout(rects, texts, paths, boxes, width, max([*(rect.bottom for rect in everything), *bends], default=0.0))


def _around(rects: list[Rect], group: Group) -> Rect:
    x, y = min(each.x for each in rects) - group.padding, min(each.y for each in rects) - group.padding - group.head
    right, bottom = max(each.right for each in rects) + group.padding, max(each.bottom for each in rects) + group.padding
    return Rect(x, y, right - x, bottom - y)


def _gap(columns: Iterable[list[Item]]) -> float:
    """The space on the left of a column: the steeper the lines there, the wider."""
    steepest = max((abs(item.y - other.y) for column in columns for item in column for other in item.before), default=0.0)
    return min(_WIDE_GAP, _NARROW_GAP + steepest * 0.2)
