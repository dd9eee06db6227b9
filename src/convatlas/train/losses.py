"""Losses as functions of logits and class indices."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.train.imbalance import class_weights, resolved
from convatlas.train.recipe import CrossEntropy, MaximumAPosteriori, MaximumLikelihood, Recipe


class Criterion(Protocol):
    """(logits, labels) -> mean loss; with shares (N,), the mean of each image's loss times its share."""

    def __call__(self, logits: Tensor, labels: Tensor, shares: Tensor | None = None, /) -> Tensor:  # noqa: D102
        ...


def maximum_likelihood(logits: Tensor, labels: Tensor, shares: Tensor | None = None) -> Tensor:
    """Mean distance of the right class; LeCun et al. 1998, equation 8.

    Args:
        logits: negated distances (N, classes).
        labels: class indices (N,).
        shares: factors of the images' losses (N,).
    """
    return _mean(-logits.gather(1, labels.unsqueeze(1)).squeeze(1), shares)


def maximum_a_posteriori(logits: Tensor, labels: Tensor, j: float, shares: Tensor | None = None) -> Tensor:
    """Mean of y_D + log(e^-j + sum_i e^-y_i); LeCun et al. 1998, equation 9.

    The constant j is the distance of a rubbish class, which bounds the push on distances that are large already.

    Args:
        logits: negated distances -y (N, classes).
        labels: class indices (N,).
        j: above 0.
        shares: factors of the images' losses (N,).
    """
    rubbish = logits.new_full((len(logits), 1), -j)
    push = _mean(torch.logsumexp(torch.cat([logits, rubbish], dim=1), dim=1), shares)
    return push + maximum_likelihood(logits, labels, shares)


def criterion(
    loss: CrossEntropy | MaximumLikelihood | MaximumAPosteriori, class_weights: Tensor | None = None
) -> Criterion:
    """The loss function that a recipe names.

    Args:
        loss: the recipe's.
        class_weights: (classes,); each image's loss is multiplied with its label's. The mean is over the images, not
            over the weights, so that parts of a batch add up to the whole.
    """

    def weighted(logits: Tensor, labels: Tensor, shares: Tensor | None = None, /) -> Tensor:
        if class_weights is not None:
            weights = class_weights[labels]
            shares = weights if shares is None else weights * shares
        match loss:
            case CrossEntropy():
                reduction = "mean" if shares is None else "none"
                smoothing = loss.label_smoothing
                values = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction=reduction)
                return values if shares is None else _mean(values, shares)
            case MaximumLikelihood():
                return maximum_likelihood(logits, labels, shares)
            case MaximumAPosteriori():
                return maximum_a_posteriori(logits, labels, loss.j, shares)

    return weighted


def training_criterion(recipe: Recipe, labels: Tensor) -> Criterion:
    """The loss that a recipe trains with on images of these labels (N,), with its weights for uneven classes."""
    weighted = resolved(recipe.imbalance, labels) == "weights"
    return criterion(recipe.loss, class_weights(labels) if weighted else None)


def _mean(values: Tensor, shares: Tensor | None) -> Tensor:
    return values.mean() if shares is None else (values * shares).mean()
