"""How high everything stands in its column, and where lines meet their nodes."""

from collections.abc import Iterable, Mapping, Sequence

from mmflow.graph.columns import Group, Item
from mmflow.graph.spread import spread

PORT_STEP = 13.0
_NODE_GAP, _TEXT_GAP, _LINE_GAP = 26.0, 8.0, 9.0
_SWEEPS = 80


def place_rows(columns: list[list[Item]], groups: Sequence[Group], group_of: Mapping[int, int]) -> None:
    """Give every item its height: near the mean of what it is joined with, and apart from its neighbours."""
    steps = [_steps(column, groups, group_of) for column in columns]
    for column, apart in zip(columns, steps, strict=True):
        y = 0.0
        for item, step in zip(column, apart, strict=True):
            y += step
            item.y = y
    nodes = [item for column in columns for item in column if item.kind == "node"]
    for sweep in range(_SWEEPS):
        if sweep % 8 == 0:
            ports = ports_of(nodes)
        numbers = range(len(columns)) if sweep % 2 == 0 else range(len(columns) - 1, -1, -1)
        for number in numbers:
            column = columns[number]
            wanted, weights = [], []
            for item in column:
                ways = [(other, (id(other), id(item), "out"), (id(item), id(other), "in")) for other in item.before]
                ways += [(other, (id(other), id(item), "in"), (id(item), id(other), "out")) for other in item.after]
                joined = [
                    (other.y + ports.get(theirs, 0.0) - ports.get(ours, 0.0), _stiffness(item, other))
                    for other, theirs, ours in ways
                ]
                weight = sum(each for _, each in joined)
                wanted.append(sum(y * each for y, each in joined) / weight if weight else item.y)
                weights.append(weight or 0.1)
            for item, y in zip(column, spread(wanted, weights, steps[number]), strict=True):
                item.y = y


def _steps(column: list[Item], groups: Sequence[Group], group_of: Mapping[int, int]) -> list[float]:
    """How far the middle of each item must be below that of the one above it."""
    steps: list[float] = []
    for number, item in enumerate(column):
        if number == 0:
            steps.append(0.0)
            continue
        above = column[number - 1]
        kinds = {item.kind, above.kind}
        gap = _LINE_GAP if kinds == {"bend"} else _NODE_GAP if kinds == {"node"} else _TEXT_GAP if "text" in kinds else 16.0
        one, other = group_of.get(id(above), -1), group_of.get(id(item), -1)
        if one != other:
            gap += groups[one].padding + groups[other].padding + groups[other].head
        steps.append((above.height + item.height) / 2 + gap)
    return steps


def _stiffness(item: Item, other: Item) -> float:
    """How much a line wants to run level: most where it is long."""
    return 1.0 if "node" in (item.kind, other.kind) else 8.0


Ports = dict[tuple[int, int, str], float]
"""How far below the middle of a node a line meets it: by the node, what it is joined with there, and `in` or `out`."""


def ports_of(nodes: Iterable[Item]) -> Ports:
    """Lines meet a node in the order in which they come, so that they do not cross there."""
    ports: Ports = {}
    for node in nodes:
        for others, way in ((node.after, "out"), (node.before, "in")):
            step = min(PORT_STEP, node.height / (len(others) + 1))
            for number, other in enumerate(sorted(others, key=lambda each: each.y)):
                ports[id(node), id(other), way] = (number - (len(others) - 1) / 2) * step
    return ports
