"""Test images that the report shows, each with the network's answer."""

import io
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

# Images up to this side are enlarged with their pixels left visible.
MAX_TINY = 64
_MAX_SIDE = 224
_MAX_LOSSLESS = 32
_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Example:
    """A test image with the network's answer.

    Attributes:
        name: the image's.
        label: its true class.
        predicted: the class it was given.
        probability: of the predicted class.
        second: the class that is next in probability.
        second_probability: of that class.
        pixels: uint8 (C, h, w), C 1 for grey or 3 for RGB.
    """

    name: str
    label: str
    predicted: str
    probability: float
    second: str
    second_probability: float
    pixels: Tensor

    @property
    def is_tiny(self) -> bool:
        """Whether the image is so small that its pixels should stay visible."""
        return max(self.pixels.shape[1:]) <= MAX_TINY

    def image(self, side: int = _MAX_SIDE) -> Image.Image:
        """The pixels, made smaller if a side is longer than `side`."""
        image = image_of(self.pixels)
        image.thumbnail((side, side))
        return image

    def encoded(self, side: int = _MAX_SIDE) -> tuple[bytes, str]:
        """The image as a file, and its kind: small ones exactly, as PNG, larger ones as JPEG."""
        return encoded(self.image(side))


def image_of(pixels: Tensor) -> Image.Image:
    """An image of pixels, uint8 (C, h, w), C 1 for grey or 3 for RGB."""
    array = pixels.cpu().numpy().transpose(1, 2, 0)
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def encoded(image: Image.Image) -> tuple[bytes, str]:
    """An image as a file, and its kind: a small one exactly, as PNG, a larger one as JPEG."""
    file = io.BytesIO()
    if max(image.size) <= _MAX_LOSSLESS:
        image.save(file, "PNG", optimize=True)
        return file.getvalue(), "image/png"
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue(), "image/jpeg"


@dataclass(frozen=True, slots=True)
class Seen:
    """A training image as it is, and as the network sees it.

    Attributes:
        name: the image's.
        label: its class.
        raw: before preprocessing, perhaps smaller; None if that is not kept.
        raw_size: height and width that it has.
        training: uint8 (passes, C, h, w), as the first passes over the training images show it.
        evaluation: uint8 (C, h, w), as evaluation shows it.
    """

    name: str
    label: str
    raw: Image.Image | None
    raw_size: tuple[int, int] | None
    training: Tensor
    evaluation: Tensor


@dataclass(frozen=True, slots=True)
class Views:
    """What the network sees.

    Attributes:
        rows: one an image, at least one.
        note: what is not shown, in a sentence; may be empty.
    """

    rows: tuple[Seen, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Examples:
    """The images that a report shows.

    Attributes:
        worst: classified wrongly, the surest answer first.
        uncertain: the smallest margin between the two most probable classes first.
        confused: to be opened from the confusion matrix; when there is not room for all, the first ones are shown.
        views: training images as the network sees them.
    """

    worst: tuple[Example, ...] = ()
    uncertain: tuple[Example, ...] = ()
    confused: tuple[Example, ...] = ()
    views: Views | None = None
