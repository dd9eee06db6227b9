"""Random changes of training images, on whole batches, each a function of (seed, epoch, image)."""

import math

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from convatlas.data.hashing import seed_of, uniforms


class Distortion(BaseModel):
    """Random planar affine maps: LeCun et al. 1998, section III-A, with the ranges left open there; and mirroring.

    Each range is symmetric about no change; the number drawn is uniform in it, for scale and squeeze in its logarithm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shift: float = Field(0.0, ge=0, description="largest move along each axis, in pixels")
    scale: float = Field(0.0, ge=0, lt=1, description="0.1: from 1/1.1 to 1.1 times the size")
    squeeze: float = Field(0.0, ge=0, lt=1, description="0.1: up to 1.1 times wider and as much lower, or the reverse")
    shear: float = Field(0.0, ge=0, le=1, description="largest horizontal move, in pixels a pixel of height")
    mirror: bool = Field(False, description="swap left and right in half of the images")

    @property
    def changes_nothing(self) -> bool:
        """Whether every range is empty."""
        return not (self.shift or self.scale or self.squeeze or self.shear or self.mirror)

    def apply(self, pixels: Tensor, items: Tensor, *, seed: int, epoch: int, fill: int = 0) -> Tensor:
        """Distort a batch.

        Args:
            pixels: images (N, C, H, W).
            items: the images' positions in the training set (N,), on the same device.
            seed: the run's seed.
            epoch: the epoch, from 0.
            fill: pixel value of what moves in from outside.

        Returns:
            Distorted images of the same size, floating-point unless they are only mirrored; one image's does not depend
            on the rest of the batch.
        """
        if self.changes_nothing:
            return pixels
        if not (self.shift or self.scale or self.squeeze or self.shear):
            return _mirrored(pixels, uniforms(seed_of(seed, epoch), items, 6)[5] < 0.5)
        pixels = pixels.float()
        theta = self._maps(items, seed_of(seed, epoch), pixels.shape[2:]).to(pixels.dtype)
        grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
        moved = F.grid_sample(pixels - fill if fill else pixels, grid, align_corners=False)
        return moved + fill if fill else moved

    def _maps(self, items: Tensor, seed: int, size: torch.Size) -> Tensor:
        # From output to input positions in [-1, 1], as the sampler wants them.
        draws = uniforms(seed, items, 6) * 2 - 1
        height, width = size
        scale = torch.exp(draws[0] * math.log1p(self.scale))
        squeeze = torch.exp(draws[1] * math.log1p(self.squeeze))
        sign = torch.where(draws[5] < 0, -1.0, 1.0) if self.mirror else 1.0
        zero = torch.zeros_like(scale)
        across = torch.stack(
            [sign / (scale * squeeze), draws[2] * self.shear * height / width, draws[3] * self.shift * 2 / width], dim=1
        )
        down = torch.stack([zero, squeeze / scale, draws[4] * self.shift * 2 / height], dim=1)
        return torch.stack([across, down], dim=1)


def _mirrored(pixels: Tensor, turned: Tensor) -> Tensor:
    if pixels.device.type != "cpu":
        return torch.where(turned.view(-1, 1, 1, 1), pixels.flip(3), pixels)
    # Image by image, each is copied once and only if it is turned: on a CPU many times quicker for photos than choosing
    # pixels, and no matter for small images.
    mirrored = pixels.clone()
    for item in turned.nonzero().flatten().tolist():
        mirrored[item] = pixels[item].flip(2)
    return mirrored
