"""The graph of layers as text, Mermaid, DOT or SVG. A layer has the colour of its health, if that is given."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout, VertexViewer

from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.render import palette

Healths = Mapping[str, str]
"""Layer -> its health, a key of `palette.STATES`."""
Point = tuple[float, float]

BOX_WIDTH, BOX_HEIGHT = 148, 50
GAP_X, GAP_Y = 28, 50
"""Between boxes, in pixels."""
MARGIN = 2
PORT_RANGE = BOX_WIDTH / 2 - 12
"""How far from the middle of a box an edge may meet its border: not on the rounded corners."""
PASSES = 3
"""Sweeps that reduce crossings; a graph of a dozen layers needs no more."""

SVG_STYLE = """
.graph { font-family: ui-sans-serif, system-ui, sans-serif; font-size: 14px }
.graph .box { fill: var(--fill); stroke: var(--ink); stroke-width: 1.25 }
.graph .name { fill: var(--ink); font-weight: 600 }
.graph .note { fill: var(--ink); font-size: 12px }
.graph .edge { fill: none; stroke: var(--muted); stroke-width: 1.25 }
.graph .tip { fill: var(--muted) }
"""


def _edges(monorepo: Monorepo) -> Iterator[tuple[str, str]]:
    """Yield each layer with each of its readers."""
    for layer in monorepo.layers.values():
        for upstream in sorted(layer.reads):
            yield upstream, layer.name


def text(monorepo: Monorepo, healths: Healths) -> str:
    """Return a line for each layer, in the order of the graph."""
    width = max(map(len, monorepo.layers))
    lines = []
    for name, layer in monorepo.layers.items():
        reads = f"reads {', '.join(sorted(layer.reads))}" if layer.reads else "reads nothing"
        lines.append(f"{name:{width}}  {reads}" + (f"  ({healths[name]})" if name in healths else ""))
    return "\n".join(lines)


def mermaid(monorepo: Monorepo, healths: Healths) -> str:
    lines = ["graph LR", *(f"    {upstream} --> {layer}" for upstream, layer in _edges(monorepo))]
    for layer, health in healths.items():
        look = palette.state(health)
        lines += [f'    {layer}["{look.mark} {layer}<br>{health}"]', f"    class {layer} {look.tone}"]
    for name in sorted({palette.state(health).tone for health in healths.values()}):
        ink, fill = palette.TONES[name].light
        lines.append(f"    classDef {name} fill:{fill},stroke:{ink},color:{ink}")
    return "\n".join(lines)


def dot(monorepo: Monorepo, healths: Healths) -> str:
    lines = [f'    "{layer}" [{_dot_attributes(monorepo, layer, healths)}]' for layer in monorepo.layers]
    lines += [f'    "{upstream}" -> "{layer}"' for upstream, layer in _edges(monorepo)]
    return "\n".join([f"digraph {monorepo.product} {{", "    node [shape=box]", *lines, "}"])


def _dot_attributes(monorepo: Monorepo, layer: str, healths: Healths) -> str:
    label = f'label="{layer}\\n{_note(monorepo, layer, healths)}"'
    if layer not in healths:
        return label
    ink, fill = palette.TONES[palette.state(healths[layer]).tone].light
    return f'{label} style=filled fillcolor="{fill}" color="{ink}" fontcolor="{ink}"'


def _note(monorepo: Monorepo, layer: str, healths: Healths) -> str:
    return str(healths.get(layer, monorepo.layers[layer].owner))


def standalone_svg(monorepo: Monorepo, healths: Healths) -> str:
    """Return the drawing as a file of its own, with its colours."""
    head, rest = svg(monorepo, healths).split(">", 1)
    return f"{head}><style>{palette.css()}{SVG_STYLE}</style>{rest}\n"


def svg(monorepo: Monorepo, healths: Healths) -> str:
    """Return the drawing, for a page with `palette.css()` and `SVG_STYLE`; readers are below the layers they read."""
    drawing = _layout(monorepo)
    lines = "".join(_path(points) for points in drawing.edges)
    boxes = "".join(_box(monorepo, layer, healths, *drawing.boxes[layer]) for layer in monorepo.layers)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="0 0 {drawing.width:g} {drawing.height:g}" '
        f'width="{drawing.width:g}" height="{drawing.height:g}" role="img" '
        'aria-label="which layer reads which"><defs>'
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="tip" d="M0 0.5 7.5 4 0 7.5z"/></marker></defs>{lines}{boxes}</svg>'
    )


@dataclass(frozen=True)
class _Drawing:
    """The positions of boxes and edges, in pixels."""

    width: float
    height: float
    boxes: dict[str, Point]
    """Layer -> the middle of its box."""
    edges: list[list[Point]]
    """The points of each edge, from the box of a layer to that of a reader."""


class _Route:
    """Receives from grandalf the points of an edge: the middles of both boxes, and a point in each row between."""

    points: list[Point]

    def setpath(self, points: list[Point]) -> None:
        self.points = points


def _border_to_border(route: list[Point]) -> list[Point]:
    """Return the points of an edge from the bottom of a box to the top of another.

    The edge is vertical where it passes a row and slants only between rows, so that it runs through no box.
    """
    (first_x, first_y), *passed, (last_x, last_y) = route
    half = BOX_HEIGHT / 2
    rows = [(x, edge) for x, y in passed for edge in (y - half, y + half)]
    start = (first_x + _shift(first_x, route[1][0]), first_y + half)
    return [start, *rows, (last_x + _shift(last_x, route[-2][0]), last_y - half)]


def _shift(middle: float, target: float) -> float:
    """Return how far from the middle of its box an edge meets the border, if it leads to `target`."""
    return max(-PORT_RANGE, min(PORT_RANGE, (target - middle) / 4))


def _layout(monorepo: Monorepo) -> _Drawing:
    """Lay the graph out in rows by Sugiyama's method; unconnected parts are side by side."""
    vertices = {layer: Vertex(layer) for layer in monorepo.layers}
    for vertex in vertices.values():
        vertex.view = VertexViewer(BOX_WIDTH, BOX_HEIGHT)
    edges = [Edge(vertices[upstream], vertices[layer]) for upstream, layer in _edges(monorepo)]
    for edge in edges:
        edge.view = _Route()
    boxes: dict[str, Point] = {}
    lines: list[list[Point]] = []
    right, bottom = float(MARGIN), 0.0
    for part in Graph(list(vertices.values()), edges).C:
        layout = SugiyamaLayout(part)
        layout.xspace, layout.yspace = GAP_X, GAP_Y
        layout.init_all()
        layout.draw(PASSES)
        routes = [_border_to_border(edge.view.points) for edge in part.sE]
        xs = [vertex.view.xy[0] for vertex in part.sV]
        points = [x for route in routes for x, _ in route]
        left = min([min(xs) - BOX_WIDTH / 2, *points])
        shift = right - left
        boxes |= {vertex.data: (vertex.view.xy[0] + shift, vertex.view.xy[1] + MARGIN) for vertex in part.sV}
        lines += [[(x + shift, y + MARGIN) for x, y in route] for route in routes]
        right = shift + max([max(xs) + BOX_WIDTH / 2, *points]) + GAP_X
        bottom = max(bottom, *(vertex.view.xy[1] + BOX_HEIGHT / 2 for vertex in part.sV))
    return _Drawing(right - GAP_X + MARGIN, bottom + 2 * MARGIN, boxes, lines)


def _path(points: list[Point]) -> str:
    """Return an edge as a curve that meets each of its points vertically."""
    (x, y), *rest = points
    path = f"M{x:g} {y:g}"
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        path += f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
        x, y = to_x, to_y
    return f'<path class="edge" d="{path}" marker-end="url(#tip)"/>'


def _box(monorepo: Monorepo, layer: str, healths: Healths, x: float, y: float) -> str:
    look = palette.state(healths[layer]) if layer in healths else palette.PLAIN
    mark = f"{look.mark} " if layer in healths else ""
    top = y - BOX_HEIGHT / 2
    return (
        f'<g class="{look.tone}" text-anchor="middle">'
        f'<rect class="box" x="{x - BOX_WIDTH / 2:g}" y="{top:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>'
        f'<text class="name" x="{x:g}" y="{top + 21:g}">{mark}{escape(layer)}</text>'
        f'<text class="note" x="{x:g}" y="{top + 38:g}">{escape(_note(monorepo, layer, healths))}</text></g>'
    )


FORMATS: dict[str, Callable[[Monorepo, Healths], str]] = {
    "text": text,
    "mermaid": mermaid,
    "dot": dot,
    "svg": standalone_svg,
}
"""The formats of `./inv graph --format`."""
