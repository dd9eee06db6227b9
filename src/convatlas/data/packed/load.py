"""From a folder of shards to a data set that is streamed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from convatlas.data.arrow import ParquetPlace
from convatlas.data.decode import printable
from convatlas.data.holdout import hold_out
from convatlas.data.hub import HubShards
from convatlas.data.images import Data, make_data
from convatlas.data.listing import TEST_SHARE, OnCorrupt, require_two_classes
from convatlas.data.packed.images import StreamedImages
from convatlas.data.packed.manifest import find_shards, read_manifest
from convatlas.data.packed.reading import RowGroups, groups_of
from convatlas.data.packed.shards import Part, index_parts
from convatlas.data.preprocess import Preprocess
from convatlas.data.split import stratified_split
from convatlas.data.table import PARTS
from convatlas.data.torn import notes_on_groups
from convatlas.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class PackedSet:
    """The index of a folder of shards.

    Attributes:
        classes: names; a label is an index into them.
        parts: by their names, "train" first.
        is_ours: whether `convatlas data pack` wrote it: its images were decoded then, and have names.
        notes: remarks for the user.
    """

    classes: tuple[str, ...]
    parts: dict[str, Part]
    is_ours: bool
    notes: tuple[str, ...]


def read_packed(path: Path | HubShards) -> PackedSet:
    """Read the index of shards.

    Args:
        path: a folder of shards, where `is_packed`, or a set of the hub that is streamed.

    Raises:
        UsageError: what reads them is not installed.
        DataError: a shard is missing, damaged or does not fit the others, only some have groups, or there is no
            training part.
    """
    manifest = None if isinstance(path, HubShards) else read_manifest(path)
    digests: dict[str, str] = {}
    notes: list[str] = []
    found: Mapping[str, Sequence[ParquetPlace]]
    if isinstance(path, HubShards):
        found, notes = path.find()
    elif manifest is not None:
        found = {part: [path / record.file for record in records] for part, records in manifest.shards.items()}
        digests = {record.file: record.sha256 for records in manifest.shards.values() for record in records}
    else:
        found, notes = _parts(find_shards(path), path)
    names: tuple[str, ...] = ("train", "val", "test")
    ordered = {part: found[part] for part in names if part in found}
    columns = path.wanted.settings if isinstance(path, HubShards) else {}
    classes, parts = index_parts(ordered, named=manifest is not None, digests=digests, columns=columns)
    for name, part in parts.items():
        if not len(part):
            raise DataError(f'"{printable(str(path))}" has no image in {name}', do="add images, or remove its shards")
    if _is_sorted(parts["train"]):
        notes.append(
            "images of one class lie together in the shards, so that a batch sees few classes: convatlas data pack "
            "shuffles them"
        )
    return PackedSet(classes, parts, manifest is not None, tuple(notes))


def _parts(found: Mapping[str, Sequence[Path]], path: Path) -> tuple[dict[str, list[Path]], list[str]]:
    parts: dict[str, list[Path]] = {}
    notes = []
    for name, files in found.items():
        part = PARTS.get(name.lower())
        if part is None:
            notes.append(f"ignored the shards of {printable(name)}, which is no part of a split")
        elif part in parts:
            raise DataError(f'"{printable(str(path))}" has two {part} parts', do="remove one")
        else:
            parts[part] = list(files)
    if "train" not in parts:
        names = ", ".join(map(printable, found))
        raise DataError(f'"{printable(str(path))}" has shards of {names}, none of train', do="rename some to train-...")
    return parts, notes


def _is_sorted(part: Part) -> bool:
    if len(part) < 2:
        return False
    together = int((part.labels[1:] == part.labels[:-1]).sum()) / (len(part) - 1)
    shares = part.labels.bincount() / len(part)
    # Of what chance leaves open, more than half is one class beside itself.
    return together > (1 + float(shares.square().sum())) / 2


def load_packed(path: Path | HubShards, preprocess: Preprocess, *, name: str, seed: int, on_corrupt: OnCorrupt) -> Data:
    """A data set whose images stay in their shards.

    Args:
        path: see `read_packed`.
        preprocess: what each image is brought to.
        name: what the result is called.
        seed: of the split, if there is no test part.
        on_corrupt: what to do with images that cannot be decoded.

    Raises:
        UsageError: pyarrow is not installed, or images are to be skipped that are decoded one by one.
        DataError: as of `read_packed`, or all images are of one class.
    """
    packed = read_packed(path)
    counts = [part.labels.bincount() for part in packed.parts.values()]
    require_two_classes(packed.classes, {label for count in counts for label in count.nonzero().flatten().tolist()})
    if on_corrupt == "skip" and not packed.is_ours:
        raise UsageError(
            f'"{printable(name)}" is read while it is trained on, so nothing is known to skip',
            do="convatlas data pack --on-corrupt skip, and use what it writes",
        )
    images = {
        part: StreamedImages(RowGroups(index), preprocess, None, index.labels) for part, index in packed.parts.items()
    }
    notes = [*packed.notes, "streamed: read from the shards in blocks, nothing is kept in memory"]
    if not packed.is_ours:
        # Of what was packed here, packing told it.
        notes += notes_on_groups((group, part) for part, index in packed.parts.items() for group in groups_of(index))
    if "test" not in images or "val" not in images:
        # What was packed here has both parts, and what belongs together lies together.
        images["train"] = replace(images["train"], groups=tuple(groups_of(packed.parts["train"])))
    if "test" not in images:
        whole = images["train"]
        kept, held = _split(whole, seed)
        if not len(held):
            raise DataError("no class has two images, so none can be held out for a test", do="add test shards")
        images["train"], images["test"] = whole.subset(kept), whole.subset(held)
        share = f"{len(held):,} of {len(whole):,} images ({100 * TEST_SHARE:.0f} % a class, seed {seed})"
        notes.append(f"no test shards: held out {share}")
    return make_data(name, packed.classes, images["train"], images["test"], validation=images.get("val"), notes=notes)


def _split(images: StreamedImages, seed: int) -> tuple[Tensor, Tensor]:
    """Images that stay and images for a test; groups stay together."""
    if not images.groups:
        return stratified_split(images.labels, TEST_SHARE, seed)
    held = torch.tensor(hold_out(images.names, images.labels.tolist(), images.groups, TEST_SHARE, seed))
    return (~held).nonzero().flatten(), held.nonzero().flatten()
