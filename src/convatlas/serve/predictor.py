"""A trained network with all that is needed to use it: `load` and `evaluate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from convatlas.checkpoint import Card
from convatlas.data.decode import open_image
from convatlas.data.figure import Invert, as_trained
from convatlas.data.images import Data, Images
from convatlas.data.loader import Loader
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import DataError, UsageError
from convatlas.models.network import Network
from convatlas.train.folder import RunFolder
from convatlas.train.loop import classify
from convatlas.train.metrics import Evaluation
from convatlas.weights.load import restore_network

UNKNOWN = "unknown"
_BATCH = 256


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
    """A network with its classes and its preprocessing; made by `load`."""

    def __init__(self, network: Network, card: Card, device: torch.device | str = "cpu") -> None:
        self.network = network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.classes = card.classes
        self.preprocess = Preprocess.model_validate(card.preprocess)
        self.device = device

    def predict(
        self,
        images: Sequence[str | Path | Image.Image],
        *,
        top_k: int = 3,
        threshold: float = 0.0,
        invert: Invert = "auto",
    ) -> list[Prediction]:
        """Classify images.

        Args:
            images: paths or Pillow images, of any size and mode.
            top_k: classes to name for each image.
            threshold: probability under which the label is "unknown".
            invert: whether dark and light are swapped. "auto" does so when the network was trained on figures before an
                even background and an image's border is of the other kind, as with a photo of ink on paper; such an
                image is also cut to its figure, which is scaled and centred as MNIST's digits were.

        Returns:
            One prediction an image, in order.

        Raises:
            UsageError: for a top_k below 1 or a threshold outside 0 to 1.
            DataError: for an image that cannot be decoded.
        """
        if top_k < 1:
            raise UsageError(f"top_k is {top_k}", do="ask for 1 class or more")
        if not 0 <= threshold <= 1:
            raise UsageError(f"threshold is {threshold}", do="give a probability from 0 to 1")
        predictions: list[Prediction] = []
        for start in range(0, len(images), _BATCH):
            stored = torch.stack([self._stored(image, invert) for image in images[start : start + _BATCH]])
            probabilities = self.probabilities(stored)
            predictions += [self._prediction(row, top_k, threshold) for row in probabilities]
        return predictions

    def probabilities(self, pixels: Tensor) -> Tensor:
        """Probabilities (N, classes) of images in the stored form, uint8 (N, C, h, w)."""
        with torch.inference_mode():
            logits = self.network(self.preprocess.to_input(pixels.to(self.device)))
        probabilities: Tensor = logits.float().softmax(dim=1).cpu()
        return probabilities

    def evaluate(self, images: Images) -> Evaluation:
        """The network's answers on images in the stored form, with their labels."""
        return classify(self.network, Loader(images, self.preprocess, batch_size=_BATCH, device=self.device))

    def _stored(self, image: str | Path | Image.Image, invert: Invert) -> Tensor:
        if not isinstance(image, Image.Image):
            image = open_image(Path(image))
        return self.preprocess.prepare(as_trained(image, self.preprocess, invert))

    def _prediction(self, probabilities: Tensor, top_k: int, threshold: float) -> Prediction:
        values, indices = probabilities.topk(min(top_k, len(self.classes)))
        top = tuple((self.classes[i], p) for i, p in zip(indices.tolist(), values.tolist(), strict=True))
        label, probability = top[0]
        return Prediction(label if probability >= threshold else UNKNOWN, probability, top)


def load(run: str | Path, *, device: torch.device | str = "cpu") -> Predictor:
    """Load a trained network.

    Args:
        run: a run folder (its best checkpoint) or a checkpoint.
        device: where to classify.

    Raises:
        StorageError: for a folder that holds no checkpoint, or a damaged one.
        UnsafeError: for a pickle, which is never opened.
    """
    network, card = restore_network(Path(run))
    return Predictor(network, card, device)


def evaluate(run: str | Path, data: str | Path | None = None, *, offline: bool = False) -> Evaluation:
    """Classify the test images of a data set.

    Args:
        run: a run folder or a checkpoint.
        data: what a DATA argument means; by default the data that the run was trained on.
        offline: never download.

    Raises:
        DataError: for data that cannot be used, or whose classes are not the network's. Classes are matched by name.
        StorageError: for a folder that holds no checkpoint, or a damaged one.
    """
    predictor = load(run)
    loaded = load_data(trained_on(Path(run)) if data is None else data, predictor.preprocess, offline=offline)
    return predictor.evaluate(relabelled(loaded, predictor.classes))


def trained_on(run: Path) -> str:
    """The DATA argument that a run was trained on.

    Raises:
        StorageError: if the folder is not a run's.
    """
    folder = next((place for place in (run, run.parent.parent) if (place / "run.json").is_file()), run)
    return str(RunFolder(folder).read_json("run.json")["data"])


def relabelled(data: Data, classes: tuple[str, ...]) -> Images:
    """A data set's test images with the labels of a network; classes are matched by name.

    Raises:
        DataError: if the data set has a class that the network does not know.
    """
    extra = [name for name in data.classes if name not in classes]
    if extra:
        shown = ", ".join(f'"{name}"' for name in extra[:5]) + (f" and {len(extra) - 5} more" if len(extra) > 5 else "")
        raise DataError(
            f"{data.name} has classes that the network does not know: {shown}",
            do=f"use data with its classes ({', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''})",
        )
    indices = torch.tensor([classes.index(name) for name in data.classes])
    return Images(data.test.pixels, indices[data.test.labels], data.test.names)
