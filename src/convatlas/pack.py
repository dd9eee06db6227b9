"""Write a data set as Parquet shards for quick reading in little memory: `pack`."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import torch
from filelock import FileLock, Timeout
from pydantic import ValidationError

from convatlas.data.arrow import import_pyarrow
from convatlas.data.decode import DecodeError, decode_stored, printable
from convatlas.data.hashing import seed_of
from convatlas.data.holdout import hold_out
from convatlas.data.listing import Division, Listing, OnCorrupt, divide
from convatlas.data.packed.encode import encode
from convatlas.data.packed.manifest import PACKED, PACKING, Manifest, Plan, ShardRecord
from convatlas.data.packed.source import list_any
from convatlas.data.packed.write import Row, write_shard
from convatlas.data.same import Picture, picture_of, same_pictures
from convatlas.data.threads import ahead, cores, in_threads
from convatlas.durable import (
    free_bytes,
    is_temporary,
    make_folder,
    read_durable,
    remove_temporaries,
    sha256_of,
    write_durably,
    written_durably,
)
from convatlas.errors import BusyError, DataError, StorageError, UsageError

SHARD_SIZE = 8192
VALIDATION_SHARE = 0.1
"""Of the training images, held out where the data bring no validation images; what training would hold out."""

_SEED = 0
_SAMPLED = 64
# Parquet's own bytes, and names and labels.
_AN_IMAGE, _A_SHARD = 256, 1 << 16
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed.

    Attributes:
        path: the folder, which every command takes as DATA.
        images: number of images of each part.
        shards: number of files.
        size: bytes of all of them.
        kept: how many shards an earlier try had written.
        notes: remarks for the user.
    """

    path: Path
    images: dict[str, int]
    shards: int
    size: int
    kept: int
    notes: tuple[str, ...]


def pack(
    data: str | Path,
    out: Path,
    *,
    shorter_side: int | None = None,
    shard_size: int = SHARD_SIZE,
    offline: bool = False,
    on_corrupt: OnCorrupt = "error",
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> Packed:
    """Pack a data set: decode every image once, split, shuffle, write shards, and last the manifest.

    An interrupted call goes on when it is repeated. The split is the one that training would make of the same data.

    Args:
        data: as for `load_data`.
        out: a new or empty folder, or one that an equal call began.
        shorter_side: what larger images are scaled to once, in pixels; None keeps them as they are.
        shard_size: images a shard.
        offline: never download.
        on_corrupt: what to do with images that cannot be decoded.
        on_progress: called with the number of images read or written, and twice the number of all.

    Raises:
        UsageError: for a folder that is not free, numbers that are not allowed, or if pyarrow is not installed.
        DataError: for data that cannot be used.
        BusyError: if another process packs into `out`.
        StorageError: if there is not enough room, or a shard cannot be written.
    """
    if shard_size < 1 or (shorter_side is not None and shorter_side < 1):
        raise UsageError("sizes have to be at least 1", do="give larger ones")
    _refuse_taken(out)
    import_pyarrow()
    listing = list_any(data, offline=offline)
    reader = _Reader(listing, on_progress)
    division = divide(listing, reader.same(), reader.reasons, on_corrupt=on_corrupt, seed=_SEED)
    members = _members(listing, division)
    plan = Plan(
        source=str(data),
        digest=_digest(listing, members, reader.digests),
        classes=listing.classes,
        shorter_side=shorter_side,
        shard_size=shard_size,
        parts={part: len(images) for part, images in members.items()},
        seed=_SEED,
    )
    make_folder(out)
    lock = FileLock(out / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(f"another process packs into {out}", do="wait for it, or give another folder") from None
    try:
        remove_temporaries(out)
        _begin(out, plan, reader.needed(members, shorter_side))
        shards, kept = _Writer(out, plan, listing, reader).write(members)
        write_durably(out / PACKED, Manifest(plan=plan, shards=shards).model_dump_json(indent=1).encode())
        (out / PACKING).unlink()
    finally:
        lock.release()
        (out / _LOCK).unlink(missing_ok=True)
    records = [record for some in shards.values() for record in some]
    size = sum(record.size for record in records)
    return Packed(out, plan.parts, len(records), size, kept, division.notes)


def _refuse_taken(out: Path) -> None:
    if (out / PACKED).exists():
        raise UsageError(f"{out} holds a packed data set already", do="give another folder")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", do="give a new folder")
    begun = (out / PACKING).exists() or not out.is_dir()
    if not begun and any(path.name != _LOCK and not is_temporary(path) for path in out.iterdir()):
        raise UsageError(f"{out} is not empty", do="give a new folder")


class _Reader:
    """Decodes every image once, on all cores: what it is, or why it is none."""

    def __init__(self, listing: Listing, on_progress: Callable[[int, int], None]) -> None:
        count = len(listing.names)
        self.listing, self.total = listing, 2 * count
        self.digests, self.sizes = [""] * count, [0] * count
        self.pictures: list[Picture | None] = [None] * count
        self.reasons: dict[int, str] = {}
        self._done, self._lock, self._on_progress = 0, Lock(), on_progress
        in_threads(count, self._examine, cores())

    def read(self, index: int) -> bytes:
        name = self.listing.names[index]
        try:
            return self.listing.read(index)
        except OSError as error:
            raise DecodeError(name, f"cannot be read ({error.strerror or error})") from error

    def _examine(self, index: int) -> None:
        try:
            data = self.read(index)
            self.digests[index], self.sizes[index] = hashlib.sha256(data).hexdigest(), len(data)
            image, stored = decode_stored(io.BytesIO(data), self.listing.names[index])
            self.pictures[index] = picture_of(self.digests[index], image, stored)
        except DecodeError as error:
            self.reasons[index] = error.reason
        self.count(1)

    def same(self) -> list[str]:
        """For each image a text, equal for the same pictures; of those that cannot be decoded, for equal files."""
        return [same or own for same, own in zip(same_pictures(self.pictures), self.digests, strict=True)]

    def count(self, images: int) -> None:
        with self._lock:
            self._done += images
            self._on_progress(self._done, self.total)

    def needed(self, members: dict[str, list[int]], shorter_side: int | None) -> int:
        """Bytes that the shards will take; by a sample if the images are made smaller."""
        chosen = [index for images in members.values() for index in images]
        if shorter_side is None:
            return sum(self.sizes[index] for index in chosen) + len(chosen) * _AN_IMAGE
        sample = chosen[:: -(-len(chosen) // _SAMPLED)]
        names = self.listing.names
        taken = sum(len(encode(self.read(i), names[i], shorter_side=shorter_side).data) for i in sample)
        return len(chosen) * (taken // len(sample) + _AN_IMAGE) * 11 // 10


def _members(listing: Listing, division: Division) -> dict[str, list[int]]:
    """The images of each part, shuffled: a row group shows as many classes as the part has."""
    members = dict(division.members)
    if "val" not in members:
        train = members["train"]
        names, labels, together = (
            [listing.names[i] for i in train],
            [listing.labels[i] for i in train],
            [division.together[i] for i in train],
        )
        held = hold_out(names, labels, together, VALIDATION_SHARE, _SEED)
        members["val"] = [index for index, out in zip(train, held, strict=True) if out]
        members["train"] = [index for index, out in zip(train, held, strict=True) if not out]
        if not members["val"]:
            raise DataError("too few images to hold out some for validation", do="add images to each class")
    return {part: _shuffled(members[part]) for part in ("train", "val", "test")}


def _shuffled(images: Sequence[int]) -> list[int]:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed_of(_SEED)))
    return [images[place] for place in order.tolist()]


def _digest(listing: Listing, members: dict[str, list[int]], digests: Sequence[str]) -> str:
    digest = hashlib.sha256(json.dumps(listing.classes).encode())
    for part, images in members.items():
        for i in images:
            row = [part, listing.names[i], listing.labels[i], digests[i], *listing.groups[i : i + 1]]
            digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _begin(out: Path, plan: Plan, needed: int) -> None:
    begun = out / PACKING
    if begun.exists():
        try:
            before = Plan.model_validate_json(read_durable(begun))
        except ValidationError:
            before = None
        if before != plan:
            raise UsageError(
                f"{out} holds the beginning of another pack, of other images or in another way",
                do="give the command that began it, or another folder",
            )
    done = sum(path.stat().st_size for path in out.glob("*.parquet"))
    needed, free = max(0, needed - done) + _A_SHARD, free_bytes(out)
    if needed > free:
        raise StorageError(
            f"{printable(str(out))} needs about {needed:,} bytes, {free:,} are free",
            do="free space there, then give the same command again",
        )
    write_durably(begun, plan.model_dump_json(indent=1).encode())


class _Writer:
    """Writes the shards that are not there yet."""

    def __init__(self, out: Path, plan: Plan, listing: Listing, reader: _Reader) -> None:
        self.out, self.plan, self.listing, self.reader = out, plan, listing, reader

    def write(self, members: dict[str, list[int]]) -> tuple[dict[str, tuple[ShardRecord, ...]], int]:
        """The shards of each part, and how many of them were there."""
        size, kept = self.plan.shard_size, 0
        shards: dict[str, tuple[ShardRecord, ...]] = {}
        with ThreadPoolExecutor(cores()) as threads:
            for part, images in members.items():
                records = []
                count = -(-len(images) // size)
                for number in range(count):
                    some = images[number * size : (number + 1) * size]
                    path = self.out / f"{part}-{number:05d}-of-{count:05d}.parquet"
                    if path.exists():
                        kept += 1
                        self.reader.count(len(some))
                        found = path.stat().st_size, sha256_of(path)
                    else:
                        found = self._shard(path, some, threads)
                    records.append(ShardRecord(file=path.name, images=len(some), size=found[0], sha256=found[1]))
                shards[part] = tuple(records)
        return shards, kept

    def _shard(self, path: Path, images: list[int], threads: ThreadPoolExecutor) -> tuple[int, str]:
        with written_durably(path) as file:
            rows = ahead(threads, self._row, images, 4 * cores())
            # What pyarrow writes to is a file in all that it uses.
            write_shard(file, rows, self.plan.classes, has_groups=bool(self.listing.groups))  # type: ignore[arg-type]
        return file.size, file.sha256

    def _row(self, index: int) -> Row:
        name = self.listing.names[index]
        found = encode(self.reader.read(index), name, shorter_side=self.plan.shorter_side)
        self.reader.count(1)
        group = self.listing.groups[index] if self.listing.groups else None
        return Row(found.data, name, self.listing.labels[index], group)
