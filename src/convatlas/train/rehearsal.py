"""A run in small before the run: two steps of everything that could fail later, and nothing left behind."""

import copy
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from convatlas.data.images import AnyImages, Data
from convatlas.data.loader import Loader
from convatlas.durable import free_bytes, storage_errors
from convatlas.errors import StorageError, UsageError
from convatlas.train.batch_norm import has_batch_norm
from convatlas.train.ending import total_steps
from convatlas.train.folder import RunFolder
from convatlas.train.loop import Event, StepDone
from convatlas.train.recipe import Recipe
from convatlas.train.run import Started, train
from convatlas.train.split import split
from convatlas.train.stop import StoppedError

_STEPS = 2


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What two steps say of the run to come.

    Attributes:
        steps: steps of the whole run, if nothing ends it early.
        seconds_per_step: time of the second step.
        checkpoint_bytes: size of a checkpoint.
        free_bytes: free space where the run folder would be.
        remarks: what the run would say at its start.
    """

    steps: int
    seconds_per_step: float
    checkpoint_bytes: int
    free_bytes: int
    remarks: tuple[str, ...]


def rehearse(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    out: str | Path,
    *,
    device: torch.device | str = "cpu",
    workers: int | None = None,
) -> Rehearsal:
    """Train on two batches, validate and test on one each, write a checkpoint, read it back, write the report.

    All of it happens in a temporary folder beside the run folder, on a copy of the model, and is deleted.

    Args:
        model: stays as it is.
        data: the images.
        recipe: how the run would train.
        out: the run folder to come.
        device: where to train.
        workers: threads that prepare batches; see `train`.

    Raises:
        ConvAtlasError: whatever would end the run; see `train`.
    """
    out = Path(out).absolute()
    if RunFolder(out).is_started:
        raise UsageError(f"{out} already holds a run", do="give a new --out, or go on with --resume alone")
    near = next(folder for folder in out.parents if folder.is_dir())
    learnt, held_out = split(data, recipe)
    batch = recipe.batch_size
    part = replace(data, train=learnt, validation=_first(held_out, batch), test=_first(data.test, batch))
    short = recipe.model_copy(update={"max_steps": _STEPS, "checkpoint_every": 0})
    times: list[float] = [time.perf_counter()]
    started: list[Started] = []

    def note(event: Started | Event) -> None:
        if isinstance(event, StepDone):
            times.append(time.perf_counter())
        elif isinstance(event, Started):
            started.append(event)

    with storage_errors("making a temporary folder in", near, 0):
        temporary = tempfile.TemporaryDirectory(prefix=".convatlas-", dir=near)
    with temporary as folder:
        try:
            result = train(
                copy.deepcopy(model), part, short, Path(folder) / "run", device=device, workers=workers, on_event=note
            )
        except StorageError as error:
            # What is said of the temporary folder holds for the run folder, which lies beside it.
            raise StorageError(error.what.replace(str(Path(folder) / "run"), str(out)), do=error.do) from None
        except StoppedError as error:
            raise StoppedError(
                "stopped before the dry run was over; nothing is left of it", error.exit_code, do="start it again"
            ) from None
        files = [file for file in RunFolder(result.path).best().iterdir() if file.is_file()]
        size, free = sum(file.stat().st_size for file in files), free_bytes(near)
    drops = has_batch_norm(model)
    steps = total_steps(recipe, len(Loader(learnt, recipe.preprocess, batch_size=batch, drop_single=drops)))
    return Rehearsal(steps, times[-1] - times[-2], size, free, started[0].remarks)


def _first(images: AnyImages, count: int) -> AnyImages:
    return images.subset(torch.arange(min(count, len(images))))
