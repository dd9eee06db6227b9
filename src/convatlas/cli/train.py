"""`convatlas train`."""

import itertools
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from convatlas.cli.output import Json, note, percent, print_json, print_line, training_progress
from convatlas.data.source import load_data
from convatlas.errors import UsageError
from convatlas.models import get_variant
from convatlas.recipes import RECIPES, get_recipe
from convatlas.train.folder import RunFolder
from convatlas.train.recipe import Recipe
from convatlas.train.run import RunResult, train
from convatlas.weights.load import create_model


def train_command(
    name: Annotated[str | None, typer.Argument(help="A network; see `convatlas list`.", show_default="lenet5")] = None,
    data: Annotated[
        str | None,
        typer.Argument(help="mnist5k, mnist, fashion-mnist or a folder of class folders.", show_default="mnist5k"),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe, or a TOML file.", show_default="the network's")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/NAME-DATA-1, -2, ...")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    workers: Annotated[int, typer.Option(min=0, help="Threads that decode images and prepare batches.")] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Never download.")] = False,
    on_corrupt: Annotated[
        Literal["error", "skip"], typer.Option(help="What to do with images that cannot be decoded.")
    ] = "error",
    json: Json = False,
) -> None:
    """Train a network and write a run folder."""
    if resume:
        name, data, chosen, out = _resumed(name, data, recipe, settings, out)
    else:
        name, data = name or "lenet5", data or "mnist5k"
        get_variant(name)
        chosen = get_recipe(recipe or _default_recipe(name)).with_settings(settings or [])
        out = out or _new_run(name, data)
    _require_size(name, chosen)
    loaded = load_data(data, chosen.preprocess, offline=offline, workers=max(2, workers), on_corrupt=on_corrupt)
    torch.manual_seed(chosen.seed)
    model = create_model(name, num_classes=len(loaded.classes), in_channels=chosen.preprocess.channels)
    note(f"{name} on {data}: {len(loaded.train):,} images to learn from, {len(loaded.test):,} to test on, in {out}")
    with training_progress() as progress:
        result = train(model, loaded, chosen, out, resume=resume, device=device, workers=workers, on_event=progress)
    print_json(result.figures) if json else _print_result(result)


def _resumed(
    name: str | None, data: str | None, recipe: str | None, settings: list[str] | None, out: Path | None
) -> tuple[str, str, Recipe, Path]:
    if out is None:
        raise UsageError("--resume needs the run's folder", do="add --out FOLDER")
    if recipe or settings:
        raise UsageError(
            "a resumed run keeps its recipe", do="leave out --recipe and --set, or give a new --out without --resume"
        )
    folder = RunFolder(out)
    if not folder.is_started:
        raise UsageError(
            f"{out} holds no run to go on with", do="leave out --resume, or give the run's folder with --out"
        )
    before = folder.read_json("run.json")
    network = before.get("network") or {}
    for given, key, value in ((name, "network", network.get("name")), (data, "data", before["data"])):
        if given is not None and given != value:
            raise UsageError(
                f"the run in {out} has the {key} {value}, not {given}", do=f"leave out {given}, or give a new --out"
            )
    return str(network.get("name")), str(before["data"]), Recipe.from_file(out / "recipe.toml"), out


def _default_recipe(name: str) -> str:
    return name if name in RECIPES else "lenet5_modern"


def _new_run(name: str, data: str) -> Path:
    stem = f"{name}-{Path(data).name}"
    return next(path for k in itertools.count(1) if not (path := Path("runs") / f"{stem}-{k}").exists())


def _require_size(name: str, recipe: Recipe) -> None:
    least = get_variant(name).min_size
    _, height, width = recipe.preprocess.input_size
    if min(height, width) < least:
        raise UsageError(
            f"{name} needs at least {least}x{least} pixels, the recipe gives {height}x{width}",
            do=f"--set preprocess.size=[{least}, {least}]",
        )


def _print_result(result: RunResult) -> None:
    figures, test = result.figures, result.test
    low, high = test.interval
    print_line(
        f"test error {percent(test.top1_error)} on {test.images:,} images (95 %: {percent(low)} to {percent(high)}), "
        f"pass {figures['best_epoch']} of {figures['epochs']}, {figures['seconds']:.0f} s of training, "
        f"{figures['images_per_s']:,.0f} images/s"
    )
    print_line(f"report      {result.path / 'report.html'}")
    print_line(f"use it      convatlas predict {result.path} IMAGE...")
