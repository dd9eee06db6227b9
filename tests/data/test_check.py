"""Checking data sets: hand-made trees, where the test knows what it put in."""

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.data.check import check
from convatlas.errors import DataError
from tests.data.checked import found
from tests.data.folders import tree_hash
from tests.data.photos import encoded, photo, photos, put_photo


def test_nothing_is_wrong_with_different_photos(root):
    checked = check(root)
    assert checked.problems == () and checked.notes == ()
    assert checked.as_json() == {
        "images": 6,
        "classes": {"bat": 3, "owl": 3},
        "parts": {"train": 6},
        "formats": {"JPEG": 6},
        "modes": {"RGB": 6},
        "width": {"min": 160, "median": 160, "max": 160},
        "height": {"min": 120, "median": 120, "max": 120},
        "problems": [],
        "notes": [],
    }


DECODES = """
import json, sys, warnings
from PIL import Image
bad = []
for path in sys.argv[1:]:
    try:
        Image.open(path).load()
    except Exception:
        bad.append(path)
print(json.dumps(bad))
"""


def test_what_pillow_cannot_decode_in_another_process_is_listed_and_nothing_else(root):
    random = np.random.default_rng(0)
    for seed in range(6):
        whole = encoded(photo(100 + seed), ("JPEG", "PNG")[seed % 2])
        suffix = ("jpg", "png")[seed % 2]
        for at in [1, 10, *random.integers(20, len(whole), 8).tolist(), len(whole) - 1]:
            put_photo(root / "bat" / f"cut-{seed}-{at}.{suffix}", whole[:at])
        for flip in range(4):
            damaged = bytearray(whole)
            damaged[random.integers(len(whole))] ^= 1 << random.integers(8)
            put_photo(root / "owl" / f"flipped-{seed}-{flip}.{suffix}", bytes(damaged))
    before = tree_hash(root)
    paths = sorted(str(path) for path in root.rglob("*.*"))
    ran = subprocess.run([sys.executable, "-c", DECODES, *paths], capture_output=True, check=True)
    expected = {Path(path).relative_to(root).as_posix() for path in json.loads(ran.stdout)}
    problems = found(root)
    assert {path for kind in ("undecodable", "truncated") for path, _ in problems[kind]} == expected
    # Most of what is cut behind its header is told as cut.
    assert len(problems["truncated"]) > 30
    assert tree_hash(root) == before


def test_what_is_no_image_at_all_is_told_in_words(root):
    put_photo(root / "bat" / "empty.jpg", b"")
    put_photo(root / "bat" / "page.jpg", b"<!DOCTYPE html>")
    (root / "bat" / "link.jpg").symlink_to(root / "bat" / "nowhere.jpg")
    assert found(root) == {
        "undecodable": [
            ("bat/empty.jpg", "empty file"),
            ("bat/link.jpg", "cannot be read (No such file or directory)"),
            ("bat/page.jpg", "not an image"),
        ]
    }


FILES = {"JPEG": "jpg jpeg jpe jfif", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "TIFF": "tif tiff"}


def test_every_format_under_every_ending(root):
    expected = []
    for number, (kind, _) in enumerate(FILES.items()):
        for other, endings in FILES.items():
            for ending in endings.split():
                name = f"owl/{kind}.{number}.{ending.upper() if number % 2 else ending}"
                put_photo(root / name, photo(50), kind)
                if kind != other:
                    expected.append((name, f"a {kind} file that ends in .{ending}"))
    assert sorted(found(root)["wrong_extension"]) == sorted(expected)


def test_exif_orientations_are_named_and_undone(root):
    lying = {  # how a photo is stored for each orientation: the inverse of how it has to be turned
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = photo(60 + orientation).transpose(lying[orientation]) if orientation in lying else photo(60)
        put_photo(root / "bat" / f"turned{orientation}.png", stored, exif=exif)
        if orientation in lying:
            put_photo(root / "owl" / f"upright{orientation}.png", photo(60 + orientation))
    problems = found(root)
    assert [path for path, _ in problems["orientation"]] == [f"bat/turned{o}.png" for o in range(2, 9)]
    assert problems["orientation"][4][1] == "EXIF orientation 6: turned right by 90 degrees when it is read"
    # Once it is upright its pixels are the other file's.
    contradictions = dict(problems["contradiction"])
    for orientation in range(2, 9):
        told = f'the same pixels as "bat/turned{orientation}.png" of the class "bat"'
        assert contradictions[f"owl/upright{orientation}.png"] == told


def test_modes_that_are_converted(root):
    colour, grey = photo(70), photo(71).convert("L")
    glass = colour.convert("RGBA")
    glass.putalpha(100)
    deep = Image.fromarray(np.asarray(photo(73).convert("L"), np.uint16) * 257)
    put_photo(root / "owl" / "cmyk.jpg", photo(72).convert("CMYK"))
    put_photo(root / "owl" / "deep.png", deep)
    put_photo(root / "owl" / "float.tif", Image.fromarray(np.asarray(photo(74).convert("L"), np.float32)))
    put_photo(root / "owl" / "glass.png", glass)
    put_photo(root / "owl" / "glass-grey.png", photo(75).convert("LA"))
    put_photo(root / "owl" / "grey.png", grey)
    put_photo(root / "owl" / "hole.png", photo(76).convert("P"), transparency=3)
    put_photo(root / "owl" / "ink.png", photo(77).convert("1"))
    put_photo(root / "owl" / "palette.png", photo(78).convert("P"))
    put_photo(root / "owl" / "print.png", deep_png(photo(79)))
    assert found(root)["mode"] == [
        ("owl/cmyk.jpg", "CMYK, becomes RGB"),
        ("owl/deep.png", "16-bit grey, becomes 8-bit grey"),
        ("owl/float.tif", "float grey, becomes 8-bit grey"),
        ("owl/glass-grey.png", "LA, transparent, is laid over white"),
        ("owl/glass.png", "RGBA, transparent, is laid over white"),
        ("owl/hole.png", "palette, becomes RGB; transparent, is laid over white"),
        ("owl/ink.png", "1-bit, becomes 8-bit grey"),
        ("owl/palette.png", "palette, becomes RGB"),
        ("owl/print.png", "16 bits a channel, becomes 8-bit RGB"),
    ]


def deep_png(image: Image.Image) -> bytes:
    """A PNG with 16 bits a channel, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (np.asarray(image).astype(np.uint16) * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", image.width, image.height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def test_sizes_that_stand_out(root):
    put_photo(root / "bat" / "icon.png", photo(80, (40, 31)))
    put_photo(root / "bat" / "least.png", photo(81, (32, 32)))
    put_photo(root / "bat" / "long.png", photo(82, (401, 100)))
    put_photo(root / "bat" / "longest allowed.png", photo(83, (100, 400)))
    checked = check(root)
    assert found(root) == {
        "size": [
            ("bat/icon.png", "40x31: a side under 32 pixels"),
            ("bat/long.png", "401x100: 4.0 times as long as it is wide"),
        ]
    }
    assert checked.as_json()["width"] == {"min": 32, "median": 160, "max": 401}
    assert checked.as_json()["height"] == {"min": 31, "median": 120, "max": 400}


def test_among_small_images_a_small_one_is_nothing_special(tmp_path):
    for index in range(4):
        put_photo(tmp_path / "ab"[index % 2] / f"{index}.png", photo(index, (28, 28)))
    assert found(tmp_path) == {}


def test_classes_that_are_empty_single_or_small(split):
    photos(split, {"train/ant": 21, "train/yak": 1, "test/ant": 1, "test/elk": 1}, 300)
    (split / "train" / "elk").mkdir()
    put_photo(split / "test/yak/bad.jpg", b"no image")
    assert found(split) == {
        "undecodable": [("test/yak/bad.jpg", "not an image")],
        "layout": [(".", 'class "elk" has 0 images in train')],
        "empty_class": [
            ("elk", "no image in train that can be decoded"),
            ("yak", "no image in test that can be decoded"),
        ],
        "one_image": [("yak", "1 image")],
        "imbalance": [("yak", "1 image, the largest class has 21 (21:1)")],
    }


@pytest.mark.parametrize(
    ("names", "parts", "classes", "refused"),
    [
        (["1.jpg", "bat/2.jpg"], {"train": 2}, {"bat": 1}, "1 image lies directly in"),
        (["bat/1.jpg", "bat/2.jpg"], {"train": 2}, {"bat": 2}, 'only one class ("bat")'),
        (["train/bat/1.jpg", "train/owl/2.jpg", "test/bat/3.jpg"], {"train": 2, "test": 1}, {"bat": 2, "owl": 1}, "la"),
        (["train/bat/1.jpg", "extra/bat/2.jpg"], {"train": 1, "extra": 1}, {"bat": 2}, "which is no part of a split"),
        (["train/1.jpg", "train/bat/2.jpg", "test/bat/3.jpg"], {"train": 2, "test": 1}, {"bat": 2}, "li"),
        (["test/bat/1.jpg", "test/owl/2.jpg"], {"train": 2}, {"test": 2}, 'has class folders in "test" but none'),
    ],
)
def test_a_folder_that_training_refuses_is_checked_as_far_as_it_goes(tmp_path, names, parts, classes, refused):
    for index, name in enumerate(names):
        put_photo(tmp_path / name, photo(index))
    checked = check(tmp_path)
    assert (checked.images, dict(checked.parts)) == (len(names), parts)
    assert {name: numbers.total() for name, numbers in checked.classes.items()} == classes
    (layout,) = checked.kinds()["layout"]
    assert refused in layout.detail


def test_hidden_and_other_files_are_noted(root):
    (root / ".cache").mkdir()
    (root / "bat" / "notes.txt").write_text("")
    assert check(root).notes == ("ignored 1 hidden folder", "ignored 1 file that is no image (.txt)")


def test_the_result_does_not_depend_on_the_number_of_threads(split):
    photos(split, {"train/bat": 20, "test/owl": 20}, 40)
    put_photo(split / "train/bat/bad.jpg", b"")
    for index in range(8):
        put_photo(split / f"train/owl/near{index}.jpg", photo(41), quality=30 + index)
    told = [json.dumps(check(split, workers=workers).as_json()) for workers in (1, 2, 7)]
    assert told[0] == told[1] == told[2]
    assert "near_duplicate" in told[0]


def test_progress_ends_at_the_number_of_images(root):
    steps: list[tuple[int, int]] = []
    check(root, on_progress=lambda done, count: steps.append((done, count)))
    assert steps == [(done, 6) for done in range(7)]


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "bat").mkdir()
    with pytest.raises(DataError, match="no image in"):
        check(tmp_path)


def test_mnist5k_is_checked_by_its_pixels() -> None:
    checked = check("mnist5k")
    assert (checked.images, dict(checked.parts)) == (5000, {"train": 4000, "test": 1000})
    assert {name: numbers.total() for name, numbers in checked.classes.items()} == {
        str(digit): 500 for digit in range(10)
    }
    assert (dict(checked.formats), dict(checked.modes)) == ({}, {"L": 5000})
    # Digits of one kind resemble each other; hardly two are near.
    assert len(checked.problems) < 5
