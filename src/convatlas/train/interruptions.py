"""What a run says when something ends it before its time: what was kept, and how it goes on."""

import shlex
from pathlib import Path

import torch
from torch import nn

from convatlas.data.images import AnyImages
from convatlas.data.mishaps import PreparationError, is_out_of_memory
from convatlas.errors import DataError, OutOfMemoryError
from convatlas.train.memory import free_memory, out_of_memory, two_inputs
from convatlas.train.recipe import Recipe
from convatlas.train.stop import StoppedError, StopRequest


def stopped(run: Path, stop: StopRequest, *, kept: int, steps: int) -> StoppedError:
    """The error after Ctrl-C or SIGTERM.

    Args:
        run: the run folder.
        stop: what was asked for.
        kept: the last step that was kept.
        steps: of the whole run.
    """
    return StoppedError(
        f"stopped after step {kept} of {steps}; saved in {run}", stop.exit_code or 1, do=f"resume with {_resume(run)}"
    )


def image_lost(error: DataError, run: Path, *, step: int, kept: int) -> DataError:
    """The error for an image that could be read when the run began and no longer can, has changed or is not prepared.

    Args:
        error: what was said of it, with its name.
        run: the run folder.
        step: the step that was to come, from 1.
        kept: the last step that was kept.
    """
    first = error.do if isinstance(error, PreparationError) else "put it back as it was"
    return DataError(f"{error.what} at step {step}; last good: step {kept}", do=f"{first}, then {_resume(run)}")


def memory_ran_out(
    error: Exception,
    model: nn.Module,
    images: AnyImages,
    recipe: Recipe,
    device: torch.device,
    *,
    step: int,
    kept: int,
    ranks: int = 1,
) -> OutOfMemoryError:
    """The error for memory that ran out, which says what would fit.

    Args:
        error: PyTorch's or Python's; the tensors in its frames are let go.
        model: under training.
        images: the training images.
        recipe: how it is trained.
        device: on which.
        step: the one that failed, from 1.
        kept: the last step that was kept.
        ranks: how many shared the step's images.
    """
    free_memory(error, model)
    try:
        sample = two_inputs(images, recipe.preprocess, device)
    except (RuntimeError, MemoryError) as again:
        if not is_out_of_memory(again):
            raise
        size = "x".join(map(str, recipe.preprocess.input_size))
        return OutOfMemoryError(
            f"memory ran out: there is none for two images of {size}; last good: step {kept}",
            do="use smaller images (--set preprocess.size), or a machine with more memory",
        )
    found = out_of_memory(
        model,
        sample,
        step=step,
        batch_size=recipe.batch_size,
        parts=recipe.accumulate,
        ranks=ranks,
    )
    return OutOfMemoryError(f"{found.what}; last good: step {kept}", do=found.do)


def _resume(run: Path) -> str:
    return f"convatlas train --resume --out {shlex.quote(str(run))}"
