"""The images of a DATA argument one by one, as they are stored, for whoever looks at files and not at pixels.

A further kind of DATA needs one function that returns a `Records`.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from convatlas.data.decode import printable
from convatlas.data.folder import find_parts, list_parts, require_folder
from convatlas.data.groups import read_groups
from convatlas.data.hub import HubShards
from convatlas.data.images import Data
from convatlas.data.listing import Listing, require_images
from convatlas.data.packed.load import read_packed
from convatlas.data.packed.reading import RowGroups, groups_of
from convatlas.data.parquet import is_parquet, iterate_images, part_files, read_labels, row_names
from convatlas.data.pinned import IDX_SETS
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import is_batches, is_hub, list_data, load_data, packed_place, path_of
from convatlas.data.table import PARTS, is_table, list_table
from convatlas.data.tree import Folder, look_through
from convatlas.errors import DataError

TRAIN = "train"
Stream = io.BytesIO | io.BufferedReader


@dataclass(frozen=True, slots=True)
class Record:
    """One image as it is stored.

    Attributes:
        name: its path below the data set's folder, or like "train/0123".
        part: "train", "val", "test" or the name of another folder beside them.
        label: the class's name; None if it lies in no class folder.
        suffix: the file's ending in lower case, "" if it has none.
        open: gives its bytes; raises OSError.
        group: what it must not be parted from; None if that is not known.
    """

    name: str
    part: str
    label: str | None
    suffix: str
    open: Callable[[], Stream]
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """All images of a data set.

    Attributes:
        name: what the user typed.
        count: number of records.
        parts: names of the parts, "train" first.
        classes: names of the classes, those without images too.
        records: goes through them, part by part; may be called again.
        notes: what was ignored.
        encoded: whether the records are as the user has them; else they are pixels that were encoded for this.
        refused: why `load_data` would refuse the data set, apart from images that cannot be decoded.
    """

    name: str
    count: int
    parts: tuple[str, ...]
    classes: tuple[str, ...]
    records: Callable[[], Iterator[Record]]
    notes: tuple[str, ...] = ()
    encoded: bool = True
    refused: str | None = None


def list_records(data: str | Path, *, offline: bool = False) -> Records:
    """List the images that a DATA argument means; a layout that `load_data` refuses is listed as far as it goes.

    Args:
        data: as for `load_data`.
        offline: never download.

    Raises:
        UsageError: neither a named set nor a path, or Parquet without pyarrow.
        DataError: the data set is not there or has no image.
        StorageError: a folder cannot be listed.
    """
    if isinstance(data, str) and data in ("mnist5k", *IDX_SETS):
        return _list_pixels(load_data(data, Preprocess(), offline=offline))
    if is_hub(data) or is_batches(data):
        return _list_listing(list_data(data, offline=offline), str(data), encoded=is_hub(data))
    place = packed_place(data, offline=offline)
    if place is not None:
        return _list_packed(place, str(data))
    path = path_of(data)
    if is_table(path):
        return _list_table(path, str(data))
    return _list_parquet(path, str(data)) if is_parquet(path) else _list_folder(path, str(data))


def _list_table(path: Path, name: str) -> Records:
    found = list_table(path)

    def records() -> Iterator[Record]:
        for part in parts:
            for index, (image, own) in enumerate(zip(found.names, found.parts, strict=True)):
                if own == part:
                    label = found.classes[found.labels[index]]
                    yield Record(
                        *(image, part, label, Path(image).suffix.lower(), _opener(path.parent / image)),
                        found.groups[index] if found.groups else None,
                    )

    parts = tuple(part for part in (TRAIN, "val", "test") if part in found.parts)
    try:
        require_images(found, range(len(found.names)))
        refused = None
    except DataError as error:
        refused = error.what
    return Records(name, len(found.names), parts, found.classes, records, refused=refused)


def _list_folder(root: Path, name: str) -> Records:
    require_folder(root, name)
    tree, ignored = look_through(root)
    notes, refused = ignored.notes(), None
    try:
        parts, more = find_parts(tree)
        notes += more
    except DataError as error:
        parts, refused = _loose_parts(tree), error.what
    else:
        try:
            list_parts(parts, root)
        except DataError as error:
            refused = error.what
    ordered = sorted(parts, key=lambda part: ([TRAIN, "val", "test", part].index(part), part))
    classes = dict.fromkeys(child.path.name for part in ordered for child in parts[part].folders)
    files = [
        (path, part, label)
        for part in ordered
        for label, images in [
            (None, parts[part].images),
            *((child.path.name, child.all_images()) for child in parts[part].folders),
        ]
        for path in images
    ]
    if not files:
        raise DataError(
            f'no image in "{printable(name)}"', do="give a folder that has a folder of images for each class"
        )

    def records() -> Iterator[Record]:
        for path, part, label in files:
            yield Record(path.relative_to(root).as_posix(), part, label, path.suffix.lower(), _opener(path))

    return Records(name, len(files), tuple(ordered), tuple(classes), records, tuple(notes), refused=refused)


def _loose_parts(tree: Folder) -> dict[str, Folder]:
    """The parts of a folder that has another layout than `find_parts` wants, by their names alone."""
    names = [folder.path.name for folder in tree.folders]
    if tree.images or TRAIN not in map(str.lower, names):
        return {TRAIN: tree}
    parts: dict[str, Folder] = {}
    for folder in tree.folders:
        part = PARTS.get(folder.path.name.lower(), folder.path.name)
        parts[folder.path.name if part in parts else part] = folder
    return parts


def _opener(path: Path) -> Callable[[], Stream]:
    return lambda: path.open("rb")


def _list_parquet(path: Path, name: str) -> Records:
    files = part_files(path)
    labels = {part: read_labels(file) for part, file in files.items()}
    groups = {part: read_groups(file) for part, file in files.items()}
    classes = dict.fromkeys(label for _, names in labels.values() for label in names)
    differ = any(names != labels[TRAIN][1] for _, names in labels.values())

    def records() -> Iterator[Record]:
        for part, file in files.items():
            numbers, names = labels[part]
            rows = (
                row_names(part, len(numbers)),
                numbers,
                iterate_images(file),
                groups[part] or repeat(None, len(numbers)),
            )
            for row, number, image, group in zip(*rows, strict=True):
                yield Record(row, part, names[number], "", _from_memory(image), group)

    return Records(
        name,
        sum(len(numbers) for numbers, _ in labels.values()),
        tuple(files),
        tuple(classes),
        records,
        refused="the parts have different classes" if differ else None,
    )


def _list_packed(path: Path | HubShards, name: str) -> Records:
    found = read_packed(path)

    def records() -> Iterator[Record]:
        for part, index in found.parts.items():
            groups = groups_of(index) if index.has_groups else repeat(None, len(index))
            rows = zip(RowGroups(index).in_order(), index.labels, groups, strict=True)
            for (image, data), label, group in rows:
                suffix = Path(image).suffix.lower() if found.is_ours else ""
                yield Record(image, part, found.classes[int(label)], suffix, _from_memory(data), group)

    count = sum(map(len, found.parts.values()))
    return Records(name, count, tuple(found.parts), found.classes, records, found.notes)


def _list_listing(found: Listing, name: str, *, encoded: bool) -> Records:
    parts = tuple(part for part in (TRAIN, "val", "test") if part in found.parts)

    def records() -> Iterator[Record]:
        for part in parts:
            for index, (image, own) in enumerate(zip(found.names, found.parts, strict=True)):
                if own == part:
                    group = found.groups[index] if found.groups else None
                    label = found.classes[found.labels[index]]
                    yield Record(image, part, label, "", _reader(found, index), group)

    return Records(name, len(found.names), parts, found.classes, records, found.notes, encoded=encoded)


def _reader(found: Listing, index: int) -> Callable[[], Stream]:
    return lambda: io.BytesIO(found.read(index))


def _from_memory(image: bytes | None) -> Callable[[], Stream]:
    def opened() -> Stream:
        if image is None:
            raise OSError(0, "the row has no encoded image")
        return io.BytesIO(image)

    return opened


def _list_pixels(data: Data) -> Records:
    parts = {TRAIN: data.train, "test": data.test}

    def records() -> Iterator[Record]:
        for part, images in parts.items():
            for index, name in enumerate(images.names):
                label = data.classes[int(images.labels[index])]
                yield Record(name, part, label, "", _encoder(images.stored(torch.tensor([index]))[0, 0]))

    count = sum(map(len, parts.values()))
    return Records(data.name, count, tuple(parts), data.classes, records, data.notes, encoded=False)


def _encoder(pixels: Tensor) -> Callable[[], Stream]:
    def opened() -> Stream:
        stream = io.BytesIO()
        Image.fromarray(pixels.numpy()).save(stream, "PPM")
        stream.seek(0)
        return stream

    return opened
