"""Auxiliary classifiers: heads that a network has for its training alone."""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from convatlas.errors import UsageError
from convatlas.train.losses import Criterion
from convatlas.train.mix import Examples


@runtime_checkable
class HasAuxiliary(Protocol):
    """A network with auxiliary classifiers, such as GoogLeNet."""

    def forward_with_auxiliary(self, images: Tensor, /) -> tuple[Tensor, ...]:
        """Logits of the network and of each auxiliary classifier, for images (N, C, H, W)."""


def refuse_missing_heads(model: nn.Module, weight: float) -> None:
    """Refuse a weight for classifiers that a network has not.

    Raises:
        UsageError: naming the setting that leaves them out.
    """
    if weight and not isinstance(model, HasAuxiliary):
        raise UsageError(
            f"auxiliary = {weight:g}, but this network has no auxiliary classifiers", do="add --set auxiliary=0"
        )


def learn_from(
    examples: Examples, model: nn.Module, compute_loss: Criterion, auxiliary: float
) -> tuple[Tensor, Tensor]:
    """The network's answers, and the loss to make small.

    Args:
        examples: what is learnt.
        model: the network.
        compute_loss: see `criterion`.
        auxiliary: weight of each auxiliary classifier's loss beside the network's own, 0.3 in Szegedy et al. 2015,
            section 5; with 0 they are not computed and stay as they are.

    Returns:
        Logits (N, classes) of the network alone, and the mean loss.
    """
    if not auxiliary or not isinstance(model, HasAuxiliary):
        logits: Tensor = model(examples.inputs)
        return logits, examples.loss(compute_loss, logits)
    logits, *heads = model.forward_with_auxiliary(examples.inputs)
    loss = examples.loss(compute_loss, logits)
    for head in heads:
        loss = loss + auxiliary * examples.loss(compute_loss, head)
    return logits, loss
