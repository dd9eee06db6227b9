"""Files that are no images, are damaged, or would take all memory: a reason each."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from convatlas.data.decode import PIXEL_LIMIT, DecodeError, open_image
from tests.data.folders import stored


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"these are only words", "not an image"), (b"", "empty file"), (b"\x89PNG\r\n\x1a\n", "damaged header")],
)
def test_what_is_no_image(tmp_path, content, reason):
    path = tmp_path / "a b.png"
    path.write_bytes(content)
    with pytest.raises(DecodeError) as caught:
        open_image(path)
    assert caught.value.reason == reason
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        f'cannot decode "{path}": {reason}. Do: replace it by a whole JPEG, PNG, WebP, BMP, GIF, TIFF or PPM image.'
    )


def test_formats_outside_the_list_are_refused(tmp_path):
    for suffix in ("ico", "pcx", "tga", "eps", "pdf"):
        path = stored(Image.new("RGB", (16, 16)), tmp_path / f"a.{suffix}").rename(tmp_path / f"{suffix}.png")
        with pytest.raises(DecodeError, match="not an image"):
            open_image(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DecodeError, match=r"cannot be read \(No such file or directory\)"):
        open_image(tmp_path / "none.png")
    with pytest.raises(DecodeError, match=r"cannot be read \(Is a directory\)"):
        open_image(tmp_path)


def photo(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tiff", "webp", "ppm"])
def test_cut_short(tmp_path, seed, suffix):
    content = stored(photo(seed), tmp_path / f"whole.{suffix}").read_bytes()
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
        path = tmp_path / f"cut.{suffix}"
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DecodeError) as caught:
            open_image(path)
        assert caught.value.reason.startswith(("truncated", "damaged", "not an image"))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff"])
def test_flipped_bytes_give_an_image_or_a_decode_error(tmp_path, suffix):
    content = stored(photo(0), tmp_path / f"whole.{suffix}").read_bytes()
    path = tmp_path / f"flipped.{suffix}"
    for seed in range(60):
        rng = random.Random(seed)
        changed = bytearray(content)
        for _ in range(3):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            assert open_image(path).mode in ("L", "RGB")
        except DecodeError as error:
            assert error.reason


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9460, 20_000])
def test_bomb_is_refused_from_its_header(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(DecodeError, match=f"pixels.*{PIXEL_LIMIT:,}"):
        open_image(path)


def test_text_bomb_in_a_png_is_refused(tmp_path):
    whole = io.BytesIO()
    Image.new("L", (3, 2)).save(whole, "PNG")
    data = b"Comment\0\0" + zlib.compress(b"a" * 5_000_000)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    (tmp_path / "a.png").write_bytes(whole.getvalue()[:33] + chunk + whole.getvalue()[33:])
    with pytest.raises(DecodeError, match="damaged: "):
        open_image(tmp_path / "a.png")
