"""What `data info` tells of each kind of DATA."""

import pytest

from convatlas.data.info import MEASURED, info
from convatlas.pack import pack
from tests.data.folders import put, several
from tests.data.photos import photos


def test_a_folder(split):
    found = info(split).as_json()
    assert found["kind"] == "folder of class folders"
    assert found["classes"] == {"bat": 6, "owl": 6} and found["images"] == 12
    assert found["splits"] == {part: {"bat": 3, "owl": 3} for part in ("train", "test")}
    files = list(split.rglob("*.jpg"))
    assert found["bytes"] == sum(file.stat().st_size for file in files) and found["measured"] == 12
    assert (found["width"]["max"], found["height"]["max"]) == (160, 120)
    assert found["streams"] is False


def test_a_packed_set(tmp_path):
    photos(tmp_path / "data", {"bat": 20, "owl": 30})
    plain, _ = info(tmp_path / "data").as_json(), pack(tmp_path / "data", tmp_path / "out", shard_size=7)
    found = info(tmp_path / "out").as_json()
    assert found["kind"] == "Parquet shards, packed by convatlas" and found["streams"] is True
    assert list(found["splits"]) == ["train", "val", "test"]
    same = ("images", "classes", "bytes", "width", "height", "measured")
    assert {key: found[key] for key in same} == {key: plain[key] for key in same}


def test_of_many_images_some_are_measured(tmp_path):
    put(tmp_path, *several(MEASURED, "a", "b"))
    found = info(tmp_path)
    assert found.measured == MEASURED and found.images == 2 * MEASURED
    total = sum(file.stat().st_size for file in tmp_path.rglob("*.png"))
    assert found.size == pytest.approx(total, rel=0.2)


def test_a_named_set():
    found = info("mnist5k")
    assert (found.kind, found.images, found.sizes[0]) == ("named set", 5000, (28, 28))
    assert found.parts["test"] == [100] * 10
