"""Images that stay in their shards: read in row groups and decoded when a batch needs them, and not kept."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from convatlas.data.decode import DecodeError, decode
from convatlas.data.mishaps import said_of
from convatlas.data.order import balanced_times
from convatlas.data.originals import pixels_for_crops
from convatlas.data.packed.order import BlockOrder, weights
from convatlas.data.packed.reading import Names, RowGroups
from convatlas.data.preprocess import Preprocess

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True, eq=False)
class StreamedImages:
    """Labelled images of a part of a packed set, the counterpart of `Images`.

    In memory are 2 bytes an image, 4 more if they are a selection, 4 more in a balanced pass, and the row groups that
    were read last.

    Attributes:
        shards: where they lie.
        preprocess: what the network's input is.
        chosen: which of the part's images, sorted, int32 (N,); None for all.
        labels: int16 (N,), indices into the data set's classes.
        groups: for each image what it must not be parted from, where a split is still to be made; else nothing.
    """

    shards: RowGroups
    preprocess: Preprocess
    chosen: Tensor | None
    labels: Tensor
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> Sequence[str]:
        """For each image its name, read when it is asked for."""
        return Names(self.shards, self.chosen)

    def subset(self, indices: Tensor) -> "StreamedImages":
        """The images at `indices` (int64), in the order of the shards."""
        indices = indices.sort().values
        chosen = indices.int() if self.chosen is None else self.chosen[indices]
        groups = tuple(self.groups[i] for i in indices.tolist()) if self.groups else ()
        return StreamedImages(self.shards, self.preprocess, chosen, self.labels[indices], groups)

    def stored(self, items: Tensor) -> Tensor:
        """Images at the positions `items` for evaluation: uint8 (N, C, h, w)."""
        return torch.stack([self._stored(image) for image in self._images(items)])

    def original(self, item: int) -> Tensor:
        """What random parts of an image are cut out of, uint8 (C, H, W); see `Originals.decoded`."""
        (image,) = self._images(torch.tensor([item]))
        return self._decoded(image, lambda data: pixels_for_crops(data, "", self.preprocess))

    def whole(self, item: int) -> Image.Image:
        """An image as it lies in its shard: 8-bit grey or RGB, upright."""
        (image,) = self._images(torch.tensor([item]))
        return self._decoded(image, lambda data: decode(io.BytesIO(data), ""))

    def order(self, *, batch_size: int, seed: int, epoch: int, balanced: bool = False) -> BlockOrder:
        """Which images a training pass shows, in order; `balanced` shows each class equally often."""
        part = self.shards.part
        rows = part.starts[1:] - part.starts[:-1]
        starts = part.starts if self.chosen is None else torch.searchsorted(self.chosen, part.starts.int())
        times = balanced_times(self.labels, seed=seed, epoch=epoch) if balanced else None
        heavy = weights(rows, part.sizes)
        return BlockOrder(starts, heavy, batch_size=batch_size, seed=seed, epoch=epoch, times=times)

    @property
    def digest(self) -> bytes:
        """SHA-256 that stands for the images' names, labels and contents."""
        digest = hashlib.sha256(self.shards.part.digest)
        if self.chosen is not None:
            digest.update(self.chosen.numpy().data)
        return digest.digest()

    def _images(self, items: Tensor) -> list[int]:
        found: list[int] = (items if self.chosen is None else self.chosen[items]).tolist()
        return found

    def _stored(self, image: int) -> Tensor:
        with said_of(lambda: (self.shards.name(image),)):
            return self._decoded(image, lambda data: self.preprocess.prepare(decode(io.BytesIO(data), "")))

    def _decoded(self, image: int, made: Callable[[bytes], _Made]) -> _Made:
        try:
            return made(self.shards.read(image))
        except DecodeError as error:
            reason = error.reason
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        # A name is looked up in the shard only where it is needed.
        raise DecodeError(self.shards.name(image), reason)
