"""Error against the number of training images: a run's recipe on 1/8, 1/4 and 1/2 of them."""

import copy
import math
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convatlas.checkpoint import WEIGHTS, read_checkpoint
from convatlas.data.hashing import seed_of
from convatlas.data.images import AnyImages, Data
from convatlas.durable import make_folder
from convatlas.errors import DataError
from convatlas.report import write_report
from convatlas.train.ending import total_steps
from convatlas.train.examples import choose_examples
from convatlas.train.folder import RunFolder, to_json
from convatlas.train.identity import refuse_other_weights
from convatlas.train.loaders import plain_loader, training_loader, worker_threads
from convatlas.train.loop import Event, classify
from convatlas.train.recipe import Exponential, Plateau, Recipe, Schedule, Steps
from convatlas.train.run import Started, train
from convatlas.train.split import split
from convatlas.train.stop import StoppedError
from convatlas.train.views import training_views

FOLDER = "fractions"
PARTS = (8, 4, 2)
"""The fractions are one over these, the smallest first."""

# Keeps the choice apart from other uses of (seed, class).
_CHOICE = 7_933


def asked(on_event: Callable[[Started | Event], None]) -> Callable[[Started | Event], None]:
    """`on_event` that also leaves the folder of the fractions in a run that begins, so that a resume knows of them."""

    def heard(event: Started | Event) -> None:
        if isinstance(event, Started):
            make_folder(event.path / FOLDER)
        on_event(event)

    return heard


def are_wanted(run: Path) -> bool:
    """Whether a run's fractions were asked for and are not all trained yet."""
    return (run / FOLDER).is_dir() and not (run / f"{FOLDER}.json").is_file()


def train_fractions(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    run: str | Path,
    *,
    device: torch.device | str = "cpu",
    workers: int | None = None,
    on_event: Callable[[Started | Event], None] = lambda event: None,
) -> dict[str, Any]:
    """Train on fractions of a finished run's training images, and show its report the error against their number.

    The fractions are nested and have the same share of each class; validation and test images are the run's. Each is a
    run of its own, in `fractions/1-8` and so on, with as many steps as the run had planned, so that a smaller fraction
    is shown in more epochs. What was done before is not done again.

    Args:
        model: with the weights that the run began with; stays as it is.
        data: the run's images.
        recipe: the run's.
        run: its folder.
        device: where to train.
        workers: threads that prepare batches; see `train`.
        on_event: called with each event of the runs.

    Returns:
        What `fractions.json` holds: `steps` of each run, and `points` with fraction, images, wrong, tested, top1_error
        and interval each, the run itself the last one.

    Raises:
        DataError: if there are too few images.
        ConvAtlasError: whatever ends one of the runs; see `train`.
    """
    folder = RunFolder(Path(run))
    refuse_other_weights(folder, model)
    recipe = recipe.model_copy(
        update={"preprocess": recipe.preprocess.model_copy(update={"background": data.background})}
    )
    learnt, held_out = split(data, recipe)
    if len(learnt) < PARTS[0] * len(data.classes):
        raise DataError(
            f"{len(learnt)} training images are too few for fractions of them, with {len(data.classes)} classes",
            do=f"give {PARTS[0] * len(data.classes)} or more",
        )

    def steps_of(images: AnyImages) -> int:
        return len(training_loader(images, recipe, model, device=torch.device(device), workers=0))

    steps = total_steps(recipe, steps_of(learnt))
    points = []
    for part in PARTS:
        images = learnt.subset(chosen(learnt.labels, part, recipe.seed))
        out = folder.path / FOLDER / f"1-{part}"
        if not RunFolder(out).is_finished:
            fraction = replace(data, train=images, validation=held_out)
            with _resumable(folder.path):
                longer = stretched(recipe, steps=steps, steps_per_epoch=steps_of(images))
                train(
                    *(copy.deepcopy(model), fraction, longer, out),
                    resume=RunFolder(out).is_started,
                    device=device,
                    workers=workers,
                    on_event=on_event,
                )
        points.append(_point(f"1/{part}", len(images), RunFolder(out)))
    found = {"steps": steps, "points": [*points, _point("1", len(learnt), folder)]}
    folder.write(f"{FOLDER}.json", to_json(found, indent=2))
    _show(folder, model, replace(data, train=learnt), recipe, torch.device(device), workers)
    return found


def chosen(labels: Tensor, part: int, seed: int) -> Tensor:
    """Sorted places of one image in `part` of each class, at least one; those of a larger `part` are among them."""
    kept = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels).tolist():
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(seed_of(seed, _CHOICE, label)))
        kept[members[order[: max(1, round(len(members) / part))]]] = True
    return kept.nonzero().flatten()


def stretched(recipe: Recipe, *, steps: int, steps_per_epoch: int) -> Recipe:
    """The recipe in a number of steps with shorter epochs: what it counts in epochs takes as many more of them."""
    epochs = math.ceil(steps / steps_per_epoch)
    times = epochs / recipe.epochs

    def longer(count: int) -> int:
        return max(1, round(count * times)) if count else 0

    stopping = recipe.early_stopping.model_copy(update={"patience": longer(recipe.early_stopping.patience)})
    freeze = tuple((row, longer(count)) for row, count in recipe.finetune.freeze)
    return recipe.model_copy(
        update={
            "epochs": epochs,
            "max_steps": steps,
            "schedule": _longer_schedule(recipe.schedule, longer),
            "early_stopping": stopping,
            "finetune": recipe.finetune.model_copy(update={"freeze": freeze}),
        }
    )


def _longer_schedule(schedule: Schedule, longer: Callable[[int], int]) -> Schedule:
    match schedule:
        case Steps():
            return Steps(factors=tuple((longer(epochs), factor) for epochs, factor in schedule.factors))
        case Exponential():
            return schedule.model_copy(update={"every": longer(schedule.every)})
        case Plateau():
            return schedule.model_copy(update={"patience": longer(schedule.patience)})
    return schedule


@contextmanager
def _resumable(run: Path) -> Iterator[None]:
    """Let the message of a run that was stopped name the command that goes on with all of them."""
    try:
        yield
    except StoppedError as error:
        do = f"resume with convatlas train --resume --out {shlex.quote(str(run))}"
        raise StoppedError(error.what, error.exit_code, do=do) from None


def _point(fraction: str, images: int, run: RunFolder) -> dict[str, Any]:
    test = run.read_json("result.json")["test"]
    wrong = round(test["top1_error"] * test["images"])
    kept = {key: test[key] for key in ("top1_error", "interval")}
    return {"fraction": fraction, "images": images, "wrong": wrong, "tested": test["images"], **kept}


def _show(
    folder: RunFolder, model: nn.Module, data: Data, recipe: Recipe, device: torch.device, workers: int | None
) -> None:
    """Write the run's report again, now with the fractions; `data.train` are the images that it learnt."""
    card, tensors = read_checkpoint(folder.best(), WEIGHTS)
    best = copy.deepcopy(model).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    best.load_state_dict(tensors[WEIGHTS])
    answers = classify(best, plain_loader(data.test, recipe, device=device, workers=worker_threads(data.test, workers)))
    test = replace(answers, temperature=card.temperature)
    views = training_views(training_loader(data.train, recipe, model, device=device, workers=0), recipe, data)
    write_report(folder.path, folder.read_json("result.json"), replace(choose_examples(test, data), views=views))
