"""Which images a run learns and which choose its best epoch."""

import csv
from pathlib import Path

from convatlas.data.source import load_data
from convatlas.models import create_model
from convatlas.recipes import lenet5_modern
from convatlas.train.run import train
from convatlas.train.split import split
from tests.data.folders import put, several


def test_copies_and_groups_are_not_parted_by_the_validation_split(tmp_path):
    put(tmp_path, *several(30, "a", "b"))
    for copy in range(20):
        put(tmp_path, f"a/copy {copy}.png", f"b/copy {copy}.png", same=copy % 7)
    recipe = lenet5_modern().with_settings(["validation=0.3"])
    for seed in range(4):
        chosen, held = split(load_data(tmp_path, recipe.preprocess), recipe.with_settings([f"seed={seed}"]))
        contents = [{(tmp_path / name).read_bytes() for name in part.names} for part in (chosen, held)]
        assert not contents[0] & contents[1]
        assert 0.15 < len(held) / (len(held) + len(chosen)) < 0.4


def test_the_split_is_saved_and_stays_when_images_are_added(tmp_path):
    put(tmp_path / "data", *several(30, "a", "b"))

    def parts(out: Path) -> dict[str, str]:
        recipe = lenet5_modern().with_settings(["epochs=1"])
        train(create_model("lenet5_modern", num_classes=2), tmp_path / "data", recipe, out)
        with (out / "split.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert all(row["label"] == row["image"].partition("/")[0] for row in rows)
        return {row["image"]: row["part"] for row in rows}

    first = parts(tmp_path / "one")
    assert set(first) == set(several(30, "a", "b"))
    assert {part: list(first.values()).count(part) for part in ("train", "validation", "test")} == {
        "train": 44, "validation": 4, "test": 12,
    }  # fmt: skip
    put(tmp_path / "data", "a/new.png")
    second = parts(tmp_path / "two")
    assert sum(first[name] != second[name] for name in first) <= 2
