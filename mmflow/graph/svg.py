"""A picture as SVG that stands alone: no script, no font, no link; light or dark as its reader has it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

from mmflow.graph.columns import Group, Line, Size
from mmflow.graph.layout import Layout, Rect, Stop, layout
from mmflow.graph.picture import Box, Edge, Kind, Node, Picture
from mmflow.graph.style import KEYS, STYLE
from mmflow.graph.text import width_of, wrapped

_MARGIN, _HEADING = 24.0, 40.0
_NAME, _SMALL, _KIND = 14.0, 12.0, 10.5
_NODE_COLUMNS, _TEXT_COLUMNS = 30, 34
_PAD_X, _PAD_Y = 14.0, 10.0
_LINE = 16.0
_HEAD = 40.0
_ROUND: dict[Kind, float] = {"flow": 14, "model": 3, "classify": 9, "scorer": 9, "guard": 9, "budget": 9}
_FAMILY: dict[Kind, str] = {
    "flow": "flow",
    "model": "model",
    "classify": "opinion",
    "scorer": "opinion",
    "guard": "opinion",
    "budget": "opinion",
}


def svg(picture: Picture) -> str:
    """The picture as an SVG document, the same text for the same picture."""
    lines = [Line(edge.source, edge.target, _text_size(edge) if edge.lines else None) for edge in picture.edges]
    groups = [Group(box.models, _HEAD, _head_width(box)) for box in picture.boxes]
    first = [node.id for node in picture.nodes if node.kind == "flow"]
    placed = layout({node.id: _node_size(node) for node in picture.nodes}, first, lines, groups)
    return "\n".join(_document(picture, placed)) + "\n"


def _document(picture: Picture, placed: Layout) -> Iterator[str]:
    keys = list(_keys(picture))
    key_width = sum(_key_width(text) for _, text in keys)
    width = 2 * _MARGIN + max(placed.width, key_width, width_of(picture.title, 18, bold=True))
    height = 2 * _MARGIN + _HEADING + placed.height + 56
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-labelledby="title desc">'
    )
    yield f'<title id="title">{escape(picture.title)}</title>'
    yield f'<desc id="desc">{escape(" ".join(_told(picture)))}</desc>'
    yield f"<style>{STYLE}</style>"
    yield '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
    yield '<path class="head" d="M0 0.8L10 5L0 9.2z"/></marker>'
    yield '<marker id="ring" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7">'
    yield '<circle class="ring" cx="5" cy="5" r="3.6"/></marker></defs>'
    yield f'<rect class="paper" width="{_n(width)}" height="{_n(height)}"/>'
    yield _text(_MARGIN, _MARGIN + 18, picture.title, "title")
    yield f'<g transform="translate({_n(_MARGIN)} {_n(_MARGIN + _HEADING)})">'
    for box, rect in zip(picture.boxes, placed.groups, strict=True):
        yield from _box(box, rect)
    for edge, path in zip(picture.edges, placed.paths, strict=True):
        yield f'<path class="line {edge.style}" d="{_curve(path)}"/>'
    for edge, place in zip(picture.edges, placed.texts, strict=True):
        if place is not None:
            yield from _label(edge, place)
    for node in picture.nodes:
        yield from _node(node, placed.nodes[node.id])
    yield "</g>"
    yield from _legend(keys, height - _MARGIN - 8)
    yield "</svg>"


# ---- sizes ---------------------------------------------------------------------------------------------------------------------


def _node_lines(node: Node) -> list[str]:
    return [part for line in node.lines for part in wrapped(line, _NODE_COLUMNS)]


def _node_size(node: Node) -> Size:
    names, lines = wrapped(node.name, _NODE_COLUMNS), _node_lines(node)
    widths = [width_of(node.kind, _KIND), *(width_of(name, _NAME, bold=True) for name in names)]
    widths += [width_of(line, _SMALL) for line in lines]
    return max(max(widths) + 2 * _PAD_X, 110.0), 2 * _PAD_Y + 13 + len(names) * 17 + len(lines) * _LINE


def _edge_lines(edge: Edge) -> list[str]:
    return [part for line in edge.lines for part in wrapped(line, _TEXT_COLUMNS)]


def _text_size(edge: Edge) -> Size:
    lines = _edge_lines(edge)
    return max(width_of(line, _SMALL) for line in lines) + 14, len(lines) * _LINE + 6


def _head_width(box: Box) -> float:
    return max(width_of(box.title, _SMALL, bold=True), _place_width(box))


def _place_width(box: Box) -> float:
    return width_of(f"zone {box.place}", _SMALL, bold=True) + 16


# ---- shapes --------------------------------------------------------------------------------------------------------------------


def _node(node: Node, rect: Rect) -> Iterator[str]:
    family, round_ = _FAMILY.get(node.kind, "target"), _n(_ROUND.get(node.kind, 6))
    yield f'<g class="node {family}"><title>{escape(" · ".join((f"{node.kind} {node.name}", *node.lines)))}</title>'
    yield f'<rect {_corners(rect)} rx="{round_}"/>'
    names, lines = wrapped(node.name, _NODE_COLUMNS), _node_lines(node)
    inner = 13 + len(names) * 17 + len(lines) * _LINE
    x, y = rect.x + _PAD_X, rect.middle - inner / 2 + 9
    yield _text(x, y, node.kind, "kind")
    for name in names:
        y += 17
        yield _text(x, y, name, "name")
    for line in lines:
        y += _LINE
        yield _text(x, y, line, "small")
    yield "</g>"


def _box(box: Box, rect: Rect) -> Iterator[str]:
    yield f'<g class="box {box.zone}"><title>{escape(f"{box.title} · zone {box.place}")}</title>'
    yield f'<rect {_corners(rect)} rx="10"/>'
    yield _text(rect.x + 14, rect.y + 20, box.title, "provider")
    yield f'<rect class="tag" {_corners(Rect(rect.x + 13, rect.y + 27, _place_width(box) - 2, 18))} rx="4"/>'
    yield _text(rect.x + 20, rect.y + 40, f"zone {box.place}", "place")
    yield "</g>"


def _label(edge: Edge, place: Rect) -> Iterator[str]:
    yield f'<rect class="chip" {_corners(place)} rx="5"/>'
    y = place.y + 15
    for line in _edge_lines(edge):
        yield _text(place.x + 7, y, line, f"text {edge.style}")
        y += _LINE


def _curve(path: Sequence[Stop]) -> str:
    """Level where it leaves, passes and reaches, and bent between."""
    start = path[0]
    parts = [f"M{_n(start.right)} {_n(start.y)}"]
    for one, next_ in pairwise(path):
        middle = (one.right + next_.left) / 2
        parts.append(f"C{_n(middle)} {_n(one.y)} {_n(middle)} {_n(next_.y)} {_n(next_.left)} {_n(next_.y)}")
        if next_.right > next_.left:
            parts.append(f"H{_n(next_.right)}")
    return "".join(parts)


# ---- words ---------------------------------------------------------------------------------------------------------------------


def _told(picture: Picture) -> Iterator[str]:
    """The picture in sentences, for who cannot see it."""
    names = {node.id: f"{node.kind} {node.name}" for node in picture.nodes}
    verbs = {"goes": "goes to", "reads": "reads", "asks": "asks"}
    for edge in picture.edges:
        said = f" ({', '.join(edge.lines)})" if edge.lines and edge.style != "asks" else ""
        yield f"{names[edge.source]} {verbs[edge.style]} {names[edge.target]}{said}."
    for box in picture.boxes:
        models = ", ".join(names[each].removeprefix("model ") for each in box.models)
        yield f"{box.title}, zone {box.place}, has {models}."


def _keys(picture: Picture) -> Iterator[tuple[str, str]]:
    used = {edge.style for edge in picture.edges} | {box.zone for box in picture.boxes}
    yield from ((name, text) for name, text in KEYS.items() if name in used)


def _key_width(text: str) -> float:
    return 46 + width_of(text, _SMALL) + 22


def _legend(keys: Sequence[tuple[str, str]], y: float) -> Iterator[str]:
    x = _MARGIN
    yield '<g class="legend">'
    for name, text in keys:
        if name in ("own", "external"):
            yield f'<g class="box {name}"><rect {_corners(Rect(x, y - 13, 36, 17))} rx="4"/></g>'
        else:
            yield f'<path class="line {name}" d="M{_n(x)} {_n(y - 4)}H{_n(x + 36)}"/>'
        yield _text(x + 46, y, text, "small")
        x += _key_width(text)
    yield "</g>"


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{_n(x)}" y="{_n(y)}" xml:space="preserve">{escape(text)}</text>'


def _corners(rect: Rect) -> str:
    return f'x="{_n(rect.x)}" y="{_n(rect.y)}" width="{_n(rect.width)}" height="{_n(rect.height)}"'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
