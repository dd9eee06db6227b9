"""Drawings as files: SVG, PDF, PNG, and what cannot be written."""

import re
import zlib

import numpy as np
import pytest
from PIL import Image

from convatlas.atlas import draw
from convatlas.errors import StorageError, UsageError


@pytest.fixture(scope="module")
def figure():
    return draw("lenet5")


def test_svg_is_the_text(figure, tmp_path):
    figure.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == figure.svg()


def test_pdf_holds_its_text_and_fonts(figure, tmp_path):
    figure.save(tmp_path / "a.pdf")
    data = (tmp_path / "a.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert b"/FontFile2" in data and b"/Type0" in data
    streams = [zlib.decompress(s) for s in re.findall(rb"stream\n(.*?)\nendstream", data, re.DOTALL) if s[:1] == b"x"]
    # Type 42 has its text as text: show operators in the page.
    assert any((b"BT" in stream and b"Tj" in stream) or b"TJ" in stream for stream in streams)


def test_png_is_a_picture(figure, tmp_path):
    figure.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[1] == pytest.approx(figure.scene.width * 200 / 72, abs=2)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize("name", ["a.pdf", "a.png"])
def test_equal_runs_give_equal_files(figure, tmp_path, name):
    files = [tmp_path / str(i) / name for i in range(2)]
    for file in files:
        file.parent.mkdir()
        figure.save(file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_ending_may_be_in_capitals(figure, tmp_path):
    figure.save(tmp_path / "A.SVG")
    assert (tmp_path / "A.SVG").exists()


def test_an_older_file_is_replaced_and_nothing_else_is_left(figure, tmp_path):
    (tmp_path / "a.svg").write_text("old")
    figure.save(tmp_path / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == figure.svg()


@pytest.mark.parametrize("name", ["a.gif", "a", "a.svg.txt", ".svg"])
def test_an_unknown_ending_names_the_three(figure, tmp_path, name):
    with pytest.raises(UsageError, match=r"known are \.svg, \.pdf, \.png"):
        figure.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_a_sentence(figure, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.svg").mkdir()
    for path in (tmp_path / "file" / "a.svg", tmp_path / "none" / "a.svg", tmp_path / "folder.svg"):
        with pytest.raises(StorageError, match=r"Do: "):
            figure.save(path)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.svg"]


def test_a_letter_that_no_font_has_is_named(tmp_path):
    # A private letter: no font may have it.
    strange = draw("lenet5", title="net \U0010fffd")
    with pytest.raises(UsageError, match=r"no installed font has the letter"):
        strange.save(tmp_path / "a.png")
    strange.save(tmp_path / "a.svg")
