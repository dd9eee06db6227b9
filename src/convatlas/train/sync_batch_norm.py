"""Batch normalisation with the statistics of all ranks' images, on any device.

PyTorch's SyncBatchNorm does the same on GPUs only.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from convatlas.train.distributed import Ranks


class _Sum(torch.autograd.Function):
    """The sum over the ranks; what each rank's loss owes to it is summed, too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


@contextmanager
def synchronised(model: nn.Module, ranks: Ranks, *, wanted: bool) -> Iterator[None]:
    """Normalise with the statistics of all ranks for the time of the block; the modules stay what they are.

    Args:
        model: its batch normalisation layers are changed in place.
        ranks: those that train it.
        wanted: nothing is changed otherwise, nor for one rank.
    """
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)] if wanted and ranks.world > 1 else []
    try:
        for layer in layers:
            vars(layer)["forward"] = partial(_normalise, layer, layer.forward)
        yield
    finally:
        for layer in layers:
            del vars(layer)["forward"]


def _normalise(layer: _BatchNorm, alone: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    if not layer.training:
        return alone(inputs)
    dims = [dim for dim in range(inputs.ndim) if dim != 1]
    shape = [-1 if dim == 1 else 1 for dim in range(inputs.ndim)]
    sums = inputs.sum(dims)
    count = sums.new_tensor([inputs.numel() / inputs.shape[1]])
    *total, images = _Sum.apply(torch.cat([sums, count])).split([len(sums), 1])
    mean = total[0] / images
    centred = inputs - mean.view(shape)
    # In two passes: the difference of two large sums would lose the digits that are compared with one rank's.
    variance = _Sum.apply(centred.square().sum(dims)) / images
    _remember(layer, mean.detach(), variance.detach() * (images / (images - 1)).detach())
    normal: Tensor = centred * (variance + layer.eps).rsqrt().view(shape)
    return normal if layer.weight is None else normal * layer.weight.view(shape) + layer.bias.view(shape)


@torch.no_grad()
def _remember(layer: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics, as `_BatchNorm` does."""
    if layer.running_mean is None or layer.running_var is None or layer.num_batches_tracked is None:
        return
    layer.num_batches_tracked.add_(1)
    momentum = layer.momentum if layer.momentum is not None else 1 / float(layer.num_batches_tracked)
    layer.running_mean.lerp_(mean, momentum)
    layer.running_var.lerp_(variance, momentum)
