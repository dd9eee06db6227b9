"""Which stored images are the same picture: equal files, or files of any kind that hold equal pixels."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convatlas.data.decode import DecodeError, Stored, shrinks
from convatlas.data.threads import in_threads

# The side of small grey copies, and by how much those of one picture may differ: decoding a JPEG at a fraction of its
# size is nearly, not exactly, the mean of its pixels.
_SIDE, _CLOSE = 4, 8


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What decoding an image once tells of the picture in it.

    Attributes:
        file: SHA-256 of its file in hex.
        pixels: `pixels_hash` of what it was decoded to.
        sides: the shorter and the longer side of the whole image.
        is_whole: whether it was decoded at its full size.
        small: a grey copy, uint8 (4, 4), where some image of these sides might be decoded at a fraction of its size.
    """

    file: str
    pixels: bytes
    sides: tuple[int, ...]
    is_whole: bool
    small: NDArray[np.uint8] | None = None


def pixels_hash(image: Image.Image) -> bytes:
    """SHA-256 of an image's mode, size and pixels."""
    digest = hashlib.sha256(f"{image.mode} {image.width} {image.height}".encode())
    digest.update(image.tobytes())
    return digest.digest()


def picture_of(file: str, image: Image.Image, stored: Stored, *, shorter: int | None = None) -> Picture:
    """What is known of an image once it is decoded.

    Args:
        file: SHA-256 of its file in hex.
        image, stored: what `decode_stored` gave.
        shorter: what it was given.
    """
    sides = tuple(sorted(stored.size))
    small = None
    if shorter is not None and shrinks(stored.size, shorter) > 1:
        small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX).convert("L"))
    return Picture(file, pixels_hash(image), sides, tuple(sorted(image.size)) == sides, small)


def same_pictures(pictures: Sequence[Picture | None]) -> list[str]:
    """For each image a text, equal for the same pictures: the first of their files' SHA-256 in hex.

    Args:
        pictures: None for images that cannot be decoded, whose text is empty. One that was not decoded at its full
            size is known by its file alone; see `look_again`.
    """
    first: dict[bytes, str] = {}
    return [
        "" if picture is None else first.setdefault(picture.pixels, picture.file) if picture.is_whole else picture.file
        for picture in pictures
    ]


def look_again(
    pictures: Sequence[Picture | None], whole: Callable[[int], Image.Image], workers: int
) -> list[Picture | None]:
    """Decode those shrunk images at their full size that may be the same picture as another file.

    These are rare, so that nearly all are decoded only once: another file that was shrunk has equal pixels, or one that
    was not has the same sides and looks alike.

    Args:
        pictures: of all images; None for those that cannot be decoded.
        whole: gives an image at its full size; raises DecodeError.
        workers: number of threads.
    """
    files: dict[bytes, set[str]] = defaultdict(set)
    looks: dict[tuple[int, ...], list[NDArray[np.uint8]]] = defaultdict(list)
    for picture in pictures:
        if picture is not None and not picture.is_whole:
            files[picture.pixels].add(picture.file)
        elif picture is not None and picture.small is not None:
            looks[picture.sides].append(picture.small)
    stacks = {sides: np.stack(smalls).astype(np.int16) for sides, smalls in looks.items()}
    again = [
        index
        for index, picture in enumerate(pictures)
        if picture is not None
        and not picture.is_whole
        and (len(files[picture.pixels]) > 1 or _looks_like(picture.small, stacks.get(picture.sides)))
    ]
    found = list(pictures)

    def work(place: int) -> None:
        index = again[place]
        picture = pictures[index]
        try:
            pixels = pixels_hash(whole(index))
        except DecodeError:  # it has changed meanwhile; whoever needs its pixels will say so
            return
        if picture is not None:
            found[index] = Picture(picture.file, pixels, picture.sides, is_whole=True)

    in_threads(len(again), work, workers)
    return found


def _looks_like(small: NDArray[np.uint8] | None, others: NDArray[np.int16] | None) -> bool:
    if small is None or others is None:
        return False
    return bool((np.abs(others - small).max(axis=(1, 2)) <= _CLOSE).any())
