"""What `convatlas data pack` writes beside its shards, and by what a folder of shards is recognised."""

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from convatlas.data.decode import printable
from convatlas.errors import DataError, counted

PACKED = "packed.json"
PACKING = "packing.json"
_SHARD = re.compile(r"(?P<part>\w+)-(?P<number>[0-9]{5,})-of-(?P<count>[0-9]{5,})(-[0-9a-f]+)?\.parquet")


class ShardRecord(BaseModel):
    """A shard: its file's name, its images, its size in bytes and its SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(pattern=r"^\w+-[0-9]{5,}-of-[0-9]{5,}\.parquet$")
    images: int = Field(ge=0)
    size: int = Field(ge=0)
    sha256: str


class Plan(BaseModel):
    """What is packed and how; a pack that was interrupted goes on only by an equal one.

    Attributes:
        source: what the user typed.
        digest: SHA-256 in hex of the names, labels, parts and contents of all images.
        classes: their names; a label is an index into them.
        shorter_side: what each image's shorter side was brought to; None for images as they were.
        shard_size: images a shard.
        parts: number of images of each part.
        seed: of the split, if it was made for this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    source: str
    digest: str
    classes: tuple[str, ...]
    shorter_side: int | None
    shard_size: int
    parts: dict[str, int]
    seed: int


class Manifest(BaseModel):
    """A packed data set; written last, so a folder that has it is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: Plan
    shards: dict[str, tuple[ShardRecord, ...]]


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a packed data set; None if the folder's shards come from elsewhere.

    Raises:
        DataError: the pack was not finished, or the manifest is damaged, or a shard is missing or has another size.
    """
    place = folder / PACKED
    if not place.is_file():
        if (folder / PACKING).is_file():
            raise DataError(
                f'"{printable(str(folder))}" was not packed to its end',
                do="give the same convatlas data pack command again, which goes on",
            )
        return None
    try:
        manifest = Manifest.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f'"{printable(str(place))}" is damaged', do="pack the data set again") from error
    for record in (record for records in manifest.shards.values() for record in records):
        try:
            size = (folder / record.file).stat().st_size
        except OSError:
            raise DataError(
                f'"{printable(str(folder))}" lacks the shard {record.file}', do="copy it there, or pack again"
            ) from None
        if size != record.size:
            raise DataError(
                f'"{printable(str(folder / record.file))}" has {size:,} bytes, it was packed with {record.size:,}',
                do="copy it again, or pack again",
            )
    return manifest


def is_packed(path: Path) -> bool:
    """Whether a folder holds shards, its own or, as on the Hugging Face hub, in its folder `data`."""
    if not path.is_dir():
        return False
    return (
        (path / PACKED).is_file() or (path / PACKING).is_file() or bool(_shards_in(path) or _shards_in(path / "data"))
    )


def _shards_in(folder: Path) -> list[re.Match[str]]:
    if not folder.is_dir():
        return []
    return [match for match in (_SHARD.fullmatch(path.name) for path in sorted(folder.iterdir())) if match]


def find_shards(path: Path) -> dict[str, list[Path]]:
    """The shards of each part in their order, by the names that the files give the parts.

    Raises:
        DataError: shards of a part are missing.
    """
    folder = path if _shards_in(path) else path / "data"
    found: dict[str, dict[int, Path]] = {}
    counts: dict[str, int] = {}
    for match in _shards_in(folder):
        part = match["part"]
        shards = found.setdefault(part, {})
        if counts.setdefault(part, int(match["count"])) != int(match["count"]) or int(match["number"]) in shards:
            raise DataError(
                f'"{printable(str(folder))}" has shards of more than one set called {part}', do="keep one of the sets"
            )
        shards[int(match["number"])] = folder / match.string
    for part, shards in found.items():
        missing = [number for number in range(counts[part]) if number not in shards]
        if missing:
            raise DataError(
                f'"{printable(str(folder))}" lacks {len(missing):,} of {counted(counts[part], "shard")} of {part} '
                f"(the first is number {missing[0]})",
                do="fetch them, too",
            )
        if len(shards) > counts[part]:
            raise DataError(
                f'"{printable(str(folder))}" has {counted(len(shards), "shard")} of {part}, their names say '
                f"{counts[part]:,}",
                do="remove those that do not belong to the set",
            )
    return {part: [shards[number] for number in sorted(shards)] for part, shards in found.items()}
