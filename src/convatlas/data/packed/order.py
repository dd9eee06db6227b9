"""The order of a training pass over row groups, which are read one after the other and not a row here and there."""

from typing import overload

import torch
from torch import Tensor

from convatlas.data.hashing import seed_of

WINDOW = 1 << 27
"""Bytes of encoded images that are shuffled together; an image counts as `LEAST` at least."""
LEAST = 1 << 15


def weights(rows: Tensor, sizes: Tensor) -> Tensor:
    """What row groups count towards a window, int64 (G,): the larger of their bytes and `LEAST` an image."""
    return torch.maximum(rows * LEAST, sizes)


class BlockOrder:
    """Which images a pass shows, in order: each once, a function of (seed, epoch) and of the row groups alone.

    The row groups are shuffled and cut into windows; the images of a window are shuffled. So a window is all that has
    to be in memory, and a set within one window is shuffled as if it lay in memory. Any part of the order can be had
    without the parts before it, which is what resuming and several ranks need; nothing is kept for an image.

    Args:
        starts: the first position of each row group and behind them the number of images, int64 (G + 1,).
        weights: of each row group, see `weights`.
        seed: the run's seed.
        epoch: the epoch, from 0.
    """

    def __init__(self, starts: Tensor, weights: Tensor, *, seed: int, epoch: int) -> None:
        self._seed = seed_of(seed, epoch)
        self._length = int(starts[-1])
        groups = torch.randperm(len(weights), generator=torch.Generator().manual_seed(self._seed))
        self._firsts, self._counts = starts[groups], (starts[1:] - starts[:-1])[groups]
        chosen = weights[groups]
        window = (chosen.cumsum(0) - chosen) // WINDOW
        opens = torch.ones_like(window, dtype=torch.bool)
        opens[1:] = window[1:] != window[:-1]
        # The number in `groups` of each window's first row group, and behind them the number of row groups.
        self._opens = torch.cat([opens.nonzero().flatten(), torch.tensor([len(groups)])])
        before = torch.cat([torch.zeros(1, dtype=torch.int64), self._counts.cumsum(0)])
        self._bounds = before[self._opens]
        self._last: tuple[int, Tensor] = (-1, torch.empty(0, dtype=torch.int64))

    def __len__(self) -> int:
        return self._length

    @property
    def windows(self) -> list[int]:
        """Number of images in each window."""
        return (self._bounds[1:] - self._bounds[:-1]).tolist()

    @overload
    def __getitem__(self, places: slice) -> Tensor: ...
    @overload
    def __getitem__(self, places: int) -> int: ...
    def __getitem__(self, places: slice | int) -> Tensor | int:
        """The images' positions at some places of the order, int64."""
        if isinstance(places, int):
            place = range(self._length)[places]
            return int(self[place : place + 1][0])
        start, stop, step = places.indices(self._length)
        found = [torch.empty(0, dtype=torch.int64)]
        at = start
        while at < stop:
            window = int(torch.searchsorted(self._bounds, at, right=True)) - 1
            first, end = int(self._bounds[window]), int(self._bounds[window + 1])
            found.append(self._shuffled(window)[at - first : stop - first])
            at = end
        return torch.cat(found)[::step]

    def _shuffled(self, window: int) -> Tensor:
        if self._last[0] != window:
            groups = range(int(self._opens[window]), int(self._opens[window + 1]))
            images = torch.cat([self._firsts[i] + torch.arange(int(self._counts[i])) for i in groups])
            generator = torch.Generator().manual_seed(seed_of(self._seed, window))
            self._last = window, images[torch.randperm(len(images), generator=generator)]
        return self._last[1]
