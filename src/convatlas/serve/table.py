"""Predictions and evaluations as Parquet files."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch.nn.functional as F

from convatlas.data.arrow import import_pyarrow
from convatlas.durable import write_durably
from convatlas.serve.predictor import Prediction
from convatlas.train.metrics import Evaluation


def write_predictions(path: Path, predictions: Sequence[tuple[Path, Prediction]]) -> None:
    """Write a row a file, sorted by path: path, label, probability, and `top`, a list of (label, probability).

    Args:
        path: replaced when all of it is written, as it is or not at all.
        predictions: in any order.

    Raises:
        UsageError: if pyarrow is not installed.
        StorageError: if it cannot be written.
    """
    pa, pq = import_pyarrow()
    top = pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float64())]))
    schema = pa.schema([("path", pa.string()), ("label", pa.string()), ("probability", pa.float64()), ("top", top)])
    rows = [
        {
            "path": str(file),
            "label": one.label,
            "probability": one.probability,
            "top": [{"label": label, "probability": probability} for label, probability in one.top],
        }
        for file, one in sorted(predictions, key=lambda answer: str(answer[0]))
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer)
    write_durably(path, buffer.getvalue())


def write_evaluation(path: Path, evaluation: Evaluation, names: Iterable[str], classes: Sequence[str]) -> None:
    """Write a row an image, sorted by path: path, label (the true one), predicted, its probability, and the loss.

    Args:
        path: replaced when all of it is written, as it is or not at all.
        evaluation: the answers.
        names: the images', in the order of the answers.
        classes: the network's.

    Raises:
        UsageError: if pyarrow is not installed.
        StorageError: if it cannot be written.
    """
    pa, pq = import_pyarrow()
    found = list(names)
    order = sorted(range(len(found)), key=found.__getitem__)
    labels, predicted = (ids[order].tolist() for ids in (evaluation.labels, evaluation.predicted))
    logits = evaluation.logits[order].double() / evaluation.temperature
    table = pa.table(
        {
            "path": pa.array([found[image] for image in order], pa.string()),
            "label": pa.array([classes[label] for label in labels], pa.string()),
            "predicted": pa.array([classes[label] for label in predicted], pa.string()),
            "probability": logits.softmax(1).amax(1).numpy(),
            "loss": F.cross_entropy(logits, evaluation.labels[order], reduction="none").numpy(),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_durably(path, buffer.getvalue())
