"""Convolutions that compute neighbouring outputs as channels of their own; stride 1, no padding, 32-bit, on a CPU.

One kernel moved by a row is a taller kernel with a row of zeros, so the outputs of two rows are those of twice as many
kernels at stride 2. It costs a sixth more multiplications for a 5x5 kernel and fills vectors that would be half empty.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import Function, once_differentiable


def _backward(
    gradient: Tensor, maps: Tensor, weight: Tensor, stride: int, *, has_bias: bool
) -> tuple[Tensor, Tensor | None]:
    """Gradients of a convolution's weight and bias."""
    _, to_weight, to_bias = torch.ops.aten.convolution_backward(
        gradient, maps, weight, [len(weight)] if has_bias else None, [stride, stride], [0, 0], [1, 1], False, [0, 0], 1,
        [False, True, has_bias],
    )  # fmt: skip
    return to_weight, to_bias


class PooledConvolution(Function):
    """Convolution and the maximum of every 2x2 outputs; the maps themselves get no gradient."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N, C, H, W) to (N, out_channels, (H - kernel + 1) / 2, ...), both divisible."""
        outputs, channels, height, width = weight.shape
        moved = weight.new_zeros(2, 2, outputs, channels, height + 1, width + 1)
        for down in (0, 1):
            for right in (0, 1):
                moved[down, right, :, :, down : down + height, right : right + width] = weight
        ctx.moved_shape = moved.shape
        moved = moved.flatten(0, 2)
        quads = F.conv2d(maps, moved, None if bias is None else bias.repeat(4), 2)
        quads = quads.contiguous().view(len(maps), 4, outputs, *quads.shape[-2:])
        upper = torch.maximum(quads[:, 0], quads[:, 1])
        lower = torch.maximum(quads[:, 2], quads[:, 3])
        ctx.save_for_backward(maps, moved, quads, upper, lower)
        ctx.shape, ctx.has_bias = weight.shape, bias is not None
        return torch.maximum(upper, lower)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor | None]:
        """Gradients of weight and bias."""
        maps, moved, quads, upper, lower = ctx.saved_tensors
        outputs, _, height, width = ctx.shape
        to_quads = torch.empty_like(quads)
        # Ones and zeros as numbers: arithmetic with booleans converts them first, which takes thrice as long.
        first = torch.empty_like(upper)
        # The first of equals gets the gradient, as in the library's pooling.
        to_upper = gradient * torch.ge(upper, lower, out=first)
        to_lower = gradient - to_upper
        for pair, to_pair in ((0, to_upper), (2, to_lower)):
            torch.ge(quads[:, pair], quads[:, pair + 1], out=first)
            torch.mul(to_pair, first, out=to_quads[:, pair])
            torch.sub(to_pair, to_quads[:, pair], out=to_quads[:, pair + 1])
        to_moved, to_bias = _backward(to_quads.flatten(1, 2), maps, moved, 2, has_bias=ctx.has_bias)
        to_moved = to_moved.view(ctx.moved_shape)
        to_weight = sum(
            to_moved[down, right, :, :, down : down + height, right : right + width]
            for down in (0, 1)
            for right in (0, 1)
        )
        return None, to_weight, None if to_bias is None else to_bias.view(4, outputs).sum(0)  # type: ignore[return-value]


class FewMapsConvolution(Function):
    """Convolution of few maps; their gradient is computed two rows at a time."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N, C, H, W) with even H to (N, out_channels, H - kernel + 1, ...)."""
        maps, weight = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (maps, weight))
        ctx.save_for_backward(maps, weight)
        ctx.has_bias = bias is not None
        return F.conv2d(maps, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Gradients of maps, weight and bias."""
        maps, weight = ctx.saved_tensors
        outputs, channels, height, width = weight.shape
        back = weight.flip(2, 3).transpose(0, 1)
        # Empty maps fill the last vector of eight.
        filled = 2 * channels + -2 * channels % 8
        moved = weight.new_zeros(filled, outputs, height + 1, width)
        moved[:channels, :, :height], moved[channels : 2 * channels, :, 1:] = back, back
        rows = F.conv2d(gradient.contiguous(), moved, None, (2, 1), (height - 1, width - 1))
        rows = rows[:, : 2 * channels].reshape(len(rows), 2, channels, *rows.shape[-2:])
        to_maps = rows.permute(0, 2, 3, 1, 4).reshape(maps.shape)
        in_last = gradient.contiguous(memory_format=torch.channels_last)
        return (to_maps, *_backward(in_last, maps, weight, 1, has_bias=ctx.has_bias))
