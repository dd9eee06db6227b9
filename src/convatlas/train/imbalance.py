"""What to do about classes of unequal size."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Imbalance = Literal["none", "weights", "sampling", "auto"]

UNEVEN = 3
"""`auto` acts where the largest class has more than this many times the training images of the smallest."""


def resolved(choice: Imbalance, labels: Tensor) -> Literal["none", "weights", "sampling"]:
    """What `auto` comes to for the training labels (N,); any other choice stays."""
    if choice != "auto":
        return choice
    counts = _counts(labels)
    return "weights" if int(counts.max()) > UNEVEN * int(counts.min()) else "none"


def class_weights(labels: Tensor) -> Tensor:
    """N / (K n_k) for each of the K classes with n_k > 0 of the N training images; they average 1 over the images.

    Args:
        labels: class indices (N,).

    Returns:
        float32, up to the largest class index; 0 for a class without an image.
    """
    counts = torch.bincount(labels)
    weights = len(labels) / (int((counts > 0).sum()) * counts.clamp(min=1))
    return torch.where(counts > 0, weights, torch.zeros_like(weights)).float()


def imbalance_remarks(choice: Imbalance, labels: Tensor, classes: Sequence[str]) -> tuple[str, ...]:
    """What `auto` chose and why, in a line; nothing for another choice."""
    if choice != "auto":
        return ()
    counts = torch.bincount(labels, minlength=len(classes))
    present = torch.nonzero(counts).squeeze(1)
    small, large = (int(present[i]) for i in (counts[present].argmin(), counts[present].argmax()))
    ratio = int(counts[large]) / int(counts[small])
    chosen, relation = ("class weights", "more than") if ratio > UNEVEN else ("nothing to even out", "not above")
    sizes = f"{classes[large]} has {int(counts[large]):,} training images and {classes[small]} {int(counts[small]):,}"
    return (f"imbalance: {chosen}, as {sizes}, a ratio of {ratio:.3g} ({relation} {UNEVEN})",)


def _counts(labels: Tensor) -> Tensor:
    counts = torch.bincount(labels)
    return counts[counts > 0]
