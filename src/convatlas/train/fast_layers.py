"""Quicker ways through the layers of small networks on a CPU, for the time of training; equal up to rounding.

Libraries lay out their kernels for many channels and large maps. In networks like LeNet-5 two cases are worth another
way: a convolution whose kernel covers the whole map is a linear layer, and maps whose number does not fill the
processor's vectors are pooled and convolved faster with empty maps beside them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch.nn.functional as F
from torch import Tensor, fx, nn

# Eight 32-bit values fill a vector of the common processors.
_VECTOR = 8


@contextmanager
def fast_layers(model: nn.Module) -> Iterator[None]:
    """Send a model's convolutions the quicker way for the time of the block.

    The replacement sits on the instances: classes, and with them export and tracing, keep the ordinary way.
    """
    convolutions = {name: m for name, m in model.named_modules() if type(m) is nn.Conv2d and _is_plain(m)}
    widened = _widened(model, convolutions)
    try:
        for name, module in convolutions.items():
            vars(module)["forward"] = partial(_convolve, module, widened.get(name, 0))
        yield
    finally:
        for module in convolutions.values():
            del vars(module)["forward"]


def _is_plain(module: nn.Conv2d) -> bool:
    on_cpu = module.weight.device.type == "cpu"
    return on_cpu and module.groups == 1 and module.padding == (0, 0) and module.dilation == (1, 1)


def _widened(model: nn.Module, convolutions: dict[str, nn.Conv2d]) -> dict[str, int]:
    """Empty maps to add to a convolution's output, where only another of these convolutions gets to see them."""
    missing = {name: -module.out_channels % _VECTOR for name, module in convolutions.items()}
    if not any(missing.values()):
        return {}
    try:
        graph = fx.Tracer().trace(model)
    except fx.proxy.TraceError:
        return {}
    nodes = [node for node in graph.nodes if node.op == "call_module" and missing.get(str(node.target))]
    return {str(node.target): missing[str(node.target)] for node in nodes if _ends_in(model, node, convolutions)}


def _ends_in(model: nn.Module, node: fx.Node, convolutions: dict[str, nn.Conv2d]) -> bool:
    module = model.get_submodule(str(node.target))
    while len(node.users) == 1 and not module._forward_hooks:
        node = next(iter(node.users))
        if node.op != "call_module":
            return False
        if node.target in convolutions:
            return True
        module = model.get_submodule(str(node.target))
        if type(module) not in (nn.ReLU, nn.MaxPool2d):
            return False
    return False


def _convolve(module: nn.Conv2d, extra: int, maps: Tensor) -> Tensor:
    weight, bias = module.weight, module.bias
    empty = maps.shape[1] - module.in_channels
    if extra or empty:
        weight = F.pad(weight, (0, 0, 0, 0, 0, empty, 0, extra))
        bias = bias if bias is None else F.pad(bias, (0, extra))
    if tuple(maps.shape[-2:]) == module.kernel_size:
        return F.linear(maps.flatten(1), weight.flatten(1), bias)[:, :, None, None]
    return F.conv2d(maps, weight, bias, module.stride)
