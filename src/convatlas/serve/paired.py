"""Two networks' answers on the same images: where they agree, where each is right, and whether that is chance."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from convatlas.train.metrics import Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """Two networks' answers on the same images.

    Attributes:
        data: what a DATA argument named.
        names: of the images.
        first: the first network's answers.
        second: the second's, to images in the same order and with the same classes.
    """

    data: str
    names: tuple[str, ...]
    first: Evaluation
    second: Evaluation

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.names)

    @property
    def agreement(self) -> float:
        """Share of the images to which both give the same answer, right or wrong."""
        return int((self.first.predicted == self.second.predicted).sum()) / self.images

    @property
    def both_right(self) -> int:
        """Images that both know."""
        return int((self._right(self.first) & self._right(self.second)).sum())

    @property
    def neither_right(self) -> int:
        """Images that neither knows."""
        return int((~self._right(self.first) & ~self._right(self.second)).sum())

    @property
    def only_first(self) -> tuple[str, ...]:
        """Names of the images that only the first network knows."""
        return self._named(self._right(self.first) & ~self._right(self.second))

    @property
    def only_second(self) -> tuple[str, ...]:
        """Names of the images that only the second network knows."""
        return self._named(self._right(self.second) & ~self._right(self.first))

    @property
    def p_value(self) -> float:
        """Two-sided exact p-value of McNemar's test that both are wrong equally often."""
        return mcnemar(len(self.only_first), len(self.only_second))

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values; errors and shares as fractions."""
        return {
            "data": self.data,
            "images": self.images,
            "first": self.first.summary(),
            "second": self.second.summary(),
            "agreement": self.agreement,
            "both_right": self.both_right,
            "neither_right": self.neither_right,
            "only_first": list(self.only_first),
            "only_second": list(self.only_second),
            "p_value": self.p_value,
        }

    def _right(self, answers: Evaluation) -> Tensor:
        return answers.predicted == answers.labels

    def _named(self, chosen: Tensor) -> tuple[str, ...]:
        return tuple(self.names[i] for i in chosen.nonzero().flatten().tolist())


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value of McNemar's test; Psychometrika 12:153-157, 1947.

    If both networks were wrong equally often, each image that only one knows would be the first's or the second's like
    the toss of a coin.

    Args:
        only_first: images that only the first knows.
        only_second: images that only the second knows.
    """
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    # The tail in whole numbers: each term follows from the one before, and nothing overflows or is lost.
    term = tail = 1
    for k in range(fewer):
        term = term * (tosses - k) // (k + 1)
        tail += term
    total: int = 2**tosses
    return min(1.0, 2 * tail / total)
