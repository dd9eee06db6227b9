"""RandAugment on single images, each a function of (seed, epoch, image); Cubuk et al., NeurIPS 2020."""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from pydantic import Field
from torch import Tensor

from convatlas.data.hashing import seed_of, uniforms
from convatlas.data.record import Record

# Draws of an image: no other use of (seed, epoch) has this number.
_OPERATIONS = 60_869
_LEVELS = 30


class RandAugment(Record):
    """Some operations out of fourteen, each at one strength; the operations and strengths are torchvision's."""

    operations: int = Field(0, ge=0, le=10, description="operations an image; 0: none")
    magnitude: int = Field(9, ge=0, le=_LEVELS, description="their strength, of 30")

    def apply(self, pixels: Tensor, items: Tensor, *, seed: int, epoch: int, fill: int = 0) -> Tensor:
        """Change a batch.

        Args:
            pixels: uint8 (N, C, H, W), C 1 or 3.
            items: the images' positions in the training set (N,).
            seed: the run's seed.
            epoch: the epoch, from 0.
            fill: pixel value of what moves in from outside.

        Returns:
            uint8 images of the same size; one image's does not depend on the rest of the batch.
        """
        if not self.operations:
            return pixels
        draws = uniforms(seed_of(seed, epoch, _OPERATIONS), items, 2 * self.operations).T.tolist()
        return torch.stack([self._changed(image, draw, fill) for image, draw in zip(pixels, draws, strict=True)])

    def _changed(self, image: Tensor, draws: list[float], fill: int) -> Tensor:
        table = list(operations(image.shape[1], image.shape[2], fill).values())
        for which, sign in zip(draws[::2], draws[1::2], strict=True):
            operation = table[int(which * len(table))]
            image = operation(image, self.magnitude / _LEVELS, 1.0 if sign < 0.5 else -1.0)
        return image


_Operation: TypeAlias = Callable[[Tensor, float, float], Tensor]


def operations(height: int, width: int, fill: int) -> dict[str, _Operation]:
    """The fourteen operations by name: of an image uint8 (C, H, W), a strength from 0 to 1 and a sign.

    Args:
        height: of the images.
        width: of the images.
        fill: pixel value of what moves in from outside.
    """
    # Here, since the package takes a second to import and most runs do without.
    from torchvision.transforms.v2 import functional as F

    def affine(image: Tensor, shift: list[int], shear: list[float], centre: list[float] | None) -> Tensor:
        moved: Tensor = F.affine(image, 0.0, shift, 1.0, shear, fill=[fill], center=centre)
        return moved

    def sheared(slope: float) -> float:
        return math.degrees(math.atan(0.3 * slope))

    corner = [0.0, 0.0]
    reach = 150 / 331
    return {
        "Identity": lambda x, m, s: x,
        "ShearX": lambda x, m, s: affine(x, [0, 0], [sheared(s * m), 0.0], corner),
        "ShearY": lambda x, m, s: affine(x, [0, 0], [0.0, sheared(s * m)], corner),
        "TranslateX": lambda x, m, s: affine(x, [int(s * m * reach * width), 0], corner, None),
        "TranslateY": lambda x, m, s: affine(x, [0, int(s * m * reach * height)], corner, None),
        "Rotate": lambda x, m, s: F.rotate(x, s * m * 30, fill=[fill]),
        "Brightness": lambda x, m, s: F.adjust_brightness(x, 1 + s * m * 0.9),
        "Color": lambda x, m, s: F.adjust_saturation(x, 1 + s * m * 0.9),
        "Contrast": lambda x, m, s: F.adjust_contrast(x, 1 + s * m * 0.9),
        "Sharpness": lambda x, m, s: F.adjust_sharpness(x, 1 + s * m * 0.9),
        "Posterize": lambda x, m, s: F.posterize(x, 8 - round(4 * m)),
        "Solarize": lambda x, m, s: F.solarize(x, 255 * (1 - m)),
        "AutoContrast": lambda x, m, s: F.autocontrast(x),
        "Equalize": lambda x, m, s: F.equalize(x),
    }
