"""What `convatlas train` is to do, from what was typed: a new run, or one to go on with."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

from convatlas.auto import auto_recipe
from convatlas.cli.pretrained import Pretrained, finetuned
from convatlas.errors import StorageError, UsageError
from convatlas.models import get_variant
from convatlas.recipes import Choice, get_recipe, paper_recipe
from convatlas.recipes.resize import with_settings_to_scale
from convatlas.train.distributed import Ranks
from convatlas.train.folder import RunFolder
from convatlas.train.fractions import are_wanted
from convatlas.train.identity import data_of, place_of
from convatlas.train.recipe import Recipe

RUNS = Path("runs")

# Without --recipe the choice is made here, and so it is with this name.
_CHOSEN_HERE = (None, "auto")


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed.

    Attributes:
        name: the network; lenet5 by default.
        data: what a DATA argument means; mnist5k by default.
        recipe: a recipe's name or TOML file, "paper", or "auto", which is the default.
        settings: changes of the recipe, as in `optimizer.lr=0.1`.
        out: the run folder; by default a new one that is named after network and data.
        weights: to begin with; see `create_model`.
        fractions: whether to train on fractions of the images, too.
        offline: never download.
    """

    name: str | None = None
    data: str | None = None
    recipe: str | None = None
    settings: tuple[str, ...] = ()
    out: Path | None = None
    weights: str | None = None
    fractions: bool = False
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A network, its data, how to train it, where the run is kept, and what to say of the choice."""

    name: str
    data: str
    recipe: Recipe
    out: Path
    remarks: tuple[str, ...] = ()
    weights: Pretrained | None = None
    fractions: bool = False


def planned(request: Request, *, resume: bool, ranks: Ranks) -> tuple[Plan, bool]:
    """A run that starts or goes on, and whether it goes on: if asked to, or if `torchrun` starts its ranks again.

    Args:
        request: what was typed; `out` is needed where `torchrun` may have to find the run again.
        resume: whether it was asked to go on.
        ranks: those that will train.

    Raises:
        UsageError: as `new_plan` and `resumed_plan`.
        StorageError: if the files of a run to go on with are damaged.
    """
    if ranks.max_restarts and request.out is None:
        raise UsageError("a run that torchrun may restart has to be found again", do="name its folder with --out")
    if ranks.world > 1 and request.fractions:
        raise UsageError("--fractions is for one process", do="leave out torchrun or --fractions")
    if ranks.restart and request.out is not None and RunFolder(request.out).is_started:
        return resumed_plan(replace(request, recipe=None, settings=())), True
    return (resumed_plan if resume else new_plan)(request), resume


def new_plan(request: Request) -> Plan:
    """A run that starts.

    Raises:
        UsageError: for a name, key or value that is not allowed.
        DataError: for data that the recipe is to be chosen by and that cannot be read.
        StorageError: for weights that are missing or damaged.
    """
    name, data = request.name or "lenet5", request.data or "mnist5k"
    least = get_variant(name).min_size
    choice = _recipe(name, data, request)
    chosen = choice.recipe
    weights = None
    if request.weights is not None:
        chosen, weights = finetuned(name, chosen, request.weights, is_asked=request.recipe not in _CHOSEN_HERE)
    chosen, scaled = with_settings_to_scale(chosen, request.settings)
    _, height, width = chosen.preprocess.input_size
    if min(height, width) < least:
        border = chosen.preprocess.padding
        side = least - 2 * border
        sides = "" if not border else f" ({height - 2 * border}x{width - 2 * border} and a border of {border})"
        raise UsageError(
            f"{name} needs at least {least}x{least} pixels, the recipe gives {height}x{width}{sides}",
            do=f"--set preprocess.size=[{side},{side}], or more",
        )
    remarks = (*([choice.reason] if choice.reason else []), *scaled)
    return Plan(name, data, chosen, request.out or _new_folder(name, data), remarks, weights, request.fractions)


def _recipe(name: str, data: str, request: Request) -> Choice:
    if request.recipe is None or request.recipe == "auto":
        return auto_recipe(name, data, offline=request.offline)
    return Choice(paper_recipe(name) if request.recipe == "paper" else get_recipe(request.recipe), "")


def resumed_plan(request: Request) -> Plan:
    """A run that goes on as it was begun; name, data and weights may be repeated, not changed.

    Raises:
        UsageError: if there is no such run, it is finished, or something else was asked for.
        StorageError: if its files are damaged.
    """
    out = request.out
    if out is None:
        raise UsageError("--resume needs the run's folder", do="add --out FOLDER")
    if request.recipe or request.settings:
        raise UsageError(
            "a resumed run keeps its recipe", do="leave out --recipe and --set, or give a new --out without --resume"
        )
    folder = RunFolder(out)
    if not folder.is_started:
        raise UsageError(
            f"{out} holds no run to go on with", do="leave out --resume, or give the run's folder with --out"
        )
    fractions = are_wanted(out) or (request.fractions and not (out / "fractions.json").is_file())
    if folder.is_finished and not folder.ran_out_of_time and not fractions:
        raise UsageError(
            f"the run in {out} is finished", do="use it with convatlas predict, or give a new --out without --resume"
        )
    before = folder.read_json("run.json")
    network = before.get("network")
    data = request.data
    if data is not None and place_of(data) is not None and place_of(data) == before.get("data_place"):
        data = before.get("data")
    begun = (network.get("name") if isinstance(network, dict) else None), before.get("data")
    for given, key, value in zip((request.name, data), ("network", "data"), begun, strict=True):
        if not isinstance(value, str):
            raise StorageError(f"{out / 'run.json'} is damaged ({key}: {value!r})", do="give a new --out")
        if given is not None and given != value:
            raise UsageError(
                f"the run in {out} has the {key} {value}, not {given}", do=f"leave out {given}, or give a new --out"
            )
    source = before.get("weights", {}).get("source")
    if request.weights not in (None, source):
        raise UsageError(
            f"the run in {out} was begun with {source or 'no'} weights, not with {request.weights}",
            do="leave out --weights, or give a new --out",
        )
    # A checkpoint has all that the weights have become, but the fractions begin with them, too.
    is_needed = source is not None and (fractions or not folder.has_checkpoint)
    first = Pretrained(source) if is_needed else None
    return Plan(str(begun[0]), str(data_of(before)), Recipe.from_file(out / "recipe.toml"), out, (), first, fractions)


def _new_folder(name: str, data: str) -> Path:
    stem = f"{name}-{Path(data).resolve().name or 'data'}"
    return next(path for k in itertools.count(1) if not (path := RUNS / f"{stem}-{k}").exists())
