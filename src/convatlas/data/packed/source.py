"""The encoded images of any DATA argument, for whoever wants all of them and not what training makes of them."""

import io
from pathlib import Path

import torch
from PIL import Image

from convatlas.data.hub import HubShards
from convatlas.data.images import Data
from convatlas.data.listing import Listing
from convatlas.data.packed.load import PackedSet, read_packed
from convatlas.data.packed.reading import RowGroups, groups_of
from convatlas.data.pinned import IDX_SETS
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import list_data, load_data, packed_place


def list_any(data: str | Path, *, offline: bool = False) -> Listing:
    """List the images that a DATA argument means.

    Args:
        data: as for `load_data`.
        offline: never download.

    Raises:
        UsageError: neither a named set nor a path, or what reads it is not installed.
        DataError: the data set is not there or is not as it must be.
        StorageError: a folder cannot be listed.
    """
    if isinstance(data, str) and data in ("mnist5k", *IDX_SETS):
        return _of_pixels(load_data(data, Preprocess(), offline=offline))
    place = packed_place(data, offline=offline)
    return list_data(data, offline=offline) if place is None else _of_shards(place)


def _of_pixels(data: Data) -> Listing:
    parts = {"train": data.train, "test": data.test}
    places = [(images, item) for images in parts.values() for item in range(len(images))]

    def read(index: int) -> bytes:
        images, item = places[index]
        stream = io.BytesIO()
        Image.fromarray(images.stored(torch.tensor([item]))[0, 0].numpy()).save(stream, "PPM")
        return stream.getvalue()

    return Listing(
        classes=data.classes,
        names=tuple(name for images in parts.values() for name in images.names),
        labels=tuple(label for images in parts.values() for label in images.labels.tolist()),
        parts=tuple(part for part, images in parts.items() for _ in range(len(images))),
        read=read,
        container="file",
        complete=False,
        notes=data.notes,
    )


def _of_shards(place: Path | HubShards) -> Listing:
    found = read_packed(place)
    groups = {part: RowGroups(index) for part, index in found.parts.items()}
    places = [(part, image) for part, index in found.parts.items() for image in range(len(index))]

    def read(index: int) -> bytes:
        part, image = places[index]
        return groups[part].read(image)

    return Listing(
        classes=found.classes,
        names=tuple(name for part in groups.values() for name in part.names()),
        labels=tuple(label for index in found.parts.values() for label in index.labels.tolist()),
        parts=tuple(part for part, _ in places),
        read=read,
        container="part of the shards",
        complete=False,
        notes=found.notes,
        groups=_groups(found),
    )


def _groups(found: PackedSet) -> tuple[str, ...]:
    return tuple(group for index in found.parts.values() for group in groups_of(index))
