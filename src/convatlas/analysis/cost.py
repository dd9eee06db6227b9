"""Rules for what an operation costs.

MACs are the multiply-adds of convolutions and linear layers. All the rest is counted as operations, one for each
addition, multiplication, comparison or function of a value. A layer of another kind states its own cost with methods
`macs(output)` and `connections(output)`. What no rule knows has no cost, which is None and not 0.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class StatesMacs(Protocol):
    """A layer that knows its multiply-adds for one image."""

    def macs(self, output: Tensor) -> int:
        """Multiply-adds for one image, from the layer's output (N, ...)."""


@runtime_checkable
class StatesConnections(Protocol):
    """A layer that knows its connections."""

    def connections(self, output: Tensor) -> int:
        """Connections for one image, from the layer's output (N, ...)."""


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_ADAPTIVE = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool1d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)
_ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish,
    nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softmax, nn.LogSoftmax, nn.Softplus, nn.Threshold,
)  # fmt: skip
# These move values or leave them alone.
_FREE = (
    nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.Flatten, nn.Unflatten, nn.PixelShuffle,
    nn.PixelUnshuffle, nn.ChannelShuffle, nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d,
)  # fmt: skip

_FREE_FUNCTIONS = frozenset({
    "cat", "stack", "chunk", "split", "unbind", "flatten", "unflatten", "view", "reshape", "view_as",
    "expand", "expand_as", "permute", "transpose", "t", "T", "contiguous", "getitem", "pad", "squeeze",
    "unsqueeze", "clone", "detach", "to", "float", "double", "half", "type_as", "dropout", "roll", "narrow",
    "select", "index_select", "channel_shuffle", "pixel_shuffle", "movedim", "swapaxes", "repeat",
    "zeros_like", "ones_like", "empty_like",
})  # fmt: skip
_VALUEWISE = frozenset({
    "add", "sub", "mul", "div", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "hardswish",
    "hardsigmoid", "sigmoid", "tanh", "softmax", "log_softmax", "square", "sqrt", "rsqrt", "pow", "exp",
    "log", "abs", "neg", "clamp", "clip", "maximum", "minimum", "mean", "sum", "amax", "var", "softplus",
    "mish",
})  # fmt: skip
_POOL_FUNCTIONS = frozenset({"max_pool2d", "avg_pool2d", "boolean_dispatch"})
_ADAPTIVE_FUNCTIONS = frozenset({"adaptive_avg_pool2d", "adaptive_max_pool2d"})

MOVES = _FREE_FUNCTIONS
"""Functions that only move values."""
VALUEWISE = _VALUEWISE | _FREE_FUNCTIONS
"""Functions that compute no more than one operation a value."""

_KNOWN: tuple[type, ...] = (
    *(*_CONVOLUTIONS, nn.Linear, nn.Bilinear, *_POOLS, *_ADAPTIVE, *_NORMS, *_ACTIVATIONS, *_FREE),
    *(nn.LocalResponseNorm, nn.Upsample, StatesMacs, StatesConnections),
)


def is_known(layer: nn.Module) -> bool:
    """Whether a rule is for a layer as a whole, or it states its own cost; another's functions are looked at."""
    return isinstance(layer, _KNOWN)


def layer_macs(layer: nn.Module, output: Tensor) -> int:
    """Multiply-adds of one layer for one image.

    Args:
        layer: one that `is_known`.
        output: what it gave, (N, ...); only its shape is read.
    """
    match layer:
        case StatesMacs():
            return layer.macs(output)
        case nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
            # Every input value meets the kernels of its group once; the output's size follows from the input's.
            raise TypeError("a transposed convolution is counted from its input: see `transposed_macs`")
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            return layer.weight[0].numel() * output[0].numel()
        case nn.Linear():
            return layer.weight.numel() * (output[0].numel() // layer.out_features)
        case nn.Bilinear():
            return layer.weight.numel() * (output[0].numel() // layer.out_features)
        case _:
            return 0


def transposed_macs(layer: nn.Module, inputs: tuple[int, ...]) -> int:
    """Multiply-adds of a transposed convolution for one image, from the shape of its input (N, C, ...)."""
    weight: Any = layer.weight
    return int(weight[0].numel()) * math.prod(inputs[1:])


def layer_connections(layer: nn.Module, output: Tensor) -> int:
    """Connections of one layer for one image: as in LeCun et al. 1998, every use of a weight or a bias is one."""
    match layer:
        case StatesConnections():
            return layer.connections(output)
        case nn.Conv2d() | nn.Linear():
            biases = output[0].numel() if layer.bias is not None else 0
            return layer_macs(layer, output) + biases
        case _:
            return 0


def layer_operations(layer: nn.Module, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
    """Operations of one layer for one image besides its multiply-adds, from the shapes of its input and output.

    An activation is one a value; batch normalisation at inference two, a scale and a shift; other normalisations find
    mean and variance too, four; pooling one for each value of a window; a bias one.
    """
    values = math.prod(output[1:])
    match layer:
        case _ if isinstance(layer, _ACTIVATIONS):
            return values
        case nn.modules.batchnorm._BatchNorm():
            return 2 * values
        case _ if isinstance(layer, _NORMS):
            return 4 * values
        case nn.LocalResponseNorm():
            # n squares and their sum, a scale, an offset, a power, a division.
            return (2 * layer.size + 4) * values
        case _ if isinstance(layer, _POOLS):
            return window(layer, len(output) - 2) * values
        case _ if isinstance(layer, _ADAPTIVE):
            return math.prod(inputs[1:])
        case StatesConnections() if not isinstance(layer, StatesMacs):
            return layer.connections(torch.empty(output, device="meta"))
        case _:
            bias = getattr(layer, "bias", None)
            return values if isinstance(bias, Tensor) else 0


def window(layer: nn.Module, axes: int) -> int:
    """Values in a pooling's window."""
    size: Any = getattr(layer, "kernel_size", 1)
    return math.prod(size) if isinstance(size, tuple) else size**axes


def function_cost(
    kind: str, arguments: tuple[tuple[Any, ...], Mapping[str, Any]], inputs: tuple[int, ...], output: tuple[int, ...]
) -> tuple[int, int] | None:
    """Multiply-adds and other operations of a function for one image; None if no rule knows it.

    Args:
        kind: the function's name.
        arguments: by position and by name, tensors as their shapes.
        inputs: shape of its first input, with the batch.
        output: shape of what it gives.
    """
    values = math.prod(output[1:])
    position, named = arguments
    if kind in _FREE_FUNCTIONS:
        return 0, 0
    if kind in _VALUEWISE:
        return 0, max(values, math.prod(inputs[1:]))
    if kind in _ADAPTIVE_FUNCTIONS:
        return 0, math.prod(inputs[1:])
    if kind in _POOL_FUNCTIONS:
        size = named.get("kernel_size", position[1] if len(position) > 1 else 1)
        return 0, values * (math.prod(size) if isinstance(size, tuple | list) else int(size) ** 2)
    weight = next((a for a in (*position[1:2], named.get("weight")) if isinstance(a, torch.Size)), None)
    if kind in ("conv1d", "conv2d", "conv3d") and weight is not None:
        return math.prod(weight[1:]) * values, 0
    if kind == "linear" and weight is not None:
        return math.prod(weight) * (values // weight[0]), 0
    if kind == "batch_norm":
        return 0, 2 * values
    if kind in ("matmul", "bmm", "mm"):
        return inputs[-1] * values, 0
    return None
