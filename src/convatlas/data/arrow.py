"""pyarrow, imported where it is needed, and its errors in one line."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Protocol

from convatlas.data.decode import printable
from convatlas.errors import DataError, UsageError


class RemoteFile(Protocol):
    """A file that is not on a disk; `str` of it says where it is."""

    @property
    def name(self) -> str:
        """The last part of its path."""

    def open(self) -> BinaryIO:
        """Its bytes, which may be read in any order."""


ParquetPlace = Path | RemoteFile

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
            "Parquet files are read and written by pyarrow, which is not installed", do="pip install 'convatlas[data]'"
        ) from None
    return pyarrow, pyarrow.parquet


@contextmanager
def open_parquet(file: ParquetPlace) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile` whose pages are compared with their checksums, where they have them.

    Raises:
        UsageError: pyarrow is not installed.
        DataError: now or in the block, the file is damaged or cannot be read.
    """
    _, parquet = import_pyarrow()
    with arrow_errors(file), ExitStack() as stack:
        source = file if isinstance(file, Path) else stack.enter_context(file.open())
        yield stack.enter_context(parquet.ParquetFile(source, page_checksum_verification=True))


@contextmanager
def arrow_errors(file: ParquetPlace) -> Iterator[None]:
    """Turn what pyarrow says of a file in the block into a DataError."""
    pyarrow, _ = import_pyarrow()
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f'"{printable(str(file))}" cannot be read ({reason_of(error)})', do=LAYOUT) from error


def reason_of(error: Exception) -> str:
    """The first line of what pyarrow says."""
    return printable(str(error).strip().partition("\n")[0].rstrip("."))[:120] or type(error).__name__
