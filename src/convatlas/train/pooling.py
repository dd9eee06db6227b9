"""Maximum pooling that keeps nothing of its own for the backward pass."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable


class RecomputedMaxPool(Function):
    """Maximum pooling whose indices are computed again for the backward pass: the same numbers, from less memory.

    The library keeps a 64-bit index for each output, twice the output itself: with 16 images of 224x224 in VGG-11
    196 MB. The maps are there in any case.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, *how: Any) -> Tensor:
        """(N, C, H, W) to (N, C, H', W').

        Args:
            ctx: the function's own.
            maps: on a CPU.
            how: kernel size, stride, padding, dilation and whether sizes are rounded up, as nn.MaxPool2d has them.
        """
        ctx.save_for_backward(maps)
        ctx.how = how
        return torch.max_pool2d(maps, *how)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient of the maps."""
        (maps,) = ctx.saved_tensors
        _, indices = torch.ops.aten.max_pool2d_with_indices(maps, *_pairs(ctx.how))
        to_maps = torch.ops.aten.max_pool2d_with_indices_backward(gradient, maps, *_pairs(ctx.how), indices)
        return to_maps, *[None] * len(ctx.how)


def _pairs(how: tuple[Any, ...]) -> list[Any]:
    return [(each, each) if type(each) is int else each for each in how]
