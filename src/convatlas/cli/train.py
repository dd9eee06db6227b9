"""`convatlas train`."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.find import Find, print_search
from convatlas.cli.options import DATA_HELP, Device, Json, Offline, OnCorrupt, seconds_of
from convatlas.cli.output import note, print_json, print_rehearsal
from convatlas.cli.plan import Request, planned
from convatlas.cli.pretrained import network_of
from convatlas.cli.training import carry_out, refuse_conflicts
from convatlas.data.preprocess import Fit
from convatlas.data.source import load_data
from convatlas.data.threads import cores
from convatlas.errors import UsageError
from convatlas.train.agreement import loaded_by_each
from convatlas.train.distributed import is_started_by_torchrun, join_ranks
from convatlas.train.imbalance import Imbalance
from convatlas.train.rehearsal import rehearse
from convatlas.train.track import TRACKERS
from convatlas.weights.device import usable_device


def train_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A network; see `convatlas list`.", show_default="lenet5")
    ] = None,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help=DATA_HELP, show_default="mnist5k")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Its name, a TOML file, auto or paper.", show_default="auto")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; may be repeated."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Begin with a run's, a checkpoint's or a .safetensors file's; torchvision, timm.")
    ] = None,
    imbalance: Annotated[
        Imbalance | None, typer.Option(help="The same as --set imbalance=...", show_default="the recipe's")
    ] = None,
    fit: Annotated[
        Fit | None, typer.Option(help="The same as --set preprocess.fit=...", show_default="the recipe's")
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
    track: Annotated[
        list[str] | None,
        typer.Option(metavar="|".join(TRACKERS), help="Show the run there, too; may be repeated."),
    ] = None,
    fractions: Annotated[
        bool, typer.Option("--fractions", help="Then train on 1/8, 1/4 and 1/2 of the images: error by their number.")
    ] = False,
    offline: Offline = False,
    on_corrupt: OnCorrupt = "error",
    json: Json = False,
) -> None:
    """Train a network on images and write a run folder.

    Example: convatlas train lenet5 mnist5k --set epochs=5 --out runs/digits
    """
    place, seconds = usable_device(device), seconds_of(time_limit) if time_limit else math.inf
    changes = [*(settings or []), *([f"imbalance={imbalance}"] if imbalance else [])]
    changes += [f"preprocess.fit={fit}"] if fit else []
    if find and (resume or dry_run):
        raise UsageError("--find only looks", do="leave out --resume and --dry-run")
    if (find or dry_run) and is_started_by_torchrun():
        raise UsageError(f"{'--find' if find else '--dry-run'} is for one process", do="leave out torchrun")
    request = Request(name, data, recipe, tuple(changes), out, weights, fractions, offline)
    with join_ranks(place) as ranks:
        plan, resume = ranks.from_first(lambda: planned(request, resume=resume, ranks=ranks))
        refuse_conflicts(plan, time_limit=seconds, track=track or [])
        loaded = loaded_by_each(
            ranks,
            lambda: load_data(
                *(plan.data, plan.recipe.preprocess),
                offline=offline,
                workers=workers or cores(),
                on_corrupt=on_corrupt,
                lazy=plan.recipe.needs_originals,
            ),
        )
        say = note if ranks.is_first else str
        model = network_of(plan.name, plan.recipe, loaded.classes, plan.weights, offline=offline, say=say)
        if find:
            print_search(find, model, loaded, plan, place, workers, json=json)
            return
        if dry_run:
            rehearsal = rehearse(model, loaded, plan.recipe, plan.out, device=place, workers=workers)
            print_json(asdict(rehearsal)) if json else print_rehearsal(rehearsal, plan.remarks)
            return
        carry_out(
            *(plan, model, loaded),
            resume=resume,
            device=ranks.place(place),
            workers=workers,
            time_limit=seconds,
            track=track or [],
            ranks=ranks,
            json=json,
        )
