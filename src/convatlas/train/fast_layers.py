"""Quicker and smaller ways through some layers on a CPU, for the time of training; equal up to rounding.

Libraries lay out their kernels for many channels and large maps. In networks like LeNet-5 other ways are worth it: a
convolution whose kernel covers the whole map is a linear layer; few maps fill the processor's vectors when neighbouring
outputs are computed as channels of their own; and then a pooling of neighbours is the larger of two channels. In large
networks a maximum pooling keeps no indices.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from convatlas.train.neighbours import FewMapsConvolution, PooledConvolution
from convatlas.train.pooling import RecomputedMaxPool


@contextmanager
def fast_layers(model: nn.Module) -> Iterator[None]:
    """Send a model's convolutions and maximum poolings the better way for the time of the block.

    The replacement sits on the instances: classes, and with them export and tracing, keep the ordinary way.
    """
    convolutions = [module for module in model.modules() if type(module) is nn.Conv2d and _is_plain(module)]
    pooled = dict(_pooled(model, convolutions)) if convolutions else {}
    ways: dict[nn.Module, Callable[[Tensor], Tensor]] = {m: partial(_convolve, m) for m in convolutions}
    ways |= {m: partial(_pool, m) for m in model.modules() if type(m) is nn.MaxPool2d and not m.return_indices}
    for module, pooling in pooled.items():
        ways |= {module: partial(_convolve_and_pool, module), pooling: _unchanged}
    try:
        for changed, way in ways.items():
            vars(changed)["forward"] = way
        yield
    finally:
        for changed in ways:
            del vars(changed)["forward"]


def _is_plain(module: nn.Conv2d) -> bool:
    weight = module.weight
    on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
    return on_cpu and module.groups == 1 and module.padding == (0, 0) and module.dilation == (1, 1)


def _pooled(model: nn.Module, convolutions: list[nn.Conv2d]) -> Iterator[tuple[nn.Conv2d, nn.MaxPool2d]]:
    """Convolutions of one map whose output only a 2x2 maximum gets to see."""
    first = [module for module in convolutions if module.in_channels == 1 and module.stride == (1, 1)]
    if not first:
        return
    try:
        graph = fx.Tracer().trace(model)
    except (ValueError, TypeError, RuntimeError, AttributeError):  # a forward may want more than a stand-in gives
        return
    calls = [(node, model.get_submodule(str(node.target))) for node in graph.nodes if node.op == "call_module"]
    for node, module in calls:
        if module not in first or sum(module is other for _, other in calls) > 1 or module._forward_hooks:
            continue
        follower = next(iter(node.users))
        pooling = model.get_submodule(str(follower.target)) if follower.op == "call_module" else None
        if len(node.users) == 1 and type(pooling) is nn.MaxPool2d and _halves(pooling):
            once = sum(pooling is other for _, other in calls) == 1
            if once and not (pooling._forward_hooks or pooling._forward_pre_hooks):
                yield module, pooling


def _halves(pooling: nn.MaxPool2d) -> bool:
    pair = (2, (2, 2))
    plain = pooling.padding in (0, (0, 0)) and pooling.dilation in (1, (1, 1))
    return plain and pooling.kernel_size in pair and pooling.stride in pair and not pooling.return_indices


def _unchanged(maps: Tensor) -> Tensor:
    return maps


def _convolve_and_pool(module: nn.Conv2d, maps: Tensor) -> Tensor:
    odd = any((side - kernel) % 2 == 0 for side, kernel in zip(maps.shape[-2:], module.kernel_size, strict=True))
    if odd or maps.requires_grad or torch.is_autocast_enabled("cpu"):
        return F.max_pool2d(_convolve(module, maps), 2)
    return PooledConvolution.apply(maps, module.weight, module.bias)  # type: ignore[no-any-return]


def _pool(module: nn.MaxPool2d, maps: Tensor) -> Tensor:
    how = module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
    if maps.device.type != "cpu" or not maps.requires_grad:
        return F.max_pool2d(maps, *how)
    return RecomputedMaxPool.apply(maps, *how)  # type: ignore[no-any-return]


def _convolve(module: nn.Conv2d, maps: Tensor) -> Tensor:
    weight, bias = module.weight, module.bias
    if tuple(maps.shape[-2:]) == module.kernel_size:
        # With the maps last, as training keeps both, neither has to be copied.
        return F.linear(_maps_last(maps), _maps_last(weight), bias)[:, :, None, None]
    few = module.in_channels <= 8 and maps.requires_grad and module.stride == (1, 1)
    if few and maps.shape[-2] % 2 == 0 and not torch.is_autocast_enabled("cpu"):
        return FewMapsConvolution.apply(maps, weight, bias)  # type: ignore[no-any-return]
    return F.conv2d(maps, weight, bias, module.stride)


def _maps_last(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 2, 3, 1).flatten(1)
