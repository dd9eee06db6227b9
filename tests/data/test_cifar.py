"""CIFAR's batches as their authors publish them: both forms, and pickles that are none of theirs."""

import hashlib
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import cifar as theirs

from convatlas.data import cifar, source
from convatlas.data.check import check
from convatlas.data.cifar import CIFAR10, CIFAR100, CIFAR_SETS, CifarSet, list_cifar
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import DataError, UnsafeError

PREPROCESS = Preprocess(channels=3, size=(32, 32))
NAMES = {"cifar10": [b"plane", b"car", b"bird"], "cifar100": [b"apple", b"bee", b"crab"]}


def images(seed: int, count: int) -> tuple[np.ndarray, list[int]]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 3072), np.uint8), random.integers(0, 3, count).tolist()


def put(path: Path, value: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pickle.dumps(value, protocol=4)
    path.write_bytes(data)
    return hashlib.md5(data).hexdigest()


def pickled(root: Path, named: CifarSet) -> CifarSet:
    """Batches of 4 images each in the layout of the authors; gives the set with their sums."""
    sums: dict[str, dict[str, str]] = {"train": {}, "test": {}}
    for part, files in (("train", named.train), ("test", named.test)):
        for number, file in enumerate(files):
            pixels, labels = images(number + 10 * (part == "test"), 4)
            batch = {b"data": pixels, named.labels: labels, b"filenames": [b"x.png"] * 4}
            sums[part][file] = put(root / named.pickled / file, batch)
    (meta,) = named.meta
    return replace(named, **sums, meta={meta: put(root / named.pickled / meta, {named.classes: NAMES[named.name]})})


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONVATLAS_DATA", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def made(nowhere, monkeypatch):
    """Both sets in the folder `data`, as torchvision leaves them there."""
    sets = {named.name: pickled(nowhere / "data", named) for named in (CIFAR10, CIFAR100)}
    monkeypatch.setattr(cifar, "CIFAR_SETS", sets)
    monkeypatch.setattr(source, "CIFAR_SETS", sets)
    return sets


def test_the_files_are_those_that_torchvision_knows():
    for named, peer in ((CIFAR10, theirs.CIFAR10), (CIFAR100, theirs.CIFAR100)):
        assert named.pickled == peer.base_folder
        assert list(map(list, named.train.items())) == peer.train_list
        assert list(map(list, named.test.items())) == peer.test_list
        assert named.meta == {peer.meta["filename"]: peer.meta["md5"]}
        assert named.classes == peer.meta["key"].encode()


@pytest.mark.parametrize(("name", "count"), [("cifar10", 20), ("cifar100", 4)])
def test_pickled_batches(made, name, count):
    data = load_data(name, PREPROCESS)
    assert data.classes == tuple(text.decode() for text in NAMES[name])
    assert (len(data.train), len(data.test)) == (count, 4)
    pixels, labels = images(10, 4)
    assert torch.equal(data.test.pixels, torch.from_numpy(pixels.reshape(4, 3, 32, 32)))
    assert data.test.labels.tolist() == labels
    assert data.train.names[0] == f"train/{0:0{len(str(count - 1))}d}"
    assert check(name).images == count + 4


@pytest.mark.parametrize(("named", "before"), [(CIFAR10, 1), (CIFAR100, 2)])
def test_binary_batches(nowhere, monkeypatch, named, before):
    monkeypatch.setenv("CONVATLAS_DATA", str(nowhere / "own"))
    place = nowhere / "own" / named.binary
    place.mkdir(parents=True)
    for number, file in enumerate((*named.binary_train, *named.binary_test)):
        pixels, labels = images(number, 4)
        # CIFAR-100 has the coarse label first.
        rows = np.concatenate([np.full((4, before - 1), 19), np.array(labels).reshape(4, 1), pixels], axis=1)
        (place / file).write_bytes(rows.astype(np.uint8).tobytes())
    (place / named.binary_classes).write_bytes(b"\n".join(NAMES[named.name]) + b"\n\n")
    data = load_data(named.name, PREPROCESS)
    pixels, labels = images(len(named.binary_train), 4)
    assert torch.equal(data.test.pixels, torch.from_numpy(pixels.reshape(4, 3, 32, 32)))
    assert data.test.labels.tolist() == labels
    (place / named.binary_test[0]).write_bytes(b"x" * 3000)
    with pytest.raises(DataError, match=r"has 3,000 bytes, which are no 3,07[34] an image"):
        load_data(named.name, PREPROCESS)


def test_a_file_that_was_altered_is_not_unpickled(made, nowhere):
    file = nowhere / "data" / "cifar-100-python" / "test"
    file.write_bytes(file.read_bytes().replace(b"x.png", b"y.png"))
    with pytest.raises(DataError, match=r'test" is not the file that its authors publish'):
        load_data("cifar100", PREPROCESS)
    file.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load_data("cifar100", PREPROCESS)


class Attack:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("place", [b"data", b"other"])
def test_a_pickle_with_the_right_sum_runs_nothing(made, nowhere, place):
    named = made["cifar100"]
    pixels, labels = images(0, 4)
    batch = {b"data": pixels, named.labels: labels, place: Attack(nowhere / "ran")}
    md5 = put(nowhere / "data" / named.pickled / "test", batch)
    with pytest.raises(UnsafeError, match=r"asks for \"(posix|nt)\.mkdir\""):
        list_cifar(replace(named, test={"test": md5}))
    assert not (nowhere / "ran").exists()


@pytest.mark.parametrize(
    "batch", [[1], {b"data": 3}, {b"data": np.zeros((4, 9), np.uint8)}, {b"data": np.zeros((4, 3072))}]
)
def test_batches_of_another_shape(made, nowhere, batch):
    named = made["cifar100"]
    if isinstance(batch, dict):
        batch[named.labels] = [0] * 4
    md5 = put(nowhere / "data" / named.pickled / "test", batch)
    with pytest.raises(DataError, match="is not the file that its authors publish"):
        list_cifar(replace(named, test={"test": md5}))


def test_sets_that_are_nowhere(nowhere):
    for name in CIFAR_SETS:
        with pytest.raises(
            DataError, match=f"{name} is not on this computer.*torchvision.datasets import {name.upper()}"
        ):
            load_data(name, PREPROCESS, offline=True)
