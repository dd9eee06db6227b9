"""The batches that a recipe asks for."""

import torch
from torch import nn

from convatlas.data.crop import NoCrop
from convatlas.data.images import AnyImages, Images
from convatlas.data.loader import Loader
from convatlas.data.share import Share
from convatlas.data.threads import cores
from convatlas.errors import UsageError
from convatlas.train.batch_norm import has_batch_norm
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.imbalance import resolved
from convatlas.train.recipe import Recipe

# A batch of many ranks need not fit into the memory of one, which evaluates whole batches.
_EVALUATED = 256


def share_of(ranks: Ranks, recipe: Recipe, model: nn.Module) -> Share:
    """The part of each batch that a rank learns.

    Raises:
        UsageError: if there are too many ranks for the batch.
    """
    least = 2 if has_batch_norm(model) and not recipe.sync_batch_norm else 1
    if recipe.batch_size < least * ranks.world and ranks.world > 1:
        raise UsageError(
            f"batch_size = {recipe.batch_size} is less than {least} for each of {ranks.world} ranks",
            do=f"--set batch_size={least * ranks.world} or more, or start fewer ranks",
        )
    return Share(ranks.rank, ranks.world, least=least, mixes=bool(recipe.mix.mixup or recipe.mix.cutmix))


def worker_threads(images: AnyImages, asked: int | None) -> int:
    """Threads that prepare batches: as asked for; else none for images in memory, and one a core for files.

    Pixels in memory become a batch in less time than it takes to hand it from one thread to another.
    """
    if asked is not None:
        return asked
    return 0 if isinstance(images, Images) else cores()


def training_loader(
    images: AnyImages,
    recipe: Recipe,
    model: nn.Module,
    *,
    device: torch.device,
    workers: int,
    ranks: Ranks = ALONE,
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
        share=share_of(ranks, recipe, model),
    )


def plain_loader(
    images: AnyImages, recipe: Recipe, *, device: torch.device, workers: int, ranks: Ranks = ALONE
) -> Loader:
    """Batches for evaluation."""
    size, share = min(recipe.batch_size, _EVALUATED), Share(ranks.rank, ranks.world)
    return Loader(images, recipe.preprocess, batch_size=size, device=device, workers=workers, share=share)
