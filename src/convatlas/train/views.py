"""Training images as the network sees them, for the contact sheet and the report."""

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from convatlas.data.decode import DecodeError
from convatlas.data.images import Data, raw_of
from convatlas.data.loader import Loader
from convatlas.report import Seen, Views
from convatlas.train.recipe import Recipe

_IMAGES = 8
_PASSES = 4
# The longest side of an image before preprocessing that is kept; smaller ones are kept as they are.
_RAW = 320
_MIXED = "Mixup and CutMix, which come after this and join two images of a batch, are not shown."


def training_views(loader: Loader, recipe: Recipe, data: Data) -> Views:
    """A few images as they are, as the first passes over the training images show them, and as evaluation does.

    Args:
        loader: gives the training batches.
        recipe: how the run trains.
        data: the images before preprocessing, and the classes' names.
    """
    items = spread(loader.labels.cpu(), _IMAGES)
    preprocess, images = recipe.preprocess, loader.images
    # One image at a time: a batch of large ones may need more memory than training does.
    training = torch.stack([
        torch.cat([_shown(loader, item, recipe, epoch) for epoch in range(_PASSES)]) for item in items.unsqueeze(1)
    ])  # fmt: skip
    evaluation = preprocess.pad(images.stored(items.to(images.labels.device))).cpu()
    raws, rows = raw_of(data, images), []
    for i, item in enumerate(items.tolist()):
        raw = _raw(raws, item)
        size = None if raw is None else (raw.height, raw.width)
        if raw is not None:
            raw.thumbnail((_RAW, _RAW))
        label = data.classes[int(loader.labels[item])]
        rows.append(Seen(images.names[item], label, raw, size, training[i], evaluation[i]))
    is_mixed = bool(recipe.mix.mixup or recipe.mix.cutmix)
    return Views(tuple(rows), _MIXED if is_mixed else "")


def spread(labels: Tensor, count: int) -> Tensor:
    """Positions of at most `count` images, of as many classes as can be, spread evenly over them.

    Args:
        labels: class indices (N,).
        count: how many.

    Returns:
        int64, by class; of a class its first images.
    """
    present = torch.unique(labels)
    shown = present[torch.linspace(0, len(present) - 1, min(count, len(present))).round().long()]
    members = [torch.nonzero(labels == label).flatten()[:count].tolist() for label in shown]
    # The first of each class, then the second ones, and so on.
    turns = sorted((turn, place, item) for place, own in enumerate(members) for turn, item in enumerate(own))
    return torch.tensor([item for _, item in sorted((place, item) for _, place, item in turns[:count])])


def _shown(loader: Loader, item: Tensor, recipe: Recipe, epoch: int) -> Tensor:
    batch = loader.shown(item, seed=recipe.seed, epoch=epoch, distortion=recipe.distortion)
    return recipe.preprocess.to_pixels(batch.inputs)


def _raw(raws: Callable[[int], Image.Image] | None, item: int) -> Image.Image | None:
    try:
        return None if raws is None else raws(item)
    except DecodeError:
        # The pixels that are learnt are in memory; the file may be gone by now.
        return None
