"""A batch of random parts of training images."""

import torch
from torch import Tensor

from convatlas.data.crop import AnyCrop, PaddedCrop, crop_draws, cut, shifted
from convatlas.data.images import AnyImages
from convatlas.data.mishaps import said_of
from convatlas.data.preprocess import Preprocess


def random_parts(
    images: AnyImages, items: Tensor, places: Tensor, crop: AnyCrop, preprocess: Preprocess, *, seed: int, epoch: int
) -> Tensor:
    """Cut a part out of each image, as large as the network sees.

    Args:
        images: the training set.
        items: positions in it (N,), on the device of its pixels.
        places: what the draws are made from (N,): in the order of a pass, so an image that comes twice has two parts.
        crop: which parts.
        preprocess: says how large and how scaled.
        seed: the run's.
        epoch: from 0.

    Returns:
        uint8 (N, C, h, w); channels last in memory where each is cut out of its own image.
    """
    draws = crop_draws(places, seed=seed, epoch=epoch)
    if isinstance(crop, PaddedCrop):
        return shifted(images.stored(items), crop, draws, preprocess.fill)
    height, width = preprocess.size
    shape = len(items), height, width, preprocess.channels
    batch = torch.empty(shape, dtype=torch.uint8, device=items.device).permute(0, 3, 1, 2)
    for place, (item, draw) in enumerate(zip(items.tolist(), draws, strict=True)):
        with said_of(lambda: (images.names[item],)):  # noqa: B023 - called in the block
            batch[place] = cut(images.original(item), crop, preprocess.size, draw, preprocess.interpolation)
    return batch
