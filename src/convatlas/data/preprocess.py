"""One description of how an image becomes a network's input, used by training, evaluation and prediction alike.

The way has two halves, and every caller walks both: `prepare` brings one decoded image to the stored form (8 bits, the
content size), `to_input` brings a batch of stored images to the network's floats. Small data sets are kept in the
stored form, so training pays for the first half once.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

Background = Literal["dark", "light"]
Fit = Literal["pad", "crop", "stretch"]


class Preprocess(BaseModel):
    """From an image to a network's input; kept in every checkpoint's card.

    An input value is `(pixel / 255 - mean) / std`. LeNet-5's scaling (section III: background -0.1, foreground 1.175)
    is the mean 4/51 and the std 40/51.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Literal[1, 3] = Field(1, description="1: grey, 3: red, green and blue")
    size: tuple[int, int] = Field((28, 28), description="height and width of the content, in pixels")
    fit: Fit = Field(
        "pad", description="pad keeps everything and the proportions, crop fills and cuts, stretch does neither"
    )
    fit_size: tuple[int, int] | None = Field(
        None, description="height and width that is fitted to instead, before the middle of `size` is kept"
    )
    interpolation: Literal["bilinear", "bicubic"] = Field("bilinear", description="how an image is scaled")
    padding: int = Field(0, ge=0, description="pixels of `fill` added on each side after fitting")
    fill: int = Field(0, ge=0, le=255, description="the padding's pixel value")
    mean: tuple[float, ...] = Field((0.0,), description="taken off pixel / 255; one for all channels, or one each")
    std: tuple[float, ...] = Field((1.0,), description="what the rest is divided by; one for all channels, or one each")
    background: Background | None = Field(None, description="what surrounds the figure in the training images, if even")

    @model_validator(mode="after")
    def _consistent(self) -> "Preprocess":
        for name, size in (("size", self.size), ("fit_size", self.fit_size or (1, 1))):
            if min(size) < 1:
                raise ValueError(f"{name} has to be at least 1x1, got {size[0]}x{size[1]}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels")
        if min(self.std) <= 0:
            raise ValueError("std has to be above 0")
        return self

    @property
    def input_size(self) -> tuple[int, int, int]:
        """Size (C, H, W) of what the network sees."""
        height, width = self.size
        return self.channels, height + 2 * self.padding, width + 2 * self.padding

    def prepare(self, image: Image.Image) -> Tensor:
        """Bring an 8-bit grey or RGB image to the stored form.

        Returns:
            uint8 tensor (channels, height, width) of the content size.
        """
        image = image.convert("L" if self.channels == 1 else "RGB")
        height, width = self.size
        if self.fit_size is not None or image.size != (width, height):
            image = self._fitted(image)
        return pixels_of(image)

    def _fitted(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        image = image.resize(self.scaled(image.height, image.width)[::-1], Image.Resampling[self.interpolation.upper()])
        canvas = Image.new(image.mode, (width, height), self.fill if self.channels == 1 else (self.fill,) * 3)
        canvas.paste(image, (_start(width - image.width), _start(height - image.height)))
        return canvas

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that an image is scaled to before what is too much is cut off and the rest filled."""
        size = self.fit_size or self.size
        if self.fit == "stretch":
            return size
        if self.fit == "crop":
            return covering(height, width, size)
        ratio = min(size[1] / width, size[0] / height)
        return max(1, round(height * ratio)), max(1, round(width * ratio))

    def pad(self, images: Tensor) -> Tensor:
        """Add the padding to stored images (N, C, h, w), in their own dtype."""
        return F.pad(images, [self.padding] * 4, value=self.fill) if self.padding else images

    def normalise(self, pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Scale pixel values 0 to 255 (N, C, H, W) to input values."""
        if len(self.mean) == len(self.std) == 1:
            # Numbers instead of tensors: a small batch is not kept waiting for them.
            return torch.mul(pixels.to(dtype), 1 / (255 * self.std[0])).sub_(self.mean[0] / self.std[0])
        mean = torch.tensor(self.mean, dtype=dtype, device=pixels.device)
        std = torch.tensor(self.std, dtype=dtype, device=pixels.device)
        factor, offset = (1 / (255 * std)).expand(self.channels), (mean / std).expand(self.channels)
        if not pixels.is_contiguous() and pixels.is_contiguous(memory_format=torch.channels_last):
            # A row of pixels is one line of memory: several times quicker than a channel at a time.
            width = pixels.shape[3]
            lines = pixels.permute(0, 2, 3, 1).flatten(2)
            # What is converted is new and may be changed; a float input is the caller's.
            lines = lines.to(dtype, copy=True).mul_(factor.repeat(width)).sub_(offset.repeat(width))
            return lines.view(*lines.shape[:2], width, self.channels).permute(0, 3, 1, 2)
        return torch.mul(pixels.to(dtype), factor.view(-1, 1, 1)).sub_(offset.view(-1, 1, 1))

    def to_pixels(self, inputs: Tensor) -> Tensor:
        """The pixel values of inputs (N, C, H, W), rounded: uint8 on the CPU; undoes `normalise`."""
        mean, std = (torch.tensor(values, dtype=torch.float64).view(-1, 1, 1) for values in (self.mean, self.std))
        return ((inputs.cpu().double() * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def to_input(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Bring stored images, uint8 (N, C, h, w), to the network's input (N, C, H, W) on their device."""
        return self.normalise(self.pad(images), dtype)


def covering(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image that is scaled, in its proportions, until it just covers `size`.

    The longer side is rounded down, as by torchvision's Resize.
    """
    if size[1] * height < size[0] * width:
        return size[0], width * size[0] // height
    return height * size[1] // width, size[1]


def pixels_of(image: Image.Image) -> Tensor:
    """A grey or RGB image as uint8 (C, height, width)."""
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(image.height, image.width, -1).permute(2, 0, 1).contiguous()


def _start(room: int) -> int:
    """Where what is centred begins, in a room that may be below zero; half pixels as torchvision rounds them."""
    return room // 2 if room >= 0 else -round(-room / 2)
