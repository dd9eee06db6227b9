"""`convatlas train`."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from convatlas.cli.find import Find, print_search
from convatlas.cli.options import DATA_HELP, Device, Json, Offline, OnCorrupt, seconds_of
from convatlas.cli.output import print_json, print_rehearsal, print_trained, training_progress
from convatlas.cli.plan import new_plan, resumed_plan
from convatlas.data.examine import cores
from convatlas.data.source import load_data
from convatlas.errors import UsageError
from convatlas.train.imbalance import Imbalance
from convatlas.train.rehearsal import rehearse
from convatlas.train.run import train
from convatlas.weights.device import usable_device
from convatlas.weights.load import create_model


def train_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A network; see `convatlas list`.", show_default="lenet5")
    ] = None,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help=DATA_HELP, show_default="mnist5k")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe, or a TOML file.", show_default="the network's")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; may be repeated."),
    ] = None,
    imbalance: Annotated[
        Imbalance | None, typer.Option(help="The same as --set imbalance=...", show_default="the recipe's")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/NAME-DATA-1, -2, ...")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    time_limit: Annotated[
        str | None, typer.Option(help="End after this time, like 90s, 30m or 2h; resume with more.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Try two steps, a validation, a checkpoint; leave nothing.")
    ] = False,
    find: Annotated[
        Find | None,
        typer.Option(metavar="lr|batch", help="Look for a learning rate or for the images that fit; train nothing."),
    ] = None,
    device: Device = "cpu",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Threads that prepare batches.", show_default="one a core for files")
    ] = None,
    offline: Offline = False,
    on_corrupt: OnCorrupt = "error",
    json: Json = False,
) -> None:
    """Train a network on images and write a run folder.

    Example: convatlas train lenet5 mnist5k --set epochs=5 --out runs/digits
    """
    changes = [*(settings or []), *([f"imbalance={imbalance}"] if imbalance else [])]
    if find and (resume or dry_run):
        raise UsageError("--find only looks", do="leave out --resume and --dry-run")
    plan = (resumed_plan if resume else new_plan)(name, data, recipe, changes, out)
    place, seconds = usable_device(device), seconds_of(time_limit) if time_limit else math.inf
    loaded = load_data(
        *(plan.data, plan.recipe.preprocess),
        offline=offline,
        workers=workers or cores(),
        on_corrupt=on_corrupt,
        lazy=plan.recipe.needs_originals,
    )
    torch.manual_seed(plan.recipe.seed)
    model = create_model(
        plan.name, num_classes=len(loaded.classes), in_channels=plan.recipe.preprocess.channels, device="cpu"
    )
    if find:
        print_search(find, model, loaded, plan, place, workers, json=json)
        return
    if dry_run:
        rehearsal = rehearse(model, loaded, plan.recipe, plan.out, device=place, workers=workers)
        print_json(asdict(rehearsal)) if json else print_rehearsal(rehearsal)
        return
    with training_progress() as progress:
        result = train(
            model,
            loaded,
            plan.recipe,
            plan.out,
            resume=resume,
            device=place,
            workers=workers,
            time_limit=seconds,
            on_event=progress,
        )
    print_json(result.figures) if json else print_trained(result)
