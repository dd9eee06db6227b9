"""The index of a part's shards: where each image lies, in a few bytes an image."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convatlas.data.arrow import ParquetPlace, import_pyarrow, open_parquet
from convatlas.data.columns import find_column
from convatlas.data.decode import printable
from convatlas.data.groups import GROUP
from convatlas.errors import DataError

# Footers that are read at a time: shared storage answers slowly, not seldom.
_READERS = 4
_MOST_CLASSES = 1 << 15


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The shards of one part of a split; row groups and images are numbered through all of them.

    Attributes:
        name: "train", "val" or "test".
        files: the shards.
        column: the leaf column of encoded images, like "image.bytes".
        paths: the leaf column of the images' names; None if they are called by their numbers.
        has_groups: whether the shards have a column of groups.
        shards: the shard of each row group, int64 (G,).
        within: the number of each row group in its shard, int64 (G,).
        starts: the first image of each row group, and behind them the number of images, int64 (G + 1,).
        sizes: bytes of each row group's images, int64 (G,).
        labels: int16 (N,), indices into the classes.
        digest: of the shards, SHA-256.
    """

    name: str
    files: tuple[ParquetPlace, ...]
    column: str
    paths: str | None
    has_groups: bool
    shards: Tensor
    within: Tensor
    starts: Tensor
    sizes: Tensor
    labels: Tensor
    digest: bytes

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class _Shard:
    columns: tuple[str, str | None]
    has_groups: bool
    rows: list[int]
    sizes: list[int]
    labels: NDArray[Any]
    classes: tuple[str, ...]
    digest: bytes


def index_parts(
    files: Mapping[str, Sequence[ParquetPlace]],
    *,
    named: bool,
    digests: Mapping[str, str],
    columns: Mapping[str, str],
) -> tuple[tuple[str, ...], dict[str, Part]]:
    """Read the footers and the labels of all shards.

    Args:
        files: the shards of each part.
        named: whether the shards hold names of the images that are all different.
        digests: SHA-256 of shards by file name, where it is known; of others the footer stands for the content.
        columns: which column is "image" and which "label", as far as the user says so.

    Returns:
        The names of the classes, and the parts.

    Raises:
        UsageError: pyarrow is not installed.
        DataError: a shard is damaged or has other columns or classes than the first, or only some have groups.
    """
    import_pyarrow()
    everything = [file for shards in files.values() for file in shards]
    with ThreadPoolExecutor(_READERS) as threads:
        read = dict(zip(everything, threads.map(partial(_read_shard, columns=columns), everything), strict=True))
    classes = _classes(read)
    without = [file for file, shard in read.items() if not shard.has_groups]
    if 0 < len(without) < len(read):
        raise DataError(
            f'"{printable(str(without[0]))}" has no column {GROUP}, another shard has', do="give it to all, or to none"
        )
    return classes, {
        part: _part(part, tuple(shards), [read[file] for file in shards], classes, named=named, digests=digests)
        for part, shards in files.items()
    }


def _classes(read: Mapping[ParquetPlace, _Shard]) -> tuple[str, ...]:
    told = {shard.classes for shard in read.values() if shard.classes}
    if len(told) > 1 or (told and not all(shard.classes for shard in read.values())):
        first, other = next(
            (a, b) for a in read for b in read if read[a].classes != read[b].classes
        )  # fmt: skip
        raise DataError(
            f'"{printable(str(other))}" has other classes than "{printable(str(first))}"', do="give all the same ones"
        )
    if told:
        return told.pop()
    if all(shard.labels.dtype.kind == "O" for shard in read.values()):
        return tuple(sorted({label for shard in read.values() for label in set(shard.labels.tolist())}))
    if any(shard.labels.dtype.kind == "O" for shard in read.values()):
        raise DataError("some shards have names as labels and others numbers", do="give all the same kind")
    return tuple(map(str, range(1 + max(int(shard.labels.max(initial=0)) for shard in read.values()))))


def _part(
    name: str,
    files: tuple[ParquetPlace, ...],
    shards: list[_Shard],
    classes: tuple[str, ...],
    *,
    named: bool,
    digests: Mapping[str, str],
) -> Part:
    if any(shard.columns[0] != shards[0].columns[0] for shard in shards):
        raise DataError(f"the shards of {name} have different columns", do="give all the same ones")
    labels = np.concatenate([_numbers(shard, classes, file) for shard, file in zip(shards, files, strict=True)])
    rows = torch.tensor([count for shard in shards for count in shard.rows], dtype=torch.int64)
    digest = hashlib.sha256()
    for file, shard in zip(files, shards, strict=True):
        digest.update(bytes.fromhex(digests[file.name]) if file.name in digests else shard.digest)
    column, paths = shards[0].columns
    return Part(
        name,
        files,
        column,
        paths if named else None,
        shards[0].has_groups,
        torch.tensor([number for number, shard in enumerate(shards) for _ in shard.rows], dtype=torch.int64),
        torch.tensor([number for shard in shards for number in range(len(shard.rows))], dtype=torch.int64),
        torch.cat([torch.zeros(1, dtype=torch.int64), rows.cumsum(0)]),
        torch.tensor([size for shard in shards for size in shard.sizes], dtype=torch.int64),
        torch.from_numpy(labels),
        digest.digest(),
    )


def _numbers(shard: _Shard, classes: tuple[str, ...], file: ParquetPlace) -> NDArray[np.int16]:
    if len(classes) > _MOST_CLASSES:
        raise DataError(f"{len(classes):,} classes, at most {_MOST_CLASSES:,} are allowed", do="use fewer classes")
    labels = shard.labels
    if labels.dtype.kind == "O":
        numbers = {name: number for number, name in enumerate(classes)}
        return np.array([numbers[label] for label in labels], np.int16)
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise DataError(
            f'"{printable(str(file))}" has labels from {labels.min()} to {labels.max()}, '
            f"the classes are 0 to {len(classes) - 1}",
            do="leave out the images without a class, or correct the file",
        )
    return labels.astype(np.int16)


def _read_shard(file: ParquetPlace, columns: Mapping[str, str]) -> _Shard:
    with open_parquet(file) as opened:
        schema, metadata = opened.schema_arrow, opened.metadata
        features = features_of(schema.metadata or {})
        kinds = {name: str(features.get(name, {}).get("_type", schema.field(name).type)) for name in schema.names}
        where = f'"{printable(str(file))}"'
        image = find_column(kinds, "Image", "image", where, columns.get("image"))
        label = find_column(kinds, "ClassLabel", "label", where, columns.get("label"))
        leaves = [opened.schema.column(i).path for i in range(len(opened.schema))]
        column = next((leaf for leaf in (f"{image}.bytes", image) if leaf in leaves), None)
        if column is None:
            raise DataError(f"{where} has no encoded images in its column {image}", do="give it images as bytes")
        place = leaves.index(column)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        values = opened.read(columns=[label], use_threads=False).column(0)
        if values.null_count:
            raise DataError(f"{where} has rows without a label", do="leave them out")
        labels = values.to_numpy()
    if labels.dtype.kind not in "iuO" or (labels.dtype.kind == "O" and not all(isinstance(x, str) for x in labels)):
        raise DataError(f"{where} has labels that are neither names nor numbers from 0", do="correct the file")
    names = features.get(label, {}).get("names")
    return _Shard(
        (column, f"{image}.path" if f"{image}.path" in leaves else None),
        GROUP in kinds,
        [group.num_rows for group in groups],
        [group.column(place).total_uncompressed_size for group in groups],
        labels.astype(np.int32) if labels.dtype.kind in "iu" else labels,
        tuple(map(str, names)) if isinstance(names, list) else (),
        _digest(file, metadata.num_rows),
    )


def _digest(file: ParquetPlace, rows: int) -> bytes:
    # The footer has the places, sizes and statistics of all that a Parquet file holds; its length stands before the
    # last four bytes.
    with file.open("rb") if isinstance(file, Path) else file.open() as stream:
        size = stream.seek(0, 2)
        stream.seek(-8, 2)
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(-8 - length, 2)
        return hashlib.sha256(f"{file.name} {rows} {size} ".encode() + stream.read(length)).digest()


def features_of(metadata: Mapping[bytes, bytes]) -> dict[str, dict[str, Any]]:
    """What Hugging Face's data sets keep of each column in a file's metadata; nothing if it is not there."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return {str(k): v for k, v in features.items() if isinstance(v, dict)} if isinstance(features, dict) else {}
