"""Parquet files of encoded images: what they may hold, how they are split, what is refused."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from convatlas.data.check import check
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import ConvAtlasError, DataError, UsageError

PREPROCESS = Preprocess(channels=3, size=(8, 8))


def encoded(value: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def written(path: Path, images: list, labels: list, names: list[str] | None = None) -> Path:
    table = pyarrow.table({"image": images, "label": labels})
    if names is not None:
        told = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
    pyarrow.parquet.write_table(table, path)
    return path


def records(values: list[int]) -> list[dict]:
    return [{"bytes": encoded(value), "path": "x.png"} for value in values]


def test_a_folder_has_a_file_for_each_part(tmp_path):
    written(tmp_path / "train.parquet", records([1, 2, 3]), [0, 1, 0], ["cat", "dog"])
    written(tmp_path / "test.parquet", records([4]), [1], ["cat", "dog"])
    for data in (load_data(tmp_path, PREPROCESS), load_data(str(tmp_path), PREPROCESS, workers=1)):
        assert data.classes == ("cat", "dog")
        assert data.train.pixels[:, 0, 0, 0].tolist() == [1, 2, 3] and data.train.labels.tolist() == [0, 1, 0]
        assert data.test.pixels[:, 0, 0, 0].tolist() == [4] and data.test.labels.tolist() == [1]
        assert data.test.names == ("test/0",)


def grouped(path: Path, values: list[int], groups: list) -> Path:
    """Half of the images of each class, each group with images of both."""
    table = pyarrow.table({"image": records(values), "label": [value % 2 for value in values], "group": groups})
    pyarrow.parquet.write_table(table, path)
    return path


def test_a_group_is_never_parted(tmp_path):
    film = [value // 4 for value in range(80)]
    for seed in range(5):
        data = load_data(grouped(tmp_path / "all.parquet", list(range(80)), film), PREPROCESS, seed=seed)
        of_test = {film[int(name.rpartition("/")[2])] for name in data.test.names}
        assert len(data.test) == 4 * len(of_test) == 16
        assert not of_test & {film[int(name.rpartition("/")[2])] for name in data.train.names}
        assert len(set(data.train.groups)) == 16


def test_a_group_in_two_parts_is_told(tmp_path):
    grouped(tmp_path / "train.parquet", [1, 2, 3, 4], ["a", "a", "b", "b"])
    grouped(tmp_path / "test.parquet", [51, 52], ["b", "c"])
    assert '1 group lies in more than one part of the split: "b"' in load_data(tmp_path, PREPROCESS).notes
    problems = [
        problem for problem in check(tmp_path).problems if problem.kind == "leakage" and "group" in problem.detail
    ]
    assert [(p.path, p.detail, p.other) for p in problems] == [
        ("test/0", 'of the same group "b" as "train/2"', "train/2")
    ]


@pytest.mark.parametrize("groups", [["a", None], ["a", ""]])
def test_a_row_without_its_group_is_refused(tmp_path, groups):
    with pytest.raises(DataError, match="has no group in row 2"):
        load_data(grouped(tmp_path / "all.parquet", [1, 2], groups), PREPROCESS)


def test_bytes_and_names_will_do(tmp_path):
    file = written(tmp_path / "x.parquet", [encoded(v) for v in range(20)], ["b", "a"] * 10)
    data = load_data(file, PREPROCESS)
    assert data.classes == ("a", "b")
    assert (len(data.train), len(data.test)) == (16, 4)
    assert sorted(data.test.labels.tolist()) == [0, 0, 1, 1]
    assert data.notes == ("no test file: held out 4 of 20 images (20 % a class, seed 0)",)
    # An image keeps its label: odd ones are "a".
    for part in (data.train, data.test):
        assert torch.equal(part.labels, 1 - part.pixels[:, 0, 0, 0].long() % 2)
    assert load_data(file, PREPROCESS, seed=1).test.names != data.test.names


def test_numbers_without_names_are_the_classes(tmp_path):
    file = written(tmp_path / "x.parquet", records([1, 2, 3, 4, 5, 6]), [0, 2, 0, 2, 1, 1])
    assert load_data(file, PREPROCESS).classes == ("0", "1", "2")


def test_corrupt_images_are_refused_or_left_out(tmp_path):
    file = written(
        tmp_path / "x.parquet", [*records([1, 2, 3, 4, 5]), {"bytes": b"no", "path": ""}], [0, 1, 0, 1, 0, 1]
    )
    with pytest.raises(DataError, match=r"1 of 6 images cannot be decoded: train/5 \(not an image\)"):
        load_data(file, PREPROCESS)
    data = load_data(file, PREPROCESS, on_corrupt="skip")
    assert len(data.train) + len(data.test) == 5
    assert "left out 1 image that cannot be decoded: train/5 (not an image)" in data.notes


def no_label(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"image": records([1])}), path)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.write_bytes(b"no parquet"), "cannot be read"),
        (no_label, "cannot be read"),
        (lambda path: written(path, [1, 2], [0, 1]), "has rows without an encoded image"),
        (lambda path: written(path, [encoded(1), None], [0, 1]), "has rows without an encoded image"),
        (lambda path: written(path, records([1, 2]), [0.5, 1.5]), "labels that are neither names nor numbers"),
        (lambda path: written(path, records([1, 2]), [-1, 1]), "labels that are neither names nor numbers"),
        (lambda path: written(path, records([1, 2]), [0, 2], ["a", "b"]), "has the label 2, its metadata tells 2"),
    ],
)
def test_files_that_are_refused(tmp_path, make, what):
    make(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=what) as caught:
        load_data(tmp_path / "x.parquet", PREPROCESS)
    assert "\n" not in str(caught.value)


def test_parts_have_the_same_classes(tmp_path):
    written(tmp_path / "train.parquet", records([1, 2]), ["a", "b"])
    written(tmp_path / "test.parquet", records([1, 2]), ["a", "c"])
    with pytest.raises(
        DataError, match=r'test.parquet" lacks "b"; has extra "c". Do: give train, test and val the same classes'
    ):
        load_data(tmp_path, PREPROCESS)


def test_a_missing_pyarrow_is_named(tmp_path, monkeypatch):
    file = written(tmp_path / "x.parquet", records([1, 2]), [0, 1])
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'convatlas\[data\]'"):
        load_data(file, PREPROCESS)


def test_cifar10_that_is_not_there_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for value in (None, str(tmp_path)):
        monkeypatch.delenv("CONVATLAS_DATA", raising=False)
        if value is not None:
            monkeypatch.setenv("CONVATLAS_DATA", value)
        with pytest.raises(
            ConvAtlasError, match=r"train.parquet and test.parquet in cifar10-jpeg\) into \$CONVATLAS_DATA"
        ):
            load_data("cifar10", PREPROCESS, offline=True)


@pytest.mark.slow
@pytest.mark.skipif("CONVATLAS_DATA" not in os.environ, reason="CONVATLAS_DATA is not set")
def test_cifar10_has_its_published_numbers():
    data = load_data("cifar10", Preprocess(channels=3, size=(32, 32)))
    assert data.classes[0] == "airplane" and len(data.classes) == 10
    assert data.train.labels.bincount().tolist() == [5000] * 10
    assert data.test.labels.bincount().tolist() == [1000] * 10
    assert data.train.pixels.shape == (50_000, 3, 32, 32)


@pytest.mark.parametrize("names", [None, ["cat", "dog"]])
def test_one_class_is_refused(tmp_path, names):
    file = written(tmp_path / "x.parquet", records([1, 2, 3, 4]), ["cat"] * 4 if names is None else [0] * 4, names)
    with pytest.raises(DataError, match=r'^only one class \("cat"\), at least two are needed'):
        load_data(file, PREPROCESS)
