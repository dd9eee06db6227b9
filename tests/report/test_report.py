import io
import random
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.report import Example, Examples, write_report
from convatlas.report.canvas import DARK, LIGHT, style, svg
from convatlas.report.confusion import block_size, draw_confusion
from convatlas.report.curves import draw_curves, panels
from convatlas.report.read import read_run
from tests.report.html_reader import Reader
from tests.report.made_run import THREE, MadeRun, make_run, mistakes_in

HOSTILE = [
    "<script>alert('x')</script>",
    '"><img src=x onerror=alert(1)>',
    "$x^{$ \\frac",
    "Ätherische Öle & Düfte",
    "日本語",
    "a" * 40,
]


EXAMPLE = partial(Example, "x", "a", "b", 0.5, second="a", second_probability=0.4, pixels=torch.zeros(1, 2, 2).byte())


def plain(text: str) -> str:
    return " ".join(text.split())


def test_the_figures_on_the_page(three: MadeRun):
    write_report(three.folder, three.result, Examples(mistakes_in(three, THREE)))
    text = plain(Reader(three.page()).text)
    for expected in (
        "lenet5 on shapes",
        "Test error (top-1)40.00 %",
        "95 % interval 1.25 % to 75.00 %",
        "4 of 10 images wrong",
        "Validation error25.00 %",
        "best epoch: 2 of 3",
        "1 min 23 s",
        "1,652 images/s",
        "All 4 mistakes on 10 test images",
        "convatlas train lenet5 mnist5k",
    ):
        assert expected in text


def test_per_class_and_confusion_tables(three: MadeRun):
    write_report(three.folder, three.result, Examples())
    per_class, confusion = Reader(three.page()).tables[:2]
    figures = [[cell.split(" ")[0] for cell in row] for row in per_class.rows[1:]]
    assert per_class.rows[0] == ["class", "images", "precision, %", "recall, %", "F1, %"]
    assert figures == [
        ["a", "4", "60.0", "75.0", "66.7"],
        ["b", "5", "66.7", "40.0", "50.0"],
        ["c", "1", "50.0", "100.0", "66.7"],
        ["all", "10", "58.9", "71.7", "61.1"],
    ]
    # Wilson's interval of 2 of 5, from its formula.
    assert per_class.rows[2][3] == "40.0 11.8\u201376.9"
    assert confusion.rows[2:] == [["a", "3", "1", ""], ["b", "2", "2", "1"], ["c", "", "", "1"]]


def test_the_page_needs_nothing_from_outside(three: MadeRun):
    write_report(three.folder, three.result, Examples(mistakes_in(three, THREE)))
    page = three.page()
    reader = Reader(page)
    links = reader.values("src") + reader.values("srcset") + reader.values("href")
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in reader.elements}
    assert "url(" not in page
    assert "@import" not in page


def test_images_have_alternative_texts_and_tables_captions(three: MadeRun):
    write_report(three.folder, three.result, Examples(mistakes_in(three, THREE)))
    reader = Reader(three.page())
    images = [attrs for tag, attrs in reader.elements if tag == "img"]
    assert len(images) == 2 + 2 + 4
    assert all(attrs["alt"] for attrs in images)
    assert "validation from 50.00\u00a0% to 16.67\u00a0%" in str(images[1]["alt"])
    assert all(table.caption for table in reader.tables)


def test_hostile_names_are_text_and_nothing_else(tmp_path: Path):
    pairs = [(i % 6, (i + i // 6 % 2) % 6) for i in range(24)]
    run = make_run(tmp_path / "run", HOSTILE, pairs, data="<b>shop</b>", command="convatlas train '<i>' & more")
    mistakes = mistakes_in(run, pairs)
    odd = replace(mistakes[0], name="caf\udce9 <u>.png")
    write_report(run.folder, run.result, Examples((odd, *mistakes[1:]), (odd,), (odd, *mistakes)))
    reader = Reader(run.page())
    assert not {"script", "i", "u"} & {tag for tag, _ in reader.elements}
    assert not any("onerror" in attrs for _, attrs in reader.elements)
    assert [row[0] for row in reader.tables[0].rows[1:-1]] == HOSTILE
    assert [row[0] for row in reader.tables[1].rows[2:]] == HOSTILE
    assert "Custom network on <b>shop</b>" in reader.text
    assert "convatlas train '<i>' & more" in reader.text


def test_no_mistakes_is_said(tmp_path: Path):
    run = make_run(tmp_path / "run", ["cat", "dog"], [(0, 0), (1, 1)] * 500)
    write_report(run.folder, run.result, Examples())
    text = plain(Reader(run.page()).text)
    assert "No mistakes on the 1,000 test images." in text
    assert "0 of 1,000 images wrong" in text


def test_mistakes_that_were_not_kept_are_not_denied(three: MadeRun):
    write_report(three.folder, three.result, Examples())
    assert "4 of 10 test images are classified wrongly; none of them is kept here." in Reader(three.page()).text


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("side", "kind"), [(8, "tiny"), (300, "large")])
def test_grey_and_colour_mistakes(three: MadeRun, channels: int, side: int, kind: str):
    write_report(three.folder, three.result, Examples(mistakes_in(three, THREE, channels, side)[:1]))
    images = [attrs for tag, attrs in Reader(three.page()).elements if tag == "img"]
    assert [image["class"] for image in images if "class" in image] == [kind]
    assert "The worst 1 of 4 mistakes on 10 test images" in three.page()


def test_an_example_keeps_its_pixels():
    pixels = torch.arange(3 * 4 * 5, dtype=torch.uint8).view(3, 4, 5)
    image = EXAMPLE(pixels=pixels).image()
    assert (image.mode, image.size) == ("RGB", (5, 4))
    assert image.getpixel((1, 2)) == tuple(pixels[:, 2, 1].tolist())
    assert EXAMPLE(pixels=pixels[:1]).image().mode == "L"


@pytest.mark.parametrize(("side", "kind"), [(32, "PNG"), (33, "JPEG"), (500, "JPEG")])
def test_small_images_are_exact_and_large_ones_small(side: int, kind: str):
    pixels = torch.randint(0, 256, (3, side, side), dtype=torch.uint8)
    content, named = EXAMPLE(pixels=pixels).encoded()
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, f"image/{kind.lower()}") == (kind, named)
        assert max(image.size) == min(side, 224)
        if kind == "PNG":
            assert torch.equal(torch.from_numpy(np.array(image)).permute(2, 0, 1), pixels)


def test_an_example_of_another_run_is_refused(three: MadeRun):
    for part in ("worst", "uncertain", "confused"):
        with pytest.raises(ValueError, match="'q'"):
            write_report(three.folder, three.result, Examples(**{part: (EXAMPLE(second="q"),)}))


def test_one_epoch(tmp_path: Path):
    run = make_run(tmp_path / "run", ["cat", "dog"], [(0, 0), (1, 0)], epochs=1)
    write_report(run.folder, run.result, Examples())
    assert "best epoch: 1 of 1" in Reader(run.page()).text


@pytest.mark.parametrize(
    ("errors", "scale"),
    [
        ([0.0, 0.0, 0.0], "linear"),
        ([0.9, 0.5, 0.4], "linear"),
        ([0.9, 0.01, 0.02], "log"),
        ([0.9, 1e-9, 1e-5], "log"),
        ([0.9, 0.01, 0.0], "symlog"),
        ([0.9, 1e-9, 0.0], "symlog"),
        ([0.5, float("nan"), 0.1], "linear"),
        ([float("nan")] * 3, "linear"),
    ],
)
def test_the_scale_suits_the_values(tmp_path: Path, errors: list[float], scale: str):
    run = make_run(tmp_path / "run", ["cat", "dog"], [(0, 0), (1, 0)], errors=errors)
    with style(DARK):
        figure = draw_curves(panels(read_run(run.folder)), DARK)
        assert [axes.get_yscale() for axes in figure.axes] == [scale, scale]
        assert svg(figure)


def test_another_training_loss_has_axes_of_its_own(tmp_path: Path):
    run = make_run(tmp_path / "run", ["cat", "dog"], [(0, 0), (1, 0)], loss="map")
    titles = [panel.title for panel in panels(read_run(run.folder))]
    assert titles == ["Training loss (MAP)", "Validation loss (cross entropy)", "Top-1 error, %"]
    write_report(run.folder, run.result, Examples())


@pytest.mark.slow
@pytest.mark.parametrize("classes", [30, 200])
def test_many_classes(tmp_path: Path, classes: int):
    drawn = random.Random(0)
    pairs = [(i % classes, i % classes if i % 3 else drawn.randrange(classes)) for i in range(1000)] + [(5, 3)] * 9
    names = [f"class {i}" for i in range(classes)]
    run = make_run(tmp_path / "run", names, pairs)
    write_report(run.folder, run.result, Examples())
    reader = Reader(run.page())
    if classes <= 30:
        cells = [cell for row in reader.tables[1].rows[2:] for cell in row[1:]]
        assert sum(int(cell or 0) for cell in cells) == len(pairs)
    else:
        assert len(reader.tables[0].rows) == 15 + 2
        assert len(reader.tables[1].rows) == classes + 2
        most = reader.tables[2]
        assert most.caption == "The 15 most frequent confusions."
        assert most.rows[1][:2] == ["class 5", "class 3"]
        assert int(most.rows[1][2]) >= 9


def test_a_single_mistake_shows_among_many_classes():
    counts = np.eye(600, dtype=np.int64)
    counts[500, 20] = 1
    assert block_size(600) == 3
    with style(LIGHT):
        cells = draw_confusion(counts, [str(i) for i in range(600)], LIGHT).axes[0].images[0].get_array()
    coloured = {(row, column) for row, column in np.argwhere(cells[..., 0] != cells[..., 2]).tolist() if row != column}
    assert coloured == {(500 // 3, 20 // 3)}


def test_the_plots_are_images_and_equal_runs_give_equal_files(three: MadeRun):
    def files() -> dict[str, bytes]:
        paths = [three.folder / "report.html", *(three.folder / "plots").iterdir()]
        return {path.name: path.read_bytes() for path in paths}

    write_report(three.folder, three.result, Examples(mistakes_in(three, THREE)))
    first = files()
    assert set(first) == {"report.html", "curves.png", "confusion.png", "mistakes.png", "reliability.png"}
    for plot in ("curves", "confusion", "reliability", "mistakes"):
        with Image.open(three.folder / "plots" / f"{plot}.png") as image:
            assert image.width > 200
    write_report(three.folder, three.result, Examples(mistakes_in(three, THREE)))
    assert files() == first


def test_started_from_python(tmp_path: Path):
    run = make_run(tmp_path / "run", ["cat", "dog"], [(0, 0), (1, 0)], command="from Python")
    write_report(run.folder, run.result, Examples())
    assert "The run was started from Python" in Reader(run.page()).text
