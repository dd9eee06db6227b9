"""Batch normalisation learns nothing from the statistics of one image: what training does about it."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from convatlas.errors import DataError, UsageError
from convatlas.train.recipe import Recipe
from convatlas.train.step import micro_size


def has_batch_norm(model: nn.Module) -> bool:
    """Whether training normalises with a batch's own statistics; layers kept in evaluation mode do not."""
    return any(isinstance(m, _BatchNorm) and (m.training or not model.training) for m in model.modules())


def refuse_single_images(model: nn.Module, recipe: Recipe, images: int) -> None:
    """Refuse batches of one image.

    Args:
        model: the network.
        recipe: how it is trained.
        images: number of training images.

    Raises:
        UsageError: if the recipe lets a network with batch normalisation see one image at a time.
        DataError: if there is only one.
    """
    if not has_batch_norm(model):
        return
    if micro_size(recipe) == 1:
        split = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
        raise UsageError(
            f"batch_size = {recipe.batch_size}{split} shows BatchNorm one image at a time, which has no statistics",
            do=f"--set batch_size={2 * recipe.accumulate}, or more",
        )
    if images < 2:
        raise DataError("a network with BatchNorm cannot learn from one training image", do="add images")


def batch_norm_remarks(model: nn.Module, recipe: Recipe, images: int) -> tuple[str, ...]:
    """A line if the last batch of each epoch is left out."""
    if images % recipe.batch_size != 1 or not has_batch_norm(model):
        return ()
    return ("the last batch of an epoch would have 1 image, too few for BatchNorm: it is dropped, another each epoch",)
