"""What a finished run leaves: the test set's predictions in one table, the figures, the report."""

import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from convatlas.data.images import Data
from convatlas.report import Views, write_report
from convatlas.train.examples import choose_examples
from convatlas.train.folder import RunFolder, to_json
from convatlas.train.history import History
from convatlas.train.metrics import Evaluation


def figures_of(folder: RunFolder, history: History, ended: str, step: int, test: Evaluation) -> dict[str, Any]:
    """The figures of a finished run, as JSON values.

    Args:
        folder: the run's.
        history: its epochs.
        ended: what ended it; see `Ending`.
        step: of the chosen weights.
        test: their answers on the test images.
    """
    best = history.best()
    return {
        "run": str(folder.path),
        "epochs": history.epochs[-1]["epoch"],
        "ended": ended,
        "seconds": history.seconds,
        "images_per_s": history.images_per_s,
        "best_epoch": best["epoch"],
        "step": step,
        "val": best["validation"],
        "test": test.summary(),
        "calibration": test.calibration().as_json(),
    }


def write_results(folder: RunFolder, result: dict[str, Any], test: Evaluation, data: Data, views: Views) -> None:
    """Write predictions, plots and report, and last `result.json`, which marks the run as finished.

    Args:
        folder: the run's.
        result: the figures, as JSON values.
        test: the chosen weights' answers on the test images.
        data: the images and their classes.
        views: training images as the network sees them.

    Raises:
        StorageError: if something cannot be written.
    """
    folder.write("predictions.csv", predictions_csv(test, data.test.names, data.classes))
    write_report(folder.path, result, replace(choose_examples(test, data), views=views))
    folder.write("result.json", to_json(result, indent=2))


def predictions_csv(evaluation: Evaluation, names: Iterable[str], classes: tuple[str, ...]) -> str:
    """A table with a row an image: name, true and predicted class, its probability, then every class's probability."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "label", "predicted", "probability", *(f"p:{name}" for name in classes)])
    probabilities = evaluation.probabilities.tolist()
    rows = zip(names, evaluation.labels.tolist(), evaluation.predicted.tolist(), probabilities, strict=True)
    for name, label, predicted, row in rows:
        shown = [f"{value:.6g}" for value in row]
        writer.writerow([name, classes[label], classes[predicted], shown[predicted], *shown])
    return text.getvalue()
