"""What the confusion matrix opens: the images of the cell, and no more than a page can hold."""

import base64
import io
import random
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.report import Example, Examples, opened_cells, write_report
from convatlas.report.galleries import galleries
from tests.report.html_reader import VOID, Reader
from tests.report.made_run import THREE, MadeRun, make_run, mistakes_in


@dataclass
class Gallery:
    """A section that a link opens: its heading, its images' texts and contents, its remark."""

    alts: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    text: str = ""


class Opened(HTMLParser):
    """The links into galleries, by the cell's number, and the galleries by their id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: dict[str, tuple[str, str]] = {}
        self.galleries: dict[str, Gallery] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        inside = next((name for kind, name in reversed(self._open) if name in self.galleries), "")
        if values.get("class") == "cell":
            self.galleries[values["id"]] = Gallery()
        if tag == "a" and values["href"].startswith("#cell"):
            self.links[values["href"][1:]] = ("", values["aria-label"])
        if tag == "img" and inside:
            self.galleries[inside].alts.append(values["alt"])
            self.galleries[inside].contents.append(base64.b64decode(values["src"].partition("base64,")[2]))
        if tag not in VOID:
            self._open.append((tag, values.get("id", values.get("href", "#")[1:])))

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for kind, name in self._open:
            if kind == "section" and name in self.galleries:
                self.galleries[name].text += data
        kind, name = self._open[-1] if self._open else ("", "")
        if kind == "a" and name in self.links:
            self.links[name] = (self.links[name][0] + data, self.links[name][1])


def test_each_number_of_mistakes_opens_its_images(three: MadeRun):
    mistakes = mistakes_in(three, THREE)
    write_report(three.folder, three.result, Examples(confused=mistakes))
    page = Opened(three.page())
    expected = {"cell-0-1": ("1", "a", "b"), "cell-1-0": ("2", "b", "a"), "cell-1-2": ("1", "b", "c")}
    assert page.links.keys() == page.galleries.keys() == expected.keys()
    for target, (images, label, predicted) in expected.items():
        assert page.links[target][0] == images
        assert f"of {label} taken for {predicted}" in page.links[target][1]
        gallery = page.galleries[target]
        shown = [m for m in mistakes if (m.label, m.predicted) == (label, predicted)]
        assert gallery.alts == [f"Test image {m.name}: {label} taken for {predicted}" for m in shown]
        for content, example in zip(gallery.contents, shown, strict=True):
            with Image.open(io.BytesIO(content)) as image:
                assert np.array(image).tolist() == example.pixels[0].tolist()
        assert "more, listed in" not in gallery.text


def test_what_is_not_shown_is_counted_and_said_to_be_in_the_table(tmp_path: Path):
    pairs = [(0, 1)] * 30 + [(1, 0)] + [(0, 0)] * 5
    run = make_run(tmp_path / "run", ["cat", "dog"], pairs)
    write_report(run.folder, run.result, Examples(confused=mistakes_in(run, pairs)[:12]))
    page = Opened(run.page())
    assert page.links["cell-0-1"][0] == "30"
    assert len(page.galleries["cell-0-1"].alts) == 12
    assert "And 18 more, listed in predictions.csv" in page.galleries["cell-0-1"].text
    # Nothing of the other cell was kept, so nothing promises to open it.
    assert "cell-1-0" not in page.links
    assert Reader(run.page()).tables[1].rows[3] == ["dog", "1", "0"]


def test_without_mistakes_nothing_is_promised(tmp_path: Path):
    run = make_run(tmp_path / "run", ["cat", "dog"], [(0, 0), (1, 1)])
    write_report(run.folder, run.result, Examples())
    assert not Opened(run.page()).links
    assert "to see their images" not in run.page()


def test_of_many_classes_the_most_frequent_confusions_open(tmp_path: Path):
    pairs = [(i % 40, i % 40) for i in range(400)] + [(5, 3)] * 9 + [(7, 8)] * 2
    pairs += [(i, i + 1) for i in range(10, 30)]
    run = make_run(tmp_path / "run", [f"class {i}" for i in range(40)], pairs)
    write_report(run.folder, run.result, Examples(confused=mistakes_in(run, pairs)))
    page = Opened(run.page())
    expected = {"cell-5-3": "9", "cell-7-8": "2"} | {f"cell-{i}-{i + 1}": "1" for i in range(10, 30)}
    assert {target: link[0] for target, link in page.links.items()} == expected
    # The first 15 are in sight, the others folded.
    assert "The 7 next confusions" in run.page()
    assert [len(page.galleries[target].alts) for target in ("cell-5-3", "cell-7-8")] == [9, 2]


@pytest.mark.parametrize(("classes", "cells"), [(30, 900), (31, 200)])
def test_which_cells_can_be_opened(classes: int, cells: int):
    counts = torch.full((classes, classes), 2).numpy()
    counts[4, 9] = 3
    found = opened_cells(counts)
    assert len(set(found)) == cells
    assert found[0] == (4, 9)
    # What is right comes last.
    assert all((row == column) == (place >= 870) for place, (row, column) in enumerate(found))


def test_what_is_right_opens_too(three: MadeRun):
    row = next(i for i, (label, predicted) in enumerate(THREE) if label == predicted == 2)
    right = Example(f"test/{row}.png", "c", "c", 0.8, "a", 0.1, torch.zeros(1, 4, 4, dtype=torch.uint8))
    write_report(three.folder, three.result, Examples(confused=(right,)))
    page = Opened(three.page())
    images = str(sum(pair == (2, 2) for pair in THREE))
    assert page.links == {"cell-2-2": (images, page.links["cell-2-2"][1])}
    assert "of c recognised" in page.links["cell-2-2"][1]
    assert "c, recognised" in page.galleries["cell-2-2"].text
    assert page.galleries["cell-2-2"].alts == [f"Test image test/{row}.png: c recognised"]


def test_thumbnails_have_a_bound_in_bytes():
    """Noise is the worst that can be compressed: 870 cells, each with an image of it."""
    counts = torch.ones(30, 30, dtype=torch.int64).numpy()
    names = [f"class {i}" for i in range(30)]
    pixels = torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8)
    examples = [
        Example(f"{i}-{j}", names[i], names[j], 0.9, names[i], 0.1, pixels)
        for i in range(30) for j in range(30) if i != j
    ]  # fmt: skip
    found = galleries(examples, counts, names)
    assert 2_000_000 < len(found.html) < 3_000_000
    assert 100 < len(found.targets) < 870
    assert len(re.findall(r'class="cell"', found.html)) == len(found.targets)


@pytest.mark.slow
def test_a_page_of_1000_classes_is_bounded(tmp_path: Path):
    """20,000 test images of ImageNet's size, every fourth wrong, long names, every picture noise."""
    generator = random.Random(0)
    pairs = [(i % 1000, i % 1000 if i % 4 else generator.randrange(1000)) for i in range(20_000)]
    run = make_run(tmp_path / "run", [f"{i} {'long name ' * 4}" for i in range(1000)], pairs)
    wrong = [i for i, (label, predicted) in enumerate(pairs) if label != predicted][:600]
    pixels = torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8)
    noise = tuple(
        Example(f"val/{i}.JPEG", *(run.classes[c] for c in pairs[i]), 0.9, run.classes[pairs[i][0]], 0.1, pixels)
        for i in wrong
    )
    write_report(run.folder, run.result, Examples(noise[:24], noise[:12], noise))
    assert (run.folder / "report.html").stat().st_size < 6_000_000
