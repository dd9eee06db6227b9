"""CIFAR-10 and CIFAR-100 as their authors publish them: pickled batches, unpacked or in their archive, or binary ones.

The pickled files are read only if their MD5 is the one that torchvision knows, and by an unpickler that can make
arrays, lists, dictionaries, texts and numbers and nothing else. A set that is nowhere is downloaded as its archive,
which is kept and never unpacked.
"""

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convatlas.data.archive import read_members
from convatlas.data.decode import printable
from convatlas.data.download import download
from convatlas.data.listing import Listing
from convatlas.data.parquet import row_names
from convatlas.data.pinned import PinnedFile
from convatlas.data.places import cache_root, own_root, said_own, torchvision_roots
from convatlas.errors import DataError, UnsafeError

_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE
_PPM = b"P6 32 32 255\n"
# Each of the two archives holds 186 million bytes.
_UNPACKED_LIMIT = 1 << 28
_ALLOWED = {
    (module, name)
    for module, name in (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    )
}


@dataclass(frozen=True, slots=True)
class CifarSet:
    """One of the two sets.

    Attributes:
        name: what the user types.
        url: folder on the web, ending in a slash.
        archive: the pickled batches as they are downloaded, a tar.gz.
        pickled: folder of the pickled batches, in the archive too.
        train, test, meta: the pickled files and their MD5, as torchvision has them.
        labels, classes: the keys of the labels in a batch and of their names in `meta`.
        binary: folder of the binary batches.
        binary_train, binary_test, binary_classes: its files.
        label_bytes: bytes before an image's pixels; the last of them is the label.
    """

    name: str
    url: str
    archive: PinnedFile
    pickled: str
    train: Mapping[str, str]
    test: Mapping[str, str]
    meta: Mapping[str, str]
    labels: bytes
    classes: bytes
    binary: str
    binary_train: tuple[str, ...]
    binary_test: tuple[str, ...]
    binary_classes: str
    label_bytes: int


_AUTHORS = "https://www.cs.toronto.edu/~kriz/"

CIFAR10 = CifarSet(
    name="cifar10",
    url=_AUTHORS,
    archive=PinnedFile(
        "cifar-10-python.tar.gz", 170498071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    ),
    pickled="cifar-10-batches-py",
    train={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test={"test_batch": "40351d587109b95175f43aff81a1287e"},
    meta={"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
    labels=b"labels",
    classes=b"label_names",
    binary="cifar-10-batches-bin",
    binary_train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    binary_test=("test_batch.bin",),
    binary_classes="batches.meta.txt",
    label_bytes=1,
)

CIFAR100 = CifarSet(
    name="cifar100",
    url=_AUTHORS,
    archive=PinnedFile(
        "cifar-100-python.tar.gz", 169001437, "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"
    ),
    pickled="cifar-100-python",
    train={"train": "16019d7e3df5f24257cddd939b257f8d"},
    test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    meta={"meta": "7973b15100ade9c7d40fb424638fde48"},
    labels=b"fine_labels",
    classes=b"fine_label_names",
    binary="cifar-100-binary",
    binary_train=("train.bin",),
    binary_test=("test.bin",),
    binary_classes="fine_label_names.txt",
    label_bytes=2,
)

CIFAR_SETS = {named.name: named for named in (CIFAR10, CIFAR100)}


def cifar_places(named: CifarSet) -> list[Path]:
    """The folders and archives that are looked for, in this order; the last is where a download goes."""
    own = own_root()
    roots = [*([own] if own else []), *torchvision_roots(), cache_root()]
    return [root / file for root in roots for file in (named.pickled, named.binary, named.archive.name)]


def list_cifar(named: CifarSet, *, offline: bool = False) -> Listing:
    """The images of a set, wherever it is found.

    Args:
        named: the set.
        offline: never download.

    Raises:
        DataError: it is nowhere and cannot be downloaded, or a file is missing or altered.
        UnsafeError: a pickle names what is no array, or an archive has what leads outside or is too large.
        BusyError: another process has been downloading it for too long.
        StorageError: the download cannot be written.
    """
    place = next((place for place in cifar_places(named) if _is_there(named, place)), None)
    if place is None:
        if offline:
            raise _missing(named, f"{named.name} is not on this computer, and --offline forbids to download it")
        place = _fetch(named)
    classes, parts = (_read_binary if place.name == named.binary else _read_pickled)(named, place)
    pixels = np.concatenate([images for images, _ in parts.values()])
    pixels = np.ascontiguousarray(pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))
    labels = [int(label) for _, numbers in parts.values() for label in numbers]
    if min(labels) < 0 or max(labels) >= len(classes):
        raise DataError(
            f'"{printable(str(place))}" has labels from {min(labels)} to {max(labels)} and {len(classes)} classes',
            do="replace it by a whole copy",
        )
    return Listing(
        classes=classes,
        names=tuple(name for part, (images, _) in parts.items() for name in row_names(part, len(images))),
        labels=tuple(labels),
        parts=tuple(part for part, (images, _) in parts.items() for _ in range(len(images))),
        # Not compressed, which costs next to nothing and loses nothing.
        read=lambda index: _PPM + pixels[index].tobytes(),
        container="file",
        complete=False,
        notes=(f"read from {place}",),
    )


def _is_there(named: CifarSet, place: Path) -> bool:
    return place.is_file() if place.name == named.archive.name else place.is_dir()


def _fetch(named: CifarSet) -> Path:
    place, file = cifar_places(named)[-1], named.archive
    try:
        download(named.url + file.name, place, sha256=file.sha256, size=file.size)
    except DataError as error:
        raise _missing(named, f"{named.name} is not on this computer and {error.what}") from error
    return place


def _missing(named: CifarSet, what: str) -> DataError:
    files = f"{named.archive.name} as it is (or train.parquet and test.parquet in {named.name}-jpeg)"
    return DataError(what, do=f"put {files} into {said_own()}")


_Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _reader(named: CifarSet, place: Path) -> Callable[[Path], bytes]:
    """Gives each pickled file, named as if the archive were a folder, once."""
    if place.name != named.archive.name:
        return _bytes
    files = [f"{named.pickled}/{file}" for file in (*named.meta, *named.train, *named.test)]
    members = read_members(place, files, limit=_UNPACKED_LIMIT)

    def member(path: Path) -> bytes:
        try:
            # Once, so that the bytes are let go as the arrays are made.
            return members.pop(f"{named.pickled}/{path.name}")
        except KeyError:
            raise DataError(
                f'"{place}" has no "{named.pickled}/{path.name}"', do="delete it and get it from its authors"
            ) from None

    return member


def _read_pickled(named: CifarSet, place: Path) -> tuple[tuple[str, ...], dict[str, _Part]]:
    read = _reader(named, place)
    ((meta, md5),) = named.meta.items()
    names = _unpickled(read, place / meta, md5).get(named.classes)
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise _altered(place / meta)
    parts = {}
    for part, files in (("train", named.train), ("test", named.test)):
        images, labels = [], []
        for file, own in files.items():
            batch = _unpickled(read, place / file, own)
            data, numbers = batch.get(b"data"), batch.get(named.labels)
            if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_PIXELS,):
                raise _altered(place / file)
            if not isinstance(numbers, list) or len(numbers) != len(data):
                raise _altered(place / file)
            images.append(data)
            labels.append(np.array(numbers, np.int64))
        parts[part] = np.concatenate(images), np.concatenate(labels)
    return tuple(name.decode("ascii", "replace") for name in names), parts


def _read_binary(named: CifarSet, place: Path) -> tuple[tuple[str, ...], dict[str, _Part]]:
    row = named.label_bytes + _PIXELS
    parts = {}
    for part, files in (("train", named.binary_train), ("test", named.binary_test)):
        rows = []
        for file in files:
            data = np.frombuffer(_bytes(place / file), np.uint8)
            if not len(data) or len(data) % row:
                raise DataError(
                    f'"{printable(str(place / file))}" has {len(data):,} bytes, which are no {row:,} an image',
                    do="replace it by a whole copy",
                )
            rows.append(data.reshape(-1, row))
        every = np.concatenate(rows)
        parts[part] = every[:, named.label_bytes :], every[:, named.label_bytes - 1].astype(np.int64)
    return tuple(_bytes(place / named.binary_classes).decode("ascii", "replace").split()), parts


def _unpickled(read: Callable[[Path], bytes], path: Path, md5: str) -> dict[bytes, Any]:
    data = read(path)
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5:
        raise _altered(path)
    try:
        found = _Restricted(io.BytesIO(data), encoding="bytes").load()
    except UnsafeError:
        raise
    except Exception as error:  # an unpickler raises whatever its instructions lead to
        raise _altered(path) from error
    if not isinstance(found, dict):
        raise _altered(path)
    return found


class _Restricted(pickle.Unpickler):
    """Makes arrays, and what needs no name: lists, dictionaries, texts, numbers."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise UnsafeError(f'a batch asks for "{printable(f"{module}.{name}")}"', do="get the set from its authors")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f'"{printable(str(path))}" cannot be read ({error.strerror})', do="replace the folder by a whole copy"
        ) from error


def _altered(path: Path) -> DataError:
    return DataError(f'"{printable(str(path))}" is not the file that its authors publish', do="fetch the set again")
