"""A trained network with all that is needed to use it: `load`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from torch import Tensor

from convatlas.checkpoint import Card
from convatlas.data.decode import from_pillow, open_image
from convatlas.data.figure import Invert, as_trained
from convatlas.data.images import AnyImages
from convatlas.data.loader import Loader
from convatlas.data.preprocess import Preprocess
from convatlas.data.share import Share
from convatlas.errors import NonFiniteError, StorageError, UsageError
from convatlas.models.network import Network
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.loop import classify
from convatlas.train.metrics import Evaluation
from convatlas.weights.device import usable_device
from convatlas.weights.load import restore_network

UNKNOWN = "unknown"
_BATCH = 256

ImageLike = str | Path | Image.Image | NDArray[np.uint8]
"""A path, a Pillow image of any mode, or an array (H, W) or (H, W, 3) of type uint8."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A network's answer for one image.

    Attributes:
        label: the class with the largest probability, or "unknown" if that is below the threshold.
        probability: of that class.
        top: the k most probable classes with their probabilities, the first being the largest.
    """

    label: str
    probability: float
    top: tuple[tuple[str, float], ...]


class Predictor:
    """A network with its classes, its preprocessing and the temperature of its probabilities; made by `load`."""

    def __init__(
        self,
        network: Network,
        classes: tuple[str, ...],
        preprocess: Preprocess,
        device: torch.device | str = "cpu",
        temperature: float = 1.0,
    ) -> None:
        self.network = network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.classes = classes
        self.preprocess = preprocess
        self.device = device
        self.temperature = temperature

    def predict(
        self,
        images: Sequence[ImageLike],
        *,
        top_k: int = 3,
        threshold: float = 0.0,
        invert: Invert = "auto",
    ) -> list[Prediction]:
        """Classify images.

        Args:
            images: paths, Pillow images or arrays (H, W) or (H, W, 3) of type uint8; of any size.
            top_k: classes to name for each image.
            threshold: probability under which the label is "unknown".
            invert: whether dark and light are swapped. "auto" does so when the network was trained on figures before an
                even background and an image's is of the other kind, as with a photo of ink on paper; such an image is
                also cut to its figure, which is scaled and centred as MNIST's digits were.

        Returns:
            One prediction an image, in order.

        Raises:
            UsageError: for a top_k below 1, a threshold outside 0 to 1, or something that is no image.
            DataError: for an image that cannot be decoded.
            NonFiniteError: for a network whose answers are not numbers.
        """
        check_options(top_k, threshold, invert)
        if isinstance(images, str | Path | Image.Image) or getattr(images, "ndim", 0) > 0:
            raise UsageError(f"predict got one {type(images).__name__}", do="give a list of images, as in [image]")
        predictions: list[Prediction] = []
        for start in range(0, len(images), _BATCH):
            stored = torch.stack([self.stored(image, invert) for image in images[start : start + _BATCH]])
            predictions += self.answers(stored, top_k=top_k, threshold=threshold)
        return predictions

    def stored(self, image: ImageLike, invert: Invert = "never") -> Tensor:
        """An image in the stored form, uint8 (C, h, w): the pixels that training keeps of the same file.

        Raises:
            UsageError: for something that is no image.
            DataError: for an image that cannot be decoded.
        """
        return self.preprocess.prepare(as_trained(_decoded(image), self.preprocess, invert))

    def answers(self, pixels: Tensor, *, top_k: int = 3, threshold: float = 0.0) -> list[Prediction]:
        """Predictions for images in the stored form, uint8 (N, C, h, w); the options as for `predict`."""
        values, indices = self.probabilities(pixels).topk(min(top_k, len(self.classes)))
        tops = [
            tuple((self.classes[i], p) for i, p in zip(*row, strict=True))
            for row in zip(indices.tolist(), values.tolist(), strict=True)
        ]
        return [Prediction(top[0][0] if top[0][1] >= threshold else UNKNOWN, top[0][1], top) for top in tops]

    def probabilities(self, pixels: Tensor) -> Tensor:
        """Softmax of the logits over the temperature (N, classes), of images in the stored form, uint8 (N, C, h, w).

        Raises:
            NonFiniteError: if they are not numbers, as of a run that diverged.
        """
        with torch.inference_mode():
            logits = self.network(self.preprocess.to_input(pixels.to(self.device)))
        probabilities: Tensor = (logits.float() / self.temperature).softmax(dim=1).cpu()
        if not probabilities.isfinite().all():
            raise NonFiniteError(
                "the network's answers are not numbers, as of a run that diverged",
                do="train it again with a lower learning rate, or use another checkpoint",
            )
        return probabilities

    def evaluate(self, images: AnyImages, *, ranks: Ranks = ALONE) -> Evaluation:
        """The network's answers on images in the stored form, with their labels; the ranks share the work."""
        share = Share(ranks.rank, ranks.world)
        loader = Loader(images, self.preprocess, batch_size=_BATCH, device=self.device, share=share)
        found = classify(self.network, loader, ranks=ranks)
        return replace(found, temperature=self.temperature)


def load(run: str | Path, *, device: torch.device | str = "cpu") -> Predictor:
    """Load a trained network.

    Args:
        run: a run folder (its best checkpoint) or a checkpoint.
        device: where to classify.

    Raises:
        UsageError: for a device that is not there, or a file of weights alone.
        StorageError: for a folder that holds no checkpoint, or a damaged one.
        UnsafeError: for a pickle, which is never opened.
    """
    device = usable_device(device)
    network, card = restore_network(Path(run))
    return Predictor(network, card.classes, _preprocess(card, run, network), device, card.temperature)


def check_options(top_k: int, threshold: float, invert: str) -> None:
    """Refuse what `Predictor.predict` does not allow.

    Raises:
        UsageError: for a top_k below 1, a threshold outside 0 to 1 or an unknown way to invert.
    """
    if top_k < 1:
        raise UsageError(f"top_k is {top_k}", do="ask for 1 class or more")
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold is {threshold:g}", do="give a probability from 0 to 1")
    if invert not in ("auto", "always", "never"):
        raise UsageError(f"invert is {invert!r}", do="give auto, always or never")


def _preprocess(card: Card, run: str | Path, network: Network) -> Preprocess:
    try:
        preprocess = Preprocess.model_validate(card.preprocess)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"preprocess.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise StorageError(f"the card of {run} is damaged ({what})", do="use another checkpoint") from None
    description = network.description
    channels, *sides = preprocess.input_size
    if description is not None and (channels != description.in_channels or min(sides) < description.min_size):
        size = "x".join(map(str, preprocess.input_size))
        raise StorageError(
            f"the card of {run} is damaged (preprocess makes {size}, which {description.name} does not take)",
            do="use another checkpoint",
        )
    return preprocess


def _decoded(image: Any) -> Image.Image:
    match image:
        case Image.Image():
            return from_pillow(image, getattr(image, "filename", "") or "image")
        case str() | Path():
            return open_image(Path(image))
        case np.ndarray() if image.dtype == np.uint8 and (image.ndim == 2 or image.shape[2:] == (3,)) and image.size:
            return Image.fromarray(np.ascontiguousarray(image))
    kind = type(image).__name__
    if hasattr(image, "dtype") and hasattr(image, "shape"):
        kind += f" {tuple(image.shape)} of type {str(image.dtype).removeprefix('torch.')}"
    raise UsageError(
        f"predict got {kind} for an image", do="give a path, a Pillow image, or a uint8 array (H, W) or (H, W, 3)"
    )
