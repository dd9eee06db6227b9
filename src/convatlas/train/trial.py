"""Steps on a copy of a network, of which nothing is left: what finders are made of."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from convatlas.data.images import Data
from convatlas.data.loader import Loader
from convatlas.train.batch_norm import refuse_single_images
from convatlas.train.fast_layers import fast_layers
from convatlas.train.finetune import Freezing
from convatlas.train.loaders import training_loader, worker_threads
from convatlas.train.loop import estimate_curvature
from convatlas.train.losses import Criterion, training_criterion
from convatlas.train.machine import same_bits
from convatlas.train.numerics import lay_out
from convatlas.train.recipe import Recipe
from convatlas.train.split import split
from convatlas.train.state import TrainingState


@dataclass(frozen=True, slots=True)
class Trial:
    """A run that is about to take its first step, on a copy.

    Attributes:
        state: the copy, its optimizer and position; without a moving average.
        loader: the training images of the run.
        compute_loss: the loss of the run.
        recipe: how the run would train; a precision or layout of "auto" is the default's.
    """

    state: TrainingState
    loader: Loader
    compute_loss: Criterion
    recipe: Recipe


@contextmanager
def on_a_copy(
    model: nn.Module, data: Data, recipe: Recipe, *, device: torch.device | str, workers: int | None
) -> Iterator[Trial]:
    """Make what a run would begin with, for the time of the block; the model and all random numbers stay as they are.

    Args:
        model: is copied.
        data: the images.
        recipe: how the run would train.
        device: where.
        workers: threads that prepare batches; see `train`.

    Raises:
        UsageError: for a recipe or a network that does not fit.
    """
    device = torch.device(device)
    learnt, _ = split(data, recipe)
    refuse_single_images(model, recipe, len(learnt))
    with torch.random.fork_rng(), same_bits(device, recipe.threads):
        tried = copy.deepcopy(model).to(device).train()
        lay_out(tried, recipe.layout)
        loader = training_loader(learnt, recipe, tried, device=device, workers=worker_threads(learnt, workers))
        plain = recipe.model_copy(update={"ema": 0.0})
        state = TrainingState(tried, plain)
        compute_loss = training_criterion(recipe, loader.labels)
        with Freezing(tried, recipe.finetune) as freezing:
            freezing.at(0)
            estimate_curvature(state, loader, compute_loss, recipe)
            with fast_layers(tried):
                yield Trial(state, loader, compute_loss, plain)
