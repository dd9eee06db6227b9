"""Two runs side by side: what they were trained with, the errors they came to, their answers on the same images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from convatlas.data.source import load_data
from convatlas.errors import DataError, StorageError
from convatlas.serve.evaluate import relabelled
from convatlas.serve.paired import Paired
from convatlas.serve.predictor import Predictor, load
from convatlas.train.folder import RunFolder
from convatlas.train.metrics import Evaluation
from convatlas.train.recipe import Recipe

_NAMES_SHOWN = 8
_SPLITS = ("val", "test")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run folder says of its run.

    Attributes:
        path: the folder.
        network: the network's name; None for a module that is not of the atlas.
        data: what it was trained on.
        fingerprint: identifies the images, as they were prepared, and the labels.
        listing: identifies their names and labels alone; None of a run that is older than this.
        recipe: how it was trained.
        result: what `result.json` holds; None as long as the run is not finished, and for one of its checkpoints.
    """

    path: Path
    network: str | None
    data: str
    fingerprint: str
    listing: str | None
    recipe: Recipe
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs side by side.

    Attributes:
        paths: as they were given.
        facts: what the run folders say; None for a checkpoint that lies in none.
        settings: what they were trained with, where that differs: (first, second) by name.
        paired: their answers on the same images, if data was given.
    """

    paths: tuple[Path, Path]
    facts: tuple[RunFacts | None, RunFacts | None]
    settings: dict[str, tuple[object, object]]
    paired: Paired | None

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values; errors as fractions."""
        runs = []
        for path, facts in zip(self.paths, self.facts, strict=True):
            said = {} if facts is None else {"network": facts.network, "data": facts.data}
            result = {} if facts is None or facts.result is None else facts.result
            runs.append({"run": str(path), **said, **{split: result[split] for split in _SPLITS if split in result}})
        settings = {name: list(values) for name, values in self.settings.items()}
        paired = None if self.paired is None else self.paired.as_json()
        return {"runs": runs, "settings": settings, "same_images": paired}


def compare_runs(
    first: str | Path,
    second: str | Path,
    data: str | Path | None = None,
    *,
    device: torch.device | str = "cpu",
    offline: bool = False,
    on_corrupt: Literal["error", "skip"] = "error",
    on_note: Callable[[str], object] = lambda note: None,
) -> RunComparison:
    """Put two runs side by side.

    Args:
        first: a run folder; with data a checkpoint, too.
        second: likewise.
        data: what a DATA argument means; both classify its test images, each with its own preprocessing.
        device: where to classify.
        offline: never download.
        on_corrupt: what to do with a folder's images that cannot be decoded.
        on_note: called with each remark on the data.

    Raises:
        UsageError: for a device or a data set that is not there.
        DataError: for data that cannot be used, or networks that do not know the same classes.
        StorageError: for a damaged run, or without data one that is no folder of a finished run.
    """
    paths = Path(first), Path(second)
    facts = run_facts(paths[0]), run_facts(paths[1])
    paired = None
    if data is None:
        for path, said in zip(paths, facts, strict=True):
            _require_result(path, said)
    else:
        paired = _paired(paths, data, device, offline, on_corrupt, on_note)
    return RunComparison(paths, facts, _settings(facts), paired)


def run_facts(path: Path) -> RunFacts | None:
    """What the run folder says that a path names, or that a checkpoint lies in; None if there is none.

    Raises:
        StorageError: if it is damaged.
    """
    place = next((place for place in (path, path.resolve().parent.parent) if (place / "run.json").is_file()), None)
    if place is None:
        return None
    folder = RunFolder(place)
    run = folder.read_json("run.json")
    for key in ("data", "fingerprint"):
        if not isinstance(run.get(key), str):
            raise StorageError(f"{place / 'run.json'} is damaged ({key}: {run.get(key)!r})", do="use another run")
    network = run.get("network")
    return RunFacts(
        path=place,
        network=str(network["name"]) if isinstance(network, dict) and "name" in network else None,
        data=run["data"],
        fingerprint=run["fingerprint"],
        listing=run.get("listing"),
        recipe=Recipe.from_file(place / "recipe.toml"),
        # The figures are those of the weights that the run came to, and not of any checkpoint.
        result=_result(folder) if folder.is_finished and place == path else None,
    )


def _result(folder: RunFolder) -> dict[str, Any]:
    result = folder.read_json("result.json")
    for split in _SPLITS:
        found = result.get(split)
        if not isinstance(found, dict) or not {"images", "top1_error", "interval"} <= set(found):
            raise StorageError(f"{folder.path / 'result.json'} is damaged (no {split})", do="evaluate the run again")
    return result


def _require_result(path: Path, facts: RunFacts | None) -> None:
    if facts is None:
        raise StorageError(
            f"{path} is no run folder, so nothing is known of how it was trained",
            do="give a run's folder, or add --data DATA to compare the answers on the same images",
        )
    if facts.path != path:
        raise StorageError(
            f"{path} is a checkpoint, and the errors that are kept are its run's",
            do=f"give {facts.path}, or add --data DATA to compare the answers on the same images",
        )
    if facts.result is None:
        raise StorageError(
            f"the run in {facts.path} is not finished",
            do=f"go on with convatlas train --resume --out {facts.path}, or add --data DATA to compare what it has",
        )


def _settings(facts: tuple[RunFacts | None, RunFacts | None]) -> dict[str, tuple[object, object]]:
    first, second = facts
    if first is None or second is None:
        return {}
    found: dict[str, tuple[object, object]] = {}
    for key in ("network", "data"):
        if getattr(first, key) != getattr(second, key):
            found[key] = getattr(first, key), getattr(second, key)
    if "data" not in found and not _same_images(first, second):
        # The same name, and other images.
        found["images"] = first.fingerprint[:12], second.fingerprint[:12]
    return found | first.recipe.differences(second.recipe)


def _same_images(first: RunFacts, second: RunFacts) -> bool:
    if first.fingerprint == second.fingerprint:
        return True
    # A fingerprint has the pixels as they were prepared.
    prepared_alike = (
        first.recipe.preprocess == second.recipe.preprocess
        and first.recipe.needs_originals == second.recipe.needs_originals
    )
    return not prepared_alike and first.listing is not None and first.listing == second.listing


def _paired(
    paths: tuple[Path, Path],
    data: str | Path,
    device: torch.device | str,
    offline: bool,
    on_corrupt: Literal["error", "skip"],
    on_note: Callable[[str], object],
) -> Paired:
    first, second = load(paths[0], device=device), load(paths[1], device=device)
    _require_same_classes(paths, first, second)
    answers: list[Evaluation] = []
    names: list[tuple[str, ...]] = []
    loaded = None
    for predictor in (first, second):
        if loaded is None or predictor.preprocess != first.preprocess:
            loaded = load_data(data, predictor.preprocess, offline=offline, on_corrupt=on_corrupt)
            for note in loaded.notes if not names else ():
                on_note(note)
        # Both answer in the first network's order of the classes.
        images = relabelled(loaded, predictor.classes)
        found = predictor.evaluate(images)
        order = torch.tensor([predictor.classes.index(name) for name in first.classes])
        back = torch.tensor([first.classes.index(name) for name in predictor.classes])
        answers.append(replace(found, logits=found.logits[:, order], labels=back[found.labels]))
        names.append(tuple(images.names))
    if names[0] != names[1]:
        raise DataError(f"{data} was changed while it was read", do="compare again")
    return Paired(str(data), names[0], *answers)


def _require_same_classes(paths: tuple[Path, Path], first: Predictor, second: Predictor) -> None:
    """Refuse two networks that do not know the same classes, with what the second has more and less."""
    marked = [f'-"{name}"' for name in first.classes if name not in second.classes]
    marked += [f'+"{name}"' for name in second.classes if name not in first.classes]
    if marked:
        more = f" and {len(marked) - _NAMES_SHOWN} more" if len(marked) > _NAMES_SHOWN else ""
        raise DataError(
            f"{paths[0]} and {paths[1]} do not know the same classes: {', '.join(marked[:_NAMES_SHOWN])}{more}",
            do="compare runs with equal classes",
        )
