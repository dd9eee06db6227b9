"""Check a data set in one pass, before anything is trained on it; nothing is written to it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convatlas.data.copies import find_copies
from convatlas.data.examine import Examined, examine_all
from convatlas.data.problems import Problem, class_problems, image_problems
from convatlas.data.records import Records, list_records
from convatlas.errors import counted


@dataclass(frozen=True, slots=True)
class Check:
    """What `check` found.

    Attributes:
        listing: the data set's images.
        classes: for each class the number of its images that can be decoded, in each part.
        parts: for each part the number of its images that can be decoded.
        formats, modes: how many images are stored in each, formats only of encoded images; modes are Pillow's names.
        sizes: width and height of every image that can be decoded, upright.
        problems: in the order of `KINDS`, and of the images within a kind.
        notes: what was ignored, and what could not be said.
    """

    listing: Records
    classes: dict[str, Counter[str]]
    parts: Counter[str]
    formats: Counter[str]
    modes: Counter[str]
    sizes: list[tuple[int, int]]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Number of images, those that cannot be decoded too."""
        return self.listing.count

    def kinds(self) -> dict[str, list[Problem]]:
        """The problems by kind; kinds without a problem are left out."""
        found: dict[str, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(problem.kind, []).append(problem)
        return found

    def as_json(self) -> dict[str, Any]:
        """As `convatlas check --json` prints it."""
        return {
            "images": self.images,
            "classes": {name: parts.total() for name, parts in self.classes.items()},
            "parts": {part: self.parts[part] for part in self.listing.parts},
            "formats": dict(self.formats.most_common()),
            "modes": dict(self.modes.most_common()),
            "width": spread([width for width, _ in self.sizes]),
            "height": spread([height for _, height in self.sizes]),
            "problems": [problem.as_json() for problem in self.problems],
            "notes": list(self.notes),
        }


def check(
    data: str | Path,
    *,
    offline: bool = False,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> Check:
    """Decode every image of a data set and say what is wrong with it, or may be.

    Args:
        data: as for `load_data`.
        offline: never download.
        workers: threads that decode, None for one on each core; the result does not depend on their number.
        on_progress: called with the number of images that are done, and of all.

    Raises:
        UsageError: neither a named set nor a path, or Parquet without pyarrow.
        DataError: the data set is not there or has no image.
        StorageError: a folder cannot be listed.
    """
    listing = list_records(data, offline=offline)
    return check_listing(listing, workers=workers, on_progress=on_progress)


def check_listing(
    listing: Records, *, workers: int | None = None, on_progress: Callable[[int, int], None] = lambda done, count: None
) -> Check:
    """As `check`, of images that are listed already."""
    images: list[Examined] = []
    on_progress(0, listing.count)
    for image in examine_all(listing.records(), workers):
        images.append(image)
        on_progress(len(images), listing.count)
    good = [image for image in images if image.reason is None]
    classes: dict[str, Counter[str]] = {name: Counter() for name in listing.classes}
    for image in good:
        if image.label is not None:
            classes[image.label][image.part] += 1
    problems = [*image_problems(images), *find_copies(images), *class_problems(listing, classes)]
    return Check(
        listing,
        classes,
        Counter(image.part for image in good),
        Counter(image.stored.format for image in good if listing.encoded),
        Counter(image.stored.mode for image in good),
        [image.size for image in good],
        tuple(sorted(problems, key=lambda problem: problem.rank)),
        (*listing.notes, *_plain(good)),
    )


def spread(lengths: Iterable[int]) -> dict[str, int]:
    """Smallest, median (the lower one of two) and largest; empty for no lengths."""
    ordered = sorted(lengths)
    if not ordered:
        return {}
    return {"min": ordered[0], "median": ordered[(len(ordered) - 1) // 2], "max": ordered[-1]}


def _plain(good: list[Examined]) -> list[str]:
    number = sum(image.look is None for image in good)
    if not number:
        return []
    return [f"{counted(number, 'image')} of one even tone {'was' if number == 1 else 'were'} compared by pixels only"]
