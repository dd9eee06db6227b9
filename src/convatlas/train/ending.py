"""When a run is over, as a function of its position and of the validation errors so far."""

import math
from collections.abc import Sequence
from typing import Literal

from convatlas.train.recipe import Recipe
from convatlas.train.state import Progress

Ending = Literal["epochs", "max_steps", "early_stopping", "time_limit"]
"""What ended a run, by the name of what the user has set."""


def total_steps(recipe: Recipe, steps_per_epoch: int) -> int:
    """Steps of a run that nothing ends early."""
    steps = recipe.epochs * steps_per_epoch
    return min(steps, recipe.max_steps) if recipe.max_steps else steps


def ending(progress: Progress, recipe: Recipe, *, steps: int, time_limit: float = math.inf) -> Ending | None:
    """What ends a run at the end of an epoch, or None if it goes on.

    Args:
        progress: where the run stands.
        recipe: see `Recipe`.
        steps: see `total_steps`.
        time_limit: of all the run's training, in seconds.
    """
    if progress.batch or not progress.epoch:
        return None
    if progress.epoch >= recipe.epochs:
        return "epochs"
    if progress.step >= steps:
        return "max_steps"
    stopping = recipe.early_stopping
    if stopping.patience and stale_epochs(progress.errors, stopping.min_delta) >= stopping.patience:
        return "early_stopping"
    return "time_limit" if progress.seconds >= time_limit else None


def stale_epochs(errors: Sequence[float], min_delta: float) -> int:
    """Epochs since the error was last more than `min_delta` below the lowest one before."""
    lowest, since = math.inf, 0
    for error in errors:
        if error < lowest - min_delta:
            lowest, since = error, 0
        else:
            since += 1
    return since
