"""The atlas chart and the bars: everybody is there once, nothing lies on anything else, equal files."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from convatlas.comparison import all_entries, compare
from convatlas.errors import StorageError, UsageError
from convatlas.report.atlas import caption, draw_atlas, other_panels, year_panels
from convatlas.report.bars import draw_bars, shown_measure, write_chart
from convatlas.report.canvas import DARK, LIGHT, style, svg
from convatlas.report.labels import spread

ENTRIES = all_entries()
NAMED = [entry.name for entry in ENTRIES if entry.errors]


@pytest.fixture(scope="module")
def figure():
    with style(LIGHT):
        drawn = draw_atlas(ENTRIES, LIGHT)
        FigureCanvasAgg(drawn).draw()
        return drawn


def extents(figure) -> dict[str, object]:
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    return {f"{text.get_gid()}|{text.get_text()}|{i}": text.get_window_extent() for i, text in enumerate(texts)}


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_network_with_a_published_error_is_there_once(theme):
    with style(theme):
        drawn = svg(draw_atlas(ENTRIES, theme))
        assert drawn == svg(draw_atlas(ENTRIES, theme))
    ids = [element.get("id", "") for element in ElementTree.fromstring(drawn).iter()]
    for kind in ("network", "label"):
        found = [name.removeprefix(f"{kind}-") for name in ids if name.startswith(f"{kind}-")]
        assert sorted(found) == sorted(NAMED)


def test_points_are_where_year_and_error_say():
    panels = year_panels(ENTRIES)
    assert [panel.title for panel in panels] == ["2012", "2014", "2015", "2016", "2017"]
    shown = {entry.name: (panel.title, error) for panel in panels for entry, error, _ in panel.points}
    assert shown["alexnet"] == ("2012", 18.2) and shown["googlenet"] == ("2014", 10.07)
    assert shown["resnet152"] == ("2015", 6.7) and shown["senet154"] == ("2017", 4.47)
    assert [panel.title for panel in other_panels(ENTRIES)] == ["MNIST", "CIFAR-10", "ImageNet, top-1 only"]
    # An axis that a network falls off would put its bubble elsewhere.
    for panel in [*panels, *other_panels(ENTRIES)]:
        for entry, error, _ in panel.points:
            assert panel.macs[0] < entry.macs < panel.macs[1] and panel.errors[0] < error < panel.errors[1]


def test_no_text_lies_on_another_or_beyond_the_edge(figure):
    boxes = extents(figure)
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        # A line's box has room above and below its letters.
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 - 2 <= b.y0 or b.y1 - 2 <= a.y0
        assert apart, (one, other)
    page = figure.bbox
    assert all(page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 and b.y1 <= page.y1 for b in boxes.values())


def test_no_label_lies_on_a_bubble(figure):
    (axes,) = figure.axes
    bubbles = {p.get_gid(): p.get_window_extent() for p in axes.patches if p.get_gid()}
    for name, box in extents(figure).items():
        if name.startswith("label-"):
            assert not [gid for gid, bubble in bubbles.items() if bubble.overlaps(box)], name


def test_area_is_as_parameters(figure):
    (axes,) = figure.axes
    radius = {p.get_gid(): p.radius for p in axes.patches if p.get_gid()}
    # 138,357,544 / 60,965,224 parameters.
    assert (radius["network-vgg16"] / radius["network-alexnet"]) ** 2 == pytest.approx(138_357_544 / 60_965_224)


def test_the_caption_says_which_errors_these_are():
    assert "alexnet, plain34, resnet34 with ten" in caption(ENTRIES)
    assert "VGG on whole images" in caption(ENTRIES)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([0.0, 5.0, 10.0], [0.5, 5.0, 9.5]),
        ([5.0, 5.0], [4.5, 5.5]),
        ([5.0, 5.1, 5.2, 9.0], [4.1, 5.1, 6.1, 9.0]),
        ([0.0, 0.0, 0.0], [0.5, 1.5, 2.5]),
        ([], []),
    ],
)
def test_labels_move_as_little_as_they_can(wanted, expected):
    assert spread(wanted, [1.0] * len(wanted), 0.0, 10.0) == pytest.approx(expected)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        spread([1.0, 1.0], [1.0, 1.5], 0.0, 2.0)


LONG = ("inception_resnet_v2_released", "lenet5", "vgg16", "se_resnext101_32x4d")


@pytest.mark.parametrize("names", [("alexnet", "googlenet"), LONG])
def test_bars_have_names_numbers_and_room(names):
    with style(LIGHT):
        drawn = draw_bars(compare(*names).entries, LIGHT)
        FigureCanvasAgg(drawn).draw()
        first, *_ = drawn.axes
        assert [axes.get_title(loc="left") for axes in drawn.axes] == [
            "parameters", "multiply-adds", "activations", "top-5 error",
        ]  # fmt: skip
        labels = first.get_yticklabels()
        assert [label.get_text() for label in labels] == list(names)
        texts = [*labels, *drawn.texts, *(text for axes in drawn.axes for text in axes.texts)]
        boxes = [text.get_window_extent() for text in texts]
    for a, b in combinations(boxes, 2):
        assert a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 - 2 <= b.y0 or b.y1 - 2 <= a.y0
    assert all(drawn.bbox.x0 <= box.x0 and box.x1 <= drawn.bbox.x1 for box in boxes)


def test_bars_are_as_long_as_their_numbers():
    with style(LIGHT):
        drawn = draw_bars(compare("alexnet", "googlenet").entries, LIGHT)
    widths = {axes.get_title(loc="left"): [bar.get_width() for bar in axes.patches] for axes in drawn.axes}
    assert widths["parameters"] == [60_965_224, 6_998_552]
    assert widths["top-5 error"] == [18.2, 10.07]
    assert [text.get_text() for text in drawn.axes[0].texts] == ["61.0 M", "7.00 M"]


def test_the_error_shown_is_the_one_most_have():
    assert shown_measure(compare("lenet5", "nin_mnist").entries) == ("MNIST", 1)
    assert shown_measure(compare("plain18", "resnet18").entries) == ("ImageNet", 1)
    assert shown_measure(compare("plain20_cifar", "lenet5_modern").entries) == ("ImageNet", 5)


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_equal_comparisons_give_equal_files(tmp_path, ending, begins):
    for name in ("a", "b"):
        write_chart(compare("alexnet", "googlenet"), tmp_path / f"{name}.{ending}")
    one, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("a", "b"))
    assert one == other and one.startswith(begins)
    assert not re.search(rb"(19|20)\d\d-\d\d-\d\d", one)


def test_a_chart_that_cannot_be_written_is_refused_in_words(tmp_path):
    comparison = compare("alexnet", "googlenet")
    with pytest.raises(UsageError, match=r"has no ending of a picture\. Do: .*\.svg, \.pdf, \.png"):
        write_chart(comparison, tmp_path / "chart.gif")
    with pytest.raises(StorageError, match="there is no folder"):
        write_chart(comparison, tmp_path / "nowhere" / "chart.svg")
