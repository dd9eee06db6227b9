"""Files cut short at many places and files with flipped bits: all that cannot be decoded are named, and no others.

What cannot be decoded is what Pillow alone, in a process of its own, cannot decode to its last pixel.
"""

import random
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from convatlas.data.check import check
from convatlas.data.decode import FORMATS
from convatlas.data.listing import CorruptImagesError
from tests.data.folders import load, tree_hash
from tests.data.photos import encoded

KINDS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF", "ppm": "PPM"}
DECODE = f"""
import sys, warnings
from PIL import Image
warnings.simplefilter("ignore")
for name in sys.stdin.read().split():
    try:
        with Image.open(name, formats={FORMATS!r}) as image:
            image.load()
    except Exception:
        print(name)
"""


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8))


def spoil(root, *, seeds: int, cuts: int, flips: int) -> None:
    """Whole files of every kind, files cut at so many places each, files with one flipped bit each."""
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    generator = random.Random(4)
    for seed in range(seeds):
        suffix = list(KINDS)[seed % len(KINDS)]
        content = encoded(picture(seed), KINDS[suffix])
        (root / "a" / f"{seed}.{suffix}").write_bytes(content)
        for number in range(cuts):
            # From nothing at all to all but the last byte.
            length = round((len(content) - 1) * number / (cuts - 1))
            (root / "b" / f"{seed}-{number}.{suffix}").write_bytes(content[:length])
    for number in range(flips):
        suffix = list(KINDS)[number % len(KINDS)]
        content = bytearray(encoded(picture(1000 + number), KINDS[suffix]))
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        (root / "a" / f"flip{number}.{suffix}").write_bytes(content)


def assert_all_are_found(root) -> None:
    before = tree_hash(root)
    names = [path.relative_to(root).as_posix() for path in root.rglob("*.*")]
    done = subprocess.run(
        [sys.executable, "-c", DECODE], input="\n".join(names), cwd=root, capture_output=True, text=True, check=True
    )
    bad = set(done.stdout.split())
    assert len(names) // 3 < len(bad) < len(names)
    with pytest.raises(CorruptImagesError) as caught:
        load(root)
    assert {name for name, _ in caught.value.files} == bad
    assert len(caught.value.files) == len(bad)
    left = load(root, on_corrupt="skip")
    assert {*left.train.names, *left.test.names} == set(names) - bad
    found = check(root).kinds()
    assert {p.path for kind in ("undecodable", "truncated") for p in found.get(kind, [])} == bad
    assert tree_hash(root) == before


def test_files_of_7_kinds_cut_at_7_places_and_21_flipped(tmp_path):
    spoil(tmp_path / "data", seeds=7, cuts=7, flips=21)
    assert_all_are_found(tmp_path / "data")


@pytest.mark.full
def test_40_files_cut_at_20_places_and_200_flipped(tmp_path):
    spoil(tmp_path / "data", seeds=40, cuts=20, flips=200)
    assert_all_are_found(tmp_path / "data")
