"""The glossary's figures are whole, readable and right."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib
import pytest
from PIL import ImageFont

from tests.docs.test_glossary import DOCS, HANGUL, KEYS

SVG = "{http://www.w3.org/2000/svg}"
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@pytest.fixture(scope="module")
def drawn(parts: Any) -> Any:
    """A term's figure as a tree."""
    return lambda key: ET.fromstring(parts("glossary_figures").figure(key, "a & b"))


def text_box(element: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a text in DejaVu Sans, which is wider than what most pages are shown in."""
    size, text = float(element.attrib["font-size"]), element.text or ""
    font = ImageFont.truetype(FONT, 100)
    width = size * sum(1.0 if HANGUL.match(letter) else font.getlength(letter) / 100 for letter in text)
    x, y = float(element.attrib["x"]), float(element.attrib["y"])
    left = x - width * {"start": 0, "middle": 0.5, "end": 1}[element.attrib["text-anchor"]]
    return left, y - 0.76 * size, left + width, y + 0.24 * size


def shape_box(element: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a shape."""
    name = element.tag.removeprefix(SVG)
    a = {key: float(value) for key, value in element.attrib.items() if re.fullmatch(r"-?[\d.]+", value)}
    if name == "rect":
        return a["x"], a["y"], a["x"] + a["width"], a["y"] + a["height"]
    if name == "circle":
        return a["cx"] - a["r"], a["cy"] - a["r"], a["cx"] + a["r"], a["cy"] + a["r"]
    points = [tuple(map(float, point.split(","))) for point in element.attrib["points"].split()]
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


@pytest.mark.parametrize("key", KEYS)
def test_a_figure_is_svg_with_everything_inside(drawn, key: str) -> None:
    tree = drawn(key)
    assert tree.tag == f"{SVG}svg"
    assert tree.attrib["aria-label"] == "a & b"
    left, top, width, height = map(float, tree.attrib["viewBox"].split())
    texts = [element for element in tree if element.tag == f"{SVG}text"]
    boxes = [text_box(element) for element in texts]
    assert len(tree) > len(texts)
    for box in [*boxes, *(shape_box(element) for element in tree if element not in texts)]:
        assert left <= box[0] <= box[2] <= left + width
        assert top <= box[1] <= box[3] <= top + height
    for i, a in enumerate(boxes):
        for j, b in enumerate(boxes[:i]):
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, f"{texts[i].text!r} lies on {texts[j].text!r}"


@pytest.mark.parametrize("key", KEYS)
def test_a_figure_has_the_pages_colours(drawn, key: str) -> None:
    used = {element.attrib.get(name) for element in drawn(key) for name in ("fill", "stroke")} - {None, "none"}
    # White is the page's ground, which the style sheet darkens with the page.
    assert used - {"currentColor", "#0072b2", "#c04f00", "#fff"} == set()
    assert "currentColor" in used
    style = (DOCS / "style.css").read_text("utf-8")
    classes = {name for element in drawn(key) for name in element.attrib.get("class", "").split()}
    coloured = {"blue", "orange", "paper"} & classes
    assert [name for name in coloured if f".term .{name}" not in style] == []


def rects(tree: ET.Element, look: str) -> list[ET.Element]:
    return [element for element in tree if element.tag == f"{SVG}rect" and element.attrib["class"] == look]


def heights(elements: list[ET.Element]) -> list[float]:
    return [float(element.attrib["height"]) for element in elements]


def texts_of(tree: ET.Element) -> list[str]:
    return [element.text or "" for element in tree if element.tag == f"{SVG}text"]


def test_bars_of_the_vanishing_gradient_are_powers(drawn) -> None:
    tree = drawn("vanishing-gradient")
    bars = heights(rects(tree, "blue") + rects(tree, "orange"))
    assert len(bars) == 7
    assert bars == pytest.approx([bars[0] / 4**n for n in range(7)], abs=0.005)
    assert "0.25¹⁰ ≈ 9.5 × 10⁻⁷" in texts_of(tree)


def test_figures_have_the_widths_of_the_networks(drawn) -> None:
    branches = heights(rects(drawn("inception-module"), "orange"))
    assert [round(4 * height / branches[2]) for height in branches] == [8, 16, 4, 4]
    tree = drawn("bottleneck")
    wide, narrow = heights(rects(tree, "blue")), heights(rects(tree, "orange"))
    assert wide == [4 * height for height in narrow]
    assert texts_of(tree) == ["256", "64", "64", "256", "1×1", "3×3", "1×1"]


def test_averages_are_those_of_the_maps_drawn(drawn) -> None:
    tree = drawn("global-average-pooling")
    cells = [float(cell.attrib["fill-opacity"]) for cell in rects(tree, "blue")]
    means = [sum(cells[i : i + 16]) / 16 for i in range(0, 48, 16)]
    assert len(cells) == 48
    assert list(map(float, texts_of(tree))) == pytest.approx(means, abs=0.0051)


def test_maps_are_turned_down_by_the_numbers_shown(drawn) -> None:
    tree = drawn("recalibration")
    shades = [float(square.attrib["fill-opacity"]) for square in rects(tree, "blue")]
    factors = [float(text) for text in texts_of(tree) if text[0].isdigit()]
    assert len(factors) == 3
    assert [after / before for before, after in zip(shades[::2], shades[1::2], strict=True)] == pytest.approx(factors)


def test_windows_that_overlap_share_cells(drawn) -> None:
    tree = drawn("overlapping-pooling")
    assert len(rects(tree, "faint")) == 5
    assert len(rects(tree, "orange")) == 2
    assert len(rects(tree, "blue")) == 3
