"""Write a shard: a Parquet file that Hugging Face's `datasets` reads as well."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from convatlas.data.arrow import import_pyarrow
from convatlas.data.packed.order import LANES, LEAST, WINDOW

# Of a row group's share of a window, with room for names and headers.
_FILLED = 7 / 8


@dataclass(frozen=True, slots=True)
class Row:
    """An image of a shard."""

    data: bytes
    name: str
    label: int
    group: str | None


def write_shard(file: BinaryIO, rows: Iterable[Row], classes: Sequence[str], *, has_groups: bool) -> None:
    """Write rows as they come, in row groups of which every lane of a pass can have one; pages have checksums.

    Args:
        file: where to.
        rows: of the shard.
        classes: their names.
        has_groups: whether the rows have a group.
    """
    pyarrow, parquet = import_pyarrow()
    fields = [
        ("image", pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])),
        ("label", pyarrow.int64()),
        *([("group", pyarrow.string())] if has_groups else []),
    ]
    schema = pyarrow.schema(fields, metadata={"huggingface": _features(classes, has_groups=has_groups)})
    with parquet.ParquetWriter(
        file,
        schema,
        compression="none",
        use_dictionary=False,
        write_statistics=["label"],
        write_page_checksum=True,
    ) as writer:
        waiting: list[Row] = []
        weight = 0
        for row in rows:
            more = max(len(row.data), LEAST)
            if waiting and (weight + more) * LANES > _FILLED * WINDOW:
                writer.write_table(_table(pyarrow, schema, waiting))
                waiting, weight = [], 0
            waiting.append(row)
            weight += more
        if waiting:
            writer.write_table(_table(pyarrow, schema, waiting))


def _table(pyarrow: Any, schema: Any, rows: list[Row]) -> Any:
    columns: dict[str, list[object]] = {
        "image": [{"bytes": row.data, "path": row.name} for row in rows],
        "label": [row.label for row in rows],
        "group": [row.group for row in rows],
    }
    return pyarrow.table({name: columns[name] for name in schema.names}, schema=schema)


def _features(classes: Sequence[str], *, has_groups: bool) -> str:
    features: dict[str, object] = {
        "image": {"_type": "Image"},
        "label": {"names": list(classes), "_type": "ClassLabel"},
    }
    if has_groups:
        features["group"] = {"dtype": "string", "_type": "Value"}
    return json.dumps({"info": {"features": features}})
