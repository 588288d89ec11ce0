"""Which column each node stands in, and what each line runs through on its way."""

from collections.abc import Mapping, Sequence

import attrs

_MOST_BENDS = 20_000
"""Beyond it, long lines go straight: nobody reads such a picture, and it is made in time."""

Size = tuple[float, float]


@attrs.frozen
class Line:
    """A line to draw: `text` is the width and height that its text needs, None without one."""

    source: str
    target: str
    text: Size | None = None


@attrs.frozen
class Group:
    """Nodes of the last column that stay together, below a head of some height, with some space around them."""

    nodes: tuple[str, ...]
    head: float
    width: float
    padding: float = 14.0


@attrs.define(eq=False)
class Item:
    """A node, a text, or a place where a line passes."""

    column: int
    width: float = 0
    height: float = 0
    kind: str = "bend"
    y: float = 0
    before: list["Item"] = attrs.field(factory=list)
    after: list["Item"] = attrs.field(factory=list)


def layers_of(sizes: Mapping[str, Size], first: Sequence[str], lines: Sequence[Line], last: set[str]) -> dict[str, int]:
    """The layer of each node: as far from the first as its longest way, then nearer to what it leads to where that is shorter."""
    before: dict[str, list[str]] = {node: [] for node in sizes}
    after: dict[str, list[str]] = {node: [] for node in sizes}
    for line in lines:
        before[line.target].append(line.source)
        after[line.source].append(line.target)
    due = {node: len(sources) for node, sources in before.items()}
    sorted_: list[str] = [node for node in sizes if not due[node]]
    layers = dict.fromkeys(sizes, 0)
    for node in sorted_:
        for target in after[node]:
            layers[target] = max(layers[target], layers[node] + 1)
            due[target] -= 1
            if not due[target]:
                sorted_.append(target)
    end = max([layers[node] for node in sizes if node not in last], default=-1) + 1
    layers |= dict.fromkeys(last, end)
    for node in reversed(sorted_):
        if node not in last and node not in first and len(after[node]) > len(before[node]):
            layers[node] = min(layers[target] for target in after[node]) - 1
    return layers


def chains_of(items: Mapping[str, Item], lines: Sequence[Line]) -> list[list[Item]]:
    """For each line what it runs through: its source, its text in the column beside that, bends, its target."""
    spans = [items[line.target].column - items[line.source].column for line in lines]
    is_bent = sum(spans) <= _MOST_BENDS
    chains: list[list[Item]] = []
    for line, span in zip(lines, spans, strict=True):
        source, target = items[line.source], items[line.target]
        start = Item(source.column + 1, *line.text, "text") if line.text else Item(source.column + 1)
        bends = [Item(source.column + each) for each in range(2, span)] if is_bent else []
        chains.append([source, start, *bends, target])
    return chains


def columns_of(items: Mapping[str, Item], chains: list[list[Item]], groups: Sequence[Group]) -> list[list[Item]]:
    """What stands in each column: nodes with an even number, texts between them; members of a group side by side."""
    columns: list[list[Item]] = [[] for _ in range(max((each.column for each in items.values()), default=-1) + 1)]
    grouped = dict.fromkeys(node for group in groups for node in group.nodes)
    for node in (*(each for each in items if each not in grouped), *grouped):
        columns[items[node].column].append(items[node])
    for chain in chains:
        for item in chain[1:-1]:
            columns[item.column].append(item)
    return columns
