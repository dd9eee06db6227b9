"""The batch-size finder: how fast steps of each size are, and which still fit in memory."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from convatlas.data.images import Data
from convatlas.data.loader import Batch
from convatlas.data.mishaps import is_out_of_memory
from convatlas.errors import OutOfMemoryError, counted
from convatlas.train.memory import available_bytes, bytes_per_image, free_memory
from convatlas.train.recipe import Recipe
from convatlas.train.step import take_step
from convatlas.train.trial import Trial, on_a_copy

# Share of the best speed that is as good.
_ENOUGH = 0.95
# Memory that stays free for what else a run needs, such as the next batches.
_SPARE = 0.7
# Sizes without a gain before it counts as flat.
_FLAT = 2
_TRIES = 3
_SECONDS = 60.0
_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class SizeTried:
    """A number of images that went through the network at once.

    Attributes:
        images: how many.
        images_per_s: speed of the quickest of three steps, the batch being ready.
        bytes: memory that a step with them needs besides the weights, by estimate; None where it cannot be told.
    """

    images: int
    images_per_s: float
    bytes: int | None


@dataclass(frozen=True, slots=True)
class BatchSearch:
    """Which sizes fit and how fast they are.

    Attributes:
        tried: from small to large, all of which fit.
        ended: why no larger one was tried: memory; speed, which grew no more; data, of which there are no more images;
            or time.
        enough: the smallest size with 95 % of the best speed.
        accumulate: parts of a step in which the recipe's batch size fits; the step's images stay as many.
    """

    tried: tuple[SizeTried, ...]
    ended: Literal["memory", "speed", "data", "time"]
    enough: int
    accumulate: int


def find_batch_size(
    model: nn.Module, data: Data, recipe: Recipe, *, device: torch.device | str = "cpu", workers: int | None = None
) -> BatchSearch:
    """Take whole steps of a copy with twice as many images each time, until memory or speed or a minute is over.

    On a CPU a size is tried only if it fits in seven tenths of the free memory by estimate, as a system that is
    short of it may end the process; on a CUDA device the error is caught.

    Args:
        model: stays as it is, to the bit.
        data: the images.
        recipe: how the run would train. Its batch size is not changed: what does not fit at once is split into parts.
        device: where to train.
        workers: threads that prepare batches; see `train`.

    Raises:
        UsageError: for a recipe or a network that does not fit.
        OutOfMemoryError: if not even the smallest size fits.
    """
    with on_a_copy(model, data, recipe, device=device, workers=workers) as trial:
        tried, ended = _grow(trial)
    best = max(size.images_per_s for size in tried)
    enough = next(size.images for size in tried if size.images_per_s >= _ENOUGH * best)
    # Whatever else ended it, the recipe's size was not too large for the memory.
    most = tried[-1].images if ended == "memory" else recipe.batch_size
    return BatchSearch(tuple(tried), ended, enough, -(-recipe.batch_size // most))


def _grow(trial: Trial) -> tuple[list[SizeTried], Literal["memory", "speed", "data", "time"]]:
    device, model = trial.loader.device, trial.state.model
    free = available_bytes(device)
    if free is not None:
        # The gradients and what an optimizer keeps of each weight come on top, but only once.
        weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        free = int(_SPARE * free) - 3 * weights
    need = bytes_per_image(model, _batch(trial, 2).inputs)
    tried: list[SizeTried] = []
    end = time.perf_counter() + _SECONDS
    for images in _sizes(trial):
        if device.type == "cpu" and (need is None or (free is not None and images * need > free)):
            return _some(tried, images), "memory"
        try:
            seconds = _seconds(trial, images)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            free_memory(error, model)
            return _some(tried, images), "memory"
        tried.append(SizeTried(images, images / seconds, None if need is None else images * need))
        if images >= trial.recipe.batch_size and _is_flat(tried):
            return tried, "speed"
        if time.perf_counter() > end:
            return tried, "time"
    return tried, "data"


def _sizes(trial: Trial) -> Iterator[int]:
    """Powers of two and the recipe's own size, as far as there are images."""
    most = min(trial.loader.length, _LARGEST)
    doubled = {2**k for k in range(1, _LARGEST.bit_length())}
    yield from (size for size in sorted(doubled | {trial.recipe.batch_size}) if size <= most)


def _some(tried: list[SizeTried], images: int) -> list[SizeTried]:
    if not tried:
        raise OutOfMemoryError(
            f"there is not memory for {counted(images, 'image')}",
            do="use smaller images (--set preprocess.size), or a smaller network",
        )
    return tried


def _is_flat(tried: list[SizeTried]) -> bool:
    before, last = tried[:-_FLAT], tried[-_FLAT:]
    return bool(before) and all(_ENOUGH * size.images_per_s <= max(one.images_per_s for one in before) for size in last)


def _seconds(trial: Trial, images: int) -> float:
    """Time of the quickest of a few steps after the first, whose memory is not there yet."""
    whole = trial.recipe.model_copy(update={"batch_size": images, "accumulate": 1})
    batch = _batch(trial, images)
    times = []
    for _ in range(1 + _TRIES):
        started = time.perf_counter()
        # A rate of nothing: what is measured is the time, and weights that run away would end it.
        take_step(trial.state, batch, trial.compute_loss, 0.0, whole)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _batch(trial: Trial, images: int) -> Batch:
    return trial.loader.sample(images, seed=trial.recipe.seed, epoch=0, distortion=trial.recipe.distortion)
