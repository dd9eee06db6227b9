"""What a data set is once it is loaded: pixels in the stored form, labels, names."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from PIL import Image
from torch import Tensor

from convatlas.data.originals import LazyImages
from convatlas.data.packed.images import StreamedImages
from convatlas.data.preprocess import Background

_DARK_BELOW, _LIGHT_ABOVE, _EVEN_SHARE = 26, 229, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Labelled images in memory.

    Attributes:
        pixels: uint8 (N, C, h, w), the stored form of `Preprocess`.
        labels: int64 (N,), indices into the data set's classes.
        names: for each image its path relative to the data set's folder, or like "mnist5k/0123".
        groups: for each image what it must not be parted from: images of equal text stay together in every split.
    """

    pixels: Tensor
    labels: Tensor
    names: tuple[str, ...]
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def stored(self, items: Tensor) -> Tensor:
        """The pixels of the images at `items` (int64), uint8 (n, C, h, w)."""
        return self.pixels.index_select(0, items)

    def original(self, item: int) -> Tensor:
        """What random parts of an image are cut out of, uint8 (C, H, W): the stored form, as nothing else is kept."""
        return self.pixels[item]

    def subset(self, indices: Tensor) -> "Images":
        """The images at `indices` (int64), in that order."""
        chosen = indices.tolist()
        return Images(
            self.pixels[indices],
            self.labels[indices],
            tuple(self.names[i] for i in chosen),
            tuple(self.groups[i] for i in chosen) if self.groups else (),
        )


AnyImages: TypeAlias = Images | LazyImages | StreamedImages


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A data set that is ready for training and evaluation.

    Attributes:
        name: what the user typed.
        classes: the classes' names; a label is an index into them.
        train: the images to learn from.
        test: the images that only evaluation sees.
        validation: only when the data brings its own.
        background: the even background of the training images, if there is one.
        notes: one-line remarks for the user, such as what was ignored.
        fingerprint: SHA-256 in hex of the classes and of every part's names, labels and pixels, or files, or shards.
        raw: gives the image of a name as it was before preprocessing, 8-bit grey or RGB, upright; raises DecodeError.
            None where that is not kept, and where the images are streamed; see `raw_of`.
    """

    name: str
    classes: tuple[str, ...]
    train: AnyImages
    test: AnyImages
    validation: AnyImages | None
    background: Background | None
    notes: tuple[str, ...]
    fingerprint: str
    raw: Callable[[str], Image.Image] | None = None


def make_data(
    name: str,
    classes: tuple[str, ...],
    train: AnyImages,
    test: AnyImages,
    *,
    validation: AnyImages | None = None,
    notes: Iterable[str] = (),
    raw: Callable[[str], Image.Image] | None = None,
) -> Data:
    """Complete a data set by its background and its fingerprint."""
    return Data(
        name=name,
        classes=classes,
        train=train,
        test=test,
        validation=validation,
        background=background_of(train.pixels) if isinstance(train, Images) else None,
        notes=tuple(notes),
        fingerprint=_fingerprint(classes, [part for part in (train, test, validation) if part is not None]),
        raw=raw,
    )


def raw_of(data: Data, images: AnyImages) -> Callable[[int], Image.Image] | None:
    """Gives an image by its position in `images` as it was before preprocessing; None where that is not kept.

    Args:
        data: what `images` are a part of.
        images: one of its parts, or a selection.
    """
    if isinstance(images, StreamedImages):
        return images.whole
    raw = data.raw
    return None if raw is None else lambda item: raw(images.names[item])


def background_of(pixels: Tensor) -> Background | None:
    """Find the even background of a set of figures from the outermost pixels of all images.

    Args:
        pixels: uint8 (N, C, h, w).

    Returns:
        "dark" if at least 90 % of the border pixels are below 26 of 255 in every channel, "light" if at least 90 % are
        above 229, else None.
    """
    if pixels.numel() == 0:
        return None
    edge = torch.zeros(pixels.shape[-2:], dtype=torch.bool)
    edge[0] = edge[-1] = True
    edge[:, 0] = edge[:, -1] = True
    border = pixels[:, :, edge]
    total = border.shape[0] * border.shape[2]
    # The small tolerance keeps a share of exactly 90 % on the right side of its rounding.
    needed = _EVEN_SHARE * total - 1e-6
    if int((border.amax(dim=1) < _DARK_BELOW).sum()) >= needed:
        return "dark"
    if int((border.amin(dim=1) > _LIGHT_ABOVE).sum()) >= needed:
        return "light"
    return None


def listing_digest(data: Data) -> str:
    """SHA-256 in hex of the classes and of every part's names, labels and files: the same for any preprocessing.

    Of files that a column of groups ties together, the groups stand for their contents.
    """
    digest = hashlib.sha256(json.dumps(data.classes).encode())
    for part in (data.train, data.test, data.validation):
        if part is None:
            continue
        # Images that are not of a group of their own have their file's digest for it.
        named = part.digest if isinstance(part, StreamedImages) else json.dumps([part.names, part.groups]).encode()
        digest.update(named)
        digest.update(part.labels.long().contiguous().numpy().data)
    return digest.hexdigest()


def _fingerprint(classes: tuple[str, ...], parts: list[AnyImages]) -> str:
    digest = hashlib.sha256()
    shapes = [list(part.pixels.shape) if isinstance(part, Images) else [len(part)] for part in parts]
    # Those of images in shards are not in memory; the shards' digest has them.
    names = [() if isinstance(part, StreamedImages) else part.names for part in parts]
    head = {"classes": classes, "parts": list(zip(shapes, names, strict=True))}
    digest.update(json.dumps(head).encode())
    for part in parts:
        digest.update(part.labels.contiguous().numpy().data)
        digest.update(part.pixels.contiguous().numpy().data if isinstance(part, Images) else part.digest)
    return digest.hexdigest()
