"""What a look at a data set says of its images, against what was put there."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from convatlas.data.headers import Headers, read_headers
from convatlas.errors import UsageError
from tests.data.packed.shards import write_set
from tests.data.photos import encoded, photo, photos, put_photo


def grey(side: int) -> Image.Image:
    return Image.fromarray(np.zeros((side, side), np.uint8))


def test_digits_are_known_without_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVATLAS_DATA", str(tmp_path))
    assert read_headers("mnist") == read_headers("mnist5k") == Headers(1, 1, 28, is_square=True)


def test_photos_of_several_sizes(tmp_path):
    for index, size in enumerate([(160, 120), (90, 200), (100, 100)]):
        put_photo(tmp_path / "a" / f"{index}.jpg", photo(index, size))
        put_photo(tmp_path / f"b{index}" / "0.jpg", photo(index, size))
    # The first two of a, and one of each b: shorter sides 120, 90, 120, 90, 100.
    assert read_headers(tmp_path) == Headers(5, 3, 100, is_square=False)


def test_one_size_that_is_no_square(tmp_path):
    photos(tmp_path, {"a": 2, "b": 2})
    assert read_headers(tmp_path) == Headers(4, 3, 120, is_square=False)


def test_grey_only_if_all_are(tmp_path):
    for name in "abc":
        put_photo(tmp_path / name / "0.png", grey(28))
    assert read_headers(tmp_path) == Headers(3, 1, 28, is_square=True)
    put_photo(tmp_path / "c" / "0.png", photo(0, (28, 28)))
    assert read_headers(tmp_path) == Headers(3, 3, 28, is_square=True)


def test_training_images_count_and_hidden_or_broken_ones_do_not(tmp_path):
    put_photo(tmp_path / "train" / "a" / "0.png", grey(40))
    put_photo(tmp_path / "train" / "a" / "1.png", b"no image")
    put_photo(tmp_path / "train" / ".hidden" / "0.png", photo(0))
    put_photo(tmp_path / "test" / "a" / "0.png", photo(0))
    assert read_headers(tmp_path) == Headers(1, 1, 40, is_square=True)


def test_tables_and_parquet(tmp_path):
    for index in range(3):
        put_photo(tmp_path / "images" / f"{index}.png", photo(index, (32, 32)))
    (tmp_path / "t.csv").write_text("path,label\n" + "".join(f"images/{i}.png,{i % 2}\n" for i in range(3)))
    assert read_headers(tmp_path / "t.csv") == Headers(3, 3, 32, is_square=True)
    rows = [encoded(photo(index, (32, 32)), "PNG") for index in range(70)]
    pq.write_table(pa.table({"image": rows, "label": [0, 1] * 35}), tmp_path / "t.parquet")
    assert read_headers(tmp_path / "t.parquet") == Headers(64, 3, 32, is_square=True)


def test_shards(tmp_path):
    file = io.BytesIO()
    photo(0, (60, 40)).save(file, "JPEG")
    place = write_set(tmp_path / "packed", {"train": 200, "test": 3}, lambda i: file.getvalue(), shard_size=90)
    assert read_headers(place) == Headers(64, 3, 40, is_square=False)


def test_nothing_to_see(tmp_path):
    (tmp_path / "a").mkdir()
    assert read_headers(tmp_path) is None
    with pytest.raises(UsageError, match="unknown data set"):
        read_headers("mnist6k")


def test_no_image_is_decoded(tmp_path):
    """The pixels of a file that is cut behind its header are missing."""
    file = io.BytesIO()
    photo(0, (300, 200)).save(file, "JPEG")
    for name in "ab":
        put_photo(tmp_path / name / "0.jpg", file.getvalue()[:2000])
    assert read_headers(tmp_path) == Headers(2, 3, 200, is_square=False)
