"""The page of `convatlas check`, read as HTML."""

import base64
import io
import re

import pytest
from PIL import Image

from convatlas.data.check import check
from convatlas.errors import StorageError
from convatlas.report.check_page import SHOWN, check_page, write_check_page
from tests.data.photos import photo, photos, put_photo
from tests.report.html_reader import Reader

HOSTILE = '"><img src=x onerror=alert(1)>&amp;'


@pytest.fixture
def root(tmp_path):
    photos(tmp_path / "data", {"train/bat": 3, "train/owl": 2, "test/bat": 1, "test/owl": 1})
    return tmp_path / "data"


def pictures(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_a_page_without_problems(root):
    page = check_page(check(root))
    reader = Reader(page)
    assert "No problems" in reader.text
    assert pictures(page) == []
    by_class, by_side = reader.tables
    assert by_class.rows == [["class", "images", ""], ["bat", "4", ""], ["owl", "3", ""]]
    assert by_side.rows == [["pixels", "images", ""], ["96 to 127", "7", ""]]


def test_it_needs_nothing_from_elsewhere_and_runs_nothing(root):
    put_photo(root / "test/bat/again.png", Image.open(root / "train/bat/0.jpg"))
    reader = Reader(check_page(check(root)))
    assert not {"script", "link", "iframe"} & {tag for tag, _ in reader.elements}
    assert all(source.startswith("data:") for source in reader.values("src"))
    assert all(target.startswith("#") for target in reader.values("href"))
    policy = dict(reader.elements)["meta"]
    assert "default-src 'none'" in " ".join(filter(None, reader.values("content"))), policy


def test_both_pictures_of_a_pair_are_shown(root):
    put_photo(root / "test/bat/again.png", Image.open(root / "train/bat/0.jpg"))
    page = check_page(check(root))
    assert [picture.size for picture in pictures(page)] == [(160, 120)] * 2
    text = Reader(page).text
    assert "test/bat/again.png" in text and 'the same pixels as "train/bat/0.jpg"' in text


def test_every_kind_has_its_section_and_its_line(root):
    put_photo(root / "train/bat/cut.jpg", (root / "train/bat/0.jpg").read_bytes()[:3000])
    put_photo(root / "train/bat/tiny.png", photo(90, (20, 20)))
    put_photo(root / "train/bat/print.jpg", photo(91).convert("CMYK"))
    reader = Reader(check_page(check(root)))
    assert reader.tables[0].rows[1:] == [
        ["Truncated", "1", "cut short: training refuses it, or leaves it out with --on-corrupt skip"],
        ["Mode", "1", "stored in another way than as 8-bit grey or RGB; it is converted"],
        ["Size", "1", "much smaller or longer than a photo: look at it"],
    ]
    sections = [attrs["id"] for tag, attrs in reader.elements if tag == "section" and "id" in attrs]
    assert sections == ["truncated", "mode", "size"]
    assert [target.removeprefix("#") for target in reader.values("href")] == sections


def test_pictures_of_a_kind_are_limited(root):
    for index in range(SHOWN + 5):
        put_photo(root / "train/bat" / f"print{index:02d}.jpg", photo(100 + index).convert("CMYK"))
    page = check_page(check(root))
    assert len(pictures(page)) == SHOWN
    assert f"The first {SHOWN} are shown" in Reader(page).text


def test_hostile_and_long_names_are_only_text(tmp_path):
    photos(tmp_path, {HOSTILE.replace("/", ":"): 2, "x" * 200: 2})
    name = f"{HOSTILE}{'y' * 150}.jpg"
    put_photo(tmp_path / ("x" * 200) / name, photo(50).convert("CMYK"))
    page = check_page(check(tmp_path))
    reader = Reader(page)
    assert "x" not in reader.values("src") and reader.values("onerror") == []
    assert HOSTILE in reader.text and name in reader.text
    assert reader.values("alt") == [f"{'x' * 200}/{name}"]


def test_a_name_that_is_no_unicode_is_written(root, tmp_path):
    put_photo(root / "train/bat/\udcff.jpg", photo(60).convert("CMYK"))
    write_check_page(check(root), tmp_path / "page.html")
    assert "train/bat/?.jpg" in Reader((tmp_path / "page.html").read_text("utf-8")).text


def test_many_classes_are_shortened(tmp_path):
    photos(tmp_path, {f"class{index:02d}": 2 for index in range(45)})
    rows = Reader(check_page(check(tmp_path))).tables[0].rows
    assert len(rows) == 1 + 40 + 1
    assert rows[21] == ["5 classes between"]


def test_pictures_that_vanish_meanwhile_are_left_out(root):
    put_photo(root / "train/bat/print.jpg", photo(61).convert("CMYK"))
    checked = check(root)
    (root / "train/bat/print.jpg").unlink()
    page = check_page(checked)
    assert pictures(page) == [] and "no picture" in Reader(page).text


def test_a_folder_that_is_not_there_is_refused(root, tmp_path):
    with pytest.raises(StorageError):
        write_check_page(check(root), tmp_path / "none" / "page.html")
