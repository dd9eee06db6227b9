"""A look at a few images of a data set before it is loaded: grey or colour, how large, all alike."""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median_low
from typing import Literal

from PIL import Image

from convatlas.data.decode import FORMATS, SUFFIXES
from convatlas.data.listing import Listing
from convatlas.data.packed.load import read_packed
from convatlas.data.packed.reading import RowGroups
from convatlas.data.parquet import is_parquet, iterate_images, part_files
from convatlas.data.pinned import IDX_SETS
from convatlas.data.source import is_batches, is_hub, list_data, packed_place, path_of
from convatlas.data.table import is_table, list_table

_LOOKED_AT = 64
_OF_A_FOLDER = 2
_GREY = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"))
_SIDE = 28


@dataclass(frozen=True, slots=True)
class Headers:
    """What a few training images are like, by their headers.

    Attributes:
        images: how many were looked at.
        channels: 1 if all of them are grey, otherwise 3.
        shorter: the median of their shorter sides, in pixels.
        is_square: whether all are squares of one size.
    """

    images: int
    channels: Literal[1, 3]
    shorter: int
    is_square: bool


def read_headers(data: str | Path, *, offline: bool = False) -> Headers | None:
    """Read the headers of some of the images that a DATA argument means; none is decoded.

    Args:
        data: see `load_data`.
        offline: never download.

    Returns:
        None where no image is found; loading the data says what is wrong with it.

    Raises:
        UsageError: neither a named set nor a path, or Parquet without pyarrow.
        DataError: a table or a Parquet file that cannot be read.
    """
    if data == "mnist5k" or (isinstance(data, str) and data in IDX_SETS):
        return Headers(1, 1, _SIDE, is_square=True)
    headers = list(islice((header for file in _files(data, offline) if (header := _header(file))), _LOOKED_AT))
    if not headers:
        return None
    sizes = [size for _, size in headers]
    return Headers(
        images=len(headers),
        channels=1 if all(mode in _GREY for mode, _ in headers) else 3,
        shorter=median_low(min(size) for size in sizes),
        is_square=len(set(sizes)) == 1 and sizes[0][0] == sizes[0][1],
    )


def _files(data: str | Path, offline: bool) -> Iterator[Path | bytes]:
    """Encoded images, or where they lie, from all over the data set; always the same ones."""
    if is_hub(data) or is_batches(data):
        yield from _of_listing(list_data(data, offline=offline))
        return
    place = packed_place(data, offline=offline)
    if place is not None:
        train = RowGroups(read_packed(place).parts["train"])
        yield from (train.read(image) for image in _spread(len(train.part)))
        return
    path = path_of(data)
    if is_table(path):
        yield from _of_listing(list_table(path))
    elif is_parquet(path):
        yield from (image for image in iterate_images(part_files(path)["train"]) if image is not None)
    elif path.is_dir():
        yield from _of_each_folder(path / "train" if (path / "train").is_dir() else path)


def _of_listing(listing: Listing) -> Iterator[bytes]:
    train = [image for image, part in enumerate(listing.parts) if part == "train"]
    for place in _spread(len(train)):
        with suppress(OSError):
            yield listing.read(train[place])


def _spread(count: int) -> range:
    return range(0, count, max(1, count // _LOOKED_AT))


def _of_each_folder(root: Path) -> Iterator[Path]:
    """The first images of every folder, without a walk through all of a large data set."""
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        images: Iterable[str] = sorted(name for name in files if Path(name).suffix.lower() in SUFFIXES)
        yield from (Path(folder) / name for name in islice(images, _OF_A_FOLDER))


def _header(file: Path | bytes) -> tuple[str, tuple[int, int]] | None:
    """Pillow's mode, and width and height; None for what is no image."""
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS) as image:
            return image.mode, image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
