"""Photos of a figure on an even ground, brought to what the network was trained on."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from convatlas.data.preprocess import Preprocess

Invert = Literal["auto", "always", "never"]
_Grey = NDArray[np.float32]

# MNIST's digits fit 20x20 of 28x28 pixels, and their centre of mass is the centre (LeCun et al. 1998, section III-A).
_FIGURE_SHARE = 20 / 28
# A border is light if its median is: paper in shade is still far above ink.
_LIGHT = 128
_WORKING_SIZE = 256
# A pen's line is thinner than MNIST's, whose strokes are about a tenth of the figure wide.
_STROKE_SHARE = 0.1


def as_trained(image: Image.Image, preprocess: Preprocess, invert: Invert) -> Image.Image:
    """Swap dark and light where an image's ground is not the training images' ground, and isolate its figure.

    Args:
        image: 8-bit grey or RGB.
        preprocess: says what the training images' background was.
        invert: "auto" compares the image's border with that; "always" and "never" do not look.

    Returns:
        The image itself if nothing has to be done. An image of the content size is swapped and nothing else, so the
        negative of a training image gives that image's pixels; one of another size is taken for a photo.
    """
    if invert == "never" or (invert == "auto" and not _has_other_ground(image, preprocess)):
        return image
    swapped = ImageOps.invert(image)
    if preprocess.background != "dark" or image.size == preprocess.size[::-1]:
        return swapped
    return isolate(swapped, preprocess.size)


def _has_other_ground(image: Image.Image, preprocess: Preprocess) -> bool:
    if preprocess.background is None:
        return False
    pixels = np.asarray(image.convert("L"))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return bool((np.median(border) >= _LIGHT) != (preprocess.background == "light"))


def isolate(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Cut a light figure out of a dark, possibly uneven ground, and scale and centre it as MNIST's digits were.

    Args:
        image: 8-bit grey or RGB; the figure is lighter than the ground.
        size: height and width of the result.

    Returns:
        Grey image of that size, ground 0, figure up to 255; all ground if nothing stands out.
    """
    image = image.convert("L")
    image.thumbnail((_WORKING_SIZE, _WORKING_SIZE), Image.Resampling.BILINEAR)
    ink = _without_ground(np.asarray(image.filter(ImageFilter.MedianFilter(3)), dtype=np.float32))
    box = _bounding_box(ink > 0.5)
    if box is None:
        return Image.new("L", size[::-1])
    figure = Image.fromarray((ink * 255).astype(np.uint8)).crop(box)
    height, width = (round(side * _FIGURE_SHARE) for side in size)
    # Thickened at four times the final resolution, where a stroke is several pixels wide.
    figure = _thickened(_fitted(figure, 4 * width, 4 * height))
    return _centred(_fitted(figure, width, height), size)


def _without_ground(pixels: _Grey) -> _Grey:
    """Ink from 0 to 1: what rises above a quadratic surface laid through the ground."""
    height, width = pixels.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].reshape(2, -1)
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    values = pixels.reshape(-1).astype(np.float64)
    ground = np.ones(len(values), dtype=bool)
    rise = values
    for _ in range(4):
        surface, *_ = np.linalg.lstsq(terms[ground], values[ground], rcond=None)
        rise = values - terms @ surface
        # The figure is what the first, tilted surfaces leave far above them.
        ground = rise < 2 * max(1.0, float(rise[ground].std()))
    if ground.all() or not ground.any():
        return np.zeros_like(pixels)
    noise = 3 * float(rise[ground].std())
    full = float(np.percentile(rise[~ground], 75))
    ink = np.clip((rise - noise) / max(full - noise, 1.0), 0, 1)
    return ink.reshape(height, width).astype(np.float32)


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _fitted(figure: Image.Image, width: int, height: int) -> Image.Image:
    ratio = min(width / figure.width, height / figure.height)
    scaled = (max(1, round(figure.width * ratio)), max(1, round(figure.height * ratio)))
    return figure.resize(scaled, Image.Resampling.BILINEAR)


def _thickened(figure: Image.Image) -> Image.Image:
    wanted = _STROKE_SHARE * max(figure.size)
    for _ in range(round(wanted / 2)):
        if _stroke_width(np.asarray(figure) > _LIGHT) >= wanted:
            break
        margin = ImageOps.expand(figure, 1)
        figure = margin.filter(ImageFilter.MaxFilter(3))
    return figure


def _stroke_width(mask: NDArray[np.bool_]) -> float:
    # Area over half the outline: exact for a long straight stroke.
    padded = np.pad(mask, 1)
    outline = (padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum()
    return 2 * float(mask.sum()) / max(1.0, float(outline) * np.pi / 4)


def _centred(figure: Image.Image, size: tuple[int, int]) -> Image.Image:
    height, width = size
    mass = np.asarray(figure, dtype=np.float64)
    total = max(mass.sum(), 1.0)
    centre_y = (mass.sum(axis=1) @ np.arange(figure.height)) / total
    centre_x = (mass.sum(axis=0) @ np.arange(figure.width)) / total
    left = min(max(0, round((width - 1) / 2 - centre_x)), width - figure.width)
    top = min(max(0, round((height - 1) / 2 - centre_y)), height - figure.height)
    canvas = Image.new("L", (width, height))
    canvas.paste(figure, (left, top))
    return canvas
