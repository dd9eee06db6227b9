"""The order of a training pass, a function of labels, seed and epoch alone."""

import torch
from torch import Tensor

from convatlas.data.hashing import seed_of

VERSION = 0
"""Of what `epoch_order` gives: to be raised with any change of it, as runs that stopped within an epoch rely on it."""


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
