"""The order of a training pass over row groups, which are read one after the other and not a row here and there."""

from typing import overload

import numpy as np
import torch
from torch import Tensor

from convatlas.data.hashing import seed_of

VERSION = 1
"""Of what `BlockOrder` gives: to be raised with any change of it, as runs that stopped within an epoch rely on it."""
WINDOW = 1 << 27
"""Bytes of encoded images that are shuffled together; an image counts as `LEAST` at least."""
LEAST = 1 << 15
LANES = 32
"""Most parts of a pass that are read beside each other, and with it most ranks that each read images of their own."""


def weights(rows: Tensor, sizes: Tensor) -> Tensor:
    """What row groups count towards a window, int64 (G,): the larger of their bytes and `LEAST` an image."""
    return torch.maximum(rows * LEAST, sizes)


def lanes_of(batch_size: int, largest: int) -> int:
    """How many lanes a pass has: a power of two that divides the batch, so that row groups of all fit into a window.

    Args:
        batch_size: images a step, on all ranks together.
        largest: weight of the heaviest row group.
    """
    lanes = LANES
    while lanes > 1 and (batch_size % lanes or lanes * largest > WINDOW):
        lanes //= 2
    return lanes


class BlockOrder:
    """Which images a pass shows, in order: a function of (seed, epoch), the row groups and the batch size.

    The row groups are shuffled, and their rows cut into lanes of equal length; every batch has equally many images of
    each lane, one lane behind the other. So ranks that cut a batch into even parts have lanes of their own, and read no
    others, however many ranks there are. Within a lane the row groups are cut into windows, whose images are shuffled:
    the lanes' windows are all that has to be in memory, and what is read of a set within one window comes as evenly as
    if it were shuffled in memory. Any part of the order can be had without the parts before it, which is what resuming
    needs; nothing is kept for an image that is shown once. One that is shown several times, or not at all, is repeated
    or left out where it lies, and lanes are of equal length after that.

    Args:
        starts: the first position of each row group and behind them the number of images, int64 (G + 1,).
        weights: of each row group, see `weights`.
        batch_size: images a step, on all ranks together.
        seed: the run's seed.
        epoch: the epoch, from 0.
        times: how often each image is shown, int32 (N,) of sum N; None for once.
    """

    def __init__(
        self,
        starts: Tensor,
        weights: Tensor,
        *,
        batch_size: int,
        seed: int,
        epoch: int,
        times: Tensor | None = None,
    ) -> None:
        self._seed = seed_of(seed, epoch)
        self._length, self._batch = int(starts[-1]), batch_size
        groups = torch.randperm(len(weights), generator=torch.Generator().manual_seed(self._seed))
        self._times = times
        self._firsts, self._ends = starts[:-1][groups], starts[1:][groups]
        counts = self._ends - self._firsts if times is None else _rows_shown(starts, times)[groups]
        # Rows before each row group in the shuffled order, and behind them all.
        self._before = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        largest = int(weights.max()) if len(weights) else 0
        self.lanes = lanes_of(batch_size, largest)
        self._limits = torch.arange(self.lanes + 1) * self._length // self.lanes
        # With the row group that goes beyond its end, a window is as large as a lane's share of `WINDOW`.
        window = max(1, WINDOW // self.lanes - largest)
        chosen = weights[groups]
        number = (chosen.cumsum(0) - chosen) // window
        opens = torch.ones_like(number, dtype=torch.bool)
        opens[1:] = number[1:] != number[:-1]
        # Where windows begin, in rows of the shuffled order: with row groups, and with lanes.
        self._bounds = torch.unique(torch.cat([self._before[:-1][opens], self._limits]))
        self._last: dict[int, tuple[int, Tensor]] = {}

    def __len__(self) -> int:
        return self._length

    @property
    def windows(self) -> list[int]:
        """Number of images in each window, lane after lane."""
        found: list[int] = (self._bounds[1:] - self._bounds[:-1]).tolist()
        return found

    @overload
    def __getitem__(self, places: slice) -> Tensor: ...
    @overload
    def __getitem__(self, places: int) -> int: ...
    def __getitem__(self, places: slice | int) -> Tensor | int:
        """What is shown at some places of the order, int64: image p % N, for the (p // N)-th time from 0."""
        if isinstance(places, int):
            place = range(self._length)[places]
            return int(self[place : place + 1][0])
        start, stop, step = places.indices(self._length)
        rows, lane = self._rows(torch.arange(start, max(start, stop), step))
        found = torch.empty_like(rows)
        window = torch.searchsorted(self._bounds, rows, right=True) - 1
        for number in torch.unique(window).tolist():
            here = window == number
            found[here] = self._shuffled(number, int(lane[here][0]))[rows[here] - self._bounds[number]]
        return found

    def _rows(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of the shuffled row groups at some places, before the windows are shuffled, and their lanes."""
        each = self._batch // self.lanes
        full = self._length // self._batch
        step, within = places // self._batch, places % self._batch
        lane = within // each
        row = self._limits[lane] + step * each + within % each
        # What the full batches have left of the lanes is the last batch, one lane behind the other.
        rests = self._limits[1:] - self._limits[:-1] - full * each
        ends = rests.cumsum(0)
        is_last = step == full
        last = torch.searchsorted(ends, within, right=True).clamp(max=self.lanes - 1)
        rest = self._limits[last] + full * each + within - (ends - rests)[last]
        return torch.where(is_last, rest, row), torch.where(is_last, last, lane)

    def _shuffled(self, window: int, lane: int) -> Tensor:
        """What a window shows in the order of the pass; of each lane, the last window is kept."""
        kept = self._last.get(lane)
        if kept is None or kept[0] != window:
            images = self._shown(*self._bounds[window : window + 2].tolist())
            generator = torch.Generator().manual_seed(seed_of(self._seed, window))
            kept = self._last[lane] = (window, images[torch.randperm(len(images), generator=generator)])
        return kept[1]

    def _shown(self, start: int, stop: int) -> Tensor:
        """What the rows from `start` to before `stop` show, before windows are shuffled."""
        rows = torch.arange(start, stop)
        group = torch.searchsorted(self._before, rows, right=True) - 1
        within = rows - self._before[group]
        if self._times is None:
            return self._firsts[group] + within
        return torch.cat(
            [self._repeated(number, self._times)[within[group == number]] for number in torch.unique(group).tolist()]
        )

    def _repeated(self, group: int, times: Tensor) -> Tensor:
        """A row group's images, each as often as it is shown."""
        first, end = int(self._firsts[group]), int(self._ends[group])
        own = times[first:end].long()
        again = torch.arange(int(own.sum())) - (own.cumsum(0) - own).repeat_interleave(own)
        return torch.arange(first, end).repeat_interleave(own) + again * self._length


def _rows_shown(starts: Tensor, times: Tensor) -> Tensor:
    """Rows that each row group shows, int64 (G,)."""
    shown = torch.zeros(len(starts) - 1, dtype=torch.int64)
    filled = starts[1:] > starts[:-1]
    # Unlike a running sum of all images, this takes no memory for each.
    shown[filled] = torch.from_numpy(np.add.reduceat(times.numpy(), starts[:-1][filled].numpy(), dtype=np.int64))
    return shown
