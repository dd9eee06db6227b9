"""What the papers' initialisations share; each stands in its paper's file, as `initialise`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import erf
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# With these two PyTorch initialises the two kinds of layers.
_INITIALISE = frozenset({nn.init.kaiming_uniform_, nn.init.uniform_})
_MAKE = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.arange, torch.tensor})
_FILL = frozenset({Tensor.fill_, Tensor.zero_})


class _Uninitialised(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _INITIALISE and kwargs:
            return kwargs["tensor"]
        return func(*args, **kwargs or {})


class OnMeta(TorchFunctionMode):
    """A context in which tensors are made on "meta", and nothing is filled; in two thirds of torch.device's time."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _MAKE:
            return func(*args, **{**(kwargs or {}), "device": "meta"})
        if func in _FILL:
            return args[0]
        if not kwargs:
            return func(*args)
        return kwargs["tensor"] if func in _INITIALISE else func(*args, **kwargs)


def uninitialised() -> AbstractContextManager[object]:
    """A context in which convolutions and linear layers are made without initial weights: the paper's follow."""
    # Inside OnMeta, which does as much, a second mode would only take time.
    return nullcontext() if torch.empty(0).is_meta else _Uninitialised()


def layers_to_initialise(network: nn.Module) -> Iterator[tuple[str, nn.Conv2d | nn.Linear]]:
    """Convolutions and linear layers by name; none on "meta", where nothing has a value."""
    if next(network.parameters()).is_meta:
        return
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            yield name, layer


@torch.no_grad()
def truncated_normal_(weight: Tensor, std: float) -> None:
    """Fill from a normal distribution of mean 0 that is cut at two deviations, by 2^16 values of equal probability."""
    # nn.init.trunc_normal_ takes twenty times as long. Most of the time is in the generator: a draw serves four values.
    draws = torch.empty((weight.numel() + 3) // 4, dtype=torch.int64, device=weight.device).random_(-(2**63), None)
    weight.copy_(draws.view(torch.int16)[: weight.numel()].view_as(weight))
    # The inverse of the distribution function, of which erf(2 / sqrt(2)) is between the cuts.
    weight.add_(0.5).mul_(erf(2 / 2**0.5) / 2**15).erfinv_().mul_(std * 2**0.5)
