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
# Longer side of the picture in which the ground and the figure's place are looked for.
_WORKING_SIZE = 256
# A pen's line is thinner than MNIST's strokes, three quarters of which are wider than this share of the figure.
_STROKE_SHARE = 0.11
# Standard deviations in a median distance, which a figure does not move.
_SIGMA = 1.5
# Ground that no paper in a photo has: nothing has to be looked at to tell it.
_BLACK, _WHITE = 26, 229


def as_trained(image: Image.Image, preprocess: Preprocess, invert: Invert) -> Image.Image:
    """Swap dark and light where an image's ground is not the training images' ground, and isolate its figure.

    Args:
        image: 8-bit grey or RGB.
        preprocess: says what the training images' background was.
        invert: "auto" compares the image's ground with that; "always" and "never" do not look.

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
    return _has_light_ground(image) != (preprocess.background == "light")


def _has_light_ground(image: Image.Image) -> bool:
    pixels = _pixels(_small(image.convert("L")))
    level = float(np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])))
    if not _BLACK <= level <= _WHITE:
        return level > _WHITE
    # Paper in shade may be darker than a blackboard in the sun: only the figure tells which is which.
    rise = pixels - _at(_ground(pixels), pixels.shape)
    darker, lighter = -float(rise.min()), float(rise.max())
    if max(darker, lighter) > 2 * min(darker, lighter):
        return darker > lighter
    return level >= 128


def isolate(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Cut a light figure out of a dark, possibly uneven ground, and scale and centre it as MNIST's digits were.

    Args:
        image: 8-bit grey or RGB; the figure is lighter than the ground.
        size: height and width of the result.

    Returns:
        Grey image of that size, ground 0, figure up to 255; all ground if nothing stands out.
    """
    image = image.convert("L")
    blank = Image.new("L", size[::-1])
    pixels = _pixels(_small(image))
    ground = _ground(pixels)
    rise = pixels - _at(ground, pixels.shape)
    noise = _SIGMA * float(np.median(np.abs(rise)))
    box = _bounding_box(_ink(rise, noise) > 0.5)
    if box is None:
        return blank
    # Once found, the figure is looked at more closely: a thin line is lost in the small picture.
    detail, window = _closer(image, box, pixels.shape)
    ink = _ink(detail - _at(ground, detail.shape, window), noise)
    box = _bounding_box(ink > 0.5)
    if box is None:
        return blank
    figure = Image.fromarray((ink * 255).astype(np.uint8)).crop(box)
    height, width = (round(side * _FIGURE_SHARE) for side in size)
    # Thickened at four times the final resolution, where a stroke is several pixels wide.
    figure = _thickened(_fitted(figure, 4 * width, 4 * height))
    return _centred(_fitted(figure, width, height), size)


def _small(image: Image.Image) -> Image.Image:
    ratio = _WORKING_SIZE / max(image.size)
    if ratio >= 1:
        return image
    width, height = (max(1, round(side * ratio)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX, reducing_gap=2)


def _pixels(image: Image.Image) -> _Grey:
    return np.asarray(image, dtype=np.float32)


def _ground(pixels: _Grey) -> _Grey:
    """Coefficients of the quadratic surface of the ground, which the figure does not bend."""
    rows, columns = (np.linspace(0, length - 1, min(length, 64)).astype(int) for length in pixels.shape)
    values = pixels[np.ix_(rows, columns)]
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in values.shape)
    # From the outer quarter inwards: a large figure in the middle would bend the first surface.
    kept = (np.maximum(np.abs(y)[:, None], np.abs(x)) > 0.75).reshape(-1)
    terms, values = _terms(y, x), values.reshape(-1)
    for _ in range(8):
        surface, *_ = np.linalg.lstsq(terms[kept], values[kept], rcond=None)
        distance = np.abs(values - terms @ surface)
        kept = distance <= max(1.0, 3 * _SIGMA * float(np.median(distance)))
    return np.asarray(surface, dtype=np.float32)


def _terms(y: _Grey, x: _Grey) -> _Grey:
    y, x = (grid.reshape(-1) for grid in np.meshgrid(y, x, indexing="ij"))
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)


_WHOLE = (-1.0, -1.0, 1.0, 1.0)


def _at(ground: _Grey, shape: tuple[int, ...], window: tuple[float, float, float, float] = _WHOLE) -> _Grey:
    """The surface at the pixels of a window (left, top, right, bottom), where the whole picture is -1 to 1."""
    height, width = shape
    left, top, right, bottom = window
    y, x = (np.linspace(*ends, dtype=np.float32) for ends in ((top, bottom, height), (left, right, width)))
    surface: _Grey = (_terms(y, x) @ ground).reshape(height, width)
    return surface


def _ink(rise: _Grey, noise: float) -> _Grey:
    """Ink from 0 to 1, from how far each pixel rises above the ground and the ground's standard deviation."""
    # A single bright pixel is dust.
    top = float(np.partition(rise.reshape(-1), -4)[-4]) if rise.size > 4 else 0.0
    if top <= max(5 * noise, 4.0):
        return np.zeros_like(rise)
    full = float(np.median(rise[rise > top / 2]))
    low = 0.2 * full
    ink: _Grey = np.clip((rise - low) / (0.6 * full), 0, 1)
    return ink


def _closer(
    image: Image.Image, box: tuple[int, int, int, int], shape: tuple[int, ...]
) -> tuple[_Grey, tuple[float, float, float, float]]:
    """The part of the image that a box of its small picture means, with a margin, and its window in -1 to 1."""
    margin = 2 + max(box[2] - box[0], box[3] - box[1]) // 8
    scale = image.width / shape[1], image.height / shape[0]
    left, top = (max(0, round((box[i] - margin) * scale[i])) for i in (0, 1))
    right, bottom = (min(image.size[i], round((box[i + 2] + margin) * scale[i])) for i in (0, 1))
    part = image.crop((left, top, right, bottom))
    window = tuple(2 * place / image.size[i % 2] - 1 for i, place in enumerate((left, top, right, bottom)))
    return _pixels(_small(part)), (window[0], window[1], window[2], window[3])


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _fitted(figure: Image.Image, width: int, height: int) -> Image.Image:
    ratio = min(width / figure.width, height / figure.height)
    scaled = (max(1, round(figure.width * ratio)), max(1, round(figure.height * ratio)))
    return figure.resize(scaled, Image.Resampling.BOX)


def _thickened(figure: Image.Image) -> Image.Image:
    wanted = _STROKE_SHARE * max(figure.size)
    for _ in range(round(wanted / 2)):
        if _stroke_width(np.asarray(figure) > 127) >= wanted:
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
