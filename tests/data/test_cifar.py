"""CIFAR's batches as their authors publish them: both forms, and pickles that are none of theirs."""

import hashlib
import os
import pickle
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import cifar as theirs

from convatlas.data import cifar, source
from convatlas.data.check import check
from convatlas.data.cifar import CIFAR10, CIFAR100, CIFAR_SETS, CifarSet, list_cifar
from convatlas.data.pinned import PinnedFile
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
    for name in ("CONVATLAS_DATA", "TORCH_HOME", "XDG_CACHE_HOME"):
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


def packed(named: CifarSet, folder: Path, archive: Path) -> None:
    """Puts batches into an archive as the authors have it, by another program than ours."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-czf", archive, "-C", folder, named.pickled], check=True)
    shutil.rmtree(folder / named.pickled)


@pytest.mark.parametrize("name", CIFAR_SETS)
def test_an_archive_is_read_as_its_folder(made, nowhere, monkeypatch, name):
    monkeypatch.setenv("CONVATLAS_DATA", str(nowhere / "own"))
    named, folder = made[name], load_data(name, PREPROCESS)
    (nowhere / "data" / named.pickled / "readme.html").write_text("what else there is")
    packed(named, nowhere / "data", nowhere / "own" / named.archive.name)
    archive = load_data(name, PREPROCESS, offline=True)
    assert archive.notes[0] == f"read from {nowhere / 'own' / named.archive.name}"
    assert archive.classes == folder.classes
    for one, other in ((archive.train, folder.train), (archive.test, folder.test)):
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.labels, other.labels)
        assert one.names == other.names
    assert [path.name for path in (nowhere / "own").iterdir()] == [named.archive.name]


def test_an_archive_that_lacks_a_file_or_has_another(made, nowhere):
    named = made["cifar100"]
    folder, archive = nowhere / "data" / named.pickled, nowhere / "data" / named.archive.name
    (folder / "test").write_bytes(b"another")
    packed(named, nowhere / "data", archive)
    with pytest.raises(DataError, match=r'tar\.gz/test" is not the file that its authors publish'):
        load_data("cifar100", PREPROCESS, offline=True)
    folder.mkdir()
    packed(named, nowhere / "data", archive)
    with pytest.raises(DataError, match=r'tar\.gz" has no "cifar-100-python/meta"'):
        load_data("cifar100", PREPROCESS, offline=True)


class Handler(BaseHTTPRequestHandler):
    """Sends an archive: the whole of it, what is asked for, half of it, or with one bit changed."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        how, name = self.path.strip("/").split("/")
        body = self.server.files[name]
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.server.asked.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        end = len(body) // 2 if how == "cut" else len(body)
        self.wfile.write(body[start : end - 1] + bytes([body[end - 1] ^ (how == "altered")]))
        self.close_connection = True


@pytest.fixture
def server(made, nowhere, monkeypatch):
    """Serves the archives of both sets, which are nowhere else."""
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.files = [], {}
        for name, named in made.items():
            packed(named, nowhere / "data", archive := nowhere / named.archive.name)
            server.files[archive.name] = body = archive.read_bytes()
            archive.unlink()
            pinned = PinnedFile(archive.name, len(body), hashlib.sha256(body).hexdigest())
            made[name] = replace(named, archive=pinned)
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_set_that_is_nowhere_is_downloaded_once(server, made, nowhere, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere / "cache"))
    for name, named in list(made.items()):
        made[name] = replace(named, url=f"{server.url}/whole/")
        for offline in (False, True):
            pixels, labels = images(10, 4)
            data = load_data(name, PREPROCESS, offline=offline)
            assert torch.equal(data.test.pixels, torch.from_numpy(pixels.reshape(4, 3, 32, 32)))
            assert data.test.labels.tolist() == labels
        archive = nowhere / "cache" / "convatlas" / named.archive.name
        assert archive.read_bytes() == server.files[archive.name]
    assert server.asked == [0, 0]


def test_a_download_that_is_cut_goes_on_and_an_altered_one_is_not_kept(server, made, nowhere):
    named, cache = made["cifar100"], nowhere / ".cache" / "convatlas"
    size = named.archive.size
    made["cifar100"] = replace(named, url=f"{server.url}/cut/")
    with pytest.raises(DataError, match=f"connection was cut after {size // 2:,} of {size:,} bytes, which are kept"):
        load_data("cifar100", PREPROCESS)
    made["cifar100"] = replace(named, url=f"{server.url}/altered/")
    with pytest.raises(DataError, match=r"cifar100 is not on this computer and cannot .*: checksum mismatch"):
        load_data("cifar100", PREPROCESS)
    assert not [path for path in cache.iterdir() if path.suffix != ".lock"]
    made["cifar100"] = replace(named, url=f"{server.url}/whole/")
    assert len(load_data("cifar100", PREPROCESS).test) == 4
    assert server.asked == [0, size // 2, 0]


def test_the_archives_are_pinned_as_torchvision_has_them():
    for named, peer in ((CIFAR10, theirs.CIFAR10), (CIFAR100, theirs.CIFAR100)):
        assert named.url + named.archive.name == peer.url
        assert named.archive.name == peer.filename
        assert re.fullmatch("[0-9a-f]{64}", named.archive.sha256)


@pytest.mark.parametrize("name", CIFAR_SETS)
def test_sets_that_are_nowhere(nowhere, monkeypatch, name):
    archive = CIFAR_SETS[name].archive.name
    with pytest.raises(DataError) as caught:
        load_data(name, PREPROCESS, offline=True)
    assert str(caught.value) == (
        f"{name} is not on this computer, and --offline forbids to download it. Do: put {archive} as it is (or "
        f"train.parquet and test.parquet in {name}-jpeg) into $CONVATLAS_DATA/ (CONVATLAS_DATA is not set: set it to a "
        "folder of yours)."
    )
    assert not (nowhere / ".cache").exists()
    # A proxy that is not there: no packet leaves this machine.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(DataError, match=rf"{name} is not on this computer and cannot .*no connection.*put {archive}"):
        load_data(name, PREPROCESS)
