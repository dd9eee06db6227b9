"""Mixtures of two images of a batch, each a function of (seed, step, image)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from convatlas.data.hashing import seed_of, uniforms
from convatlas.data.loader import Batch
from convatlas.train.losses import Criterion
from convatlas.train.recipe import Mix

# Joehnk's method fails once in two or less; after so many tries it has found a number but for 1 in 65,000 at most.
_TRIES = 16


@dataclass(frozen=True, slots=True)
class Examples:
    """What the network learns from in a step.

    Attributes:
        inputs: (N, C, H, W).
        labels: class indices (N,).
        others: class indices (N,) of the images mixed in, if there are.
        shares: (N,), the weight of `labels`; the rest is that of `others`.
    """

    inputs: Tensor
    labels: Tensor
    others: Tensor | None = None
    shares: Tensor | None = None

    def loss(self, compute_loss: Criterion, logits: Tensor) -> Tensor:
        """Mean loss; of mixed images the loss for each label, weighted by its share."""
        if self.others is None or self.shares is None:
            return compute_loss(logits, self.labels)
        return compute_loss(logits, self.labels, self.shares) + compute_loss(logits, self.others, 1 - self.shares)

    def wrong(self, logits: Tensor) -> Tensor:
        """Number of answers other than the label; of mixed images, other than the one with the larger share."""
        labels = self.labels
        if self.others is not None and self.shares is not None:
            labels = torch.where(self.shares >= 0.5, labels, self.others)
        return (logits.detach().argmax(dim=1) != labels).sum()

    def split(self, parts: int) -> list["Examples"]:
        """The same examples in parts whose sizes differ by one at most."""
        if parts == 1:
            return [self]
        columns = [
            [None] * parts if tensor is None else tensor.tensor_split(parts)
            for tensor in (self.inputs, self.labels, self.others, self.shares)
        ]
        return [Examples(*row) for row in zip(*columns, strict=True)]


def mixed(batch: Batch, recipe: Mix, seed: int) -> Examples:
    """Mix each image of a batch with the one before it; the batch's order is random already.

    Args:
        batch: the images as they come.
        recipe: which mixture; with both, each step has one of the two.
        seed: of the step.
    """
    kinds = [kind for kind, alpha in ((_mixup, recipe.mixup), (_cutmix, recipe.cutmix)) if alpha]
    if not kinds:
        return Examples(batch.inputs, batch.labels)
    kind = kinds[seed_of(seed, 1) % len(kinds)]
    shares = beta(recipe.mixup if kind is _mixup else recipe.cutmix, batch.items, seed)
    inputs, shares = kind(batch.inputs, shares, batch.items, seed)
    own = slice(batch.lent, None)
    return Examples(inputs[own], batch.labels[own], batch.labels.roll(1)[own], shares[own])


def beta(alpha: float, items: Tensor, seed: int) -> Tensor:
    """A number from Beta(alpha, alpha) for each item; Joehnk, Metrika 8, 1964.

    Args:
        alpha: above 0, at most 1.
        items: identifiers (N,).
        seed: see `uniforms`.

    Returns:
        float32 (N,).
    """
    draws = uniforms(seed, items, 2 * _TRIES).double().clamp(min=2.0**-25)
    logs = draws.log().view(2, _TRIES, -1) / alpha
    accepted = logs.exp().sum(dim=0) <= 1
    first = accepted.byte().argmax(dim=0, keepdim=True)
    x, y = logs.gather(1, first.expand(2, 1, -1)).squeeze(1)
    # x / (x + y) of the powers, from their logarithms: small alphas take the powers below all numbers.
    return torch.sigmoid(x - y).float()


def _mixup(inputs: Tensor, shares: Tensor, items: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Weighted sums of two images; Zhang et al., ICLR 2018."""
    return torch.lerp(inputs.roll(1, 0), inputs, shares.to(inputs.dtype).view(-1, 1, 1, 1)), shares


def _cutmix(inputs: Tensor, shares: Tensor, items: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """A rectangle of the other image; Yun et al., ICCV 2019, with the shares that are left inside the borders."""
    height, width = inputs.shape[-2:]
    side = (1 - shares).sqrt()
    centres = uniforms(seed_of(seed, 2), items, 2)
    down = _interval(centres[0], side, height)
    across = _interval(centres[1], side, width)
    inside = down[:, None, :, None] & across[:, None, None, :]
    covered = down.sum(dim=1) * across.sum(dim=1) / math.prod((height, width))
    return torch.where(inside, inputs.roll(1, 0), inputs), 1 - covered


def _interval(centre: Tensor, side: Tensor, length: int) -> Tensor:
    """Which of `length` pixels lie within a side of that share of them around a centre in [0, 1)."""
    middle, half = (centre * length).floor(), (side * length).floor() / 2
    pixels = torch.arange(length, device=centre.device)
    first, last = (middle - half).floor(), (middle + half).floor()
    return (pixels >= first[:, None]) & (pixels < last[:, None])
