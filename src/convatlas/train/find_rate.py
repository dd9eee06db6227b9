"""The learning-rate finder: a run of a few steps whose rate rises until the loss does; Smith 2017, section 3.3.

L. N. Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017, https://arxiv.org/abs/1506.01186.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from convatlas.data.images import Data
from convatlas.data.loader import Batch
from convatlas.errors import UsageError
from convatlas.train.recipe import Recipe
from convatlas.train.step import NonFiniteStepError, take_step
from convatlas.train.trial import Trial, on_a_copy

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100
# Share of the mean that the next step's loss leaves.
_SMOOTHING = 0.9
# The loss has left the valley for good.
_DIVERGED = 4.0
# Less of a fall than this is rounding.
_FALLEN = 0.999
# How far below the rate that diverged a run is safe.
_SAFE = 10.0
_FIGURES = 2


@dataclass(frozen=True, slots=True)
class RateSearch:
    """What the rising rate did.

    Attributes:
        rates: of each step.
        losses: smoothed over the steps before.
        steepest: the rate at which the loss fell most for a tenfold rate.
        diverged: the first rate at which it was not finite, or more than four times its lowest; None if none was.
        suggested: for `optimizer.lr`, of two digits: `steepest`, or a tenth of `diverged` if that is lower.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    steepest: float
    diverged: float | None
    suggested: float


def find_learning_rate(
    model: nn.Module, data: Data, recipe: Recipe, *, device: torch.device | str = "cpu", workers: int | None = None
) -> RateSearch:
    """Train a copy for 100 steps at rates from 1e-6 to 10, each 1.18 times the one before.

    Args:
        model: stays as it is, to the bit.
        data: the images.
        recipe: how the run would train; of its schedule and rate nothing is used.
        device: where to train.
        workers: threads that prepare batches; see `train`.

    Raises:
        UsageError: for a recipe or a network that does not fit, or if the loss falls at no rate.
    """
    with on_a_copy(model, data, recipe, device=device, workers=workers) as trial:
        rates, losses, diverged = _rise(trial)
    if len(losses) < 2 or min(losses) > _FALLEN * losses[0]:
        raise UsageError(
            f"the loss fell at no rate from {LOWEST:g} to {HIGHEST:g}",
            do="look at the images with convatlas check, or try another optimizer",
        )
    steepest = rates[_steepest(losses)]
    safe = steepest if diverged is None else min(steepest, diverged / _SAFE)
    return RateSearch(tuple(rates), tuple(losses), steepest, diverged, float(f"{safe:.{_FIGURES}g}"))


def _rise(trial: Trial) -> tuple[list[float], list[float], float | None]:
    factor = (HIGHEST / LOWEST) ** (1 / (STEPS - 1))
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    for step, batch in enumerate(itertools.islice(_batches(trial), STEPS)):
        rate = LOWEST * factor**step
        try:
            loss = take_step(trial.state, batch, trial.compute_loss, rate, trial.recipe)
        except NonFiniteStepError:
            return rates, losses, rate
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        rates.append(rate)
        losses.append(mean / (1 - _SMOOTHING ** (step + 1)))
        if losses[-1] > _DIVERGED * min(losses):
            return rates, losses, rate
    return rates, losses, None


def _batches(trial: Trial) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from trial.loader.shuffled(seed=trial.recipe.seed, epoch=epoch, distortion=trial.recipe.distortion)


def _steepest(losses: Sequence[float]) -> int:
    """Where the loss falls fastest on its way down; the rates are spaced evenly in their logarithm."""
    lowest = losses.index(min(losses))
    falls = [losses[i - 1] - losses[min(i + 1, len(losses) - 1)] for i in range(1, lowest + 1)]
    return 1 + falls.index(max(falls))
