"""The kinds of problems that a data set may have, and those that one image or one class shows by itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

from convatlas.data.examine import Examined
from convatlas.data.records import TRAIN, Records

KINDS = {
    "undecodable": "cannot be decoded: training refuses the image, or leaves it out with --on-corrupt skip",
    "truncated": "cut short: training refuses it, or leaves it out with --on-corrupt skip",
    "layout": "training refuses the folder as it is",
    "empty_class": "a class without images in a part: training refuses it",
    "leakage": "the same or a like picture, or one group, in two parts of the split: the test is easier than it seems",
    "contradiction": "the same picture in two classes: one label is wrong, or both are right and the classes overlap",
    "duplicate": "the same picture again in its class: it counts twice",
    "near_duplicate": "a picture that looks like another one: saved again, scaled, or taken a moment later",
    "one_image": "a class of a single image: nothing of it can be held out",
    "imbalance": "a class much smaller than the largest: a network that never names it has few errors",
    "wrong_extension": "the content has another format than the file's ending says; it is read by its content",
    "orientation": "EXIF says how to turn it, and training does so; programs that ignore it show it lying",
    "mode": "stored in another way than as 8-bit grey or RGB; it is converted",
    "size": "much smaller or longer than a photo: look at it",
}
"""What each kind means, the gravest first."""

MIN_SIDE = 32
MAX_ASPECT = 4
MAX_RATIO = 10

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
_TURNS = {
    2: "mirrored",
    3: "turned by 180 degrees",
    4: "mirrored and turned by 180 degrees",
    5: "mirrored and turned left by 90 degrees",
    6: "turned right by 90 degrees",
    7: "mirrored and turned right by 90 degrees",
    8: "turned left by 90 degrees",
}
_MODES = {
    "1": "1-bit, becomes 8-bit grey",
    "P": "palette, becomes RGB",
    "CMYK": "CMYK, becomes RGB",
    "YCbCr": "YCbCr, becomes RGB",
    "LAB": "CIE L*a*b*, becomes RGB",
    "F": "float grey, becomes 8-bit grey",
    "I": "grey in 32-bit integers, becomes 8-bit grey",
    "RGB;16": "16 bits a channel, becomes 8-bit RGB",
    "RGBA;16": "16 bits a channel, becomes 8-bit RGB",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to look at before training.

    Attributes:
        path: the image's name, the class's where a class is meant, or "." for the whole data set.
        kind: one of `KINDS`.
        detail: in words.
        other: the name of the image that it is compared with.
    """

    path: str
    kind: str
    detail: str
    other: str | None = None

    @property
    def rank(self) -> int:
        """The kind's place among `KINDS`."""
        return list(KINDS).index(self.kind)

    def as_json(self) -> dict[str, str]:
        """As `convatlas check --json` prints it."""
        other = {} if self.other is None else {"other": self.other}
        return {"path": self.path, "kind": self.kind, "detail": self.detail, **other}


def image_problems(images: Sequence[Examined]) -> Iterator[Problem]:
    """What is wrong with single images."""
    sides = [min(image.size) for image in images if image.reason is None]
    # In a data set of small images a small one is nothing to look at.
    least = MIN_SIDE if sides and median_low(sides) >= MIN_SIDE else 0
    for image in images:
        if image.reason is not None:
            cut = image.reason == "truncated"
            detail = "the file ends before the image does" if cut else image.reason
            yield Problem(image.name, "truncated" if cut else "undecodable", detail)
            continue
        stored, (width, height) = image.stored, image.size
        if image.suffix and image.suffix not in _SUFFIXES[stored.format]:
            yield Problem(image.name, "wrong_extension", f"a {stored.format} file that ends in {image.suffix}")
        if stored.orientation in _TURNS:
            turned = _TURNS[stored.orientation]
            yield Problem(image.name, "orientation", f"EXIF orientation {stored.orientation}: {turned} when it is read")
        if stored.transparent or stored.mode not in ("L", "RGB"):
            yield Problem(image.name, "mode", _mode(stored.mode, stored.transparent))
        if min(image.size) < least:
            yield Problem(image.name, "size", f"{width}x{height}: a side under {MIN_SIDE} pixels")
        elif max(image.size) > MAX_ASPECT * min(image.size):
            aspect = max(image.size) / min(image.size)
            yield Problem(image.name, "size", f"{width}x{height}: {aspect:.1f} times as long as it is wide")


def _mode(mode: str, transparent: bool) -> str:
    known = _MODES.get(mode)
    if known is None and mode.startswith("I;16"):
        known = "16-bit grey, becomes 8-bit grey"
    if not transparent:
        return known or f"{mode}, becomes RGB"
    return f"{mode}, transparent, is laid over white" if known is None else f"{known}; transparent, is laid over white"


def class_problems(listing: Records, classes: Mapping[str, Counter[str]]) -> Iterator[Problem]:
    """What is wrong with classes: their folders, and their numbers of images.

    Args:
        listing: the data set.
        classes: for each class the number of its images that can be decoded, in each part.
    """
    if listing.refused is not None:
        yield Problem(".", "layout", listing.refused)
    largest = max(classes, key=lambda name: classes[name][TRAIN], default="")
    most = classes[largest][TRAIN] if classes else 0
    for name, numbers in classes.items():
        for part in listing.parts:
            if not numbers[part]:
                where = f" in {part}" if len(listing.parts) > 1 else ""
                yield Problem(name, "empty_class", f"no image{where} that can be decoded")
        number = numbers[TRAIN]
        if number == 1:
            yield Problem(name, "one_image", "1 image")
        if 0 < number * MAX_RATIO < most:
            what = f"{number:,} image{'' if number == 1 else 's'}, the largest class has {most:,}"
            yield Problem(name, "imbalance", f"{what} ({most / number:.0f}:1)")
