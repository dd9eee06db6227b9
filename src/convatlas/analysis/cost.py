"""Rules for what a layer costs. MACs are the multiply-adds of convolutions and linear layers.

A layer of another kind states its own cost with methods `macs(output)` and `connections(output)`; a layer without
either and without parameters costs nothing that is counted here.
"""

from typing import Protocol, runtime_checkable

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


def layer_macs(layer: nn.Module, output: Tensor) -> int:
    """Multiply-adds of one layer for one image.

    Args:
        layer: without children.
        output: what it gave, (N, ...); only its shape is read.
    """
    match layer:
        case StatesMacs():
            return layer.macs(output)
        case nn.Conv2d():
            return layer.weight[0].numel() * output[0].numel()
        case nn.Linear():
            return layer.weight.numel() * (output[0].numel() // layer.out_features)
        case _:
            return 0


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
