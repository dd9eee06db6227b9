"""Random colours of training images, on whole batches, each a function of (seed, epoch, image)."""

import math

import torch
from pydantic import Field
from torch import Tensor

from convatlas.data.hashing import seed_of, uniforms
from convatlas.data.images import AnyImages
from convatlas.data.record import Record

# Draws of an image: no other use of (seed, epoch) has this number.
_COLOUR = 51_551
# More images than this hardly move the principal colours.
_SAMPLED = 1_000
# Luma of ITU-R BT.601, by which Pillow and torchvision make grey of colour.
_LUMA = (0.299, 0.587, 0.114)


class Colour(Record):
    """Random light, contrast and saturation, and AlexNet's lighting.

    A factor is uniform in 1 - x to 1 + x; Howard 2013 (arXiv:1312.5402), which GoogLeNet's paper names, has x = 0.5.
    His order is random; here it is brightness, contrast, saturation. Values stay between 0 and 255.
    """

    brightness: float = Field(0.0, ge=0, le=1, description="largest change of the factor of all values")
    contrast: float = Field(0.0, ge=0, le=1, description="largest change of the distance from the mean grey")
    saturation: float = Field(0.0, ge=0, le=1, description="largest change of the distance from grey; colour only")
    lighting: float = Field(
        0.0,
        ge=0,
        description="deviation of the normal numbers that the principal colours are added with, 0.1 in AlexNet; "
        "colour only",
    )

    @property
    def changes_nothing(self) -> bool:
        """Whether every range is empty."""
        return not (self.brightness or self.contrast or self.saturation or self.lighting)

    def apply(self, pixels: Tensor, items: Tensor, principal: Tensor | None, *, seed: int, epoch: int) -> Tensor:
        """Change the colours of a batch.

        Args:
            pixels: images (N, C, H, W), values 0 to 255.
            items: the images' positions in the training set (N,), on the same device.
            principal: of `principal_colours`, if there is lighting.
            seed: the run's seed.
            epoch: the epoch, from 0.

        Returns:
            float32 images of the same size; one image's does not depend on the rest of the batch.
        """
        draws = uniforms(seed_of(seed, epoch, _COLOUR), items, 9)
        pixels = pixels.float()

        def factor(row: int, reach: float) -> Tensor:
            return (1 + (2 * draws[row] - 1) * reach).view(-1, 1, 1, 1)

        if self.brightness:
            pixels = (pixels * factor(0, self.brightness)).clamp(0, 255)
        if self.contrast:
            mean = _grey(pixels).mean(dim=(1, 2, 3), keepdim=True)
            pixels = torch.lerp(mean, pixels, factor(1, self.contrast)).clamp(0, 255)
        if self.saturation and pixels.shape[1] == 3:
            pixels = torch.lerp(_grey(pixels), pixels, factor(2, self.saturation)).clamp(0, 255)
        if self.lighting and principal is not None:
            shift = (_normals(draws[3:9]).T * self.lighting) @ principal.to(pixels.device)
            pixels = pixels + 255 * shift.view(-1, 3, 1, 1)
        return pixels


def principal_colours(images: AnyImages) -> Tensor:
    """The principal components of the training pixels' colours; Krizhevsky et al. 2012, section 4.1.

    Args:
        images: in colour; of a large set as many as needed are looked at, evenly spread.

    Returns:
        float32 (3, 3) on the CPU; a row is an eigenvector of the covariance of red, green and blue, values 0 to 1,
        times its eigenvalue, as the paper prints it.
    """
    chosen = torch.linspace(0, len(images) - 1, min(len(images), _SAMPLED)).round().long()
    count, total, products = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for part in torch.split(chosen, 64):
        values = images.stored(part).cpu().permute(1, 0, 2, 3).flatten(1).double() / 255
        count += values.shape[1]
        total += values.sum(dim=1)
        products += values @ values.T
    mean = total / count
    eigenvalues, vectors = torch.linalg.eigh(products / count - torch.outer(mean, mean))
    # The sign of an eigenvector is the library's choice; a fixed one gives the same pictures everywhere.
    signs = torch.sign(vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True)))
    scaled: Tensor = vectors * signs * eigenvalues.clamp(min=0)
    return scaled.T.float()


def _grey(pixels: Tensor) -> Tensor:
    if pixels.shape[1] != 3:
        return pixels.mean(dim=1, keepdim=True)
    weights = pixels.new_tensor(_LUMA).view(1, 3, 1, 1)
    return torch.sum(pixels * weights, dim=1, keepdim=True)


def _normals(draws: Tensor) -> Tensor:
    """Standard normal numbers (3, N) from uniform ones (6, N), by Box and Muller."""
    first, second = draws[:3], draws[3:]
    return torch.sqrt(-2 * torch.log1p(-first)) * torch.cos(2 * math.pi * second)
