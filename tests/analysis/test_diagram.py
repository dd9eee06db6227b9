"""Drawings by their geometry: nothing overlaps, nothing is cut off, nothing runs through a box; colours that differ."""

from itertools import combinations
from xml.etree import ElementTree

import pytest

from convatlas.analysis.diagram.theme import KINDS, theme_of
from convatlas.atlas import draw
from convatlas.models import list_models
from tests.analysis.pictures import problems, read

KINDS_OF_NETWORK = ("lenet5", "alexnet", "vgg16", "googlenet", "resnet50", "se_resnet50", "inception_v4")
STYLES = ("blocks", "volumes")


def drawn(name, **options):
    return draw(name, **options).svg()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", KINDS_OF_NETWORK)
def test_nothing_overlaps(name, style):
    assert problems(read(drawn(name, style=style))) == []


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["lr", "tb"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", list_models())
def test_nothing_overlaps_on_any_network(name, style, direction):
    picture = read(drawn(name, style=style, direction=direction))
    assert problems(picture) == []
    # A page, not a tape.
    assert picture.page.right <= 1500
    assert picture.page.bottom <= 2400


@pytest.mark.parametrize("direction", ["lr", "tb"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["nin_cifar10", "se_bn_inception", "inception_resnet_v2_released"])
def test_nothing_overlaps_in_korean(name, style, direction):
    svg = drawn(name, style=style, direction=direction, language="ko", theme="dark")
    assert problems(read(svg)) == []
    assert "합성곱" in svg


@pytest.mark.parametrize("size", [(3, 32, 32), (3, 64, 400), (3, 1000, 1000)])
def test_nothing_overlaps_at_other_sizes(size):
    for style in STYLES:
        assert problems(read(drawn("resnet18", input_size=size, style=style))) == []


def test_the_overlaps_are_found():
    """The test tests: each kind of fault, put into a good file, is a problem."""
    svg = drawn("resnet50")
    good = ElementTree.fromstring(svg)
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")

    def broken(select, attribute, change):
        root = ElementTree.fromstring(svg)
        item = [item for item in root if select(item)][2]
        item.set(attribute, str(change(float(item.get(attribute)))))
        return problems(read(ElementTree.tostring(root, encoding="unicode")))

    assert problems(read(ElementTree.tostring(good, encoding="unicode"))) == []
    assert broken(lambda i: i.get("class") == "step", "x", lambda x: x + 30)
    assert broken(lambda i: i.get("class") == "label" and i.get("data-in"), "font-size", lambda s: 3 * s)
    assert broken(lambda i: i.get("class") == "label", "x", lambda x: -20)
    assert broken(lambda i: i.get("class") == "unit", "y", lambda y: y + 40)


def test_equal_runs_give_equal_files_and_say_what_they_are():
    svg = drawn("googlenet")
    assert svg == drawn("googlenet")
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root[0].text == "googlenet"


def _channel(value):
    value /= 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _linear(colour):
    return [_channel(int(colour[i : i + 2], 16)) for i in (1, 3, 5)]


def _contrast(a, b):
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (_linear(a), _linear(b)))
    return (high + 0.05) / (low + 0.05)


# Machado, Oliveira and Fernandes 2009, severity 1: no red, no green, no blue cones.
BLINDNESS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def _lab(colour, sight):
    rgb = _linear(colour)
    r, g, b = (min(max(sum(m * v for m, v in zip(row, rgb, strict=True)), 0), 1) for row in sight)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_texts_have_contrast(name):
    theme = theme_of(name)
    for kind in KINDS:
        assert _contrast(theme.ink, theme.fills[kind]) >= 4.5, kind
    for ground in (theme.ground, theme.card, theme.inset):
        assert _contrast(theme.ink, ground) >= 7
        assert _contrast(theme.muted, ground) >= 4.5
        assert _contrast(theme.edge, ground) >= 3


@pytest.mark.parametrize("sight", BLINDNESS)
@pytest.mark.parametrize("name", ["light", "dark"])
def test_kinds_of_layer_differ_for_every_eye(name, sight):
    fills = theme_of(name).fills
    for a, b in combinations(KINDS, 2):
        apart = sum((p - q) ** 2 for p, q in zip(*(_lab(fills[k], BLINDNESS[sight]) for k in (a, b)), strict=True))
        # Two just noticeable differences are 4.6 in CIE Lab.
        assert apart**0.5 > 6, (a, b, apart**0.5)
