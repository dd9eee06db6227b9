"""The one decoder: golden pixels by hand arithmetic for every mode, and a plain reason for every bad file."""

import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.data.decode import open_image
from convatlas.errors import DataError
from tests.data.folders import stored

GREY = np.array([[0, 51, 102], [153, 204, 255]], np.uint8)


COLOUR = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [0, 0, 0], [255, 255, 255]]], np.uint8)


ALPHA = np.array([[255, 0, 128], [51, 204, 255]], np.uint8)


def over_white(value: int, alpha: int) -> int:
    return round((value * alpha + 255 * (255 - alpha)) / 255)


def pixels(path: Path) -> np.ndarray:
    image = open_image(path)
    assert image.mode in ("L", "RGB")
    return np.asarray(image)


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "pgm", "webp"])
def test_grey_is_grey_in_every_lossless_format(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    found = pixels(stored(Image.fromarray(GREY), tmp_path / f"a.{suffix}", **options))
    expected = np.repeat(GREY[..., None], 3, axis=2) if found.ndim == 3 else GREY
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_rgb_is_kept(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = stored(Image.fromarray(COLOUR), tmp_path / f"a.{suffix}", **options)
    np.testing.assert_array_equal(pixels(path), COLOUR)


@pytest.mark.parametrize("suffix", ["png", "tiff", "pbm"])
def test_one_bit_is_black_and_white(tmp_path, suffix):
    bits = np.array([[True, False, True], [False, True, True]])
    np.testing.assert_array_equal(pixels(stored(Image.fromarray(bits), tmp_path / f"a.{suffix}")), bits * 255)


def test_grey_with_alpha_lies_over_white(tmp_path):
    path = stored(Image.fromarray(np.dstack([GREY, ALPHA])), tmp_path / "a.png")
    # 0*255, 51*0, 102*128: (13056 + 32385) / 255 = 178.2; 153*51: (7803 + 52020) / 255 = 234.6; 204*204: 214.2
    np.testing.assert_array_equal(pixels(path), [[0, 255, 178], [235, 214, 255]])


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_rgba_lies_over_white(tmp_path, suffix):
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    path = stored(Image.fromarray(np.dstack([COLOUR, ALPHA])), tmp_path / f"a.{suffix}", **options)
    expected = [
        [[over_white(int(value), int(a)) for value in pixel] for pixel, a in zip(row, alphas, strict=True)]
        for row, alphas in zip(COLOUR, ALPHA, strict=True)
    ]
    np.testing.assert_array_equal(pixels(path), expected)
    assert expected[0][2] == [127, 127, 255]


def test_grey_with_a_transparent_value(tmp_path):
    path = stored(Image.fromarray(GREY), tmp_path / "a.png", transparency=102)
    np.testing.assert_array_equal(pixels(path), [[0, 51, 255], [153, 204, 255]])


def test_rgb_with_a_transparent_colour(tmp_path):
    path = stored(Image.fromarray(COLOUR), tmp_path / "a.png", transparency=(10, 20, 30))
    expected = COLOUR.copy()
    expected[1, 0] = 255
    np.testing.assert_array_equal(pixels(path), expected)


def palette_image() -> Image.Image:
    image = Image.new("P", (3, 2))
    image.putdata([0, 1, 2, 2, 1, 0])
    image.putpalette([255, 0, 0, 0, 128, 0, 7, 8, 9])
    return image


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tiff"])
def test_palette_becomes_colour(tmp_path, suffix):
    expected = np.array([[255, 0, 0], [0, 128, 0], [7, 8, 9]])[[[0, 1, 2], [2, 1, 0]]]
    np.testing.assert_array_equal(pixels(stored(palette_image(), tmp_path / f"a.{suffix}")), expected)


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_palette_with_one_transparent_entry(tmp_path, suffix):
    expected = np.array([[255, 0, 0], [255, 255, 255], [7, 8, 9]])[[[0, 1, 2], [2, 1, 0]]]
    path = stored(palette_image(), tmp_path / f"a.{suffix}", transparency=1)
    np.testing.assert_array_equal(pixels(path), expected)


def test_palette_with_alpha_an_entry(tmp_path):
    path = stored(palette_image(), tmp_path / "a.png", transparency=bytes([51, 0, 255]))
    # 255*51 over white stays 255; 0*51 over white is 204
    expected = np.array([[255, 204, 204], [255, 255, 255], [7, 8, 9]])[[[0, 1, 2], [2, 1, 0]]]
    np.testing.assert_array_equal(pixels(path), expected)


@pytest.mark.parametrize("suffix", ["tiff", "jpg"])
def test_cmyk_becomes_rgb(tmp_path, suffix):
    inks = np.full((16, 16, 4), (0, 128, 255, 51), np.uint8)
    path = stored(cmyk(inks), tmp_path / f"a.{suffix}")
    # (255 - ink) * (255 - black) / 255 with black = 51
    expected = [204, round(127 * 204 / 255), 0]
    assert np.abs(pixels(path).astype(int) - expected).max() <= (1 if suffix == "tiff" else 3)


def cmyk(inks: np.ndarray) -> Image.Image:
    return Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes())


def test_ycck_jpeg_becomes_rgb(tmp_path):
    # The Adobe marker's last byte 2 says that the four channels are YCCK, 0 that they are CMYK.
    plain = stored(cmyk(np.full((16, 16, 4), 200, np.uint8)), tmp_path / "cmyk.jpg").read_bytes()
    at = plain.index(b"Adobe") + 11
    assert plain[at] in (0, 2)
    (tmp_path / "ycck.jpg").write_bytes(plain[:at] + bytes([2]) + plain[at + 1 :])
    assert pixels(tmp_path / "ycck.jpg").shape == (16, 16, 3)


def test_jpeg_keeps_grey_and_colour_apart(tmp_path):
    assert open_image(stored(Image.new("L", (8, 8), 77), tmp_path / "a.jpg")).mode == "L"
    assert open_image(stored(Image.new("RGB", (8, 8), (9, 9, 9)), tmp_path / "b.jpg")).mode == "RGB"
    assert np.abs(pixels(tmp_path / "a.jpg").astype(int) - 77).max() <= 1


DEEP = np.array([[0, 128, 129], [257, 32768, 65535]], np.uint16)


# v / 257: 0.498, 0.502, 1, 127.502, 255
DEEP_GOLDEN = [[0, 0, 1], [1, 128, 255]]


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_sixteen_bits_are_scaled_and_never_cut(tmp_path, suffix):
    np.testing.assert_array_equal(pixels(stored(Image.fromarray(DEEP), tmp_path / f"a.{suffix}")), DEEP_GOLDEN)


def test_sixteen_bits_big_endian(tmp_path):
    image = Image.frombytes("I;16B", (3, 2), DEEP.astype(">u2").tobytes())
    np.testing.assert_array_equal(pixels(stored(image, tmp_path / "a.tiff")), DEEP_GOLDEN)


def test_sixteen_bits_with_a_transparent_value(tmp_path):
    path = stored(Image.fromarray(DEEP), tmp_path / "a.png")
    content = path.read_bytes()
    chunk = b"tRNS" + struct.pack(">H", 257)
    at = content.index(b"IDAT") - 4
    path.write_bytes(content[:at] + struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[at:])
    np.testing.assert_array_equal(pixels(path), [[0, 0, 1], [255, 128, 255]])


def test_thirty_two_bit_integers(tmp_path):
    path = stored(Image.fromarray(DEEP.astype(np.int32)), tmp_path / "a.tiff")
    np.testing.assert_array_equal(pixels(path), DEEP_GOLDEN)
    for value in (-1, 65536):
        path = stored(Image.fromarray(np.full((2, 2), value, np.int32)), tmp_path / "b.tiff")
        with pytest.raises(DataError, match=f"integer values from {value} to {value}, allowed are 0 to 65535"):
            open_image(path)


def floats(tmp_path: Path, *values: float) -> Path:
    return stored(Image.fromarray(np.array([values], np.float32)), tmp_path / "f.tiff")


def test_floats(tmp_path):
    np.testing.assert_array_equal(pixels(floats(tmp_path, 0, 0.5, 1, 0.1)), [[0, 128, 255, 26]])
    np.testing.assert_array_equal(pixels(floats(tmp_path, 0, 0.4, 254.6, 2.5)), [[0, 0, 255, 3]])


@pytest.mark.parametrize(
    "values", [(-0.1, 1), (0, 255.5), (0, float("nan")), (float("nan"), float("nan")), (0, float("inf"))]
)
def test_floats_out_of_range(tmp_path, values):
    with pytest.raises(DataError, match=r"float values from .* to .*, allowed are 0 to 1 or 0 to 255"):
        open_image(floats(tmp_path, *values))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_animation_gives_its_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))]
    options = {"lossless": True} if suffix == "webp" else {}
    path = stored(frames[0], tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(pixels(path), np.full((4, 4, 3), (255, 0, 0)))


# What a reader has to see when the stored pixels are GREY: rows of the upright image.
UPRIGHT = {
    1: [[0, 51, 102], [153, 204, 255]],
    2: [[102, 51, 0], [255, 204, 153]],
    3: [[255, 204, 153], [102, 51, 0]],
    4: [[153, 204, 255], [0, 51, 102]],
    5: [[0, 153], [51, 204], [102, 255]],
    6: [[153, 0], [204, 51], [255, 102]],
    7: [[255, 102], [204, 51], [153, 0]],
    8: [[102, 255], [51, 204], [0, 153]],
}


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "jpg"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    blocks = np.kron(GREY, np.ones((8, 8), np.uint8))
    options = {"lossless": True} if suffix == "webp" else {"quality": 100} if suffix == "jpg" else {}
    found = pixels(stored(Image.fromarray(blocks), tmp_path / f"a.{suffix}", exif=exif, **options))
    found = found[..., 0] if found.ndim == 3 else found
    assert np.abs(found[4::8, 4::8].astype(int) - UPRIGHT[orientation]).max() <= 1


def test_damaged_exif_costs_nothing(tmp_path):
    good = Image.Exif()
    good[0x0112] = 6
    good[0x010E] = "a description that is longer than four bytes"
    exif = good.tobytes()
    for number, broken in enumerate((exif[:20], exif[:-30], b"Exif\0\0garbage", b"Exif\0\0II*\0" + b"\xff" * 40)):
        path = stored(Image.fromarray(GREY), tmp_path / f"{number}.jpg", exif=broken)
        assert pixels(path).size == GREY.size


@pytest.mark.parametrize(("kind", "value"), [(2, b"ab\0\0"), (3, b"\x63\0\0\0"), (3, b"\0\0\0\0")])
def test_an_orientation_without_meaning_is_none(tmp_path, kind, value):
    # One entry: a text, the number 99, the number 0.
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, kind, 3 if kind == 2 else 1) + value + bytes(4)
    np.testing.assert_array_equal(pixels(stored(Image.fromarray(GREY), tmp_path / "a.png", exif=exif)), GREY)


def test_remarks_on_metadata_do_not_surface_and_filters_are_as_before(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "a description that is longer than four bytes"
    path = stored(Image.fromarray(GREY), tmp_path / "a.png", exif=exif.tobytes()[:-30])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with Image.open(path) as image:
            image.getexif()
        assert len(seen) == 1, "the file is one that Pillow remarks on"
        threads = [threading.Thread(target=open_image, args=(path,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        np.testing.assert_array_equal(pixels(path), GREY)
        for thread in threads:
            thread.join()
        assert len(seen) == 1
        assert list(warnings.filters) == before


def test_suffix_does_not_matter(tmp_path):
    path = stored(Image.fromarray(GREY), tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(pixels(path), GREY)
