"""The part of every batch that one of several ranks learns from or classifies."""

from dataclasses import dataclass

from torch import Tensor, cat


@dataclass(frozen=True, slots=True)
class Part:
    """What a rank has of a batch.

    Attributes:
        places: entries of the pass's order (N,), those lent first.
        weight: of the mean over these images in the mean over the batch; the ranks' weights add up to 1.
        whole: images of the batch, on all ranks.
        lent: images at the start that another rank learns and this one mixes into its first.
    """

    places: Tensor
    weight: float
    whole: int
    lent: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of each batch is a rank's.

    The batches are the same for every number of ranks, and so is what is learnt from them, up to rounding.

    Attributes:
        rank: from 0.
        world: number of ranks.
        least: images a rank has to have of a batch that is cut.
        mixes: whether an image is mixed with the one before it in the batch.
    """

    rank: int = 0
    world: int = 1
    least: int = 1
    mixes: bool = False

    def of(self, places: Tensor) -> Part:
        """This rank's part of a batch.

        A batch that is too small to be cut, as an epoch's last may be, is learnt by every rank, whose gradients' mean
        is then that of each.
        """
        whole = len(places)
        if self.world == 1 or whole < self.least * self.world:
            return Part(places, 1 / self.world, whole)
        own = places.tensor_split(self.world)[self.rank]
        weight = len(own) / whole
        if not self.mixes:
            return Part(own, weight, whole)
        first = sum(len(part) for part in places.tensor_split(self.world)[: self.rank])
        return Part(cat([places[first - 1 : first] if first else places[-1:], own]), weight, whole, lent=1)
