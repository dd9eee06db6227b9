"""Auxiliary classifiers: heads that a network has for its training alone."""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from convatlas.errors import UsageError
from convatlas.train.losses import Criterion
from convatlas.train.mix import Examples
from convatlas.train.precision import forward
from convatlas.train.recipe import Recipe


@runtime_checkable
class HasAuxiliary(Protocol):
    """A network with auxiliary classifiers, such as GoogLeNet."""

    def forward_with_auxiliary(self, images: Tensor, /) -> tuple[Tensor, ...]:
        """Logits of the network and of each auxiliary classifier, for images (N, C, H, W)."""


class WithHeads(nn.Module):
    """A network that answers together with its auxiliary classifiers, as one module to call.

    Args:
        model: one that `HasAuxiliary`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits of the network and of each auxiliary classifier, for images (N, C, H, W)."""
        answers: tuple[Tensor, ...] = self.model.forward_with_auxiliary(images)  # type: ignore[operator]
        return answers


def learner_of(model: nn.Module, auxiliary: float) -> nn.Module:
    """What is called in training: the model, or where a recipe wants them, the model with its auxiliary classifiers.

    Raises:
        UsageError: if a recipe wants them and the model has none; it names the setting that leaves them out.
    """
    if not auxiliary:
        return model
    if not isinstance(model, HasAuxiliary):
        raise UsageError(
            f"auxiliary = {auxiliary:g}, but this network has no auxiliary classifiers", do="add --set auxiliary=0"
        )
    return WithHeads(model)


def learn_from(
    examples: Examples, learner: nn.Module, compute_loss: Criterion, recipe: Recipe
) -> tuple[Tensor, Tensor]:
    """The network's answers, and the loss to make small.

    Args:
        examples: what is learnt.
        learner: see `learner_of`.
        compute_loss: see `criterion`.
        recipe: its `auxiliary` is the weight of each auxiliary classifier's loss beside the network's own, 0.3 in
            Szegedy et al. 2015, section 5; with 0 they are not computed and stay as they are.

    Returns:
        Logits (N, classes) of the network alone, and the mean loss.
    """
    logits, *heads = forward(learner, examples.inputs, recipe)
    loss = examples.loss(compute_loss, logits)
    for head in heads:
        loss = loss + recipe.auxiliary * examples.loss(compute_loss, head)
    return logits, loss
