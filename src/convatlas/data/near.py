"""Find images that look alike: a perceptual hash of 64 bits, and a small grey copy that confirms what the hash says.

The hash is of the discrete cosine transform: of a 32x32 grey copy the 8x8 lowest frequencies, each a bit that says
whether it is above their median (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010,
section 3.2.1). Two images are near when at most `MAX_BITS` bits differ and their 16x16 grey copies correlate.

The thresholds were measured on 150 photos of ImageNet, on CIFAR-10 and on MNIST. Of 1,800 copies of the photos that
were saved anew (JPEG quality 30 to 90, WebP), scaled by 0.25 to 1.5, squeezed into a square, made grey or brighter, all
but one are found, and no two different photos are taken for near: the two most alike differ in 15 bits. What loses 5 %
at each edge, or is mirrored or turned, is no longer near. In CIFAR-10, 640 pairs are near, each of one class. Figures
on an even ground, such as digits, share their lowest frequencies: there the copies have to correlate far more, or two
in five of MNIST's digits would count as near to another one; 48 of 70,000 do.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_BITS = 6
MIN_CORRELATION = 0.9
# For figures on an even ground: where half of the copy's pixels or more lie in one sixteenth of the grey scale.
MIN_CORRELATION_EVEN = 0.995
_EVEN_SHARE = 0.5
# Standard deviation in grey levels under which a copy shows nothing that could be compared.
_MIN_CONTRAST = 2.0

_SIDE, _FREQUENCIES, _COPY = 32, 8, 16
_COSINES = np.cos(np.pi * np.outer(np.arange(_FREQUENCIES), 2 * np.arange(_SIDE) + 1) / (2 * _SIDE))
_POWERS = np.uint64(1) << np.arange(64, dtype=np.uint64)
# If at most d bits differ, one of d + 1 disjoint bands of the hash is the same in both.
_BANDS = [(int(bits[0]), len(bits)) for bits in np.array_split(np.arange(64), MAX_BITS + 1)]
# Hashes compared at once, and pairs of copies.
_BLOCK, _PAIRS = 1 << 21, 1 << 14
_NONE = np.iinfo(np.int64).max


class Look(NamedTuple):
    """What an image looks like: the hash and the grey copy, 16x16 bytes."""

    hash64: int
    copy: bytes


class Match(NamedTuple):
    """The nearest image before: its index, and the number of bits in which the hashes differ."""

    earlier: int
    bits: int


def look_of(image: Image.Image) -> Look | None:
    """What an image of mode "L" or "RGB" looks like; None if it shows too little to compare."""
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0).convert("L")
    pixels = np.asarray(small, np.float64)
    if pixels.std() < _MIN_CONTRAST:
        return None
    # Rounded, so that a frequency which is not there has no sign.
    frequencies = (_COSINES @ pixels @ _COSINES.T).ravel().round(3)
    bits = frequencies > np.median(frequencies[1:])
    bits[0] = False  # the mean brightness
    copy = pixels.reshape(_COPY, _SIDE // _COPY, _COPY, _SIDE // _COPY).mean((1, 3))
    return Look(int(_POWERS[bits].sum()), copy.round().astype(np.uint8).tobytes())


def nearest_earlier(
    looks: Sequence[Look | None], groups: Sequence[int], parts: Sequence[int]
) -> tuple[list[Match | None], list[Match | None]]:
    """For each image the nearest one before it: among those of its part, and among those of other parts.

    Args:
        looks: in the order of the data set.
        groups: images of the same number are not compared, such as those of the same pixels.
        parts: the part of the split that each image is in.
    """
    shown = np.array([index for index, look in enumerate(looks) if look is not None], np.int64)
    known = [look for look in looks if look is not None]
    hashes = np.array([look.hash64 for look in known], np.uint64)
    copies = np.frombuffer(b"".join(look.copy for look in known), np.uint8).reshape(len(known), _COPY**2)
    group, part = np.asarray(groups, np.int64)[shown], np.asarray(parts, np.int64)[shown]
    even = np.array([np.bincount(copy >> 4).max() >= _EVEN_SHARE * copy.size for copy in copies], bool)
    # The bits above, the index below: the smallest is the nearest.
    within, across = (np.full(len(looks), _NONE, np.int64) for _ in range(2))
    # Of a film's frames nearly every two are near: what cannot be nearer than a match that is known is passed over.
    limits = np.full(len(known), MAX_BITS + 1, np.int64)
    for first, second in _close(hashes, limits):
        bits = np.bitwise_count(hashes[first] ^ hashes[second]).astype(np.int64)
        keys, same = bits * len(looks) + shown[first], part[first] == part[second]
        best = np.where(same, within[shown[second]], across[shown[second]])
        kept = (keys < best) & (group[first] != group[second])
        first, second, keys, same = first[kept], second[kept], keys[kept], same[kept]
        strict = even[first] | even[second]
        wanted = np.where(strict, MIN_CORRELATION_EVEN, MIN_CORRELATION)
        alike = _correlation(copies[first], copies[second]) >= wanted
        for nearest, chosen in ((within, alike & same), (across, alike & ~same)):
            np.minimum.at(nearest, shown[second[chosen]], keys[chosen])
        least, other = (np.minimum(nearest[shown[second]] // len(looks), MAX_BITS + 1) for nearest in (within, across))
        # Before the images of the first part there are none of another one.
        limits[second] = np.where(part[second] == part[0], least, np.maximum(least, other))
    return _matches(within), _matches(across)


def _matches(keys: NDArray[np.int64]) -> list[Match | None]:
    return [None if key == _NONE else Match(key % len(keys), key // len(keys)) for key in keys.tolist()]


def _close(
    hashes: NDArray[np.uint64], limits: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Every pair (smaller index first) whose hashes differ in at most `MAX_BITS` bits, once, in blocks.

    Args:
        hashes: (N,).
        limits: (N,), may be lowered on the way: a pair is left out unless fewer bits than the second's limit differ.
    """
    keys = [hashes >> np.uint64(start) & np.uint64((1 << width) - 1) for start, width in _BANDS]
    for band, key in enumerate(keys):
        order = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.diff(key[order])) + 1
        for members in np.split(order, edges):
            rows = _BLOCK // max(1, len(members)) or 1
            for start in range(0, len(members) - 1, rows):
                # A stable sort keeps the members' order, so those behind have the larger index.
                above, behind = members[start : start + rows], members[start:]
                i, j = np.nonzero(np.bitwise_count(hashes[above, None] ^ hashes[behind]) < limits[behind])
                first, second = above[i[j > i]], behind[j[j > i]]
                for earlier in keys[:band]:
                    # A pair that an earlier band has in common was given there.
                    new = earlier[first] != earlier[second]
                    first, second = first[new], second[new]
                for at in range(0, len(first), _PAIRS):
                    yield first[at : at + _PAIRS], second[at : at + _PAIRS]


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    a, b = (copies - copies.mean(1, keepdims=True, dtype=np.float32) for copies in (first, second))
    scale = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.asarray((a * b).sum(1) / np.maximum(scale, 1e-6), np.float32)
