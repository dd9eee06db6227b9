"""The column that says which images of a Parquet file or another table no split may part."""

from typing import Any

from convatlas.data.arrow import ParquetPlace, open_parquet
from convatlas.data.decode import printable
from convatlas.errors import DataError

GROUP = "group"


def read_groups(file: ParquetPlace) -> list[str]:
    """What each row of a file must not be parted from: its column `group` as texts; nothing if it has none.

    Raises:
        UsageError: pyarrow is not installed.
        DataError: the file is damaged, or a row has no group.
    """
    with open_parquet(file) as opened:
        if GROUP not in opened.schema_arrow.names:
            return []
        return grouped(opened.read(columns=[GROUP]).column(0).to_pylist(), f'"{printable(str(file))}"')


def grouped(values: list[Any], where: str) -> list[str]:
    """A column of groups as texts.

    Args:
        values: of the column.
        where: what messages call the table.

    Raises:
        DataError: a row has none.
    """
    empty = next((row for row, value in enumerate(values, 1) if value is None or value == ""), None)
    if empty is not None:
        raise DataError(f"{where} has no {GROUP} in row {empty}", do="fill it in, or leave the column out")
    return [str(value) for value in values]
