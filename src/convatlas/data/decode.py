"""From an image file to 8-bit grey or RGB: the one decoder of training, evaluation, prediction and serving.

| stored as | becomes |
| --- | --- |
| 1-bit, grey | L |
| grey with alpha or a transparent value | L, over white |
| palette, RGB, YCbCr, CMYK and YCCK (JPEG) | RGB |
| palette with transparency, RGBA | RGB, over white |
| 16-bit grey (also held in 32-bit integers) | L, value / 257 rounded |
| float grey | L, value * 255 if all lie in 0 to 1, the value if all lie in 0 to 255, else refused |
| animation or pages | the first frame |

Colour profiles are not applied. Colour with 16 bits a channel keeps the high byte.
"""

import io
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convatlas.data.quiet import pillow_is_quiet
from convatlas.errors import DataError
from convatlas.errors import printable as printable

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
# Where Pillow starts to warn of a decompression bomb: 256 MiB as RGB. Pillow itself refuses only at twice as much.
PIXEL_LIMIT = 89_478_485

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class DecodeError(DataError):
    """A file that is no whole image of an allowed format; `reason` says in words what is wrong."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f'cannot decode "{printable(name)}": {reason}',
            do="replace it by a whole JPEG, PNG, WebP, BMP, GIF, TIFF or PPM image",
        )
        self.reason = reason


class Stored(NamedTuple):
    """How a file holds its image.

    Attributes:
        format: one of `FORMATS`.
        mode: Pillow's name, such as "RGB", "P" or "I;16"; colour with 16 bits a channel is "RGB;16" or "RGBA;16".
        transparent: whether anything may show through: an alpha channel or a transparent colour.
        orientation: by EXIF, 1 (upright) to 8.
        size: width and height, before it is turned upright.
    """

    format: str
    mode: str
    transparent: bool
    orientation: int
    size: tuple[int, int]


def open_image(path: Path) -> Image.Image:
    """Decode a whole image file and turn it upright by its EXIF orientation.

    Returns:
        An image of mode "L" or "RGB", 8 bits a channel; see the table above for what becomes what.

    Raises:
        DecodeError: the file cannot be read, is no image of an allowed format, is cut short or damaged, has values out
            of range or more than `PIXEL_LIMIT` pixels.
    """
    try:
        with path.open("rb") as stream:
            return decode(stream, str(path))
    except OSError as error:
        raise DecodeError(str(path), f"cannot be read ({error.strerror})") from error


def decode(stream: BinaryIO, name: str, *, shorter: int | None = None) -> Image.Image:
    """Decode an image from a seekable stream; see `open_image`.

    Args:
        stream: at the image's first byte.
        name: what errors call it.
        shorter: a length that the shorter side has to keep; a larger JPEG may then be decoded at a half, a quarter or
            an eighth of its size, which its format makes quick.
    """
    return decode_stored(stream, name, shorter=shorter)[0]


def decode_stored(stream: BinaryIO, name: str, *, shorter: int | None = None) -> tuple[Image.Image, Stored]:
    """As `decode`, and how the file holds the image."""
    with pillow_is_quiet:
        try:
            with Image.open(stream, formats=FORMATS) as image:
                size = image.size
                pixels = size[0] * size[1]
                if pixels > PIXEL_LIMIT:
                    raise DecodeError(name, f"{pixels:,} pixels, at most {PIXEL_LIMIT:,} are allowed")
                mode = _stored_mode(image)
                if shorter is not None:
                    _shrink(image, shorter)
                plain = _upright_8_bits(image)
                # A JPEG with a second picture behind it, as some cameras write, is a JPEG to everyone else.
                kind = "JPEG" if image.format == "MPO" else str(image.format)
                stored = Stored(kind, mode, image.has_transparency_data, orientation_of(image), size)
                # Nothing that would turn it a second time.
                plain.info = {}
                return plain, stored
        except (DecodeError, MemoryError):
            raise
        except Exception as error:  # Pillow's decoders raise almost any kind on a damaged file
            raise DecodeError(name, _reason(error, stream)) from error


def shrinks(size: tuple[int, int], shorter: int) -> int:
    """By how much an image of some size may be decoded smaller, if its shorter side has to keep a length."""
    return next((times for times in (8, 4, 2) if min(size) >= times * shorter), 1)


def _shrink(image: Image.Image, shorter: int) -> None:
    times = shrinks(image.size, shorter)
    if times > 1:
        # Other formats than JPEG ignore it.
        image.draft(None, (image.width // times, image.height // times))


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself if it has the mode already: `convert` would copy it."""
    return image if image.mode == mode else image.convert(mode)


def from_pillow(image: Image.Image, name: str) -> Image.Image:
    """What `open_image` gives for the file that an image was opened from; the image itself is not changed.

    Args:
        image: of any mode, loaded or not.
        name: what errors call it.
    """
    with pillow_is_quiet:
        try:
            upright = _upright_8_bits(image)
            upright = upright.copy() if upright is image else upright
            upright.info = {}
            return upright
        except MemoryError:
            raise
        except Exception as error:  # as above: an image that was only opened is decoded here
            raise DecodeError(name, _reason(error, io.BytesIO())) from error


def _upright_8_bits(image: Image.Image) -> Image.Image:
    image.load()
    upright = _UPRIGHT.get(orientation_of(image))
    plain = _to_8_bits(image)
    if upright is not None:
        plain = plain.transpose(upright)
    return plain


def _stored_mode(image: Image.Image) -> str:
    # Pillow has no mode for deep colour: only the raw mode, which is known until the pixels are loaded, tells it.
    deep = image.mode in ("RGB", "RGBA") and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    return f"{image.mode};16" if deep else image.mode


def orientation_of(image: Image.Image) -> int:
    """By EXIF, 1 (upright) to 8."""
    try:
        value = int(image.getexif().get(_ORIENTATION, 1))
        return value if value in _UPRIGHT else 1
    except Exception:  # damaged metadata says nothing about the pixels
        return 1


def _to_8_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_deep_grey(image))
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return Image.fromarray(_over_white(np.asarray(image.convert("LA" if grey else "RGBA"))))
    return in_mode(image, "L" if grey else "RGB")


def _deep_grey(image: Image.Image) -> NDArray[np.uint8]:
    values = np.asarray(image)
    low, high = values.min().item(), values.max().item()
    if image.mode == "F":
        # Written so that a NaN fails each comparison.
        if not (low >= 0 and high <= 255):
            raise _RangeError(f"float values from {low:g} to {high:g}, allowed are 0 to 1 or 0 to 255")
        return np.floor(values * (255.0 if high <= 1 else 1.0) + 0.5).astype(np.uint8)
    if low < 0 or high > 65535:
        raise _RangeError(f"integer values from {low} to {high}, allowed are 0 to 65535")
    grey = ((values.astype(np.int32) + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    colour, alpha = pixels[..., :-1].astype(np.uint16), pixels[..., -1:].astype(np.uint16)
    mixed = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return mixed[..., 0] if mixed.shape[-1] == 1 else mixed


class _RangeError(ValueError):
    """Pixel values that have no 8-bit meaning; the message is the reason."""


def _reason(error: Exception, stream: BinaryIO) -> str:
    if isinstance(error, _RangeError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than the {PIXEL_LIMIT:,} that are allowed"
    if isinstance(error, UnidentifiedImageError):
        stream.seek(0)
        start = stream.read(4)
        if not start:
            return "empty file"
        return "damaged header" if start.startswith(_MAGIC) else "not an image"
    text = printable(str(error).strip().partition("\n")[0]) or type(error).__name__
    if isinstance(error, EOFError) or "truncated" in text.lower() or "unexpected end" in text.lower():
        return "truncated"
    return f"damaged: {text}"
