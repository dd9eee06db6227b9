"""The order of a training pass, a function of labels, seed and epoch alone."""

import torch
from torch import Tensor

from convatlas.data.hashing import seed_of

VERSION = 0
"""Of what `epoch_order` gives: to be raised with any change of it, as runs that stopped within an epoch rely on it."""

# Images at a time, so that no more than their classes and how often they are shown is in memory of each.
_CHUNK = 1 << 20


def epoch_order(labels: Tensor, *, seed: int, epoch: int, balanced: bool = False) -> Tensor:
    """Which images a training pass shows, in order.

    Args:
        labels: class indices (N,).
        seed: the run's seed.
        epoch: the epoch, from 0.
        balanced: show each class equally often, up to one image. A large class shows a random part of its images, a
            small one shows each of its images before any of them once more.

    Returns:
        int64 (N,) on the CPU. An entry p stands for the image p % N; p // N counts that image's earlier appearances in
        the pass, so that each of them can be distorted in its own way.
    """
    generator = torch.Generator().manual_seed(seed_of(seed, epoch))
    count = len(labels)
    if not balanced:
        return torch.randperm(count, generator=generator)
    labels = labels.cpu()
    present = torch.unique(labels)
    share, more = divmod(count, len(present))
    chosen: list[Tensor] = []
    for label in present[torch.randperm(len(present), generator=generator)].tolist():
        members = torch.nonzero(labels == label).squeeze(1)
        places = share + (len(chosen) < more)
        rounds = -(-places // len(members))
        shuffled = [members[torch.randperm(len(members), generator=generator)] + k * count for k in range(rounds)]
        chosen.append(torch.cat(shuffled)[:places] if shuffled else members[:0])
    return torch.cat(chosen)[torch.randperm(count, generator=generator)]


def balanced_times(labels: Tensor, *, seed: int, epoch: int) -> Tensor:
    """How often a training pass shows each image, for each class to come equally often, up to one image.

    For images that are read in blocks: where `epoch_order` deals those of a class anew, here they stay where they are,
    and those that are shown once more, or at all, lie at even distances, from a random one on.

    Args:
        labels: class indices (N,), of any integer type.
        seed: the run's seed.
        epoch: the epoch, from 0.

    Returns:
        int32 (N,) of sum N; within a class the numbers differ by 1 at most.
    """
    generator = torch.Generator().manual_seed(seed_of(seed, epoch))
    counts = torch.bincount(labels)
    present = counts.nonzero().flatten()
    share, more = divmod(len(labels), len(present))
    wanted = torch.zeros_like(counts)
    wanted[present] = share
    wanted[present[torch.randperm(len(present), generator=generator)[:more]]] += 1
    # The next image's number within its class, counted from the random one.
    following = (torch.rand(len(counts), generator=generator, dtype=torch.float64) * counts).long()
    times = torch.empty(len(labels), dtype=torch.int32)
    for start in range(0, len(labels), _CHUNK):
        some = labels[start : start + _CHUNK].long()
        own = torch.bincount(some, minlength=len(counts))
        number = torch.empty_like(some)
        number[some.argsort(stable=True)] = torch.arange(len(some)) - (own.cumsum(0) - own).repeat_interleave(own)
        number += following[some]
        following += own
        shown = ((number + k) * wanted[some] // counts[some] for k in (1, 0))
        times[start : start + _CHUNK] = next(shown) - next(shown)
    return times
