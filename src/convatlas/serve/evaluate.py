"""A trained network's errors on a data set: `evaluate`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from convatlas.data.arrow import import_pyarrow
from convatlas.data.images import AnyImages, Data, raw_of
from convatlas.data.source import load_data
from convatlas.data.views import ViewsName
from convatlas.errors import DataError, StorageError
from convatlas.serve.predictor import load
from convatlas.serve.table import write_evaluation
from convatlas.serve.views import evaluate_views
from convatlas.train.agreement import loaded_by_each, refuse_disagreement, started_with
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.folder import RunFolder
from convatlas.train.identity import data_of
from convatlas.train.metrics import Evaluation

_NAMES_SHOWN = 5


def evaluate(
    run: str | Path,
    data: str | Path | None = None,
    *,
    views: ViewsName = "centre",
    device: torch.device | str = "cpu",
    offline: bool = False,
    on_corrupt: Literal["error", "skip"] = "error",
    on_note: Callable[[str], object] = lambda note: None,
    on_progress: Callable[[int, int], object] = lambda done, count: None,
    ranks: Ranks = ALONE,
    out: Path | None = None,
) -> Evaluation:
    """Classify the test images of a data set.

    Args:
        run: a run folder or a checkpoint.
        data: what a DATA argument means; by default the data that the run was trained on.
        views: what the network sees of an image: "centre", the view of training's own validation, or several parts or
            scales of it, whose probabilities are averaged; see `convatlas.data.views`.
        device: where to classify.
        offline: never download.
        on_corrupt: what to do with a folder's images that cannot be decoded.
        on_note: called with each remark on the data.
        on_progress: called with the number of images done and of all, where there are several views.
        ranks: those that share the images; see `join_ranks`. Each has the answers on all of them.
        out: a Parquet file for the answers, which the first rank writes; see `write_evaluation`.

    Raises:
        UsageError: for a device or a data set that is not there, views that the network or the data cannot give, or
            ranks with different networks or code.
        DataError: for data that cannot be used, is not the same on all ranks, or whose classes are not the network's.
            Classes are matched by name.
        StorageError: for a folder that holds no checkpoint, or a damaged one.
    """
    if out is not None:
        import_pyarrow()
    predictor = load(run, device=device)
    source = trained_on(Path(run)) if data is None else data
    # Several views are cut out of the images as they are, so nothing else is kept of them.
    lazy = views != "centre"
    loaded = loaded_by_each(
        ranks, lambda: load_data(source, predictor.preprocess, offline=offline, on_corrupt=on_corrupt, lazy=lazy)
    )
    refuse_disagreement(ranks, lambda: started_with(predictor.network, loaded))
    images = relabelled(loaded, predictor.classes)
    for note in loaded.notes:
        on_note(note)
    if views == "centre":
        found = predictor.evaluate(images, ranks=ranks)
    else:
        raw = raw_of(loaded, images)
        found = evaluate_views(predictor, images, raw, views, on_progress=on_progress, ranks=ranks)
    if out is not None and ranks.is_first:
        write_evaluation(out, found, images.names, predictor.classes)
    return found


def trained_on(run: Path) -> str:
    """The DATA argument that a run was trained on.

    Args:
        run: the run folder, or a checkpoint in it.

    Raises:
        StorageError: if the folder is not a run's.
    """
    folder = next((place for place in (run, run.resolve().parent.parent) if (place / "run.json").is_file()), None)
    if folder is None:
        raise StorageError(f"{run} does not say what it was trained on", do="name the data after it")
    data = data_of(RunFolder(folder).read_json("run.json"))
    if not isinstance(data, str):
        raise StorageError(f"{folder / 'run.json'} is damaged (data: {data!r})", do="name the data after the run")
    return data


def relabelled(data: Data, classes: tuple[str, ...]) -> AnyImages:
    """A data set's test images with the labels of a network; classes are matched by name.

    Raises:
        DataError: if the data set has a class that the network does not know.
    """
    extra = [name for name in data.classes if name not in classes]
    if extra:
        shown = ", ".join(f'"{name}"' for name in extra[:_NAMES_SHOWN])
        more = f" and {len(extra) - _NAMES_SHOWN} more" if len(extra) > _NAMES_SHOWN else ""
        raise DataError(
            f"{data.name} has classes that the network does not know: {shown}{more}",
            do=f"use data with its classes ({', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''})",
        )
    indices = torch.tensor([classes.index(name) for name in data.classes])
    labels = data.test.labels
    return replace(data.test, labels=indices[labels.long()].to(labels.dtype))
