"""Functions whose result's shape PyTorch finds on "meta" by slow reference code, each with a quick one.

The reference code takes most of a pass's time; before its first run it imports a compiler, which takes a second and
100 MB.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def _like(x: Tensor, *others: object, **options: object) -> Tensor:
    return x if options.get("inplace") is True else torch.empty_like(x)


def _relu(x: Tensor, inplace: bool = False) -> Tensor:
    return _like(x, inplace=inplace)


def _broadcast(*operands: Any, **options: object) -> Tensor:
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    dtype = tensors[0].dtype if len(tensors) == 1 else torch.result_type(*tensors[:2])
    shape = torch.broadcast_tensors(*tensors)[0].shape  # type: ignore[no-untyped-call]
    return torch.empty(shape, dtype=dtype, device="meta")


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    first = tensors[0]
    size = list(first.shape)
    size[dim] = sum(tensor.shape[dim] for tensor in tensors)
    # Sizes that do not fit are an error of the module's, which PyTorch puts into words.
    fits = all(t.ndim == first.ndim and t.select(dim, 0).shape == first.select(dim, 0).shape for t in tensors)
    return first.new_empty(size) if fits and first.ndim else torch.cat(list(tensors), dim)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight)


_BINARY = (
    "add",
    "sub",
    "mul",
    "div",
    "__add__",
    "__radd__",
    "__sub__",
    "__rsub__",
    "__mul__",
    "__rmul__",
    "__truediv__",
)
_SAME_SHAPE: dict[Callable[..., Any], Callable[..., Any]] = {
    **{getattr(torch.Tensor, name): _broadcast for name in _BINARY},
    **{getattr(torch, name): _broadcast for name in ("add", "sub", "mul", "div")},
    **dict.fromkeys((torch.tanh, torch.rsqrt, torch.sqrt, torch.square, F.batch_norm), _like),
    **dict.fromkeys((Tensor.tanh, Tensor.rsqrt, Tensor.sqrt, Tensor.square), _like),
    **dict.fromkeys((F.relu, torch.relu), _relu),
    torch.cat: _cat,
    F.linear: _linear,
    F.adaptive_avg_pool2d: F.adaptive_max_pool2d,
}


def same_shape(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a result of the same shape and dtype: a quick one, or itself."""
    return _SAME_SHAPE.get(function, function)
