"""Folders by chance, read beside an oracle that knows the rules by the paths alone; classes are matched by name."""

import shutil
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convatlas.data.source import load_data
from convatlas.errors import ConvAtlasError, DataError
from convatlas.serve.evaluate import relabelled
from convatlas.serve.files import predict_files
from convatlas.serve.predictor import Predictor
from tests.data.folders import SMALL
from tests.data.trees import picture, write

PARTS = {"train": "train", "test": "test", "val": "val", "valid": "val"}
NAMES = ("a", "B", "b", "10", "9", "owl", "Käfer", "Ka\u0308fer", "train", "night owl")
FILES = ("0.png", "1.png", "2.JPG", ".hidden.png", "Thumbs.db", "notes.txt", "x/0.png", ".cache/0.png")

EXAMPLES = {"max_examples": 60, "deadline": None, "suppress_health_check": list(HealthCheck)}
MANY = EXAMPLES | {"max_examples": 500}

folders = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(FILES), max_size=4), max_size=4)
wild = st.one_of(
    folders.map(lambda tree: {f"{name}/{file}" for name, files in tree.items() for file in (*files, "")}),
    st.dictionaries(st.sampled_from(list(PARTS)), folders, min_size=1, max_size=3).map(
        lambda parts: {
            f"{part}/{name}/{file}"
            for part, tree in parts.items() for name, files in tree.items() for file in (*files, "")
        }
    ),
)  # fmt: skip
# As it should be, with what lies about in folders, and now and then something that should not be there.
tidy = st.tuples(
    st.sets(st.sampled_from(["a", "B", "10", "9", "owl", "Käfer", "night owl"]), min_size=2, max_size=4),
    st.sampled_from(
        [("",), ("",), ("train/",), ("train/", "test/"), ("train/", "val/"), ("train/", "test/", "valid/")]
    ),
    st.sets(st.sampled_from(["0.png", "1.png", "2.JPG", "x/0.png"]), min_size=1),
).map(lambda made: {f"{part}{name}/{file}" for name in made[0] for part in made[1] for file in made[2]})
litter = st.sets(st.sampled_from([".x.png", "y.txt", ".cache/a/0.png", "docs/"]), max_size=2)
trees = st.tuples(st.one_of(tidy, tidy, wild), st.one_of(st.just(set()), litter, st.sets(st.just("x.png")))).map(
    lambda both: sorted(both[0] | both[1])
)
"""Paths of files, and of folders, which end in a slash."""


def is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part.lower() == "thumbs.db" for part in path.rstrip("/").split("/"))


def problems(paths: list[str]) -> tuple[list[str], Counter[tuple[str, str]]]:
    """What a message may say is wrong with a folder, if anything; and the images of each part and class."""
    visible = [path for path in paths if not is_hidden(path)]
    images = [path for path in visible if PurePosixPath(path).suffix.lower() in {".png", ".jpg"}]
    tops = {path.split("/")[0] for path in visible if "/" in path}
    found = ["outside any class folder" for path in images if "/" not in path]
    direct = {path.split("/")[0] for path in images if path.count("/") == 1}
    full = {path.split("/")[0] for path in images if "/" in path}
    parts = {top for top in tops if top in PARTS}
    split = "train" in parts and not ("train" in direct and tops - parts)
    if split:
        found += ["which is no part of a split" for top in tops - parts if top in full]
        found += ["outside any class folder" for top in parts if top in direct]
        found += ["has two val folders" for _ in [0] if {"val", "valid"} <= parts]
        placed = {path for path in visible if path.split("/")[0] in parts}
        where = {path: (PARTS[path.split("/")[0]], *path.split("/")[1:]) for path in placed}
        found += [
            f'"{top}" has no class folder'
            for top in parts
            if not {w for w in where.values() if len(w) > 2 and w[0] == PARTS[top]}
        ]
    else:
        found += [f'class folders in "{top}" but none in "train"' for top in parts if top in full - direct]
        where = {path: ("train", *path.split("/")) for path in visible if "/" in path}
    classes: dict[str, set[str]] = {}
    for part, *rest in where.values():
        if len(rest) > 1:
            classes.setdefault(part, set()).add(rest[0])
    counts = Counter((where[path][0], where[path][1]) for path in images if path in where and len(where[path]) > 2)
    names = classes.get("train", set())
    if not names:
        found.append("has no class folder")
    for part in classes:
        found += [f"{part} lacks", f"{part} has extra"] if classes[part] != names else []
        empty = [name for name in classes[part] if not counts[part, name]]
        found += ["has 0 images" if len(empty) == 1 else "have 0 images"] if empty else []
    if len({unicodedata.normalize("NFC", name).casefold() for name in names}) < len(names):
        found.append("differ only by case or by the encoding")
    if not counts:
        found.append("no image in")
    if len(names) == 1:
        found.append("only one class")
    if "test" not in classes and all(counts["train", name] < 2 for name in names):
        found.append("no class has two different images")
    return found, counts


def build(root: Path, paths: list[str]) -> None:
    for number, path in enumerate(paths):
        if path.endswith("/"):
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            write(root / path, picture(number))


def agrees(paths: list[str]) -> None:
    """What is read, or refused, is what the oracle says."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        root.mkdir()
        build(root, paths)
        allowed, counts = problems(paths)
        try:
            data = load_data(root, SMALL)
        except ConvAtlasError as error:
            assert error.exit_code == 3
            assert any(kind in error.what for kind in allowed), (error.what, allowed)
            return
        assert allowed == []
        assert set(data.classes) == {name for _, name in counts}
        loaded = {"train": data.train, "test": data.test, "val": data.validation}
        found: Counter[tuple[str, str]] = Counter()
        for part, images in loaded.items():
            for label in [] if images is None else images.labels.tolist():
                found[part if (part, data.classes[label]) in counts else "train", data.classes[label]] += 1
        assert found == counts


@settings(**EXAMPLES)
@given(trees)
def test_60_folders_by_chance(paths):
    agrees(paths)


@pytest.mark.full
@settings(**MANY)
@given(trees)
def test_500_folders_by_chance(paths):
    agrees(paths)


class ByTone(nn.Module):
    """Knows each class by its tone of grey: 20 for the first of a card's list, 40 for the second, ..."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.tones = nn.Parameter(20.0 * torch.arange(1, classes + 1))

    def forward(self, x: Tensor) -> Tensor:
        return -(x.mean((1, 2, 3)).mul(255).unsqueeze(1) - self.tones).abs()


def right_by_name(order: list[str], present: list[str], extra: list[str]) -> None:
    """A network whose classes stand in any order, and a folder that has some of them, perhaps others too."""
    from PIL import Image

    predictor = Predictor(ByTone(len(order)), tuple(order), SMALL)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        for name in (*present, *extra):
            tone = 20 * (order.index(name) + 1) if name in order else 255
            (root / name).mkdir(parents=True)
            for index in range(2):
                image = Image.new("L", (4, 4), tone)
                # Copies would be held out together.
                image.putpixel((index, 0), tone + 1)
                image.save(root / name / f"{index}.png")
        data = load_data(root, SMALL)
        if extra:
            with pytest.raises(DataError, match="has classes that the network does not know") as caught:
                relabelled(data, predictor.classes)
            assert all(f'"{name}"' in caught.value.what for name in extra)
            shutil.rmtree(root / extra[0])
            return
        test = relabelled(data, predictor.classes)
        assert [order[label] for label in test.labels.tolist()] == [name.split("/")[0] for name in test.names]
        assert predictor.evaluate(test).top1_error == 0
        answers = predict_files(predictor, [root])
        assert len(answers.predictions) == 2 * len(present)
        assert all(prediction.label == path.parent.name for path, prediction in answers.predictions)


LIST = st.permutations(["a", "B", "10", "9", "owl", "night owl", "Käfer", "猫"])
cases = st.tuples(LIST, st.sets(st.integers(0, 6), min_size=2, max_size=5), st.sets(st.sampled_from("xyz"), max_size=1))


def checked(case: tuple[list[str], set[int], set[str]]) -> None:
    names, chosen, extra = case
    right_by_name(names[:7], [names[i] for i in sorted(chosen)], sorted(extra))


@settings(**EXAMPLES)
@given(cases)
def test_labels_are_matched_by_name_in_60_folders(case):
    checked(case)


@pytest.mark.full
@settings(**MANY)
@given(cases)
def test_labels_are_matched_by_name_in_500_folders(case):
    checked(case)
