"""The quick decoder of JPEGs gives Pillow's pixels, or leaves the image to it."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.data.jpeg import jpeg_pixels, quick_decoder

HERE = quick_decoder() is not None
NOISE = np.random.default_rng(3).integers(0, 256, (61, 90, 3), np.uint8)


def saved(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def by_pillow(data: bytes, mode: str) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert(mode))
    return pixels.reshape(*pixels.shape[:2], -1)


def test_the_pinned_torchvision_brings_a_decoder_that_agrees():
    assert HERE


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"quality": 10}], ids=str)
@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("L", 3)])
def test_pixels_are_those_of_pillow(options, mode, channels):
    data = saved(Image.fromarray(NOISE).convert(mode), **options)
    found = jpeg_pixels(data, channels, shorter=61)
    assert found.shape == (channels, 61, 90) and found.stride(0) == 1
    assert np.array_equal(found.permute(1, 2, 0).numpy(), by_pillow(data, "RGB" if channels == 3 else "L"))


def test_all_else_is_left_to_pillow():
    image, exif = Image.fromarray(NOISE), Image.Exif()
    exif[0x0112] = 6
    png = io.BytesIO()
    image.save(png, "PNG")
    others = {
        "colour that becomes grey": (saved(image), 1, 61),
        "CMYK": (saved(image.convert("CMYK")), 3, 61),
        "turned": (saved(image, exif=exif), 3, 61),
        "to be shrunk": (saved(image), 3, 30),
        "PNG": (png.getvalue(), 3, 61),
        "no image": (b"\xff\xd8\xff" + bytes(50), 3, 61),
        "empty": (b"", 3, 61),
    }
    assert [name for name, (data, channels, shorter) in others.items()
            if jpeg_pixels(data, channels, shorter=shorter) is not None] == []  # fmt: skip


def test_a_file_that_is_cut_anywhere_is_left_to_pillow():
    data = saved(Image.fromarray(NOISE))
    # The end's two bytes may be missing: Pillow takes it then, too.
    for cut in range(0, len(data) - 2, 97):
        assert jpeg_pixels(data[:cut], 3, shorter=61) is None


@pytest.mark.skipif(not os.environ.get("CONVATLAS_DATA"), reason="CONVATLAS_DATA is not set")
def test_real_photos():
    files = sorted((Path(os.environ["CONVATLAS_DATA"]) / "imagenet-samples").glob("*.JPEG"))
    quick = 0
    for file in files:
        data = file.read_bytes()
        found = jpeg_pixels(data, 3, shorter=448)
        if found is not None:
            quick += 1
            assert torch.equal(found, torch.from_numpy(by_pillow(data, "RGB").copy()).permute(2, 0, 1))
    assert len(files) == 150 and quick > 140
