"""What `convatlas train` is to do, from what was typed: a new run, or one to go on with."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convatlas.cli.pretrained import Pretrained, finetuned
from convatlas.errors import StorageError, UsageError
from convatlas.models import get_variant
from convatlas.recipes import RECIPES, get_recipe
from convatlas.train.folder import RunFolder
from convatlas.train.fractions import are_wanted
from convatlas.train.recipe import Recipe

RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class Plan:
    """A network, its data, how to train it and where the run is kept."""

    name: str
    data: str
    recipe: Recipe
    out: Path
    weights: Pretrained | None = None
    fractions: bool = False


def new_plan(
    name: str | None,
    data: str | None,
    recipe: str | None,
    settings: Sequence[str],
    out: Path | None,
    weights: str | None = None,
    *,
    fractions: bool = False,
) -> Plan:
    """A run that starts.

    Args:
        name: the network; lenet5 by default.
        data: what a DATA argument means; mnist5k by default.
        recipe: a recipe's name or TOML file; the network's own by default.
        settings: changes of the recipe, as in `optimizer.lr=0.1`.
        out: the run folder; by default a new one that is named after network and data.
        weights: to begin with; see `create_model`.
        fractions: whether to train on fractions of the images, too.

    Raises:
        UsageError: for a name, key or value that is not allowed.
        StorageError: for weights that are missing or damaged.
    """
    name, data = name or "lenet5", data or "mnist5k"
    least = get_variant(name).min_size
    if recipe is None and name not in RECIPES:
        raise UsageError(
            f"{name} has no recipe of its own yet", do=f"add --recipe with one of {', '.join(RECIPES)}, or a TOML file"
        )
    chosen, begun = get_recipe(recipe or name), None
    if weights is not None:
        chosen, begun = finetuned(name, chosen, weights, is_asked=recipe is not None)
    chosen = chosen.with_settings(settings)
    _, height, width = chosen.preprocess.input_size
    if min(height, width) < least:
        side = least - 2 * chosen.preprocess.padding
        raise UsageError(
            f"{name} needs at least {least}x{least} pixels, the recipe gives {height}x{width}",
            do=f"--set preprocess.size=[{side},{side}], or more",
        )
    return Plan(name, data, chosen, out or _new_folder(name, data), begun, fractions)


def resumed_plan(
    name: str | None,
    data: str | None,
    recipe: str | None,
    settings: Sequence[str],
    out: Path | None,
    weights: str | None = None,
    *,
    fractions: bool = False,
) -> Plan:
    """A run that goes on as it was begun; name, data and weights may be repeated, not changed.

    Raises:
        UsageError: if there is no such run, it is finished, or something else was asked for.
        StorageError: if its files are damaged.
    """
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
    fractions = are_wanted(out) or (fractions and not (out / "fractions.json").is_file())
    if folder.is_finished and not folder.ran_out_of_time and not fractions:
        raise UsageError(
            f"the run in {out} is finished", do="use it with convatlas predict, or give a new --out without --resume"
        )
    before = folder.read_json("run.json")
    network = before.get("network")
    begun = (network.get("name") if isinstance(network, dict) else None), before.get("data")
    for given, key, value in zip((name, data), ("network", "data"), begun, strict=True):
        if not isinstance(value, str):
            raise StorageError(f"{out / 'run.json'} is damaged ({key}: {value!r})", do="give a new --out")
        if given is not None and given != value:
            raise UsageError(
                f"the run in {out} has the {key} {value}, not {given}", do=f"leave out {given}, or give a new --out"
            )
    source = before.get("weights", {}).get("source")
    if weights is not None and weights != source:
        raise UsageError(
            f"the run in {out} was begun with {source or 'no'} weights, not with {weights}",
            do="leave out --weights, or give a new --out",
        )
    # A checkpoint has all that the weights have become, but the fractions begin with them, too.
    is_needed = source is not None and (fractions or not folder.has_checkpoint)
    first = Pretrained(source) if is_needed else None
    return Plan(str(begun[0]), str(begun[1]), Recipe.from_file(out / "recipe.toml"), out, first, fractions)


def _new_folder(name: str, data: str) -> Path:
    stem = f"{name}-{Path(data).resolve().name or 'data'}"
    return next(path for k in itertools.count(1) if not (path := RUNS / f"{stem}-{k}").exists())
