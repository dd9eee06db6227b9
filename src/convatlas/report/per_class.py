"""What the confusion counts say of each class: the only place where the report computes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convatlas.intervals import RESAMPLES, percentile_interval, wilson_interval

Interval = tuple[float, float]

# Counts that a bootstrap draws at once.
_DRAWN = 4_000_000


@dataclass(frozen=True, slots=True)
class Share:
    """A fraction with its 95 % interval; None if nothing is known of it."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a class, or their plain means over the classes; None where there is nothing to divide by.

    Attributes:
        precision: share of the images given this class that have it.
        recall: share of the class's images that are given it.
        f1: harmonic mean of precision and recall.
    """

    precision: Share | None
    recall: Share | None
    f1: Share | None


@dataclass(frozen=True, slots=True)
class ClassFigures(Figures):
    """One class's figures.

    Attributes:
        index: position among the outputs.
        name: the class.
        images: test images of the class.
    """

    index: int
    name: str
    images: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Images of one class that are given another.

    Attributes:
        label: the true class.
        predicted: the class given.
        images: how many.
        share: of the true class's images.
        cell: row and column in the matrix.
    """

    label: str
    predicted: str
    images: int
    share: Share
    cell: tuple[int, int]


def per_class(confusion: NDArray[np.int64], names: Sequence[str]) -> tuple[list[ClassFigures], Figures]:
    """Figures of each class, in the order of the outputs, and their means over the classes.

    Args:
        confusion: counts (classes, classes), a row the true class.
        names: the classes.
    """
    right, true, given = confusion.diagonal().tolist(), confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    classes = [
        ClassFigures(
            precision=_wilson(right[i], given[i]),
            recall=_wilson(right[i], true[i]),
            f1=_f1(right[i], true[i] + given[i] - right[i]),
            index=i,
            name=name,
            images=true[i],
        )
        for i, name in enumerate(names)
    ]
    found = ([c.precision for c in classes], [c.recall for c in classes], [c.f1 for c in classes])
    resampled = _resampled_means(confusion).T
    return classes, Figures(*(_mean(shares, means) for shares, means in zip(found, resampled, strict=True)))


def _wilson(part: int, whole: int) -> Share | None:
    return Share(part / whole, wilson_interval(part, whole)) if whole else None


def _f1(right: int, concerned: int) -> Share | None:
    """F1 of a class, with the "Wilson indirect" interval of Lam, Gopal and Qian, arXiv:2309.14621.

    F1 = 2q / (1 + q) with q the share of the images that have the class or are given it for which both is true.
    """
    if not concerned:
        return None
    value, low, high = (2 * q / (1 + q) for q in (right / concerned, *wilson_interval(right, concerned)))
    return Share(value, (low, high))


def _mean(shares: Sequence[Share | None], resampled: NDArray[np.float64]) -> Share | None:
    """Plain mean over the classes that have a figure."""
    defined = [share.value for share in shares if share is not None]
    if not defined:
        return None
    low, high = map(float, percentile_interval(resampled))
    # Where no image is classified wrongly all samples are alike, which says nothing of others.
    return Share(sum(defined) / len(defined), (low, high) if low < high else None)


def _resampled_means(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean precision, recall and F1, (samples, 3), of samples of the images with replacement; always the same."""
    classes, images = len(confusion), int(confusion.sum())
    generator = np.random.default_rng(0)
    true, given = np.nonzero(confusion)
    shares = confusion[true, given] / images
    most = max(1, _DRAWN // len(shares))
    means = []
    for first in range(0, RESAMPLES, most):
        counts = generator.multinomial(images, shares, size=min(most, RESAMPLES - first))
        right = _by_class(true, counts * (true == given), classes)
        of_true, of_given = _by_class(true, counts, classes), _by_class(given, counts, classes)
        with np.errstate(invalid="ignore"):
            drawn = np.stack([right / of_given, right / of_true, 2 * right / (of_true + of_given)], axis=2)
        # A class that a sample lacks has no figure in it.
        means.append(np.nanmean(drawn, axis=1))
    return np.concatenate(means)


def _by_class(places: NDArray[np.int64], counts: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Sums of counts (samples, cells) over the cells of each class, (samples, classes)."""
    samples = len(counts)
    flat = places + classes * np.arange(samples)[:, None]
    return np.bincount(flat.ravel(), counts.ravel(), classes * samples).reshape(samples, classes).astype(np.float64)


def mistakes_of(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """The counts with the diagonal set to zero."""
    mistakes = confusion.copy()
    np.fill_diagonal(mistakes, 0)
    return mistakes


def frequent_confusions(confusion: NDArray[np.int64], names: Sequence[str], limit: int) -> list[Confusion]:
    """The pairs of classes that are confused most, the most frequent first; at most `limit`."""
    mistakes, true = mistakes_of(confusion), confusion.sum(axis=1)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:limit]
    pairs = [divmod(int(place), len(names)) for place in order]
    return [
        Confusion(
            names[row], names[column], images, Share(images / whole, wilson_interval(images, whole)), (row, column)
        )
        for row, column in pairs
        if (images := int(mistakes[row, column])) and (whole := int(true[row]))
    ]
