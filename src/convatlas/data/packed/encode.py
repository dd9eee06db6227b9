"""What an image becomes when it is packed: its bytes as they are, or made smaller once."""

import io
from dataclasses import dataclass

from PIL import Image

from convatlas.data.decode import decode_stored

QUALITY = 95
"""Of JPEGs that are made smaller; at this quality the next resizing or crop hides what is lost."""

# What lost nothing before loses nothing here.
_LOSSLESS = frozenset(("PNG", "BMP", "GIF", "TIFF", "PPM"))


@dataclass(frozen=True, slots=True)
class Encoded:
    """An image's bytes for the shard, and its width and height once it is decoded."""

    data: bytes
    size: tuple[int, int]


def encode(data: bytes, name: str, *, shorter_side: int | None) -> Encoded:
    """An image as it is packed.

    Args:
        data: its file.
        name: what errors call it.
        shorter_side: a larger image is scaled to this shorter side, bilinear and antialiased, upright, as evaluation
            scales it. It becomes a PNG if its file was lossless and else a JPEG. None keeps all images as they are.

    Returns:
        The bytes of its file, unless it is made smaller or was not compressed at all.

    Raises:
        DecodeError: if it cannot be decoded.
    """
    image, stored = decode_stored(io.BytesIO(data), name)
    if shorter_side is None or min(image.size) <= shorter_side:
        return Encoded(_saved(image, lossless=True) if stored.format == "PPM" else data, image.size)
    shorter = min(image.size)
    # What is left over is rounded down, as by torchvision and by `Preprocess`.
    width, height = (length * shorter_side // shorter for length in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    return Encoded(_saved(image, lossless=stored.format in _LOSSLESS), image.size)


def _saved(image: Image.Image, *, lossless: bool) -> bytes:
    stream = io.BytesIO()
    if lossless:
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
