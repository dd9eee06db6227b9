"""Predictions as a Parquet file."""

import io
from collections.abc import Sequence
from pathlib import Path

from convatlas.durable import write_durably
from convatlas.errors import UsageError
from convatlas.serve.predictor import Prediction


def require_pyarrow() -> None:
    """Refuse to begin what could not be written.

    Raises:
        UsageError: if pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError(
            "Parquet files are written by pyarrow, which is not installed", do="pip install 'convatlas[data]'"
        ) from None


def write_predictions(path: Path, predictions: Sequence[tuple[Path, Prediction]]) -> None:
    """Write a row a file: path, label, probability, and `top`, a list of (label, probability).

    Args:
        path: replaced when all of it is written, as it is or not at all.
        predictions: in the order of the rows.

    Raises:
        UsageError: if pyarrow is not installed.
        StorageError: if it cannot be written.
    """
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    top = pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float64())]))
    schema = pa.schema([("path", pa.string()), ("label", pa.string()), ("probability", pa.float64()), ("top", top)])
    rows = [
        {
            "path": str(file),
            "label": one.label,
            "probability": one.probability,
            "top": [{"label": label, "probability": probability} for label, probability in one.top],
        }
        for file, one in predictions
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer)
    write_durably(path, buffer.getvalue())
