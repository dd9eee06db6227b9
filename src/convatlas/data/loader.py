"""Batches of a data set that fits in memory: one uint8 tensor, every step on whole batches."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from convatlas.data.augment import Distortion
from convatlas.data.images import Images
from convatlas.data.order import epoch_order
from convatlas.data.preprocess import Preprocess


@dataclass(frozen=True, slots=True)
class Batch:
    """Input (N, C, H, W), class indices (N,) and the images' positions in the set (N,)."""

    inputs: Tensor
    labels: Tensor
    items: Tensor


class Loader:
    """Batches of a set of images, ready for the network.

    Args:
        images: the set; moved to `device` once.
        preprocess: how a stored image becomes an input.
        batch_size: images a batch; the last one may have fewer.
        device: where the batches are made and stay.
        workers: threads that prepare batches ahead; 0 prepares each when it is asked for. The batches are the same.
        balanced: let training passes show each class equally often; see `epoch_order`.
        drop_single: leave out a training pass's last batch if it would hold one image.
    """

    def __init__(
        self,
        images: Images,
        preprocess: Preprocess,
        *,
        batch_size: int,
        device: torch.device | str = "cpu",
        workers: int = 0,
        balanced: bool = False,
        drop_single: bool = False,
    ) -> None:
        self.pixels = images.pixels.to(device)
        self.labels = images.labels.to(device)
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.workers = workers
        self.balanced = balanced
        single = drop_single and len(self.labels) % batch_size == 1
        self.length = len(self.labels) - 1 if single else len(self.labels)

    def __len__(self) -> int:
        """Batches in a training pass."""
        return -(-self.length // self.batch_size)

    def in_order(self) -> Iterator[Batch]:
        """One pass in the set's order, nothing distorted."""
        order = torch.arange(len(self.labels), device=self.labels.device)
        return self._batches(_parts(order, self.batch_size), Distortion(), 0, 0)

    def shuffled(self, *, seed: int, epoch: int, distortion: Distortion, first: int = 0) -> Iterator[Batch]:
        """A training pass, its order and distortions a function of (seed, epoch).

        Args:
            seed: the run's seed.
            epoch: the epoch, from 0.
            distortion: the random change of each image.
            first: batches to leave out at the start, for a run that goes on within a pass.
        """
        order = self._order(seed, epoch)[: self.length]
        return self._batches(_parts(order, self.batch_size)[first:], distortion, seed, epoch)

    def sample(self, count: int, *, seed: int, epoch: int, distortion: Distortion) -> Batch:
        """The first `count` images of a training pass, or all if there are fewer, as one batch."""
        return self._batch(self._order(seed, epoch)[:count], distortion, seed, epoch)

    def _order(self, seed: int, epoch: int) -> Tensor:
        return epoch_order(self.labels, seed=seed, epoch=epoch, balanced=self.balanced).to(self.labels.device)

    def _batches(self, parts: list[Tensor], distortion: Distortion, seed: int, epoch: int) -> Iterator[Batch]:
        if not self.workers:
            yield from (self._batch(items, distortion, seed, epoch) for items in parts)
            return
        with ThreadPoolExecutor(self.workers) as threads:
            ahead: deque[Future[Batch]] = deque()
            for items in parts:
                ahead.append(threads.submit(self._batch, items, distortion, seed, epoch))
                if len(ahead) > 2 * self.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _batch(self, places: Tensor, distortion: Distortion, seed: int, epoch: int) -> Batch:
        # An image that is shown again in the same pass is distorted in another way.
        items = places % len(self.labels)
        pixels = self.preprocess.pad(self.pixels.index_select(0, items))
        if not distortion.changes_nothing:
            pixels = distortion.apply(pixels.float(), places, seed=seed, epoch=epoch, fill=self.preprocess.fill)
        return Batch(self.preprocess.normalise(pixels), self.labels[items], items)


def _parts(order: Tensor, size: int) -> list[Tensor]:
    return [order[start : start + size] for start in range(0, len(order), size)]
