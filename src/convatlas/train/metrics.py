"""The only definitions of what is measured."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.errors import NonFiniteError, counted
from convatlas.intervals import wilson_interval
from convatlas.train.calibration import Calibration, calibration


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's answers on a set of images, and what follows from them.

    Attributes:
        logits: (N, classes), float32, on the CPU.
        labels: class indices (N,).
        temperature: divides the logits before they become probabilities; fitted on the validation images.

    Raises:
        NonFiniteError: if the loss is no finite number: the weights are finite, and what they come to is not.
    """

    logits: Tensor
    labels: Tensor
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.loss):
            raise NonFiniteError(
                f"the loss on {counted(self.images, 'image')} is {self.loss}, though the weights are finite",
                do="lower the learning rate with --set optimizer.lr",
            )

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.labels)

    @property
    def predicted(self) -> Tensor:
        """Class indices (N,) of the largest logits."""
        return self.logits.argmax(dim=1)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits over the temperature (N, classes)."""
        return (self.logits / self.temperature).softmax(dim=1)

    def top_k_error(self, k: int) -> float:
        """Share of the images whose class is not among the k largest logits."""
        if k >= self.logits.shape[1]:
            return 0.0
        hits = (self.logits.topk(k, dim=1).indices == self.labels.unsqueeze(1)).any(dim=1)
        return int((~hits).sum()) / self.images

    def top_k_interval(self, k: int) -> tuple[float, float]:
        """Wilson's 95 % interval of the top-k error; of no width if k is the number of classes."""
        if k >= self.logits.shape[1]:
            return 0.0, 0.0
        return wilson_interval(round(self.top_k_error(k) * self.images), self.images)

    @property
    def top1_error(self) -> float:
        """Share of the images that are classified wrongly."""
        return int((self.predicted != self.labels).sum()) / self.images

    @property
    def loss(self) -> float:
        """Mean cross entropy of the logits as trained, whatever the network was trained with."""
        return F.cross_entropy(self.logits, self.labels).item()

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the top-1 error."""
        return wilson_interval(int((self.predicted != self.labels).sum()), self.images)

    @property
    def confusion(self) -> Tensor:
        """Counts (classes, classes): a row the true class, a column the predicted one."""
        classes = self.logits.shape[1]
        return torch.bincount(self.labels * classes + self.predicted, minlength=classes**2).view(classes, classes)

    def calibration(self) -> Calibration:
        """How far the probabilities can be believed, without and with the temperature."""
        return calibration(self.logits, self.labels, self.temperature)

    def summary(self) -> dict[str, int | float | list[float]]:
        """The figures as JSON values; errors as fractions."""
        return {
            "images": self.images,
            "top1_error": self.top1_error,
            "top5_error": self.top_k_error(5),
            "loss": self.loss,
            "interval": list(self.interval),
        }
