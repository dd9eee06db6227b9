"""What the confusion counts say of each class: the only place where the report computes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class's figures as fractions; None where there is nothing to divide by.

    Attributes:
        index: position among the outputs.
        name: the class.
        images: test images of the class.
        precision: share of the images given this class that have it.
        recall: share of the class's images that are given it.
        f1: harmonic mean of precision and recall.
    """

    index: int
    name: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None

    @property
    def error(self) -> float | None:
        """Share of the class's images that are given another class."""
        return None if self.recall is None else 1 - self.recall


@dataclass(frozen=True, slots=True)
class Confusion:
    """Images of one class that are given another.

    Attributes:
        label: the true class.
        predicted: the class given.
        images: how many.
        share: of the true class's images.
    """

    label: str
    predicted: str
    images: int
    share: float


def per_class(confusion: NDArray[np.int64], names: Sequence[str]) -> list[ClassFigures]:
    """Figures of each class, in the order of the outputs.

    Args:
        confusion: counts (classes, classes), a row the true class.
        names: the classes.
    """
    right, true, given = confusion.diagonal().tolist(), confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    return [
        ClassFigures(
            index=i,
            name=name,
            images=true[i],
            precision=_ratio(right[i], given[i]),
            recall=_ratio(right[i], true[i]),
            f1=_ratio(2 * right[i], true[i] + given[i]),
        )
        for i, name in enumerate(names)
    ]


def mean(values: Sequence[float | None]) -> float | None:
    """Plain mean of the values that are defined."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def mistakes_of(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """The counts with the diagonal set to zero."""
    mistakes = confusion.copy()
    np.fill_diagonal(mistakes, 0)
    return mistakes


def frequent_confusions(confusion: NDArray[np.int64], names: Sequence[str], limit: int) -> list[Confusion]:
    """The pairs of classes that are confused most, the most frequent first; at most `limit`."""
    mistakes = mistakes_of(confusion)
    true = confusion.sum(axis=1)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:limit]
    pairs = [divmod(int(place), len(names)) for place in order]
    return [
        Confusion(names[row], names[column], int(mistakes[row, column]), float(mistakes[row, column] / true[row]))
        for row, column in pairs
        if mistakes[row, column]
    ]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
