"""Shards that others have made: columns, groups, order, and what is refused."""

import json
import shutil

import pyarrow
import pytest
from pyarrow import parquet

from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import DataError, UsageError
from convatlas.recipes import get_recipe
from convatlas.train.split import split
from tests.data.packed.image import image

PREPROCESS = Preprocess(channels=3, size=(8, 8))


def hub_shards(root, labels=(0, 1), part="train", count=1, column="image", **more):
    """Shards as the Hugging Face hub has them, with no manifest."""
    root.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        columns = {column: [{"bytes": image(i), "path": "x.png"} for i in range(len(labels))], "label": list(labels)}
        table = pyarrow.table(columns | {name: list(values) for name, values in more.items()})
        features = {column: {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        parquet.write_table(table, root / f"{part}-{number:05d}-of-{count:05d}.parquet", row_group_size=3)
    return root


def test_shards_from_the_hub(tmp_path):
    hub_shards(tmp_path / "data", [0, 1] * 10, count=3, column="img")
    hub_shards(tmp_path / "data", [1, 0], part="validation", column="img")
    (tmp_path / "README.md").write_text("x")
    data = load_data(tmp_path, PREPROCESS)
    assert data.classes == ("cat", "dog")
    # 20 % of each of the two classes with 30 images.
    assert [len(part) for part in (data.train, data.validation, data.test)] == [48, 2, 12]
    assert data.test.labels.bincount().tolist() == [6, 6]
    assert any("no test shards: held out 12 of 60 images" in note for note in data.notes)
    assert set(data.train.names) | set(data.test.names) == {f"train/{i:02d}" for i in range(60)}
    assert not set(data.train.names) & set(data.test.names)
    assert data.fingerprint == load_data(tmp_path, PREPROCESS).fingerprint
    assert data.fingerprint != load_data(tmp_path, PREPROCESS, seed=1).fingerprint
    with pytest.raises(UsageError, match="convatlas data pack --on-corrupt skip"):
        load_data(tmp_path, PREPROCESS, on_corrupt="skip")


def test_groups_of_shards_stay_together_in_both_splits(tmp_path):
    labels = [0, 1, 1, 0] * 30
    for number in range(2):
        hub_shards(tmp_path, labels, count=2, group=[f"{number} {place // 4}" for place in range(120)])
        (tmp_path / "train-00000-of-00002.parquet").rename(tmp_path / f"{number}.kept")
    for number in range(2):
        (tmp_path / f"{number}.kept").rename(tmp_path / f"train-0000{number}-of-00002.parquet")
    data = load_data(tmp_path, PREPROCESS)
    learnt, validated = split(data, get_recipe("lenet5_modern"))
    parts = [{int(name.rpartition("/")[2]) // 4 for name in part.names} for part in (learnt, validated, data.test)]
    assert [len(part) for part in parts] == [43, 5, 12]
    assert set.union(*parts) == set(range(60)) and not parts[0] & parts[1] | parts[2] & (parts[0] | parts[1])


def test_groups_of_shards_that_a_given_split_has_parted_are_told(tmp_path):
    hub_shards(tmp_path, [0, 1] * 3, group=["a", "a", "b", "b", "c", "c"], count=2)
    hub_shards(tmp_path, [0, 1], part="validation", group=["d", "d"])
    hub_shards(tmp_path, [0, 1, 0], part="test", group=["e", "b", "c"])
    told = '2 groups lie in more than one part of the split: "b", "c"'
    assert told in load_data(tmp_path, PREPROCESS).notes
    # A part that is held out of the others changes nothing about those that were given.
    for shard in tmp_path.glob("validation*"):
        shard.unlink()
    assert told in load_data(tmp_path, PREPROCESS).notes
    hub_shards(tmp_path, [0, 1, 0], part="test", group=["e", "f", "e"])
    assert not any("group" in note for note in load_data(tmp_path, PREPROCESS).notes)


@pytest.mark.parametrize("part", ["train", "test"])
def test_shards_of_which_only_some_have_groups_are_refused(tmp_path, part):
    hub_shards(tmp_path, [0, 1] * 4, count=2, group=list("aabbccdd"))
    hub_shards(tmp_path, [0, 1], part="test", group=["e", "f"])
    shard = max(tmp_path.glob(f"{part}-*"))
    parquet.write_table(parquet.read_table(shard).drop_columns("group"), shard)
    with pytest.raises(DataError, match=rf'/{shard.name}" has no column group, another shard has\. Do: give it to all'):
        load_data(tmp_path, PREPROCESS)


def test_a_shard_without_rows_has_groups_all_the_same(tmp_path):
    hub_shards(tmp_path, [0, 1] * 30, count=2, group=[f"film {place // 4}" for place in range(60)])
    empty = tmp_path / "train-00001-of-00002.parquet"
    parquet.write_table(parquet.read_table(empty).slice(0, 0), empty)
    assert set(load_data(tmp_path, PREPROCESS).train.groups) < {f"film {number}" for number in range(15)}


def test_shards_that_are_sorted_by_class_are_told(tmp_path):
    hub_shards(tmp_path, [0] * 30 + [1] * 30)
    assert any("images of one class lie together" in note for note in load_data(tmp_path, PREPROCESS).notes)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda p: (p / "train-00001-of-00003.parquet").unlink(), "lacks 1 of 3 shards of train .*number 1"),
        (lambda p: (p / "train-00001-of-00003.parquet").write_bytes(b"PAR1"), "cannot be read"),
        (
            lambda p: shutil.copy(p / "train-00000-of-00003.parquet", p / "train-00000-of-00004.parquet"),
            "more than one",
        ),
        (
            lambda p: shutil.copy(p / "train-00000-of-00003.parquet", p / "train-00003-of-00003.parquet"),
            "has 4 shards of train, their names say 3",
        ),
        (lambda p: hub_shards(p, [0, 5], part="test"), "labels from 0 to 5, the classes are 0 to 1"),
        (lambda p: [file.rename(p / file.name.replace("train", "extra")) for file in p.iterdir()], "none of train"),
    ],
)
def test_shards_that_are_refused(tmp_path, spoil, what):
    place = hub_shards(tmp_path / "hub", [0, 1] * 4, count=3)
    spoil(place)
    with pytest.raises(DataError, match=what) as caught:
        load_data(place, PREPROCESS)
    assert "\n" not in str(caught.value)


def test_two_columns_of_images_are_listed(tmp_path):
    table = pyarrow.table({"a": [b"x"], "b": [b"y"], "label": [0]})
    features = {"a": {"_type": "Image"}, "b": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["c"]}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(
        DataError, match=r"2 columns of the kind Image; its columns are a \(Image\), b \(Image\), label"
    ):
        load_data(tmp_path, PREPROCESS)
