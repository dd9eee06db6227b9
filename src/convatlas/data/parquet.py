"""A Parquet file of encoded images and labels, or a folder of train.parquet and test.parquet."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convatlas.data.arrow import LAYOUT, arrow_errors, import_pyarrow, reason_of
from convatlas.data.decode import printable
from convatlas.data.groups import GROUP, read_groups
from convatlas.data.listing import Listing, require_same_classes
from convatlas.errors import DataError

SUFFIX = ".parquet"
_PARTS = ("train", "test")
_ROWS = 64


@dataclass(frozen=True, slots=True)
class _Table:
    images: list[bytes]
    labels: list[int]
    names: list[str]
    classes: tuple[str, ...]
    groups: list[str]


def is_parquet(path: Path) -> bool:
    """Whether a path is a Parquet file, or a folder of train.parquet and test.parquet."""
    return (path.is_file() and path.suffix == SUFFIX) or all((path / f"{part}{SUFFIX}").is_file() for part in _PARTS)


def part_files(path: Path) -> dict[str, Path]:
    """The file of each part; a single file is "train"."""
    return {part: path / f"{part}{SUFFIX}" for part in _PARTS} if path.is_dir() else {"train": path}


def list_parquet(path: Path) -> Listing:
    """What a Parquet file of images holds, or a folder of train.parquet and test.parquet, where `is_parquet`.

    The column `image` has encoded images, as bytes or as records with an entry `bytes`, which is what Hugging Face's
    data sets have; the column `label` has classes' names, or numbers, whose names the file's metadata may tell; a
    column `group` says what no split may part.

    Raises:
        UsageError: pyarrow is not installed.
        DataError: a file is damaged or has other columns, or the parts have different classes.
    """
    files = part_files(path)
    tables = {part: _read(file, part) for part, file in files.items()}
    classes = tables["train"].classes
    for part, table in tables.items():
        require_same_classes(classes, table.classes, f'"{printable(str(files[part]))}"', called="classes")
        if table.classes != classes:
            raise DataError(f'"{files[part]}" counts the classes in another order', do="give both the same order")
    without = [part for part, table in tables.items() if not table.groups]
    if 0 < len(without) < len(tables):
        raise DataError(
            f'"{files[without[0]]}" has no column {GROUP}, another part has', do="give it to all, or to none"
        )
    images = [image for table in tables.values() for image in table.images]
    return Listing(
        classes=classes,
        names=tuple(name for table in tables.values() for name in table.names),
        labels=tuple(label for table in tables.values() for label in table.labels),
        parts=tuple(part for part, table in tables.items() for _ in table.images),
        read=images.__getitem__,
        container="file",
        complete=False,
        groups=tuple(group for table in tables.values() for group in table.groups),
    )


def parquet_columns(file: Path, *, rows: bool = True) -> dict[str, list[str]]:
    """The columns of a Parquet file as texts, by name; without rows their names alone.

    Raises:
        UsageError: pyarrow is not installed.
        DataError: the file is damaged.
    """
    pyarrow, parquet = import_pyarrow()
    try:
        if not rows:
            return {name: [] for name in parquet.read_schema(file).names}
        table = parquet.read_table(file)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f'"{printable(str(file))}" cannot be read ({reason_of(error)})', do=LAYOUT) from error
    return {
        name: ["" if value is None else str(value) for value in table.column(name).to_pylist()]
        for name in table.column_names
    }


def _read(file: Path, part: str) -> _Table:
    labels, classes = read_labels(file)
    encoded = [image for image in iterate_images(file) if image is not None]
    if not encoded or len(encoded) < len(labels):
        raise DataError(f'"{printable(str(file))}" has rows without an encoded image', do=LAYOUT)
    return _Table(encoded, labels, row_names(part, len(encoded)), classes, read_groups(file))


def row_names(part: str, count: int) -> list[str]:
    """What the rows of a part's file are called."""
    width = len(str(count - 1))
    return [f"{part}/{index:0{width}d}" for index in range(count)]


def read_labels(file: Path) -> tuple[list[int], tuple[str, ...]]:
    """A file's labels as numbers, and the names of the classes that they count.

    Raises:
        UsageError: pyarrow is not installed.
        DataError: the file is damaged or has no such labels.
    """
    _, parquet = import_pyarrow()
    with arrow_errors(file):
        table = parquet.read_table(file, columns=["label"])
        labels = table.column("label").to_pylist()
    if not labels:
        raise DataError(f'"{printable(str(file))}" has no rows', do=LAYOUT)
    classes, numbers = labelled(labels, _told_classes(table.schema.metadata or {}), f'"{printable(str(file))}"')
    return numbers, classes


def iterate_images(file: Path) -> Iterator[bytes | None]:
    """A file's encoded images, a few at a time in memory; None for a row without one.

    Raises:
        UsageError: pyarrow is not installed.
        DataError: the file is damaged or has no column of images.
    """
    _, parquet = import_pyarrow()
    with arrow_errors(file), parquet.ParquetFile(file) as opened:
        if "image" not in opened.schema_arrow.names:
            raise DataError(f'"{printable(str(file))}" has no column "image"', do=LAYOUT)
        for batch in opened.iter_batches(_ROWS, columns=["image"]):
            for value in batch.column(0).to_pylist():
                image = value.get("bytes") if isinstance(value, dict) else value
                yield image if isinstance(image, bytes) else None


def labelled(labels: list[Any], told: tuple[str, ...], where: str) -> tuple[tuple[str, ...], list[int]]:
    """Names of the classes, and each label as a number.

    Args:
        labels: names, or numbers from 0.
        told: the names that the numbers mean; none if they are not known.
        where: what messages call the table.

    Raises:
        DataError: other labels, or a number without a name.
    """
    if all(isinstance(label, str) for label in labels):
        numbers = {name: number for number, name in enumerate(sorted(set(labels)))}
        return tuple(numbers), [numbers[label] for label in labels]
    if not all(type(label) is int and label >= 0 for label in labels):
        raise DataError(f"{where} has labels that are neither names nor numbers from 0", do=LAYOUT)
    most = max(labels)
    if told and most >= len(told):
        raise DataError(
            f"{where} has the label {most}, its metadata tells {len(told)} classes",
            do="correct the file",
        )
    return told or tuple(str(label) for label in range(most + 1)), labels


def _told_classes(metadata: dict[bytes, bytes]) -> tuple[str, ...]:
    """Names of the classes as Hugging Face's data sets keep them in a file's metadata; none if they are not there."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()
