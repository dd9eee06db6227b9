"""What `convatlas train` is to do, from what was typed: a new run, or one to go on with."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convatlas.auto import auto_recipe
from convatlas.errors import StorageError, UsageError
from convatlas.models import get_variant
from convatlas.recipes import Choice, get_recipe, paper_recipe
from convatlas.recipes.resize import with_settings_to_scale
from convatlas.train.distributed import Ranks
from convatlas.train.folder import RunFolder
from convatlas.train.recipe import Recipe

RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class Plan:
    """A network, its data, how to train it, where the run is kept, and what to say of the choice."""

    name: str
    data: str
    recipe: Recipe
    out: Path
    remarks: tuple[str, ...] = ()


def planned(
    name: str | None,
    data: str | None,
    recipe: str | None,
    settings: Sequence[str],
    out: Path | None,
    *,
    resume: bool,
    ranks: Ranks,
) -> tuple[Plan, bool]:
    """A run that starts or goes on, and whether it goes on: if asked to, or if `torchrun` starts its ranks again.

    Args:
        name: see `new_plan`, like the rest.
        data: see there.
        recipe: see there.
        settings: see there.
        out: see there; needed where `torchrun` may have to find the run again.
        resume: whether it was asked to go on.
        ranks: those that will train.

    Raises:
        UsageError: as `new_plan` and `resumed_plan`.
        StorageError: if the files of a run to go on with are damaged.
    """
    if ranks.max_restarts and out is None:
        raise UsageError("a run that torchrun may restart has to be found again", do="name its folder with --out")
    if ranks.restart and out is not None and RunFolder(out).is_started:
        return resumed_plan(name, data, None, (), out), True
    return (resumed_plan if resume else new_plan)(name, data, recipe, settings, out), resume


def new_plan(name: str | None, data: str | None, recipe: str | None, settings: Sequence[str], out: Path | None) -> Plan:
    """A run that starts.

    Args:
        name: the network; lenet5 by default.
        data: what a DATA argument means; mnist5k by default.
        recipe: a recipe's name or TOML file, "paper", or "auto", which is the default.
        settings: changes of the recipe, as in `optimizer.lr=0.1`.
        out: the run folder; by default a new one that is named after network and data.

    Raises:
        UsageError: for a name, key or value that is not allowed.
        DataError: for data that the recipe is to be chosen by and that cannot be read.
    """
    name, data = name or "lenet5", data or "mnist5k"
    least = get_variant(name).min_size
    begun = _recipe(name, data, recipe)
    chosen, scaled = with_settings_to_scale(begun.recipe, settings)
    _, height, width = chosen.preprocess.input_size
    if min(height, width) < least:
        side = least - 2 * chosen.preprocess.padding
        raise UsageError(
            f"{name} needs at least {least}x{least} pixels, the recipe gives {height}x{width}",
            do=f"--set preprocess.size=[{side},{side}], or more",
        )
    reasons = (begun.reason,) if begun.reason else ()
    return Plan(name, data, chosen, out or _new_folder(name, data), (*reasons, *scaled))


def _recipe(name: str, data: str, recipe: str | None) -> Choice:
    if recipe in (None, "auto"):
        return auto_recipe(name, data)
    return Choice(paper_recipe(name) if recipe == "paper" else get_recipe(str(recipe)), "")


def resumed_plan(
    name: str | None, data: str | None, recipe: str | None, settings: Sequence[str], out: Path | None
) -> Plan:
    """A run that goes on as it was begun; name and data may be repeated, not changed.

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
    if folder.is_finished and not folder.ran_out_of_time:
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
    return Plan(str(begun[0]), str(begun[1]), Recipe.from_file(out / "recipe.toml"), out)


def _new_folder(name: str, data: str) -> Path:
    stem = f"{name}-{Path(data).resolve().name or 'data'}"
    return next(path for k in itertools.count(1) if not (path := RUNS / f"{stem}-{k}").exists())
