"""Batches of a data set, in memory or decoded as they are needed."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour, principal_colours
from convatlas.data.crop import AnyCrop
from convatlas.data.images import AnyImages, Images
from convatlas.data.mishaps import said_of
from convatlas.data.order import VERSION as ORDER_VERSION
from convatlas.data.order import epoch_order
from convatlas.data.packed.images import StreamedImages
from convatlas.data.packed.order import VERSION as BLOCK_ORDER_VERSION
from convatlas.data.packed.order import BlockOrder
from convatlas.data.parts import random_parts
from convatlas.data.preprocess import Preprocess
from convatlas.data.randaugment import RandAugment
from convatlas.data.share import Part, Share
from convatlas.data.threads import ahead

_WHOLE = Share()


@dataclass(frozen=True, slots=True)
class Batch:
    """Input (N, C, H, W), class indices (N,) and the images' positions in the set (N,).

    Where several ranks share a batch, these are one rank's images; see `Part` for the rest.
    """

    inputs: Tensor
    labels: Tensor
    items: Tensor
    weight: float = 1.0
    whole: int | None = None
    lent: int = 0


class Loader:
    """Batches of a set of images, ready for the network.

    Args:
        images: the set; pixels in memory are moved to `device` once.
        preprocess: how a stored image becomes an input.
        batch_size: images a batch; the last one may have fewer.
        crop: random part of each image in a training pass.
        randaugment: random operations on it.
        colour: random colours of it.
        device: where the batches are made and stay.
        workers: threads that prepare batches ahead; 0 prepares each when it is asked for. The batches are the same.
        balanced: let training passes show each class equally often; see `epoch_order`.
        drop_single: leave out a training pass's last batch if it would hold one image.
        share: the part of each training batch, and the batches in the set's order, that this process is to have.
    """

    def __init__(
        self,
        images: AnyImages,
        preprocess: Preprocess,
        *,
        batch_size: int,
        crop: AnyCrop | None = None,
        randaugment: RandAugment | None = None,
        colour: Colour | None = None,
        device: torch.device | str = "cpu",
        workers: int = 0,
        balanced: bool = False,
        drop_single: bool = False,
        share: Share = _WHOLE,
    ) -> None:
        self.device = torch.device(device)
        self.labels = images.labels.to(device)
        if isinstance(images, Images):
            images = Images(images.pixels.to(device), self.labels, images.names)
        self.images = images
        self.preprocess = preprocess
        self.crop, self.randaugment = crop, randaugment
        self.colour = None if colour is None or colour.changes_nothing else colour
        lit = self.colour is not None and self.colour.lighting and preprocess.channels == 3
        self._principal = principal_colours(images) if lit else None
        self.batch_size = batch_size
        self.workers = workers
        self.balanced = balanced
        self.share = share
        single = drop_single and len(self.labels) % batch_size == 1
        self.length = len(self.labels) - 1 if single else len(self.labels)

    def __len__(self) -> int:
        """Batches in a training pass."""
        return -(-self.length // self.batch_size)

    @property
    def order_version(self) -> int:
        """Version of the order that training passes have; a run within a pass cannot go on in another one."""
        return BLOCK_ORDER_VERSION if isinstance(self.images, StreamedImages) else ORDER_VERSION

    @property
    def rounds(self) -> int:
        """Batches in the set's order that each rank has at most."""
        return -(-len(self.labels) // (self.batch_size * self.share.world))

    def in_order(self) -> Iterator[Batch]:
        """One pass in the set's order, nothing distorted; of several ranks, each has some batches in a row."""
        order = torch.arange(len(self.labels), device=self.labels.device)
        each = self.rounds * self.batch_size
        own = range(self.share.rank * each, min((self.share.rank + 1) * each, len(order)), self.batch_size)
        parts = (_WHOLE.of(order[start : start + self.batch_size]) for start in own)
        return self._batches(parts, None, 0, 0)

    def shuffled(self, *, seed: int, epoch: int, distortion: Distortion, first: int = 0) -> Iterator[Batch]:
        """A training pass, its order and distortions a function of (seed, epoch).

        Args:
            seed: the run's seed.
            epoch: the epoch, from 0.
            distortion: the random change of each image.
            first: batches to leave out at the start, for a run that goes on within a pass.
        """
        order, starts = self._order(seed, epoch), range(first * self.batch_size, self.length, self.batch_size)
        places = (order[start : min(start + self.batch_size, self.length)] for start in starts)
        return self._batches((self.share.of(batch) for batch in places), distortion, seed, epoch)

    def sample(self, count: int, *, seed: int, epoch: int, distortion: Distortion) -> Batch:
        """The first `count` images of a training pass, or all if there are fewer, as one batch."""
        return self._batch(_WHOLE.of(self._order(seed, epoch)[:count]), distortion, seed, epoch)

    def shown(self, items: Tensor, *, seed: int, epoch: int, distortion: Distortion) -> Batch:
        """The images at `items` as a training pass shows each for the first time, as one batch."""
        return self._batch(_WHOLE.of(items.to(self.labels.device)), distortion, seed, epoch)

    def _order(self, seed: int, epoch: int) -> Tensor | BlockOrder:
        if isinstance(self.images, StreamedImages):
            return self.images.order(batch_size=self.batch_size, seed=seed, epoch=epoch, balanced=self.balanced)
        return epoch_order(self.labels, seed=seed, epoch=epoch, balanced=self.balanced).to(self.labels.device)

    def _batches(self, parts: Iterable[Part], distortion: Distortion | None, seed: int, epoch: int) -> Iterator[Batch]:
        batch = partial(self._batch, distortion=distortion, seed=seed, epoch=epoch)
        if not self.workers:
            yield from map(batch, parts)
            return
        with ThreadPoolExecutor(self.workers) as threads:
            yield from ahead(threads, batch, parts, 2 * self.workers)

    def _batch(self, part: Part, distortion: Distortion | None, seed: int, epoch: int) -> Batch:
        """A batch of a training pass; without a distortion as evaluation sees it."""
        places = part.places
        # An image that is shown again in the same pass is changed in another way.
        items = places % len(self.labels)
        with said_of(lambda: [self.images.names[item] for item in items.tolist()]):
            inputs = self._inputs(items, places, distortion, seed, epoch)
        return Batch(inputs, self.labels[items].long(), items, part.weight, part.whole, part.lent)

    def _inputs(self, items: Tensor, places: Tensor, distortion: Distortion | None, seed: int, epoch: int) -> Tensor:
        pixels = self._pixels(items, places, distortion is not None, seed, epoch)
        if distortion is not None:
            fill = self.preprocess.fill
            if self.randaugment is not None:
                pixels = self.randaugment.apply(pixels, places, seed=seed, epoch=epoch, fill=fill)
            pixels = distortion.apply(pixels, places, seed=seed, epoch=epoch, fill=fill)
            if self.colour is not None:
                pixels = self.colour.apply(pixels, places, self._principal, seed=seed, epoch=epoch)
        return self.preprocess.normalise(pixels)

    def _pixels(self, items: Tensor, places: Tensor, training: bool, seed: int, epoch: int) -> Tensor:
        crop = self.crop if training else None
        # What is decoded is decoded on the CPU.
        where = items if isinstance(self.images, Images) else items.cpu()
        if crop is None:
            pixels = self.images.stored(where)
        else:
            pixels = random_parts(self.images, where, places, crop, self.preprocess, seed=seed, epoch=epoch)
        return self.preprocess.pad(pixels.to(self.device, non_blocking=True))
