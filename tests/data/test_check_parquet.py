"""Checking Parquet files of encoded images."""

import io
from pathlib import Path

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from convatlas.data.check import check
from convatlas.errors import DataError
from tests.data.checked import found
from tests.data.folders import tree_hash
from tests.data.photos import encoded, photo


def write(path: Path, images: list[bytes | None], labels: list[object]) -> Path:
    column = pyarrow.array([None if image is None else {"bytes": image, "path": ""} for image in images])
    parquet.write_table(pyarrow.table({"image": column, "label": labels}), path)
    return path


def test_a_file(tmp_path):
    images = [encoded(photo(index)) for index in range(70)]
    images[3], images[68] = images[2], images[68][:2000]
    file = write(tmp_path / "all.parquet", [*images, None], ["owl", "bat"] * 35 + ["owl"])
    before = tree_hash(tmp_path)
    assert found(file) == {
        "undecodable": [("train/70", "cannot be read (the row has no encoded image)")],
        "truncated": [("train/68", "the file ends before the image does")],
        "contradiction": [("train/03", 'the same file as "train/02" of the class "owl"')],
    }
    assert tree_hash(tmp_path) == before
    assert check(file).as_json()["classes"] == {"bat": 35, "owl": 34}


def test_parts(tmp_path):
    train, test = ([encoded(photo(first + index)) for index in range(4)] for first in (0, 10))
    test[2] = encoded(Image.open(io.BytesIO(train[1])).resize((100, 75)), "PNG")
    write(tmp_path / "train.parquet", train, [0, 1, 0, 1])
    write(tmp_path / "test.parquet", test, [0, 1, 1, 0])
    checked = check(tmp_path)
    assert [(p.kind, p.path, p.other) for p in checked.problems] == [("leakage", "test/2", "train/1")]
    assert dict(checked.parts) == {"train": 4, "test": 4}


def test_parts_with_other_classes(tmp_path):
    write(tmp_path / "train.parquet", [encoded(photo(i)) for i in range(4)], ["a", "b", "a", "b"])
    write(tmp_path / "test.parquet", [encoded(photo(9))], ["c"])
    kinds = found(tmp_path)
    assert kinds["layout"] == [(".", "the parts have different classes")]
    assert [path for path, _ in kinds["empty_class"]] == ["a", "b", "c"]


def test_a_file_that_is_damaged_within_is_checked_or_refused(tmp_path):
    file = write(tmp_path / "all.parquet", [encoded(photo(i)) for i in range(6)], ["a", "b"] * 3)
    whole, refused = file.read_bytes(), 0
    for place in range(4, len(whole), len(whole) // 16):
        file.write_bytes(whole[:place] + b"\xff" * 40 + whole[place + 40 :])
        try:
            assert check(file).images == 6
        except DataError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 0


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "all.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="cannot be read"):
        check(tmp_path / "all.parquet")
