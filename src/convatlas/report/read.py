"""What a run folder's files say, checked once and then trusted."""

import csv
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convatlas.errors import StorageError

_ANOTHER = "give another run, or train again"


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the training images; errors as fractions."""

    epoch: int
    train_loss: float
    train_error: float
    validation_loss: float
    validation_error: float


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        network: the network's name; None for one that is not of the atlas.
        data: what it was trained on.
        fingerprint: identifies the images and labels.
        classes: names, in the order of the outputs.
        images: number of images by split, as far as the run says.
        card: what the run says of its data besides; see `data_card` in `run.json`.
        command: what was typed.
        recipe: how it was trained.
        environment: on what.
        passes: in order, at least one.
        best: the pass whose weights were kept.
        confusion: test images (classes, classes), int64; a row the true class, a column the predicted one.
        weights: where the weights are from that it began with, if it was no initialisation.
        fractions: what trainings on fractions of its images came to, if there were any; `fractions.json`.
    """

    network: str | None
    data: str
    fingerprint: str
    classes: tuple[str, ...]
    images: dict[str, int]
    card: dict[str, Any]
    command: str
    recipe: dict[str, Any]
    environment: dict[str, Any]
    passes: tuple[Pass, ...]
    best: Pass
    confusion: NDArray[np.int64]
    weights: str | None = None
    fractions: dict[str, Any] | None = None


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        StorageError: if a file is missing or damaged; the message names it.
    """
    identity = _json(folder / "run.json")
    for key, kind in {"data": str, "classes": list, "images": dict, "command": str, "fingerprint": str}.items():
        if not isinstance(identity.get(key), kind):
            raise _damaged(folder / "run.json", f"no {key}")
    network = identity.get("network")
    classes = tuple(str(name) for name in identity["classes"])
    passes, best = _passes(folder / "metrics.csv")
    return Run(
        network=str(network["name"]) if isinstance(network, dict) and "name" in network else None,
        data=identity["data"],
        fingerprint=identity["fingerprint"],
        classes=classes,
        images={str(split): int(number) for split, number in identity["images"].items()},
        card=_card(folder / "run.json", identity.get("data_card", {}), len(classes)),
        command=identity["command"],
        recipe=_toml(folder / "recipe.toml"),
        environment=_json(folder / "environment.json"),
        passes=passes,
        best=best,
        confusion=_confusion(folder / "predictions.csv", classes),
        weights=_source(folder / "run.json", identity.get("weights")),
        fractions=_json(folder / "fractions.json") if (folder / "fractions.json").is_file() else None,
    )


def _source(path: Path, weights: object) -> str | None:
    if weights is None:
        return None
    if not isinstance(weights, dict) or not isinstance(weights.get("source"), str):
        raise _damaged(path, "its weights have no source")
    return str(weights["source"])


def _card(path: Path, card: object, classes: int) -> dict[str, Any]:
    kinds = {"counts": dict, "stored_size": list, "background": str | None, "notes": list}
    if not isinstance(card, dict) or any(key in card and not isinstance(card[key], kinds[key]) for key in kinds):
        raise _damaged(path, "its data_card is none")
    if any(not isinstance(counts, list) or len(counts) != classes for counts in card.get("counts", {}).values()):
        raise _damaged(path, "its data_card counts other classes")
    if len(card.get("stored_size", [1, 1, 1])) != 3:
        raise _damaged(path, "its data_card has no size")
    return card


def _passes(path: Path) -> tuple[tuple[Pass, ...], Pass]:
    columns = ("epoch", "train_loss", "train_error", "validation_loss", "validation_error", "best")
    passes: list[Pass] = []
    best: Pass | None = None
    for line, (epoch, *values, is_best) in _rows(path, columns):
        try:
            passes.append(Pass(int(epoch), *map(float, values)))
        except ValueError:
            raise _damaged(path, f"line {line} has a value that is no number") from None
        # Each pass that was the best so far is marked; the last of them was kept.
        if is_best == "1":
            best = passes[-1]
    if best is None:
        raise _damaged(path, "it has no best epoch")
    return tuple(passes), best


def _confusion(path: Path, classes: tuple[str, ...]) -> NDArray[np.int64]:
    index = {name: position for position, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for line, (label, predicted) in _rows(path, ("label", "predicted")):
        if label not in index or predicted not in index:
            unknown = predicted if label in index else label
            raise _damaged(path, f"line {line} has the class {unknown!r}, which run.json does not have")
        counts[index[label], index[predicted]] += 1
    if not counts.any():
        raise _damaged(path, "it has no predictions")
    return counts


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The wanted columns of a CSV file's rows, each with its line number."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            for column in columns:
                if column not in header:
                    raise _damaged(path, f"it has no column {column}")
            wanted = [header.index(column) for column in columns]
            for row in reader:
                if len(row) != len(header):
                    raise _damaged(path, f"line {reader.line_num} has {len(row)} columns instead of {len(header)}")
                yield reader.line_num, [row[i] for i in wanted]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from None


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(value, dict):
        raise _damaged(path, "not an object")
    return value


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> StorageError:
    if isinstance(error, FileNotFoundError):
        return StorageError(f"{path.parent} is not a finished run: it has no {path.name}", do=_ANOTHER)
    if isinstance(error, OSError):
        return StorageError(f"reading {path} failed ({error.strerror})", do="check the path and its permissions")
    return _damaged(path, type(error).__name__)


def _damaged(path: Path, reason: str) -> StorageError:
    return StorageError(f"{path} is damaged ({reason})", do=_ANOTHER)
