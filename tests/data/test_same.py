"""A picture in several files, of any format, lies in one part of a made split; other splits are as they always were."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.data.images import AnyImages, Data
from convatlas.data.originals import Originals
from convatlas.data.preprocess import Preprocess
from convatlas.data.same import look_again, same_pictures
from convatlas.data.source import load_data
from convatlas.pack import pack
from convatlas.recipes import get_recipe
from convatlas.train.split import split
from tests.data.folders import SMALL, put, several
from tests.data.photos import encoded, photo, put_photo

# Training decodes JPEGs of 64 pixels and more at a half, a quarter or an eighth of that.
COLOUR = Preprocess(channels=3, size=(16, 16), fit="crop")
WAYS = [pytest.param(lazy, id="decoded later" if lazy else "in memory") for lazy in (False, True)]

# What was held out of 13 images of each of two classes before files were compared by their pixels.
HELD = {
    0: "a/5.png a/6.png a/11.png b/4.png b/6.png b/7.png",
    6: "a/0.png a/2.png a/copy.png b/10.png b/11.png b/copy.png",
}


def parts_of(data: Data) -> list[AnyImages]:
    return [*split(data, get_recipe("lenet5_modern")), data.test]


def straddling(root: Path, parts: list[AnyImages]) -> list[set[str]]:
    """Names of equal pictures that lie in several parts, by Pillow alone."""
    where: dict[bytes, set[int]] = defaultdict(set)
    names: dict[bytes, set[str]] = defaultdict(set)
    for number, images in enumerate(parts):
        for name in images.names:
            with Image.open(root / name) as image:
                pixels = np.asarray(image.convert("RGB"))
            key = repr(pixels.shape).encode() + pixels.tobytes()
            where[key].add(number)
            names[key].add(name)
    return [names[key] for key in where if len(where[key]) > 1]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """Three classes of twenty pictures; of each third there is a BMP, in its class or another, of some a TIFF, too."""
    root = tmp_path_factory.mktemp("pairs")
    for number in range(60):
        image, kind = photo(number, (24, 20)), "abc"[number % 3]
        put_photo(root / kind / f"{number}.png", image)
        if number % 9 < 3:
            put_photo(root / "abc"[(number // 9) % 3] / f"copy {number}.bmp", image)
        if number % 12 == 0:
            put_photo(root / kind / f"again {number}.tiff", image)
    return root


@pytest.mark.parametrize("lazy", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_a_picture_in_two_formats_never_straddles(pairs, lazy, seed):
    data = load_data(pairs, COLOUR, seed=seed, lazy=lazy)
    parts = parts_of(data)
    assert sum(len(part) for part in parts) == 86
    torn = straddling(pairs, parts)
    assert torn == []
    assert any("in more than one class: " in note and ".bmp = " in note for note in data.notes)


def test_nor_does_it_in_a_packed_set(pairs, tmp_path):
    pack(pairs, tmp_path / "out")
    packed = load_data(tmp_path / "out", COLOUR)
    assert packed.validation is not None
    parts = [packed.train, packed.validation, packed.test]
    torn = straddling(pairs, parts)
    assert torn == []
    assert [set(part.names) for part in parts] == [set(part.names) for part in parts_of(load_data(pairs, COLOUR))]


@pytest.fixture(scope="module")
def shrunk(tmp_path_factory) -> Path:
    """Twenty photos of each of two classes that are decoded at half their size, copies of the pixels and a double."""
    root = tmp_path_factory.mktemp("shrunk")
    for number in range(40):
        data = encoded(photo(number, (96, 80)), quality=92)
        file = put_photo(root / "ab"[number % 2] / f"{number}.jpg", data)
        if number % 4 == 0:
            with Image.open(file) as image:
                put_photo(file.with_suffix(".png"), image.convert("RGB"))
        if number % 5 == 0:
            # Another file with the same pixels: a comment, the way that JPEGs have them.
            put_photo(file.with_name(f"said {number}.jpg"), data[:2] + b"\xff\xfe\x00\x05abc" + data[2:])
    return root


@pytest.mark.parametrize("lazy", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_nor_does_a_photo_that_is_decoded_at_a_fraction_of_its_size(shrunk, lazy, seed):
    torn = straddling(shrunk, parts_of(load_data(shrunk, COLOUR, seed=seed, lazy=lazy)))
    assert torn == []


def test_photos_are_decoded_again_only_where_they_may_be_another_files(shrunk):
    files = sorted(path for path in shrunk.rglob("*") if path.is_file())
    originals = Originals(lambda i: files[i].read_bytes(), [file.name for file in files], COLOUR, 0)
    pictures, again = [originals.verify(i) for i in range(len(files))], []

    def whole(index: int) -> Image.Image:
        again.append(files[index].name)
        return originals.whole(index)

    texts = dict(zip([file.name for file in files], same_pictures(look_again(pictures, whole, 1)), strict=True))
    assert sorted(again) == sorted(
        [f"{i}.jpg" for i in range(40) if i % 4 == 0 or i % 5 == 0] + [f"said {i}.jpg" for i in range(0, 40, 5)]
    )
    for number in range(40):
        alike = [name for name in texts if name.removeprefix("said ").partition(".")[0] == str(number)]
        assert len({texts[name] for name in alike}) == 1
    assert len(set(texts.values())) == 40


def test_pictures_of_two_sizes_are_two_though_they_are_decoded_to_the_same(tmp_path):
    """A JPEG's blocks, of 8 pixels, have one tone each, so that a quarter of 32 pixels is an eighth of 64, exactly."""
    tiles = np.random.default_rng(0).integers(0, 256, (4, 4), np.uint8)
    images = [Image.fromarray(np.kron(tiles, np.ones((scale, scale), np.uint8))) for scale in (8, 16)]
    files = [encoded(image, quality=100) for image in images]
    originals = Originals(files.__getitem__, ["0", "1"], SMALL, 0)
    pictures = [originals.verify(i) for i in range(2)]
    assert pictures[0].pixels == pictures[1].pixels
    assert len(set(same_pictures(look_again(pictures, originals.whole, 1)))) == 2


@pytest.mark.parametrize("lazy", WAYS)
@pytest.mark.parametrize("seed", HELD)
def test_a_split_without_such_copies_is_the_one_that_it_was(tmp_path, lazy, seed):
    put(tmp_path, *several(12, "a", "b"))
    put(tmp_path, "a/copy.png", "b/copy.png", same=5)
    data = load_data(tmp_path, SMALL, seed=seed, lazy=lazy)
    assert " ".join(data.test.names) == HELD[seed]


def test_a_copy_in_another_format_goes_where_its_picture_is(tmp_path):
    put(tmp_path, *several(50, "a", "b"))
    before = set(load_data(tmp_path, SMALL).test.names)
    for name in ("a/3", "a/17", "b/30"):
        with Image.open(tmp_path / f"{name}.png") as image:
            put_photo(tmp_path / f"{name}.bmp", image)
    after = set(load_data(tmp_path, SMALL).test.names)
    assert all((f"{name}.png" in after) == (f"{name}.bmp" in after) for name in ("a/3", "a/17", "b/30"))
    # The image at the boundary of each class may move, and a picture that counts twice.
    assert len(before ^ {name for name in after if name.endswith("png")}) <= 4
