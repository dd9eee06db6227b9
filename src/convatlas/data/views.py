"""Parts of an image that a network sees in evaluation, as the papers cut them.

Lengths are the papers', for networks of 224x224 pixels. For a network of another size they are taken in proportion: at
32x32, where the papers scale the shorter side to 256 it is scaled to 37. The fit of the preprocessing plays no part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from convatlas.data.crop import Box
from convatlas.data.preprocess import Preprocess, covering, pixels_of

Size: TypeAlias = tuple[int, int]
"""Height and width, in pixels."""

ViewsName = Literal["centre", "ten-crop", "144-crop", "150-crop", "dense", "dense-3-scales", "dense-5-scales"]

_PAPERS = 224


@dataclass(frozen=True, slots=True)
class View:
    """A part of a scaled image.

    Attributes:
        scaled: what the whole image is scaled to.
        box: the part of it.
        size: what the part is scaled to; nothing is done if it has that size.
        is_mirrored: whether left and right are swapped at last.
    """

    scaled: Size
    box: Box
    size: Size
    is_mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Protocol:
    """A way to evaluate.

    Attributes:
        views: of an image of a height and width, for a network of a size; as many for each image.
        is_dense: whether the views are whole images, over which the network is slid.
    """

    views: Callable[[int, int, Size], list[View]]
    is_dense: bool = False

    @property
    def summary(self) -> str:
        """What it is and where it comes from, in a line."""
        return (self.views.__doc__ or "").partition("\n")[0]


def ten_crop(height: int, width: int, size: Size) -> list[View]:
    """Corners and centre of the central square of 256 and their mirrors: Krizhevsky et al. 2012, section 4.1."""
    square = _proportional(256, size)
    scaled = covering(height, width, square)
    return _with_mirrors(
        [
            View(scaled, box, size)
            for box in _five(_middle(scaled[0], square[0]), _middle(scaled[1], square[1]), square, size)
        ]
    )


def crops_144(height: int, width: int, size: Size) -> list[View]:
    """Corners, centre and whole of three squares at four scales, and mirrors: Szegedy et al. 2015, section 7.

    The shorter side is 256, 288, 320 and 352; the squares are at both ends and in the middle of the longer side.
    """
    views = []
    for length in (256, 288, 320, 352):
        square = _proportional(length, size)
        scaled = covering(height, width, square)
        rooms = scaled[0] - square[0], scaled[1] - square[1]
        # One room is 0: the squares lie beside each other, or one above the other.
        for top, left in ((0, 0), (_middle(scaled[0], square[0]), _middle(scaled[1], square[1])), rooms):
            boxes = [*_five(top, left, square, size), (top, left, *square)]
            views += [View(scaled, box, size) for box in boxes]
    return _with_mirrors(views)


def crops_150(height: int, width: int, size: Size) -> list[View]:
    """A grid of 5x5 crops at the shorter sides 256, 384, 512, and mirrors: Simonyan and Zisserman 2015, section 3.2."""
    views = []
    for length in (256, 384, 512):
        scaled = covering(height, width, _proportional(length, size))
        tops, lefts = (
            [round(i * (full - part) / 4) for i in range(5)] for full, part in zip(scaled, size, strict=True)
        )
        views += [View(scaled, (top, left, *size), size) for top in tops for left in lefts]
    return _with_mirrors(views)


def dense(height: int, width: int, size: Size) -> list[View]:
    """The whole image, shorter side 256, and its mirror: Simonyan and Zisserman 2015, section 3.2."""
    return _with_mirrors(_whole((256,), height, width, size))


def dense_3_scales(height: int, width: int, size: Size) -> list[View]:
    """The whole image at the shorter sides 256, 384, 512, and mirrors: Simonyan and Zisserman 2015, section 4.2."""
    return _with_mirrors(_whole((256, 384, 512), height, width, size))


def dense_5_scales(height: int, width: int, size: Size) -> list[View]:
    """The whole image at the shorter sides 224, 256, 384, 480, 640: He et al. 2016, section 3.4.

    Mirrors are not mentioned there, so there are none.
    """
    return _whole((224, 256, 384, 480, 640), height, width, size)


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "ten-crop": Protocol(ten_crop),
        "144-crop": Protocol(crops_144),
        "150-crop": Protocol(crops_150),
        "dense": Protocol(dense, is_dense=True),
        "dense-3-scales": Protocol(dense_3_scales, is_dense=True),
        "dense-5-scales": Protocol(dense_5_scales, is_dense=True),
    }
)
"""By the names that `--views` takes; "centre" is the view of the run's own preprocessing."""


def seen(image: Image.Image, views: Sequence[View], preprocess: Preprocess) -> list[Tensor]:
    """The pixels of views.

    Args:
        image: 8-bit grey or RGB.
        views: of an image of this size.
        preprocess: says how it is scaled, and in which channels.

    Returns:
        For each view uint8 (C, height, width).
    """
    image = image.convert("L" if preprocess.channels == 1 else "RGB")
    how = Image.Resampling[preprocess.interpolation.upper()]
    whole = {size: image.resize(size[::-1], how) for size in {view.scaled for view in views}}
    found = []
    for view in views:
        top, left, height, width = view.box
        part = whole[view.scaled].crop((left, top, left + width, top + height))
        pixels = pixels_of(part if (height, width) == view.size else part.resize(view.size[::-1], how))
        found.append(torch.flip(pixels, (2,)) if view.is_mirrored else pixels)
    return found


def _proportional(length: int, size: Size) -> Size:
    """What `length` pixels of a paper's square are for a network of another size."""
    return round(length * size[0] / _PAPERS), round(length * size[1] / _PAPERS)


def _middle(full: int, part: int) -> int:
    """Where a part in the middle begins; half pixels as torchvision rounds them."""
    return round((full - part) / 2)


def _five(top: int, left: int, area: Size, size: Size) -> list[Box]:
    """The four corners of an area that begins at top and left, row by row, and its centre."""
    down, right = area[0] - size[0], area[1] - size[1]
    starts = (0, 0), (0, right), (down, 0), (down, right), (_middle(area[0], size[0]), _middle(area[1], size[1]))
    return [(top + y, left + x, *size) for y, x in starts]


def _whole(lengths: Sequence[int], height: int, width: int, size: Size) -> list[View]:
    scales = [covering(height, width, _proportional(length, size)) for length in lengths]
    return [View(scaled, (0, 0, *scaled), scaled) for scaled in scales]


def _with_mirrors(views: list[View]) -> list[View]:
    return views + [View(view.scaled, view.box, view.size, is_mirrored=True) for view in views]
