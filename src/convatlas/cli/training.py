"""What `convatlas train` does once network and images are there: the run, its trackers, its fractions, the printing."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import nn

from convatlas.cli.output import note, percent, print_json, print_line, print_trained, training_progress
from convatlas.cli.plan import Plan
from convatlas.data.images import Data
from convatlas.errors import UsageError, counted
from convatlas.train.distributed import Ranks
from convatlas.train.folder import RunFolder
from convatlas.train.fractions import asked, train_fractions
from convatlas.train.run import train
from convatlas.train.track import require_trackers, tracked, trackers_of


def refuse_conflicts(plan: Plan, *, time_limit: float, track: Sequence[str]) -> None:
    """Refuse what cannot be carried out, before any image is read.

    Raises:
        UsageError: for fractions with a time limit, or a tracker that is not there.
    """
    if plan.fractions and math.isfinite(time_limit):
        raise UsageError(
            "a run that --time-limit cuts short cannot be compared with fractions of its images",
            do="leave out --time-limit or --fractions",
        )
    require_trackers(track)


def carry_out(
    plan: Plan,
    model: nn.Module,
    data: Data,
    *,
    resume: bool,
    device: torch.device,
    workers: int | None,
    time_limit: float,
    track: Sequence[str],
    ranks: Ranks,
    json: bool,
) -> None:
    """Train, on fractions of the images, too, if the plan says so, and print what came of it.

    Args:
        plan: what to do.
        model: the network; changed in place.
        data: the images.
        resume: whether the plan's run folder is there already; it is shown in the trackers that it had.
        device: where to train.
        workers: threads that prepare batches; see `train`.
        time_limit: in seconds.
        track: names of trackers.
        ranks: those that train together; the first one shows, tracks and prints.
        json: print JSON.

    Raises:
        ConvAtlasError: see `train` and `train_fractions`.
    """
    folder, untouched = RunFolder(plan.out), copy.deepcopy(model) if plan.fractions else model
    result, found = None, None
    with training_progress(plan.remarks, shown=ranks.is_first) as progress:
        if not resume or not folder.is_finished or folder.ran_out_of_time:
            names = [*track, *(trackers_of(plan.out) if resume else [])] if ranks.is_first else []
            with tracked(names, asked(progress) if plan.fractions else progress, say=note) as on_event:
                result = train(
                    *(model, data, plan.recipe, plan.out),
                    resume=resume,
                    device=device,
                    workers=workers,
                    time_limit=time_limit,
                    ranks=ranks,
                    on_event=on_event,
                )
        if plan.fractions:
            found = train_fractions(
                untouched, data, plan.recipe, plan.out, device=device, workers=workers, on_event=progress
            )
    if not ranks.is_first:
        return
    if json:
        print_json(folder.read_json("result.json") | ({} if found is None else {"fractions": found["points"]}))
        return
    if result is not None:
        print_trained(result)
    for point in [] if found is None else found["points"]:
        low, high = map(percent, point["interval"])
        error = f"{percent(point['top1_error'])} (95 %: {low} to {high})"
        print_line(f"fraction    {point['fraction']:>3} {error} from {counted(point['images'], 'image')}")
