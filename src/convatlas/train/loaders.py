"""The batches that a recipe asks for."""

import torch
from torch import nn

from convatlas.data.crop import NoCrop
from convatlas.data.examine import cores
from convatlas.data.images import AnyImages, Images
from convatlas.data.loader import Loader
from convatlas.train.batch_norm import has_batch_norm
from convatlas.train.imbalance import resolved
from convatlas.train.recipe import Recipe


def worker_threads(images: AnyImages, asked: int | None) -> int:
    """Threads that prepare batches: as asked for; else none for images in memory, and one a core for files.

    Pixels in memory become a batch in less time than it takes to hand it from one thread to another.
    """
    if asked is not None:
        return asked
    return 0 if isinstance(images, Images) else cores()


def training_loader(
    images: AnyImages, recipe: Recipe, model: nn.Module, *, device: torch.device, workers: int
) -> Loader:
    """Batches to learn from: random parts and colours of the images, and no batch of one that BatchNorm cannot take."""
    return Loader(
        *(images, recipe.preprocess),
        batch_size=recipe.batch_size,
        crop=None if isinstance(recipe.crop, NoCrop) else recipe.crop,
        randaugment=recipe.randaugment,
        colour=recipe.colour,
        device=device,
        workers=workers,
        balanced=resolved(recipe.imbalance, images.labels) == "sampling",
        drop_single=has_batch_norm(model),
    )


def plain_loader(images: AnyImages, recipe: Recipe, *, device: torch.device, workers: int) -> Loader:
    """Batches for evaluation."""
    return Loader(images, recipe.preprocess, batch_size=recipe.batch_size, device=device, workers=workers)
