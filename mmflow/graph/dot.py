"""A picture in DOT, the language of Graphviz."""

from collections.abc import Iterator

from mmflow.graph.picture import Box, Edge, Kind, Node, Picture, Style
from mmflow.graph.text import wrapped

_COLUMNS = 36
_SHAPES: dict[Kind, str] = {
    "flow": "shape=box, style=rounded, penwidth=2",
    "route": "shape=hexagon",
    "tier": "shape=box3d",
    "cascade": "shape=cds",
    "fallback": "shape=tab",
    "split": "shape=invhouse",
    "experiment": "shape=invtrapezium",
    "strategy": "shape=house",
    "model": "shape=box",
    "classify": "shape=component",
    "scorer": "shape=note",
    "guard": "shape=octagon",
    "budget": "shape=cylinder",
}
_LINES: dict[Style, str] = {"goes": "", "reads": "style=dashed, arrowhead=odot", "asks": "style=dotted, penwidth=2"}
_ZONES = {"own": "solid, bold", "external": "dashed"}
# Graphviz reads HTML entities in every label.
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;"})


def dot(picture: Picture) -> str:
    """The picture as a `digraph`, the same text for the same picture."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield "digraph mmflow {"
    yield f'  graph [label={_quoted([picture.title])}, labelloc=t, rankdir=LR, fontname="sans-serif", charset="UTF-8"]'
    yield '  node [fontname="sans-serif"]'
    yield '  edge [fontname="sans-serif", fontsize=11]'
    nodes = {each.id: each for each in picture.nodes}
    yield from (f"  {_node(each)}" for each in picture.nodes if each.kind != "model")
    for box in picture.boxes:
        yield from _box(box, nodes)
    yield from (f"  {_edge(each)}" for each in picture.edges)
    yield "}"


def _node(node: Node) -> str:
    return f"{node.id} [label={_quoted([f'{node.kind} {node.name}', *node.lines])}, {_SHAPES[node.kind]}]"


def _box(box: Box, nodes: dict[str, Node]) -> Iterator[str]:
    yield f"  subgraph cluster_{box.id} {{"
    yield f'    graph [label={_quoted([box.title, f"zone {box.place}"])}, labeljust=l, style="{_ZONES[box.zone]}"]'
    yield from (f"    {_node(nodes[each])}" for each in box.models)
    yield "  }"


def _edge(edge: Edge) -> str:
    label = f"label={_quoted(edge.lines)}" if edge.lines else ""
    attributes = ", ".join(filter(None, (label, _LINES[edge.style])))
    return f"{edge.source} -> {edge.target}" + (f" [{attributes}]" if attributes else "")


def _quoted(lines: list[str] | tuple[str, ...]) -> str:
    text = "\\n".join(part.translate(_ESCAPES) for line in lines for part in wrapped(line, _COLUMNS))
    return f'"{text}"'
