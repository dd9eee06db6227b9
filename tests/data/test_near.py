"""Near images: the search against one that compares every pair, and the thresholds on real photos."""

import io
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.data.near import MAX_BITS, Look, look_of, nearest_earlier
from tests.data.photos import encoded, photo

PHOTOS = Path(os.environ.get("CONVATLAS_DATA", "/nowhere")) / "imagenet-samples"


def copies_of(image: Image.Image) -> dict[str, Image.Image]:
    width, height = image.size
    jpeg = {f"JPEG {quality}": encoded(image, quality=quality) for quality in (90, 75, 50, 30)}
    saved = {name: Image.open(io.BytesIO(data)).convert("RGB") for name, data in jpeg.items()}
    half = image.resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    return {
        **saved,
        "WebP": Image.open(io.BytesIO(encoded(image, "WEBP", quality=70))).convert("RGB"),
        "half": half,
        "quarter": image.resize((width // 4, height // 4), Image.Resampling.BOX),
        "larger": image.resize((width * 3 // 2, height * 3 // 2), Image.Resampling.BICUBIC),
        "square": image.resize((224, 224), Image.Resampling.BICUBIC),
        "half, JPEG 75": Image.open(io.BytesIO(encoded(half, quality=75))),
        "grey": image.convert("L"),
        "brighter": image.point(lambda value: min(255, round(value * 1.1))),
    }


def is_near(first: Look | None, second: Look | None) -> bool:
    return nearest_earlier([first, second], [0, 1], [0, 0])[0][1] is not None


def test_the_hash_is_that_of_the_cosine_transform() -> None:
    image = photo(3).convert("L").resize((32, 32))
    pixels = np.asarray(image, float)
    # The transform as its definition has it, term by term.
    frequencies = [
        sum(
            pixels[y, x] * np.cos(np.pi * (2 * y + 1) * v / 64) * np.cos(np.pi * (2 * x + 1) * u / 64)
            for y in range(32)
            for x in range(32)
        )
        for v in range(8)
        for u in range(8)
    ]
    middle = np.median(frequencies[1:])
    expected = sum(1 << place for place in range(1, 64) if frequencies[place] > middle)
    look = look_of(image)
    assert look is not None and look.hash64 == expected
    assert np.abs(np.frombuffer(look.copy, np.uint8) - pixels.reshape(16, 2, 16, 2).mean((1, 3)).ravel()).max() <= 0.5


def test_the_search_finds_what_comparing_every_pair_finds() -> None:
    random = np.random.default_rng(0)
    hashes = [int(value) for value in random.integers(0, 2**63, 40, np.uint64)]
    # Six bits that differ leave few bands of the hash as they were; a thousand times, each band alone for some.
    for flips in [*random.integers(0, 12, 100).tolist(), *[MAX_BITS] * 1000]:
        places = random.choice(64, flips, replace=False)
        hashes.append(hashes[random.integers(40)] ^ sum(1 << int(place) for place in places))
    textured = random.integers(0, 256, 256, np.uint8).tobytes()
    looks = [Look(value, textured) for value in hashes]
    order = random.permutation(len(looks)).tolist()
    looks = [looks[index] for index in order]
    count = len(looks)
    parts, groups = [index // 400 for index in range(count)], random.integers(0, 900, count).tolist()
    nearest = {"within": [99] * count, "across": [99] * count}
    for i, j in combinations(range(count), 2):
        bits = (looks[i].hash64 ^ looks[j].hash64).bit_count()
        if bits <= MAX_BITS and groups[i] != groups[j]:
            where = nearest["within" if parts[i] == parts[j] else "across"]
            where[j] = min(where[j], bits)
    assert sum(bits < 99 for bits in nearest["within"] + nearest["across"]) > 300
    for name, matches in zip(nearest, nearest_earlier(looks, groups, parts), strict=True):
        assert [99 if match is None else match.bits for match in matches] == nearest[name]
        for index, match in enumerate(matches):
            if match is not None:
                assert match.earlier < index
                assert (looks[match.earlier].hash64 ^ looks[index].hash64).bit_count() == match.bits
                assert (parts[match.earlier] == parts[index]) == (name == "within")


def test_copies_of_made_photos_are_near_and_others_are_not() -> None:
    images = [photo(index) for index in range(20)]
    looks = [look_of(image) for image in images]
    assert nearest_earlier(looks, range(20), [0] * 20) == ([None] * 20, [None] * 20)
    missed = [
        (index, name)
        for index, image in enumerate(images)
        for name, copy in copies_of(image).items()
        if not is_near(looks[index], look_of(copy))
    ]
    assert missed == []


def test_an_image_that_shows_nothing_has_no_look() -> None:
    assert look_of(Image.new("RGB", (50, 50), "red")) is None
    assert nearest_earlier([None, None], [0, 1], [0, 0]) == ([None, None], [None, None])
    assert nearest_earlier([], [], []) == ([], [])


@pytest.mark.parametrize("side", [1, 2, 31, 33])
def test_images_of_any_size_have_a_look(side: int) -> None:
    stripes = np.zeros((side, 40), np.uint8)
    stripes[:, ::3] = 255
    assert look_of(Image.fromarray(stripes)) is not None


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no photos in $CONVATLAS_DATA/imagenet-samples")
def test_copies_of_real_photos_are_near_and_others_are_not() -> None:
    images = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.iterdir())]
    looks = [look_of(image) for image in images]
    assert len(images) == 150
    assert not any(match for matches in nearest_earlier(looks, range(150), [0] * 150) for match in matches)
    missed = [
        (index, name)
        for index, image in enumerate(images)
        for name, copy in copies_of(image).items()
        if not is_near(looks[index], look_of(copy))
    ]
    # One, on a white ground, becomes so bright that its figure changes.
    assert len(missed) <= 1
