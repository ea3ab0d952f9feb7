"""The drawn graph and its colours."""

import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from tests.support.monorepo import GRAPH, make_monorepo
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import OperationStatus
from tools.orchestrator.model.stack import StackHealth
from tools.orchestrator.render import graph, palette

HEALTHS = {"base": "ok", "vault": "failed", "store": "changed since"}
SVG = "{http://www.w3.org/2000/svg}"


def picture(monorepo: Monorepo, healths: dict[str, str]) -> ET.Element:
    return ET.fromstring(graph.svg(monorepo, healths))  # noqa: S314 (ours)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("tone", palette.TONES)
def test_ink_is_readable_on_its_fill_and_on_the_page(tone: str) -> None:
    for scheme in ("light", "dark"):
        ink, fill = getattr(palette.TONES[tone], scheme)
        page = palette.PAGES[scheme]
        assert min(contrast(ink, ground) for ground in (fill, page["panel"], page["page"])) >= 4.5


@pytest.mark.parametrize("scheme", palette.PAGES)
def test_text_is_readable_on_the_page(scheme: str) -> None:
    page = palette.PAGES[scheme]
    for text in ("text", "muted"):
        assert min(contrast(page[text], page[ground]) for ground in ("page", "panel")) >= 4.5


def test_every_status_and_health_has_a_look() -> None:
    assert {str(word) for word in [*OperationStatus, *StackHealth]} <= palette.STATES.keys()
    assert {look.tone for look in [*palette.STATES.values(), *palette.CHANGES.values()]} <= palette.TONES.keys()


def test_the_css_has_a_class_for_each_tone_in_both_schemes() -> None:
    light, dark = palette.css().split("@media (prefers-color-scheme: dark)")
    for name, tone in palette.TONES.items():
        assert f".{name} {{ --ink: {tone.light[0]}; --fill: {tone.light[1]} }}" in light
        assert f".{name} {{ --ink: {tone.dark[0]}; --fill: {tone.dark[1]} }}" in dark


def test_every_edge_is_in_every_format(monorepo: Monorepo) -> None:
    lines = dict(line.split("  ", 1) for line in graph.text(monorepo, {}).splitlines())
    for layer, upstreams in GRAPH.items():
        for upstream in upstreams:
            assert f"    {upstream} --> {layer}" in graph.mermaid(monorepo, {}).splitlines()
            assert f'    "{upstream}" -> "{layer}"' in graph.dot(monorepo, {}).splitlines()
            assert upstream in lines[layer.ljust(5)]
    edges = sum(map(len, GRAPH.values()))
    assert len(picture(monorepo, {}).findall(f"{SVG}path[@class='edge']")) == edges


def test_without_healths_nothing_is_coloured(monorepo: Monorepo) -> None:
    assert "class" not in graph.mermaid(monorepo, {})
    assert "fillcolor" not in graph.dot(monorepo, {})
    assert {group.get("class") for group in picture(monorepo, {}).iter(f"{SVG}g")} == {"quiet"}


def test_a_health_is_shown_by_colour_and_by_word(monorepo: Monorepo) -> None:
    ink, fill = palette.TONES["bad"].light
    mermaid = graph.mermaid(monorepo, HEALTHS)
    assert f"classDef bad fill:{fill},stroke:{ink},color:{ink}" in mermaid
    assert "class vault bad" in mermaid
    assert f'"vault" [label="vault\\nfailed" style=filled fillcolor="{fill}"' in graph.dot(monorepo, HEALTHS)
    assert "vault  reads nothing  (failed)" in graph.text(monorepo, HEALTHS)
    [box] = [g for g in picture(monorepo, HEALTHS).iter(f"{SVG}g") if "vault" in "".join(g.itertext())]
    assert box.get("class") == "bad"
    assert list(box.itertext()) == ["✕ vault", "failed"]


def test_a_box_without_a_health_names_the_owner(monorepo: Monorepo) -> None:
    assert [list(box.itertext()) for box in picture(monorepo, {}).iter(f"{SVG}g")] == [
        [layer, f"{layer}-team"] for layer in GRAPH
    ]


Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A box of the drawing, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)

    def contains(self, point: Point) -> bool:
        return self.left < point[0] < self.right and self.top < point[1] < self.bottom


class Drawing:
    """What the SVG of a graph shows."""

    def __init__(self, monorepo: Monorepo) -> None:
        svg = picture(monorepo, {})
        self.size = Box(0, 0, float(svg.attrib["width"]), float(svg.attrib["height"]))
        self.boxes = {next(group.itertext()): _box(group) for group in svg.iter(f"{SVG}g")}
        self.edges = [_curves(path.attrib["d"]) for path in svg.findall(f"{SVG}path[@class='edge']")]

    def connected(self, edge: list[list[Point]]) -> tuple[str, str]:
        """Return the layers below whose box an edge begins and above whose box it ends."""
        (x, y), (end_x, end_y) = edge[0][0], edge[-1][-1]
        [first] = [name for name, box in self.boxes.items() if box.left < x < box.right and y == box.bottom]
        [last] = [name for name, box in self.boxes.items() if box.left < end_x < box.right and end_y == box.top]
        return first, last


def _box(group: ET.Element) -> Box:
    [rect] = group.iter(f"{SVG}rect")
    x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
    return Box(x, y, x + width, y + height)


def _curves(path: str) -> list[list[Point]]:
    """Return the four points of each Bézier curve of an edge."""
    numbers = [[float(number) for number in re.findall(r"-?[\d.]+", part)] for part in re.split("[MC]", path)[1:]]
    points = [list(zip(part[::2], part[1::2], strict=True)) for part in numbers]
    return [[before[-1], *after] for before, after in pairwise(points)]


def _on_curve(curve: list[Point], steps: int = 50) -> Iterator[Point]:
    """Yield points of a Bézier curve (de Casteljau's algorithm)."""
    for step in range(steps + 1):
        share, points = step / steps, curve
        while len(points) > 1:
            points = [
                (x + (next_x - x) * share, y + (next_y - y) * share) for (x, y), (next_x, next_y) in pairwise(points)
            ]
        yield points[0]


def random_graph(seed: int) -> dict[str, list[str]]:
    choice = random.Random(seed)  # noqa: S311 (the same in every run)
    return {f"l{i:02}": [f"l{j:02}" for j in range(i) if choice.random() < 0.25] for i in range(12)}


MIDDLES = [f"m{number}" for number in range(9)]
SHAPES = {
    "diamond": GRAPH,
    "one layer": {"base": ()},
    "unconnected layers": {"base": (), "vault": (), "store": ("vault",), "watch": ()},
    "each reads all before it": {f"l{i}": [f"l{j}" for j in range(i)] for i in range(6)},
    "a wide row": {"root": (), **dict.fromkeys(MIDDLES, ("root",)), "end": ("root", *MIDDLES)},
    **{f"a dozen layers, {seed}": random_graph(seed) for seed in range(5)},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_layer_has_a_box_inside_the_drawing_and_none_overlap(tmp_path: Path, shape: str) -> None:
    drawing = Drawing(make_monorepo(tmp_path, SHAPES[shape]))
    assert drawing.boxes.keys() == SHAPES[shape].keys()
    for box in drawing.boxes.values():
        assert drawing.size.left <= box.left < box.right <= drawing.size.right
        assert drawing.size.top <= box.top < box.bottom <= drawing.size.bottom
    assert not [pair for pair in combinations(drawing.boxes.values(), 2) if pair[0].overlaps(pair[1])]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_arrow_leads_from_a_layer_down_to_its_reader(tmp_path: Path, shape: str) -> None:
    drawing = Drawing(make_monorepo(tmp_path, SHAPES[shape]))
    expected = [(upstream, layer) for layer, upstreams in SHAPES[shape].items() for upstream in upstreams]
    assert sorted(map(drawing.connected, drawing.edges)) == sorted(expected)
    assert all(drawing.boxes[upstream].bottom < drawing.boxes[layer].top for upstream, layer in expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_edge_runs_through_a_box_or_out_of_the_drawing(tmp_path: Path, shape: str) -> None:
    drawing = Drawing(make_monorepo(tmp_path, SHAPES[shape]))
    points = [point for edge in drawing.edges for curve in edge for point in _on_curve(curve)]
    assert not [point for point in points if any(box.contains(point) for box in drawing.boxes.values())]
    assert all(drawing.size.contains(point) for point in points)


def test_an_svg_file_contains_its_colours(monorepo: Monorepo) -> None:
    text = graph.standalone_svg(monorepo, HEALTHS)
    style = ET.fromstring(text).find(f"{SVG}style")  # noqa: S314 (ours)
    assert style is not None
    assert style.text == palette.css() + graph.SVG_STYLE
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
