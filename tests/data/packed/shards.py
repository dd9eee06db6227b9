"""Packed sets that are made without packing: a few encoded images again and again."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from convatlas.data.packed.manifest import PACKED, Manifest, Plan, ShardRecord
from convatlas.data.packed.write import Row, write_shard

CLASSES = ("bat", "owl", "wren")


def write_set(
    root: Path,
    parts: dict[str, int],
    image: Callable[[int], bytes],
    *,
    shard_size: int = 8192,
    label: Callable[[int], int] = lambda i: i % len(CLASSES),
) -> Path:
    """Shards and manifest of as many images of each part as are asked for."""
    root.mkdir(parents=True)
    shards = {}
    for part, count in parts.items():
        records = []
        total = -(-count // shard_size)
        for number in range(total):
            path = root / f"{part}-{number:05d}-of-{total:05d}.parquet"
            rows = (
                Row(image(i), f"{part}/{i}.jpg", label(i), None)
                for i in range(number * shard_size, min(count, (number + 1) * shard_size))
            )
            with path.open("wb") as file:
                write_shard(file, rows, CLASSES, has_groups=False)
            data = path.read_bytes()
            images = min(shard_size, count - number * shard_size)
            records.append(
                ShardRecord(file=path.name, images=images, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            )
        shards[part] = tuple(records)
    plan = Plan(
        source="made", digest="", classes=CLASSES, shorter_side=None, shard_size=shard_size, parts=parts, seed=0
    )
    (root / PACKED).write_text(Manifest(plan=plan, shards=shards).model_dump_json())
    return root
