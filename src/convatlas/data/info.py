"""What a data set is, without decoding all of it: kind, images of each part and class, sizes."""

import io
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch

from convatlas.data.check import spread
from convatlas.data.decode import DecodeError, decode
from convatlas.data.packed.load import read_packed
from convatlas.data.packed.reading import RowGroups
from convatlas.data.packed.source import list_any
from convatlas.data.parquet import is_parquet
from convatlas.data.source import NAMED_SETS, is_hub, packed_place, path_of
from convatlas.data.table import is_table

MEASURED = 200
"""Images that are decoded to tell sizes, evenly spread."""


@dataclass(frozen=True, slots=True)
class Info:
    """What is known of a data set.

    Attributes:
        name: what the user typed.
        kind: in words.
        classes: their names.
        parts: for each part the number of images of each class, as they come; training may hold out more.
        sizes: width and height of the images that were measured, upright.
        measured: number of these images.
        size: bytes of all encoded images, by those measured.
        streams: whether training reads it in blocks instead of keeping it in memory.
        notes: remarks for the user.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    parts: dict[str, list[int]]
    sizes: list[tuple[int, int]]
    measured: int
    size: int
    streams: bool
    notes: tuple[str, ...]

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(sum(counts) for counts in self.parts.values())

    def as_json(self) -> dict[str, Any]:
        """As `convatlas data info --json` prints it."""
        counts = [sum(of_parts) for of_parts in zip(*self.parts.values(), strict=True)]
        return {
            "data": self.name,
            "kind": self.kind,
            "images": self.images,
            "classes": dict(zip(self.classes, counts, strict=True)),
            "splits": {part: dict(zip(self.classes, own, strict=True)) for part, own in self.parts.items()},
            "width": spread([width for width, _ in self.sizes]),
            "height": spread([height for _, height in self.sizes]),
            "bytes": self.size,
            "measured": self.measured,
            "streams": self.streams,
            "notes": list(self.notes),
        }


def info(data: str | Path, *, offline: bool = False) -> Info:
    """Look at a data set's index and at some of its images.

    Args:
        data: as for `load_data`.
        offline: never download.

    Raises:
        UsageError: neither a named set nor a path, or what reads it is not installed.
        DataError: the data set is not there or is not as it must be.
        StorageError: a folder cannot be listed.
    """
    place = packed_place(data, offline=offline)
    if place is not None:
        packed = read_packed(place)
        read = _reader([RowGroups(part) for part in packed.parts.values()])
        labels, classes, notes = {n: p.labels for n, p in packed.parts.items()}, packed.classes, packed.notes
        kind = "Parquet shards, packed by convatlas" if packed.is_ours else "Parquet shards"
    else:
        listing = list_any(data, offline=offline)
        numbers, read = torch.tensor(listing.labels), listing.read
        parts = dict.fromkeys(sorted(set(listing.parts), key=["train", "val", "test"].index))
        labels = {p: numbers[torch.tensor([own == p for own in listing.parts])] for p in parts}
        classes, notes, kind = listing.classes, listing.notes, _kind(data)
    total = sum(map(len, labels.values()))
    sizes, length, measured = _measure(total, read)
    return Info(
        name=str(data),
        kind=kind,
        classes=classes,
        parts={part: own.bincount(minlength=len(classes)).tolist() for part, own in labels.items()},
        sizes=sizes,
        measured=measured,
        size=length * total // max(1, measured),
        streams=place is not None,
        notes=notes,
    )


def _reader(parts: list[RowGroups]) -> Callable[[int], bytes]:
    """Encoded images by their numbers through all parts."""
    starts = [0, *accumulate(len(part.part) for part in parts)]

    def read(index: int) -> bytes:
        part = bisect_right(starts, index) - 1
        return parts[part].read(index - starts[part])

    return read


def _measure(total: int, read: Callable[[int], bytes]) -> tuple[list[tuple[int, int]], int, int]:
    sizes, length = [], 0
    chosen = torch.linspace(0, total - 1, min(total, MEASURED)).round().long().tolist()
    for index in chosen:
        try:
            data = read(index)
            length += len(data)
            sizes.append(decode(io.BytesIO(data), "").size)
        except (DecodeError, OSError):
            # Which ones cannot be decoded is the question of `check`.
            continue
    return sizes, length, len(chosen)


def _kind(data: str | Path) -> str:
    if is_hub(data):
        return "Hugging Face data set"
    if isinstance(data, str) and data in NAMED_SETS:
        return "named set"
    path = path_of(data)
    if is_table(path):
        return "table of paths"
    return "Parquet file of images" if is_parquet(path) else "folder of class folders"
