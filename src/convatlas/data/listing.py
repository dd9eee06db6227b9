"""From images that are named and labelled to a data set: decode, verify, split; what every kind of DATA shares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from convatlas.data.decode import DecodeError, printable
from convatlas.data.fit import fit_notes
from convatlas.data.holdout import hold_out, tied
from convatlas.data.images import Data, Images, make_data
from convatlas.data.originals import LazyImages, Originals
from convatlas.data.prepare import check_memory, room_for_decoded
from convatlas.data.preprocess import Preprocess
from convatlas.data.same import Picture, look_again, same_pictures
from convatlas.data.threads import in_threads
from convatlas.data.torn import notes_on_torn
from convatlas.data.tree import LISTED, listed
from convatlas.errors import DataError, counted

TEST_SHARE = 0.2
OnCorrupt = Literal["error", "skip"]


class CorruptImagesError(DataError):
    """Images that cannot be decoded; `files` has the path below the root and the reason of every one."""

    def __init__(self, files: tuple[tuple[str, str], ...], total: int) -> None:
        super().__init__(
            f"{len(files):,} of {counted(total, 'image')} cannot be decoded: {_reasons(files)}",
            do="mend or remove what is named, or use --on-corrupt skip"
            + ("; convatlas check --json names all of them" if len(files) > LISTED else ""),
        )
        self.files = files


@dataclass(frozen=True, slots=True)
class Listing:
    """Images that are named and labelled, not yet read.

    Attributes:
        classes: names; a label is an index into them.
        names: of the images, all different.
        labels: of each.
        parts: of each "train", "test" or "val". Without a "test" some of the others are held out.
        read: gives the bytes of the file at an index; raises OSError.
        container: what is missing where there is no part for testing, "folder" or "file".
        complete: whether each class has to have an image in each part.
        notes: remarks for the user.
        groups: of each image what it must not be parted from, such as a patient or a film; () if that is not known.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    parts: tuple[str, ...]
    read: Callable[[int], bytes]
    container: str
    complete: bool
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def load_listing(
    listing: Listing,
    preprocess: Preprocess,
    *,
    name: str,
    seed: int,
    workers: int,
    on_corrupt: OnCorrupt,
    lazy: bool,
) -> Data:
    """Decode every image once, find those that cannot be, and split.

    Args:
        listing: what there is.
        preprocess: what each image is brought to.
        name: what the result is called.
        seed: of the split.
        workers: threads that decode; the result does not depend on their number.
        on_corrupt: "skip" leaves out the images that cannot be decoded, and a note says which.
        lazy: keep the files and decode when a batch needs an image, instead of keeping what each is brought to.

    Raises:
        CorruptImagesError: images that cannot be decoded, unless they are to be skipped.
        DataError: a class is left without an image, or none can be held out.
        OutOfMemoryError: the pixels would take more than half of the available memory.
    """
    everything, reasons = (_lazy if lazy else _eager)(listing, preprocess, workers)
    division = divide(listing, same_pictures(everything.pictures), reasons, on_corrupt=on_corrupt, seed=seed)
    images = replace(everything.images, groups=division.together)
    subsets = {part: images.subset(torch.tensor(found)) for part, found in division.members.items()}
    originals, learnt = everything.originals, division.members["train"]
    places = {name: place for place, name in enumerate(listing.names)}
    return make_data(
        *(name, listing.classes, subsets["train"], subsets["test"]),
        validation=subsets.get("val"),
        notes=[*division.notes, *fit_notes(preprocess, map(tuple, originals.sizes[learnt].tolist()))],
        raw=lambda image: originals.whole(places[image]),
    )


@dataclass(frozen=True, slots=True)
class Division:
    """Which images are in which part.

    Attributes:
        members: indices into the listing for each part; there is always "train" and "test".
        together: of every image of the listing a text, equal for those that must not be parted.
        notes: remarks for the user.
    """

    members: dict[str, list[int]]
    together: tuple[str, ...]
    notes: tuple[str, ...]


def divide(
    listing: Listing, digests: Sequence[str], reasons: Mapping[int, str], *, on_corrupt: OnCorrupt, seed: int
) -> Division:
    """Leave out what cannot be decoded and hold out a test part if there is none.

    Args:
        listing: what there is.
        digests: of each image, equal for the same picture; see `same_pictures`.
        reasons: by index why an image cannot be decoded.
        on_corrupt: "skip" leaves such images out, and a note says which.
        seed: of the split.

    Raises:
        CorruptImagesError: images that cannot be decoded, unless they are to be skipped.
        DataError: a class is left without an image, or none can be held out.
    """
    total = len(listing.names)
    bad = tuple((printable(listing.names[index]), reasons[index]) for index in sorted(reasons))
    if bad and on_corrupt != "skip":
        raise CorruptImagesError(bad, total)
    good = [index for index in range(total) if index not in reasons]
    notes = list(listing.notes)
    if bad:
        notes.append(f"left out {counted(len(bad), 'image')} that cannot be decoded: {_reasons(bad)}")
    require_images(listing, good, " that can be decoded" if bad else "")
    notes += notes_on_torn(listing.names, listing.labels, listing.parts, digests, listing.groups, good)
    together = tied(digests, listing.groups)
    members = {part: [i for i in good if listing.parts[i] == part] for part in dict.fromkeys(listing.parts)}
    if "test" not in members:
        notes += _hold_out_test(listing, members, together, seed)
    return Division(members, together, tuple(notes))


def require_same_classes(classes: Sequence[str], found: Sequence[str], part: str, *, called: str) -> None:
    """Refuse a part that has other classes than the training part.

    Args:
        classes: of the training part.
        found: of the other one.
        part: what a message calls it.
        called: what it calls the classes.

    Raises:
        DataError: with the names of the classes that it lacks, and that it has more.
    """
    lacks = [name for name in classes if name not in found]
    extra = [name for name in found if name not in classes]
    if lacks or extra:
        said = [f"{verb} {quoted(names)}" for verb, names in (("lacks", lacks), ("has extra", extra)) if names]
        raise DataError(f"{part} {'; '.join(said)}", do=f"give train, test and val the same {called}")


def require_images(listing: Listing, indices: Sequence[int], which: str = "") -> None:
    """Refuse a listing in which a class has no image in a part, or all images are of one class.

    Raises:
        DataError: with the classes' names.
    """
    if listing.complete:
        _require_complete(listing, indices, which)
    else:
        for part in dict.fromkeys(listing.parts):
            if all(listing.parts[i] != part for i in indices):
                raise DataError(f"{part} has no image{which}", do="add images")
    require_two_classes(listing.classes, {listing.labels[i] for i in indices})


def require_two_classes(classes: Sequence[str], present: set[int]) -> None:
    """Refuse images that are all of one class: any network names it, and its error of 0 % says nothing.

    Args:
        classes: names.
        present: labels of the images.

    Raises:
        DataError: with the class's name.
    """
    if len(present) == 1:
        found = quoted([classes[label] for label in present])
        raise DataError(f"only one class ({found}), at least two are needed", do="add another class")


def _require_complete(listing: Listing, indices: Sequence[int], which: str) -> None:
    present = {(listing.parts[i], listing.labels[i]) for i in indices}
    parts = dict.fromkeys(listing.parts)
    for part in parts:
        empty = [name for label, name in enumerate(listing.classes) if (part, label) not in present]
        if empty:
            said = f"class {quoted(empty)} has" if len(empty) == 1 else f"the classes {quoted(empty)} have"
            where = f" in {part}" if len(parts) > 1 else ""
            remove = "remove the folder" if listing.container == "folder" else "leave the class out of the table"
            raise DataError(f"{said} 0 images{which}{where}", do=f"add images or {remove}")


@dataclass(frozen=True, slots=True)
class _Everything:
    images: Images | LazyImages
    pictures: Sequence[Picture | None]
    originals: Originals


def _eager(listing: Listing, preprocess: Preprocess, workers: int) -> tuple[_Everything, dict[int, str]]:
    total = len(listing.names)
    check_memory(total, preprocess)
    originals = Originals(listing.read, listing.names, preprocess, room=0)
    pixels = torch.zeros((total, preprocess.channels, *preprocess.size), dtype=torch.uint8)
    pictures: list[Picture | None] = [None] * total
    reasons: dict[int, str] = {}

    def work(index: int) -> None:
        try:
            pictures[index], pixels[index] = originals.prepared(index)
        except DecodeError as error:
            reasons[index] = error.reason

    in_threads(total, work, workers)
    images = Images(pixels, torch.tensor(listing.labels), listing.names)
    return _Everything(images, pictures, originals), reasons


def _lazy(listing: Listing, preprocess: Preprocess, workers: int) -> tuple[_Everything, dict[int, str]]:
    total = len(listing.names)
    originals = Originals(listing.read, listing.names, preprocess, room_for_decoded())
    pictures: list[Picture | None] = [None] * total
    reasons: dict[int, str] = {}

    def work(index: int) -> None:
        try:
            pictures[index] = originals.verify(index)
        except DecodeError as error:
            reasons[index] = error.reason

    in_threads(total, work, workers)
    labels = torch.tensor(listing.labels)
    files = tuple("" if picture is None else picture.file for picture in pictures)
    images = LazyImages(originals, torch.arange(total), labels, listing.names, files)
    return _Everything(images, look_again(pictures, originals.whole, workers), originals), reasons


def _hold_out_test(listing: Listing, members: dict[str, list[int]], together: Sequence[str], seed: int) -> list[str]:
    """Move a share of the training images to a test part; gives remarks."""
    train = members["train"]
    held = hold_out(
        *([listing.names[i] for i in train], [listing.labels[i] for i in train], [together[i] for i in train]),
        TEST_SHARE,
        seed,
    )
    test = [index for index, out in zip(train, held, strict=True) if out]
    if not test:
        raise DataError(
            "no class has two different images, so none can be held out for a test",
            do=f"add images or a test {listing.container}",
        )
    members["test"] = test
    members["train"] = [index for index, out in zip(train, held, strict=True) if not out]
    notes = [
        f"no test {listing.container}: held out {len(test):,} of {len(train):,} images (20 % a class, seed {seed})"
    ]
    tested = {listing.labels[index] for index in test}
    missing = [name for label, name in enumerate(listing.classes) if label not in tested]
    if missing:
        notes.append(f"no test image of {quoted(missing)}: too few different images")
    return notes


def _reasons(files: tuple[tuple[str, str], ...]) -> str:
    return listed([f"{name} ({reason})" for name, reason in files])


def quoted(names: Sequence[str]) -> str:
    """The first names in quotation marks, and how many more there are."""
    return listed([f'"{printable(name)}"' for name in names])
