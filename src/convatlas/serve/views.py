"""A network's answers from several views of each image, as the papers evaluated: `evaluate_views`."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from convatlas.data.images import AnyImages
from convatlas.data.views import PROTOCOLS, seen
from convatlas.errors import UsageError, nearest
from convatlas.models.dense import dense_logits, require_dense
from convatlas.serve.predictor import Predictor
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.metrics import Evaluation

_Item = TypeVar("_Item")

# Views that are kept until they are classified, of one image at least.
_KEPT = 256
# Pixels that go through the network at once, of one view at least: 32 views of 224x224.
_AT_ONCE = 32 * 224 * 224


def evaluate_views(
    predictor: Predictor,
    images: AnyImages,
    raw: Callable[[int], Image.Image] | None,
    views: str,
    *,
    on_progress: Callable[[int, int], object] = lambda done, count: None,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Classify several views of each image and average their probabilities.

    Args:
        predictor: the network; its temperature, which was fitted on single views, is not used.
        images: with their labels.
        raw: gives an image by its position, as it was before preprocessing; see `raw_of`.
        views: a name in `PROTOCOLS`.
        on_progress: called with the number of images done and of all.
        ranks: those that share the images; each has the answers on all of them.

    Returns:
        As logits the logarithms of the averaged probabilities, whose softmax these are.

    Raises:
        UsageError: for an unknown name, images that are not kept, or a network that cannot be slid over images.
        DataError: for an image that cannot be decoded any more.
    """
    if views not in PROTOCOLS:
        known = ["centre", *PROTOCOLS]
        raise UsageError(f"there are no views {views!r}; {nearest(views, known)}", do="name one of these")
    if raw is None:
        raise UsageError(
            f"{views} needs the images as they were before preprocessing, which this data does not keep",
            do="evaluate with the views centre",
        )
    protocol, preprocess = PROTOCOLS[views], predictor.preprocess
    if protocol.is_dense:
        require_dense(predictor.network, preprocess.input_size)
    network = predictor.network
    answer = partial(dense_logits, network) if protocol.is_dense else network
    count = len(protocol.views(*preprocess.size, preprocess.size))
    classes = 0
    found: list[tuple[Sequence[int], Tensor]] = []
    for items in list(_parts(range(len(images)), max(1, _KEPT // count)))[ranks.rank :: ranks.world]:
        pixels: list[Tensor] = []
        for item in items:
            image = raw(item)
            pixels += seen(image, protocol.views(image.height, image.width, preprocess.size), preprocess)
        each = _log_probabilities(predictor, pixels, answer).view(len(items), count, -1)
        found.append((items, each.logsumexp(dim=1) - math.log(count)))
        classes = each.shape[2]
        on_progress(min(items[-1] + 1, len(images)), len(images))
    # Each row is one rank's, and the others' zeros change nothing.
    logits = torch.zeros(len(images), int(ranks.largest(classes)))
    for items, own in found:
        logits[items[0] : items[-1] + 1] = own
    return Evaluation(ranks.sum(logits), images.labels.long().cpu())


def _log_probabilities(predictor: Predictor, pixels: Sequence[Tensor], answer: Callable[[Tensor], Tensor]) -> Tensor:
    """Logarithms (N, classes) of each view's probabilities; views of one size go through the network together."""
    found: dict[int, Tensor] = {}
    alike = defaultdict[torch.Size, list[int]](list)
    for place, one in enumerate(pixels):
        alike[one.shape].append(place)
    with torch.inference_mode():
        for shape, places in alike.items():
            for part in _parts(places, max(1, _AT_ONCE // (shape[1] * shape[2]))):
                batch = torch.stack([pixels[place] for place in part]).to(predictor.device)
                logits = answer(predictor.preprocess.to_input(batch))
                found |= zip(part, logits.float().log_softmax(dim=1).cpu(), strict=True)
    return torch.stack([found[place] for place in range(len(pixels))])


def _parts(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
