"""Random parts of training images, as the papers cut them; each a function of (seed, epoch, image)."""

import math
from typing import Annotated, Literal, TypeAlias

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from convatlas.data.hashing import seed_of, uniforms
from convatlas.data.record import Record

Box: TypeAlias = tuple[int, int, int, int]
"""Top, left, height and width, in pixels."""

# Draws of an image: no other use of (seed, epoch) has this number.
_CROP = 40_213
_TRIES = 10


class NoCrop(Record):
    """Training sees of an image what evaluation sees."""

    name: Literal["none"] = Field("none", description="chooses this crop")


class AreaCrop(Record):
    """A part of random area and proportions; Szegedy et al. 2015, section 6.

    Of ten tries the first that lies within the image is taken, and otherwise the largest part in its middle of allowed
    proportions: torchvision's RandomResizedCrop.
    """

    name: Literal["area"] = Field("area", description="chooses this crop")
    area: tuple[float, float] = Field((0.08, 1.0), description="smallest and largest share of the image's area")
    ratio: tuple[float, float] = Field((3 / 4, 4 / 3), description="smallest and largest width over height")

    @model_validator(mode="after")
    def _ordered(self) -> "AreaCrop":
        for name, (low, high) in (("area", self.area), ("ratio", self.ratio)):
            if not 0 < low <= high or (name == "area" and high > 1):
                raise ValueError(f"{name} goes from {low:g} to {high:g}")
        return self

    def box(self, height: int, width: int, size: tuple[int, int], draws: list[float]) -> Box:
        """The part that `draws`, numbers in [0, 1), choose of an image."""
        low, high = (math.log(ratio) for ratio in self.ratio)
        for attempt in range(_TRIES):
            area, shape, down, right = draws[4 * attempt : 4 * attempt + 4]
            pixels = height * width * (self.area[0] + area * (self.area[1] - self.area[0]))
            ratio = math.exp(low + shape * (high - low))
            w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
            if 0 < w <= width and 0 < h <= height:
                return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        h, w = min(height, round(width / ratio)), min(width, round(height * ratio))
        return (height - h) // 2, (width - w) // 2, h, w


class WindowCrop(Record):
    """A window of the input's size, anywhere in the image after its shorter side is scaled to a random length.

    Krizhevsky et al. 2012, section 4.1 (256, of the central square), Simonyan and Zisserman 2015, section 3.1 (256 to
    512) and He et al. 2016, section 3.4 (256 to 480).
    """

    name: Literal["window"] = Field("window", description="chooses this crop")
    shorter: tuple[int, int] = Field((256, 480), description="smallest and largest length of the scaled shorter side")
    square: bool = Field(False, description="only windows of the central square")

    @model_validator(mode="after")
    def _ordered(self) -> "WindowCrop":
        if not 1 <= self.shorter[0] <= self.shorter[1]:
            raise ValueError(f"shorter goes from {self.shorter[0]} to {self.shorter[1]}")
        return self

    def box(self, height: int, width: int, size: tuple[int, int], draws: list[float]) -> Box:
        """The part that `draws`, numbers in [0, 1), choose of an image, in its own pixels."""
        low, high = self.shorter
        # A side that is shorter than the window would leave it empty in part.
        side = max(low + int(draws[0] * (high - low + 1)), *size)
        scale = side / min(height, width)
        tall, wide = (side, side) if self.square else (round(height * scale), round(width * scale))
        top = (round(height * scale) - tall) // 2 + int(draws[1] * (tall - size[0] + 1))
        left = (round(width * scale) - wide) // 2 + int(draws[2] * (wide - size[1] + 1))
        h, w = (min(full, max(1, round(wanted / scale))) for full, wanted in zip((height, width), size, strict=True))
        return min(round(top / scale), height - h), min(round(left / scale), width - w), h, w


class PaddedCrop(Record):
    """A window of the image's own size after padding on each side; He et al. 2016, section 4.2."""

    name: Literal["padded"] = Field("padded", description="chooses this crop")
    pixels: int = Field(4, ge=1, description="pixels of padding on each side, of the preprocessing's `fill`")


AnyCrop: TypeAlias = AreaCrop | WindowCrop | PaddedCrop
Crop = Annotated[
    NoCrop | AreaCrop | WindowCrop | PaddedCrop,
    Field(discriminator="name", description="random part of a training image that is learnt"),
]


def crop_draws(items: Tensor, *, seed: int, epoch: int) -> list[list[float]]:
    """Numbers in [0, 1) that choose each image's part: a list an image.

    Args:
        items: the images' positions in the training set (N,).
        seed: the run's seed.
        epoch: the epoch, from 0.
    """
    return uniforms(seed_of(seed, epoch, _CROP), items, 4 * _TRIES).T.tolist()


def cut(
    pixels: Tensor, crop: AreaCrop | WindowCrop, size: tuple[int, int], draws: list[float], interpolation: str
) -> Tensor:
    """A random part of an image, scaled to the input's size with antialiasing.

    Args:
        pixels: uint8 (C, H, W).
        crop: which part.
        size: height and width of the result.
        draws: of `crop_draws`.
        interpolation: "bilinear" or "bicubic".

    Returns:
        uint8 (C, height, width), in memory a pixel's channels side by side.
    """
    top, left, h, w = crop.box(pixels.shape[1], pixels.shape[2], size, draws)
    # A batch of one, a pixel's channels side by side: PyTorch neither takes them apart nor puts them together again.
    part = pixels[:, top : top + h, left : left + w].permute(1, 2, 0).contiguous()[None].permute(0, 3, 1, 2)
    if pixels.device.type == "cpu":
        return F.interpolate(part, size, mode=interpolation, antialias=True)[0]
    # Elsewhere PyTorch scales floating-point numbers only.
    scaled = F.interpolate(part.float(), size, mode=interpolation, antialias=True)[0]
    return scaled.round().clamp(0, 255).to(torch.uint8)


def shifted(pixels: Tensor, crop: PaddedCrop, draws: list[list[float]], fill: int) -> Tensor:
    """Images of which each is seen through a window of its own size, moved by whole pixels.

    Args:
        pixels: (N, C, H, W) of any type.
        crop: how far.
        draws: of `crop_draws`.
        fill: value of the padding.
    """
    height, width = pixels.shape[2:]
    padded = F.pad(pixels, [crop.pixels] * 4, value=fill)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    steps = 2 * crop.pixels + 1
    chosen = pixels.new_tensor([[int(d[0] * steps), int(d[1] * steps)] for d in draws], dtype=torch.int64)
    rows = pixels.new_tensor(range(len(draws)), dtype=torch.int64)
    return windows[rows, :, chosen[:, 0], chosen[:, 1]]
