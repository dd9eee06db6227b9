"""Photos straight to a tensor: torchvision's decoder of JPEGs, where it gives the pixels that Pillow gives.

Pillow keeps four bytes a pixel and copies them twice on the way to a tensor; this way copies none. Both use libjpeg,
perhaps not the same one, and libraries of other makers round otherwise: so the two are compared before the first use.
"""

import io
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convatlas.data.decode import PIXEL_LIMIT, orientation_of, shrinks
from convatlas.data.quiet import pillow_is_quiet

Decoder: TypeAlias = Callable[[Tensor, int], Tensor]

_START = b"\xff\xd8\xff"
# torchvision's ImageReadMode.
_GREY, _RGB = 1, 3
_MODES = {("RGB", 3): _RGB, ("L", 3): _RGB, ("L", 1): _GREY}


def jpeg_pixels(data: bytes, channels: int, *, shorter: int) -> Tensor | None:
    """A JPEG as uint8 (C, H, W), in memory a pixel's channels side by side.

    Args:
        data: the image's file, of any format.
        channels: 1 or 3.
        shorter: a length that the shorter side has to keep; see `decode`.

    Returns:
        None for all that Pillow has to do: other formats, CMYK, colour that becomes grey, images that are turned, too
        large or to be shrunk, damaged ones, and everything where the two decoders differ.
    """
    decoder = quick_decoder() if data.startswith(_START) else None
    if decoder is None:
        return None
    try:
        with pillow_is_quiet, Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            mode = _MODES.get((image.mode, channels))
            fits = image.width * image.height <= PIXEL_LIMIT and shrinks(image.size, shorter) == 1
            if mode is None or not fits or orientation_of(image) != 1:
                return None
        return decoder(_bytes(data), mode)
    except MemoryError:
        raise
    except Exception:  # whatever is wrong with it, Pillow's way says it in words
        return None


@cache
def quick_decoder() -> Decoder | None:
    """torchvision's decoder; None where there is none, or where it gives other pixels than Pillow.

    They are compared by images of noise, in the ways that JPEGs are stored.
    """
    try:
        import torchvision.io  # noqa: F401 - it registers the operator, and takes a second to import

        # The function around it announces that later releases leave it to another package; then Pillow is left.
        decode = partial(torch.ops.image.decode_jpeg, apply_exif_orientation=False)
        noise = np.random.default_rng(0).integers(0, 256, (67, 53, 3), np.uint8)
        ways = [{"subsampling": way, "progressive": later} for way in (0, 1, 2) for later in (0, 1)]
        agree = all(_agree(decode, noise, way) for way in ways) and _agree(decode, noise[..., 0], {})
    except (ImportError, AttributeError, RuntimeError, TypeError):
        return None
    return decode if agree else None


def _agree(decode: Decoder, pixels: NDArray[np.uint8], way: Mapping[str, int]) -> bool:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90, **way)
    ours = decode(_bytes(stream.getvalue()), _RGB).permute(1, 2, 0).numpy()
    with Image.open(stream) as image:
        return np.array_equal(ours, np.asarray(image.convert("RGB")))


def _bytes(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)
