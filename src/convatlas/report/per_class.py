"""What the confusion counts say of each class: the only place where the report computes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convatlas.intervals import RESAMPLES, percentile_interval, wilson_interval

Interval = tuple[float, float]

# Counts that a bootstrap draws at once.
_DRAWN = 4_000_000


@dataclass(frozen=True, slots=True)
class Share:
    """A fraction with its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a class, or their plain means over the classes; None where there is nothing to divide by.

    Attributes:
        precision: share of the images given this class that have it; of a class with Wilson's interval.
        recall: share of the class's images that are given it; of a class with Wilson's interval.
        f1: harmonic mean of precision and recall; with a bootstrap interval, as all means.
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
    resampled = [np.concatenate(drawn) for drawn in zip(*_resampled(confusion), strict=True)]
    is_there = np.array(true) + np.array(given) > 0
    f1 = np.zeros((2, len(names)))
    f1[:, is_there] = percentile_interval(resampled[2][:, is_there])
    classes = [
        ClassFigures(
            precision=_wilson(right[i], given[i]),
            recall=_wilson(right[i], true[i]),
            f1=Share(2 * right[i] / (true[i] + given[i]), _ends(f1[:, i])) if is_there[i] else None,
            index=i,
            name=name,
            images=true[i],
        )
        for i, name in enumerate(names)
    ]
    found = ([c.precision for c in classes], [c.recall for c in classes], [c.f1 for c in classes])
    return classes, Figures(*(_mean(shares, drawn) for shares, drawn in zip(found, resampled, strict=True)))


def _wilson(part: int, whole: int) -> Share | None:
    return Share(part / whole, wilson_interval(part, whole)) if whole else None


def _mean(shares: Sequence[Share | None], resampled: NDArray[np.float64]) -> Share | None:
    """Plain mean over the classes that have a figure."""
    defined = [share.value for share in shares if share is not None]
    if not defined:
        return None
    means = np.nansum(resampled, axis=1) / np.isfinite(resampled).sum(axis=1)
    return Share(sum(defined) / len(defined), _ends(percentile_interval(means)))


def _ends(interval: NDArray[np.float64]) -> Interval:
    return float(interval[0]), float(interval[1])


def _resampled(confusion: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.float64], ...]]:
    """Precision, recall and F1, (samples, classes) each, of samples of the images with replacement.

    NaN where there is nothing to divide by. The samples are always the same.
    """
    classes, images = len(confusion), int(confusion.sum())
    generator = np.random.default_rng(0)
    true, given = np.nonzero(confusion)
    shares = confusion[true, given] / images
    most = max(1, _DRAWN // len(shares))
    for first in range(0, RESAMPLES, most):
        counts = generator.multinomial(images, shares, size=min(most, RESAMPLES - first))

        def by_class(places: NDArray[np.int64], counts: NDArray[np.int64] = counts) -> NDArray[np.float64]:
            rows = len(counts)
            flat = places + classes * np.arange(rows)[:, None]
            return np.bincount(flat.ravel(), counts.ravel(), classes * rows).reshape(rows, classes).astype(np.float64)

        right = by_class(true, counts * (true == given))
        of_true, of_given = by_class(true), by_class(given)
        with np.errstate(invalid="ignore"):
            yield right / of_given, right / of_true, 2 * right / (of_true + of_given)


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
