"""Losses as functions of logits and class indices."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.train.recipe import CrossEntropy, MaximumAPosteriori, MaximumLikelihood


def maximum_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean distance of the right class; LeCun et al. 1998, equation 8.

    Args:
        logits: negated distances (N, classes).
        labels: class indices (N,).
    """
    return -logits.gather(1, labels.unsqueeze(1)).mean()


def maximum_a_posteriori(logits: Tensor, labels: Tensor, j: float) -> Tensor:
    """Mean of y_D + log(e^-j + sum_i e^-y_i); LeCun et al. 1998, equation 9.

    The constant j is the distance of a rubbish class, which bounds the push on distances that are large already.

    Args:
        logits: negated distances -y (N, classes).
        labels: class indices (N,).
        j: above 0.
    """
    rubbish = logits.new_full((len(logits), 1), -j)
    return torch.logsumexp(torch.cat([logits, rubbish], dim=1), dim=1).mean() + maximum_likelihood(logits, labels)


def criterion(loss: CrossEntropy | MaximumLikelihood | MaximumAPosteriori) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss function that a recipe names: (logits, labels) -> mean loss."""
    match loss:
        case CrossEntropy():
            return lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=loss.label_smoothing)
        case MaximumLikelihood():
            return maximum_likelihood
        case MaximumAPosteriori():
            return lambda logits, labels: maximum_a_posteriori(logits, labels, loss.j)
