"""pyarrow, imported where it is needed, and its errors in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from convatlas.data.decode import printable
from convatlas.errors import DataError, UsageError

LAYOUT = "give it a column `image` of encoded images and a column `label`"


def import_pyarrow() -> tuple[ModuleType, ModuleType]:
    """The modules pyarrow and pyarrow.parquet.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet files are read by pyarrow, which is not installed", do="pip install 'convatlas[data]'"
        ) from None
    return pyarrow, pyarrow.parquet


@contextmanager
def arrow_errors(file: Path) -> Iterator[None]:
    """Turn what pyarrow says of a file in the block into a DataError."""
    pyarrow, _ = import_pyarrow()
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f'"{printable(str(file))}" cannot be read ({reason_of(error)})', do=LAYOUT) from error


def reason_of(error: Exception) -> str:
    """The first line of what pyarrow says."""
    return printable(str(error).strip().partition("\n")[0].rstrip("."))[:120] or type(error).__name__
