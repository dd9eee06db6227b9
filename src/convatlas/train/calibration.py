"""How far a network's probabilities can be believed, and the temperature that mends them.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599: reliability diagram and expected
calibration error (section 2), temperature scaling (section 4.2).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convatlas.intervals import RESAMPLES, percentile_interval, wilson_interval

BINS = 15
"""Bins of equal width, as in the paper's experiments."""
TEMPERATURES = (0.05, 1000.0)
"""The range that a temperature is sought in."""

_STEPS = 100
_PRECISION = 1e-10
_ROWS = 4096
# Answers that are drawn at once in a bootstrap.
_DRAWN = 2_000_000


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose probability lies in one bin; the figures are None if there are none.

    Attributes:
        images: how many.
        confidence: mean probability of the predicted class.
        accuracy: share that is right.
        interval: Wilson's 95 % interval of the accuracy.
    """

    images: int
    confidence: float | None
    accuracy: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well probabilities and accuracy agree.

    Attributes:
        loss: mean cross entropy.
        ece: expected calibration error, the distance of confidence and accuracy, averaged over the images.
        interval: 95 % bootstrap interval of `ece`.
        ece_by_chance: mean `ece` of as many images if the probabilities were true; a sample is never quite even.
        bins: `BINS` of them, from 0 to 1; each has its upper end and not its lower one.
    """

    loss: float
    ece: float
    interval: tuple[float, float]
    ece_by_chance: float
    bins: tuple[Bin, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        bins = [{**asdict(b), "interval": None if b.interval is None else list(b.interval)} for b in self.bins]
        return {**asdict(self), "interval": list(self.interval), "bins": bins}


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability of the probabilities as trained, and with the temperature that predictions use.

    Attributes:
        temperature: what the logits are divided by; 1 if none could be fitted.
        before: with temperature 1.
        after: with the temperature.
    """

    temperature: float
    before: Reliability
    after: Reliability

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values, with the range that a temperature is sought in."""
        return {
            "temperature": self.temperature,
            "range": list(TEMPERATURES),
            "before": self.before.as_json(),
            "after": self.after.as_json(),
        }


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T for which softmax(logits / T) has the smallest cross entropy.

    The cross entropy is convex in 1 / T; its slope is brought to zero by Newton's method, within a bracket. Without a
    single wrong answer it would fall until every probability is 1, so that nothing is learnt of how sure to be: then
    the temperature is 1. Otherwise it lies in `TEMPERATURES`, at an end of that range if the minimum is beyond.

    Args:
        logits: (N, classes), of images that neither trained the network nor test it.
        labels: class indices (N,).
    """
    # Relative to the true class's logit the cross entropy is the mean of logsumexp(differences / T).
    differences = logits.double() - logits.double().gather(1, labels.unsqueeze(1))
    if not bool((differences > 0).any()):
        return 1.0
    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    if _slopes(differences, low)[0] >= 0:
        return TEMPERATURES[1]
    if _slopes(differences, high)[0] <= 0:
        return TEMPERATURES[0]
    at = 1.0
    for _ in range(_STEPS):
        slope, curvature = _slopes(differences, at)
        low, high = (at, high) if slope < 0 else (low, at)
        step = slope / curvature if curvature > 0 else float("inf")
        # Where the curve is nearly straight, as for saturated probabilities, Newton's step leads far away.
        following = at - step if low < at - step < high else (low * high) ** 0.5
        if abs(following - at) <= _PRECISION * at:
            break
        at = following
    return 1 / at


def _slopes(differences: Tensor, inverse: float) -> tuple[float, float]:
    """First and second derivative of the mean of logsumexp(inverse * differences) by `inverse`."""
    first = second = 0.0
    for rows in torch.split(differences, _ROWS):
        probabilities = (inverse * rows).softmax(dim=1)
        mean = (probabilities * rows).sum(dim=1)
        first += mean.sum().item()
        second += (probabilities * (rows - mean.unsqueeze(1)).square()).sum().item()
    return first / len(differences), second / len(differences)


def calibration(logits: Tensor, labels: Tensor, temperature: float) -> Calibration:
    """Measure calibration without and with a temperature.

    Args:
        logits: (N, classes).
        labels: class indices (N,).
        temperature: above 0.
    """
    before = reliability(logits, labels, 1.0)
    return Calibration(temperature, before, before if temperature == 1.0 else reliability(logits, labels, temperature))


def reliability(logits: Tensor, labels: Tensor, temperature: float) -> Reliability:
    """Measure how well probabilities at a temperature and accuracy agree; see `calibration`."""
    confidence, is_right = _answers(logits, labels, temperature)
    bins = _bins(confidence)
    gaps = is_right - confidence
    ece = float(_ece(bins[None], gaps[None])[0])
    resampled = np.concatenate([_ece(bins[drawn], gaps[drawn]) for drawn in _samples(len(bins))])
    # Drawing adds chance to each bin, and a distance grows by chance: the samples lie above what they are drawn from.
    ends = percentile_interval(resampled) - (resampled.mean() - ece)
    return Reliability(
        loss=F.cross_entropy(logits.double() / temperature, labels).item(),
        ece=ece,
        interval=(max(0.0, float(ends[0])), min(1.0, float(ends[1]))),
        ece_by_chance=_ece_by_chance(confidence, bins),
        bins=tuple(_bin(confidence[bins == i], is_right[bins == i]) for i in range(BINS)),
    )


def _answers(logits: Tensor, labels: Tensor, temperature: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probability of the predicted class (N,), and 1 where it is the true one, else 0."""
    confidence = torch.cat([(part.double() / temperature).softmax(1).amax(1) for part in torch.split(logits, _ROWS)])
    return confidence.numpy(), (logits.argmax(dim=1) == labels).double().numpy()


def _bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.searchsorted(np.linspace(0, 1, BINS + 1), confidence, side="left").clip(1, BINS) - 1


def _bin(confidence: NDArray[np.float64], is_right: NDArray[np.float64]) -> Bin:
    images = len(confidence)
    if not images:
        return Bin(0, None, None, None)
    return Bin(images, float(confidence.mean()), float(is_right.mean()), wilson_interval(int(is_right.sum()), images))


def _ece(bins: NDArray[np.int64], gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error of each row of answers; a gap is 1 or 0 for right or wrong, less the probability."""
    rows, images = bins.shape
    places = bins + BINS * np.arange(rows)[:, None]
    sums = np.bincount(places.ravel(), gaps.ravel(), BINS * rows).reshape(rows, BINS)
    summed: NDArray[np.float64] = np.abs(sums).sum(axis=1) / images
    return summed


def _samples(images: int) -> Iterator[NDArray[np.int64]]:
    """Positions of `RESAMPLES` samples with replacement (rows, images), a share at a time; always the same."""
    generator = np.random.default_rng(0)
    for rows in _shares(images):
        yield generator.integers(images, size=(rows, images))


def _ece_by_chance(confidence: NDArray[np.float64], bins: NDArray[np.int64]) -> float:
    """Mean error of answers that are right as often as they say.

    Bröcker and Smith, "Increasing the Reliability of Reliability Diagrams", Weather and Forecasting 22, 2007.
    """
    generator = np.random.default_rng(0)
    drawn = [
        _ece(np.broadcast_to(bins, (rows, len(bins))), (generator.random((rows, len(bins))) < confidence) - confidence)
        for rows in _shares(len(bins))
    ]
    return float(np.concatenate(drawn).mean())


def _shares(images: int) -> Iterator[int]:
    most = max(1, _DRAWN // images)
    for first in range(0, RESAMPLES, most):
        yield min(most, RESAMPLES - first)
