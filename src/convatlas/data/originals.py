"""Encoded images that are decoded when they are asked for, and kept decoded while there is room in memory."""

import hashlib
import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convatlas.data.decode import DecodeError, decode, decode_stored, in_mode
from convatlas.data.jpeg import jpeg_pixels
from convatlas.data.mishaps import said_of
from convatlas.data.preprocess import Preprocess
from convatlas.data.same import Picture, picture_of

# The shorter side that is wanted for crops, in sides of the network's input.
_SPARE = 2


def pixels_for_crops(data: bytes, name: str, preprocess: Preprocess) -> Tensor:
    """An image that random parts are cut out of: uint8 (C, H, W), upright, in memory a pixel's channels side by side.

    A JPEG that is much larger than the input is decoded at a fraction of its size, which its format makes quick: the
    shorter side stays at twice the input's or more.

    Args:
        data: the image's file.
        name: what errors call it.
        preprocess: what the network's input is.

    Raises:
        DecodeError: if it cannot be decoded.
    """
    pixels = jpeg_pixels(data, preprocess.channels, shorter=_SPARE * max(preprocess.size))
    if pixels is not None:
        return pixels
    return _pixels(decode(io.BytesIO(data), name, shorter=_SPARE * max(preprocess.size)), preprocess)


def _pixels(image: Image.Image, preprocess: Preprocess) -> Tensor:
    image = in_mode(image, "L" if preprocess.channels == 1 else "RGB")
    return torch.from_numpy(np.array(image).reshape(image.height, image.width, -1)).permute(2, 0, 1)


class Originals:
    """The images of a data set as they are in their files.

    What is kept decoded is only a matter of speed: equal calls give equal pixels. Several threads may call.

    Args:
        read: gives a file's bytes at an index; raises OSError.
        names: what errors call the images.
        preprocess: what the network's input is.
        room: bytes that decoded images may take.
    """

    def __init__(self, read: Callable[[int], bytes], names: Sequence[str], preprocess: Preprocess, room: int) -> None:
        self.preprocess = preprocess
        self.names = names
        self._read, self._room, self._lock = read, room, threading.Lock()
        self.sizes = np.zeros((len(names), 2), np.int32)
        """Height and width of the images that were decoded, perhaps at a fraction of their size; 0 of the others."""
        self._decoded: dict[int, Tensor] = {}
        self._stored: dict[int, Tensor] = {}

    def verify(self, index: int) -> Picture:
        """Decode an image, by the decoder that judges whether it is whole, and keep it if there is room.

        Raises:
            DecodeError: if it cannot be decoded or read.
        """
        data = self._bytes(index)
        shorter = _SPARE * max(self.preprocess.size)
        image, stored = decode_stored(io.BytesIO(data), self.names[index], shorter=shorter)
        self._keep(self._decoded, index, _pixels(image, self.preprocess))
        self.sizes[index] = image.height, image.width
        return picture_of(hashlib.sha256(data).hexdigest(), image, stored, shorter=shorter)

    def prepared(self, index: int) -> tuple[Picture, Tensor]:
        """What picture an image is, and what `stored` gives; nothing is kept.

        Raises:
            DecodeError: if it cannot be decoded or read.
        """
        data = self._bytes(index)
        image, stored = decode_stored(io.BytesIO(data), self.names[index])
        self.sizes[index] = image.height, image.width
        return picture_of(hashlib.sha256(data).hexdigest(), image, stored), self.preprocess.prepare(image)

    def whole(self, index: int) -> Image.Image:
        """An image as it is in its file: 8-bit grey or RGB, upright; nothing is kept.

        Raises:
            DecodeError: if it cannot be decoded or read.
        """
        return decode(io.BytesIO(self._bytes(index)), self.names[index])

    def decoded(self, index: int, digest: str | None = None) -> Tensor:
        """An image for training, see `pixels_for_crops`.

        Args:
            index: which one.
            digest: the SHA-256 in hex that its file had.

        Raises:
            DecodeError: if it cannot be decoded or read any more, or has changed.
        """
        found = self._decoded.get(index)
        if found is not None:
            return found
        pixels = pixels_for_crops(self._bytes(index, digest), self.names[index], self.preprocess)
        return self._keep(self._decoded, index, pixels)

    def stored(self, index: int, digest: str | None = None) -> Tensor:
        """An image for evaluation, in the stored form of `Preprocess`: uint8 (C, h, w); otherwise as `decoded`."""
        found = self._stored.get(index)
        if found is not None:
            return found
        image = decode(io.BytesIO(self._bytes(index, digest)), self.names[index])
        return self._keep(self._stored, index, self.preprocess.prepare(image))

    def _bytes(self, index: int, digest: str | None = None) -> bytes:
        try:
            data = self._read(index)
        except OSError as error:
            raise DecodeError(self.names[index], f"cannot be read ({error.strerror})") from error
        if digest is not None and hashlib.sha256(data).hexdigest() != digest:
            raise DecodeError(self.names[index], "its file has changed since it was checked")
        return data

    def _keep(self, kept: dict[int, Tensor], index: int, pixels: Tensor) -> Tensor:
        with self._lock:
            if index not in kept and pixels.numel() <= self._room:
                self._room -= pixels.numel()
                kept[index] = pixels
        return pixels


@dataclass(frozen=True, slots=True, eq=False)
class LazyImages:
    """Labelled images that are decoded when a batch needs them; the counterpart of `Images`.

    Attributes:
        originals: where they come from.
        indices: which of them, int64 (N,).
        labels: int64 (N,), indices into the data set's classes.
        names: for each image its path relative to the data set's folder.
        digests: for each image the SHA-256 of its file in hex.
        groups: for each image what it must not be parted from: images of equal text stay together in every split.
    """

    originals: Originals
    indices: Tensor
    labels: Tensor
    names: tuple[str, ...]
    digests: tuple[str, ...]
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: Tensor) -> "LazyImages":
        """The images at `indices` (int64), in that order."""
        chosen = indices.tolist()
        return LazyImages(
            self.originals,
            self.indices[indices],
            self.labels[indices],
            tuple(self.names[i] for i in chosen),
            tuple(self.digests[i] for i in chosen),
            tuple(self.groups[i] for i in chosen) if self.groups else (),
        )

    def stored(self, items: Tensor) -> Tensor:
        """Images at the positions `items` for evaluation: uint8 (N, C, h, w)."""
        return torch.stack([self._stored(item) for item in items.tolist()])

    def original(self, item: int) -> Tensor:
        """What random parts of an image are cut out of, uint8 (C, H, W); see `Originals.decoded`."""
        return self.originals.decoded(int(self.indices[item]), self.digests[item])

    def _stored(self, item: int) -> Tensor:
        with said_of(lambda: (self.names[item],)):
            return self.originals.stored(int(self.indices[item]), self.digests[item])

    @property
    def digest(self) -> bytes:
        """SHA-256 of the files' contents, for the data set's fingerprint."""
        return hashlib.sha256("".join(self.digests).encode()).digest()
