"""The graph of layers, drawn: as text, Mermaid, DOT or SVG, each coloured by the layers' states if they are given."""

from collections.abc import Iterator, Mapping
from html import escape

from shared.graph import LAYERS, deploy_order
from tools.orchestrator.render import palette

States = Mapping[str, str]
"""Layer -> its state, in a word of `palette.STATES`."""

BOX_WIDTH, BOX_HEIGHT = 148, 50
COLUMN, ROW = 176, 100
"""The distance from box to box, in SVG units: pixels, where there is room."""

SVG_STYLE = """
.graph { font-family: ui-sans-serif, system-ui, sans-serif; font-size: 14px }
.graph .box { fill: var(--fill); stroke: var(--ink); stroke-width: 1.25 }
.graph .name { fill: var(--ink); font-weight: 600 }
.graph .note { fill: var(--ink); font-size: 12px }
.graph .edge { fill: none; stroke: var(--muted); stroke-width: 1.25 }
.graph .tip { fill: var(--muted) }
"""


def edges() -> Iterator[tuple[str, str]]:
    """Each layer with each one that reads it."""
    for layer, info in LAYERS.items():
        for upstream in sorted(info.reads):
            yield upstream, layer


def text(states: States) -> str:
    """A line a layer, in the order they deploy in."""
    width = max(map(len, LAYERS))
    lines = []
    for layer, info in LAYERS.items():
        reads = f"reads {', '.join(sorted(info.reads))}" if info.reads else "reads nothing"
        lines.append(f"{layer:{width}}  {reads}" + (f"  ({states[layer]})" if layer in states else ""))
    return "\n".join(lines)


def mermaid(states: States) -> str:
    lines = ["graph LR", *(f"    {upstream} --> {layer}" for upstream, layer in edges())]
    for layer, word in states.items():
        look = palette.state(word)
        lines += [f'    {layer}["{look.mark} {layer}<br>{word}"]', f"    class {layer} {look.tone}"]
    for name in sorted({palette.state(word).tone for word in states.values()}):
        ink, fill = palette.TONES[name].light
        lines.append(f"    classDef {name} fill:{fill},stroke:{ink},color:{ink}")
    return "\n".join(lines)


def dot(states: States) -> str:
    lines = [f'    "{layer}" [{_dot_attributes(layer, states)}]' for layer in LAYERS]
    lines += [f'    "{upstream}" -> "{layer}"' for upstream, layer in edges()]
    return "\n".join(["digraph txmon {", "    node [shape=box]", *lines, "}"])


def _dot_attributes(layer: str, states: States) -> str:
    label = f'label="{layer}\\n{_note(layer, states)}"'
    if layer not in states:
        return label
    ink, fill = palette.TONES[palette.state(states[layer]).tone].light
    return f'{label} style=filled fillcolor="{fill}" color="{ink}" fontcolor="{ink}"'


def _note(layer: str, states: States) -> str:
    return states.get(layer, LAYERS[layer].owner)


def standalone_svg(states: States) -> str:
    """The drawing with its colours in it, as a file of its own."""
    head, rest = svg(states).split(">", 1)
    return f"{head}><style>{palette.css()}{SVG_STYLE}</style>{rest}\n"


def svg(states: States) -> str:
    """The drawing, for a page that has `palette.css()` and `SVG_STYLE`: readers stand below what they read."""
    rows = levels()
    places = _places(rows)
    width, height = COLUMN * max(map(len, rows)), ROW * (len(rows) - 1) + BOX_HEIGHT + 4
    lines = "".join(_edge(places, rows, upstream, layer) for upstream, layer in edges())
    boxes = "".join(_box(layer, states, *places[layer]) for layer in LAYERS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="which layer reads which"><defs>'
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="tip" d="M0 0.5 7.5 4 0 7.5z"/></marker></defs>{lines}{boxes}</svg>'
    )


def levels() -> list[list[str]]:
    """The layers by the longest way down to them; in a row, each near what it reads, so that few edges cross."""
    depth: dict[str, int] = {}
    for layer in deploy_order():
        depth[layer] = max((depth[need] + 1 for need in LAYERS[layer].reads), default=0)
    rows: list[list[str]] = []
    column: dict[str, float] = {}
    for level in range(max(depth.values()) + 1):
        row = [layer for layer in LAYERS if depth[layer] == level]
        if level:
            row.sort(key=lambda layer: sum(column[need] for need in LAYERS[layer].reads) / len(LAYERS[layer].reads))
        column |= {layer: place - (len(row) - 1) / 2 for place, layer in enumerate(row)}
        rows.append(row)
    return rows


def _places(rows: list[list[str]]) -> dict[str, tuple[float, float]]:
    """The middle of each box's upper side."""
    middle = COLUMN * max(map(len, rows)) / 2
    return {
        layer: (middle + COLUMN * (place - (len(row) - 1) / 2), ROW * level + 2)
        for level, row in enumerate(rows)
        for place, layer in enumerate(row)
    }


def _edge(places: dict[str, tuple[float, float]], rows: list[list[str]], upstream: str, layer: str) -> str:
    """A curve down from one box to another, between the boxes of the rows that lie between."""
    (x, y), (end, bottom) = places[upstream], places[layer]
    y += BOX_HEIGHT
    path = f"M{x:g} {y:g}"
    for row in rows[_row_of(rows, upstream) + 1 : _row_of(rows, layer)]:
        gaps = [places[row[0]][0] - COLUMN / 2, *(places[each][0] + COLUMN / 2 for each in row)]
        gap, top = min(gaps, key=lambda gap: abs(gap - (x + end) / 2)), places[row[0]][1]
        path += f"{_curve(x, y, gap, top)}V{top + BOX_HEIGHT:g}"
        x, y = gap, top + BOX_HEIGHT
    return f'<path class="edge" d="{path}{_curve(x, y, end, bottom)}" marker-end="url(#tip)"/>'


def _row_of(rows: list[list[str]], layer: str) -> int:
    return next(number for number, row in enumerate(rows) if layer in row)


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (y + to_y) / 2
    return f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"


def _box(layer: str, states: States, x: float, y: float) -> str:
    look = palette.state(states[layer]) if layer in states else palette.PLAIN
    mark = f"{look.mark} " if layer in states else ""
    return (
        f'<g class="{look.tone}" text-anchor="middle">'
        f'<rect class="box" x="{x - BOX_WIDTH / 2:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>'
        f'<text class="name" x="{x:g}" y="{y + 21:g}">{mark}{escape(layer)}</text>'
        f'<text class="note" x="{x:g}" y="{y + 38:g}">{escape(_note(layer, states))}</text></g>'
    )


FORMS = {"text": text, "mermaid": mermaid, "dot": dot, "svg": standalone_svg}
"""What `./inv graph --format` takes; layers without a state stay uncoloured."""
