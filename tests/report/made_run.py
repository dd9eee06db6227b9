"""Run folders made by hand."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch

from convatlas.report import Example
from convatlas.train.metrics import Evaluation

METRICS = "epoch step learning_rate train_loss train_error validation_loss validation_error seconds images_per_s best"


@dataclass
class MadeRun:
    """A run folder and what belongs to it."""

    folder: Path
    result: dict[str, Any]
    classes: list[str]

    def page(self) -> str:
        return (self.folder / "report.html").read_text("utf-8")


def make_run(
    folder: Path,
    classes: Sequence[str],
    predictions: Sequence[tuple[int, int]],
    *,
    epochs: int = 3,
    errors: Sequence[float] | None = None,
    loss: str = "cross_entropy",
    command: str = "convatlas train lenet5 mnist5k",
    network: dict[str, Any] | None = None,
    data: str = "shapes",
    temperature: float = 2.0,
) -> MadeRun:
    """A run whose test set got these (true, predicted) classes; pass 2, or the only one, is the best."""
    folder.mkdir()
    classes = list(classes)
    recipe = {
        "name": "quick",
        "epochs": epochs,
        "batch_size": 64,
        "seed": 7,
        "optimizer": {"name": "sgd", "lr": 0.05},
        "loss": {"name": loss},
        "preprocess": {"size": [28, 28]},
    }
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe), "utf-8")
    held = Counter(label for label, _ in predictions)
    identity = {
        "format": 1,
        "network": network,
        "data": data,
        "fingerprint": "ab" * 32,
        "classes": classes,
        "images": {"train": 1234, "validation": 100, "test": len(predictions)},
        "data_card": {
            "counts": {
                "train": [10 * (i + 1) for i in range(len(classes))],
                "validation": [5] * len(classes),
                "test": [held[i] for i in range(len(classes))],
            },
            "stored_size": [1, 28, 28],
            "background": None,
            "notes": ["left out 2 images"],
        },
        "command": command,
    }
    (folder / "run.json").write_text(json.dumps(identity), "utf-8")
    environment = {"python": "3.11.2", "torch": "2.10.0", "cores": 2, "cuda": None, "device": "cpu"}
    (folder / "environment.json").write_text(json.dumps(environment), "utf-8")
    errors = errors or [0.5 / (epoch + 1) for epoch in range(epochs)]
    with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(METRICS.split())
        for i, error in enumerate(errors):
            table.writerow([i + 1, 10 * (i + 1), 0.05, 2 * error, error, 3 * error, error, i + 1.5, 1000.0, int(i < 2)])
    with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "predicted", "probability", *(f"p:{name}" for name in classes)])
        for i, (label, predicted) in enumerate(predictions):
            row = [float(j == predicted) for j in range(len(classes))]
            table.writerow([f"test/{i}", classes[label], classes[predicted], 1.0, *row])
    wrong = sum(label != predicted for label, predicted in predictions)
    best = min(2, epochs)
    result = {
        "run": str(folder),
        "epochs": epochs,
        "seconds": 83.2,
        "images_per_s": 1652.4,
        "best_epoch": best,
        "step": 10 * epochs,
        "val": {"images": 100, "top1_error": errors[best - 1], "top5_error": 0.0, "loss": 0.2, "interval": [0.1, 0.4]},
        "test": {
            "images": len(predictions),
            "top1_error": wrong / len(predictions),
            "top5_error": 0.0,
            "loss": 0.2,
            "interval": [0.0125, 0.75],
        },
        "calibration": calibration(predictions, len(classes), temperature),
    }
    return MadeRun(folder, result, classes)


def calibration(predictions: Sequence[tuple[int, int]], classes: int, temperature: float) -> dict[str, Any]:
    """As `result.json` has it, of a network that is equally sure of each answer."""
    labels, predicted = torch.tensor(predictions).T
    logits = torch.nn.functional.one_hot(predicted, classes) * 4.0
    return Evaluation(logits, labels, temperature).calibration().as_json()


def mistakes_in(
    run: MadeRun, pairs: Sequence[tuple[int, int]], channels: int = 1, side: int = 8
) -> tuple[Example, ...]:
    """An example for each pair of different classes."""
    generator = torch.Generator().manual_seed(0)
    return tuple(
        Example(
            f"test/{i}",
            run.classes[label],
            run.classes[predicted],
            0.987,
            run.classes[label],
            0.013,
            torch.randint(0, 256, (channels, side, side + 1), dtype=torch.uint8, generator=generator),
        )
        for i, (label, predicted) in enumerate(pairs)
        if label != predicted
    )


# Of class a: 3 right, 1 taken for b. Of b: 2 right, 2 taken for a, 1 for c. Of c: 1 right.
THREE = [(0, 0)] * 3 + [(0, 1)] + [(1, 1)] * 2 + [(1, 0)] * 2 + [(1, 2)] + [(2, 2)]
