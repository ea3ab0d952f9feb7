"""The drawn graph and its colours."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from tools.orchestrator.engine.operation import Status

from shared.graph import LAYERS
from tools.orchestrator.render import graph, palette

STATES = {"network": "ok", "security": "failed", "streaming": "changed since", "data": "never"}
SVG = "{http://www.w3.org/2000/svg}"


def picture(states: dict[str, str]) -> ET.Element:
    return ET.fromstring(graph.svg(states))  # noqa: S314 (ours)


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


def test_every_status_has_a_look() -> None:
    assert {str(status) for status in Status} <= palette.STATES.keys()
    assert {look.tone for look in [*palette.STATES.values(), *palette.CHANGES.values()]} <= palette.TONES.keys()


def test_the_css_has_both_schemes_and_a_class_a_tone() -> None:
    light, dark = palette.css().split("@media (prefers-color-scheme: dark)")
    for name, tone in palette.TONES.items():
        assert f".{name} {{ --ink: {tone.light[0]}; --fill: {tone.light[1]} }}" in light
        assert f".{name} {{ --ink: {tone.dark[0]}; --fill: {tone.dark[1]} }}" in dark


def test_every_edge_stands_in_every_form() -> None:
    lines = dict(line.split("  ", 1) for line in graph.text({}).splitlines())
    for layer, info in LAYERS.items():
        for upstream in info.reads:
            assert f"    {upstream} --> {layer}" in graph.mermaid({}).splitlines()
            assert f'    "{upstream}" -> "{layer}"' in graph.dot({}).splitlines()
            assert upstream in lines[layer]
    assert len(picture({}).findall(f"{SVG}path[@class='edge']")) == len(list(graph.edges()))


def test_without_states_nothing_is_coloured() -> None:
    assert "class" not in graph.mermaid({})
    assert "fillcolor" not in graph.dot({})
    assert {group.get("class") for group in picture({}).iter(f"{SVG}g")} == {"quiet"}


def test_a_state_is_told_by_colour_and_by_word() -> None:
    ink, fill = palette.TONES["bad"].light
    assert f"classDef bad fill:{fill},stroke:{ink},color:{ink}" in graph.mermaid(STATES)
    assert "class security bad" in graph.mermaid(STATES)
    assert f'"security" [label="security\\nfailed" style=filled fillcolor="{fill}"' in graph.dot(STATES)
    assert "security    reads nothing  (failed)" in graph.text(STATES)
    [box] = [g for g in picture(STATES).iter(f"{SVG}g") if "security" in "".join(g.itertext())]
    assert box.get("class") == "bad"
    assert list(box.itertext()) == ["✕ security", "failed"]


def test_a_layer_stands_below_all_that_it_reads() -> None:
    rows = graph.levels()
    level = {layer: number for number, row in enumerate(rows) for layer in row}
    assert level.keys() == LAYERS.keys()
    assert all(level[upstream] < level[layer] for upstream, layer in graph.edges())
    assert all(row for row in rows)


def test_boxes_do_not_overlap_and_lie_in_the_picture() -> None:
    drawing = picture(STATES)
    width, height = float(drawing.get("width")), float(drawing.get("height"))
    boxes = sorted((float(box.get("y")), float(box.get("x"))) for box in drawing.iter(f"{SVG}rect"))
    assert all(0 <= x <= width - graph.BOX_WIDTH and 0 <= y <= height - graph.BOX_HEIGHT for y, x in boxes)
    for (y, x), (next_y, next_x) in pairwise(boxes):
        assert next_y >= y + graph.BOX_HEIGHT or next_x >= x + graph.BOX_WIDTH


def test_an_edge_over_several_rows_passes_between_their_boxes() -> None:
    drawing = picture({})
    boxes = [(float(box.get("x")), float(box.get("y"))) for box in drawing.iter(f"{SVG}rect")]
    passes = [
        (float(curve.split()[-2]), float(curve.split()[-1]))
        for path in drawing.findall(f"{SVG}path[@class='edge']")
        for curve in path.get("d").split("V")[0].split("C")[1:]
        if "V" in path.get("d")
    ]
    assert passes
    assert all(0 < x < float(drawing.get("width")) for x, _ in passes)
    for x, y in passes:
        assert not any(left <= x <= left + graph.BOX_WIDTH and top == y for left, top in boxes)


def test_a_drawing_of_its_own_brings_its_colours() -> None:
    text = graph.standalone_svg(STATES)
    style = ET.fromstring(text).find(f"{SVG}style")  # noqa: S314 (ours)
    assert style is not None
    assert style.text == palette.css() + graph.SVG_STYLE
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
