"""A CSV or Parquet file with a row an image: its path, its class, and perhaps its part and its group."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from convatlas.data.decode import printable
from convatlas.data.listing import Listing, quoted
from convatlas.data.parquet import SUFFIX, parquet_columns
from convatlas.data.tree import natural_key
from convatlas.errors import DataError

CSV = ".csv"
PARTS: Mapping[str, str] = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}
"""What a part of a split may be called."""

# Under which of these names a column is looked for, the first that is there.
_COLUMNS = {"path": ("path", "file", "filename", "image"), "label": ("label", "class")}
_OPTIONAL = {"split": ("split", "part"), "group": ("group",)}
_LAYOUT = "give it the columns path and label, and if you like split (train, val or test) and group"


def is_table(path: Path) -> bool:
    """Whether a path is a CSV file, or a Parquet file of paths."""
    return path.is_file() and (path.suffix.lower() == CSV or _is_parquet_of_paths(path))


def list_table(path: Path) -> Listing:
    """The images that a table names, where `is_table`; a path that is not absolute begins at the table's folder.

    Raises:
        UsageError: the table is Parquet and pyarrow is not installed.
        DataError: the table is damaged, has other columns, an empty field or the same path twice, or no image in train.
    """
    columns = _read_csv(path) if path.suffix.lower() == CSV else parquet_columns(path)
    paths, labels = (_column(path, columns, names) for names in _COLUMNS.values())
    splits, groups = (_column(path, columns, names, optional=True) for names in _OPTIONAL.values())
    if not paths:
        raise DataError(f'"{printable(str(path))}" has no row', do=_LAYOUT)
    _require_distinct(path, paths)
    parts = tuple(_part(path, text) for text in splits) or ("train",) * len(paths)
    if "train" not in parts:
        raise DataError(f'"{printable(str(path))}" has no image in train', do="name the part of some images train")
    classes = tuple(sorted(set(labels), key=natural_key))
    numbers = {name: number for number, name in enumerate(classes)}
    return Listing(
        classes=classes,
        names=tuple(paths),
        labels=tuple(numbers[label] for label in labels),
        parts=parts,
        read=lambda index: (path.parent / paths[index]).read_bytes(),
        container="part in the table",
        complete=True,
        groups=tuple(groups),
    )


def _is_parquet_of_paths(path: Path) -> bool:
    return path.suffix == SUFFIX and bool({"path", "file", "filename"} & set(parquet_columns(path, rows=False)))


def _read_csv(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = []
            for row in reader:
                if row and len(row) != len(header):
                    what = f"has {len(row)} fields in line {reader.line_num}, its head has {len(header)}"
                    raise DataError(f'"{printable(str(path))}" {what}', do="correct the file")
                rows += [row] if row else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise DataError(f'"{printable(str(path))}" cannot be read ({reason})', do="give a CSV file in UTF-8") from error
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _column(
    path: Path, columns: Mapping[str, Sequence[str]], names: tuple[str, ...], *, optional: bool = False
) -> list[str]:
    found = next((name for name in names if name in columns), None)
    if found is None:
        if optional:
            return []
        raise DataError(
            f'"{printable(str(path))}" has no column {names[0]}, it has {quoted(list(columns)) or "none"}', do=_LAYOUT
        )
    values = list(columns[found])
    empty = next((number for number, value in enumerate(values, 1) if not value), None)
    if empty is not None:
        raise DataError(f'"{printable(str(path))}" has no {found} in row {empty}', do="fill it in, or remove the row")
    return values


def _require_distinct(path: Path, paths: list[str]) -> None:
    if len(set(paths)) < len(paths):
        twice = next(name for name, times in Counter(paths).items() if times > 1)
        raise DataError(f'"{printable(str(path))}" names "{printable(twice)}" twice', do="remove one of the rows")


def _part(path: Path, text: str) -> str:
    if text.lower() not in PARTS:
        raise DataError(f'"{printable(str(path))}" has the split "{printable(text)}"', do="write train, val or test")
    return PARTS[text.lower()]
