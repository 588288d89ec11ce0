"""A picture as a Mermaid flowchart, which hosting sites and editors draw."""

import re
from collections.abc import Iterator

from mmflow.graph.picture import Box, Edge, Kind, Node, Picture, Style
from mmflow.graph.text import wrapped

_COLUMNS = 36
# None has a backslash, which other programs that read Mermaid take for an escape before the quote.
_SHAPES: dict[Kind, tuple[str, str]] = {
    "flow": ("([", "])"),
    "route": ("{{", "}}"),
    "tier": ("[[", "]]"),
    "cascade": ("[/", "/]"),
    "fallback": ("(", ")"),
    "split": ("{", "}"),
    "experiment": ("{", "}"),
    "strategy": ("{{", "}}"),
    "model": ("[", "]"),
    "classify": (">", "]"),
    "scorer": ("((", "))"),
    "guard": ("[(", ")]"),
    "budget": ("[(", ")]"),
}
_LINES: dict[Style, str] = {"goes": "-->", "reads": "-.->", "asks": "-.->"}
# What Mermaid would read as more than a character: it takes every label for Markdown and makes HTML of it. An underscore
# counts at the edge of a word, and anything but a word at the start of a line: a list, a quotation, a heading.
_SPECIAL = re.compile(r"[\"#&<>`\\*~$|\[\](){}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[^\w]|^[0-9]+(?=[.)])")


def mermaid(picture: Picture) -> str:
    """The picture as a `flowchart`, the same text for the same picture."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield "flowchart LR"
    nodes = {each.id: each for each in picture.nodes}
    yield from (f"  {_node(each)}" for each in picture.nodes if each.kind != "model")
    for box in picture.boxes:
        yield from _box(box, nodes)
    yield from (f"  {_edge(each)}" for each in picture.edges)
    yield "  classDef own stroke-width:4px"
    yield "  classDef external stroke-width:1px,stroke-dasharray:6 4"
    yield from (f"  class {box.id} {box.zone}" for box in picture.boxes)
    asking = [str(index) for index, edge in enumerate(picture.edges) if edge.style == "asks"]
    if asking:
        yield f"  linkStyle {','.join(asking)} stroke-dasharray:1 5"


def _node(node: Node) -> str:
    opening, closing = _SHAPES[node.kind]
    return f"{node.id}{opening}{_quoted([f'{node.kind} {node.name}', *node.lines])}{closing}"


def _box(box: Box, nodes: dict[str, Node]) -> Iterator[str]:
    yield f"  subgraph {box.id}[{_quoted([box.title, f'zone {box.place}'])}]"
    yield from (f"    {_node(nodes[each])}" for each in box.models)
    yield "  end"


def _edge(edge: Edge) -> str:
    text = f"|{_quoted(edge.lines)}|" if edge.lines else ""
    return f"{edge.source} {_LINES[edge.style]}{text} {edge.target}"


def _quoted(lines: list[str] | tuple[str, ...]) -> str:
    text = "<br>".join(_escaped(part) for line in lines for part in wrapped(line, _COLUMNS))
    return f'"{text}"'


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: "".join(f"#{ord(each)};" for each in found[0]), text)
