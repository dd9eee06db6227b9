"""Splits that are stratified and a function of the labels and a seed."""

import torch
from torch import Tensor

from convatlas.data.hashing import seed_of


def stratified_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Hold out a share of every class.

    Args:
        labels: class indices (N,).
        fraction: share of each class to hold out, from 0 to below 1; a class with two images or more gives at least
            one and keeps at least one.
        seed: the same seed and labels give the same split.

    Returns:
        Sorted indices of the kept and of the held-out images; together each index once.
    """
    held = torch.zeros(len(labels), dtype=torch.bool)
    if fraction > 0:
        for label in torch.unique(labels).tolist():
            members = torch.nonzero(labels == label).squeeze(1)
            generator = torch.Generator().manual_seed(seed_of(seed, label))
            count = min(max(1, round(fraction * len(members))), len(members) - 1)
            held[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return torch.nonzero(~held).squeeze(1), torch.nonzero(held).squeeze(1)
