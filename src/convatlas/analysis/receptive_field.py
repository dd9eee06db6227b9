"""How much of the input one unit sees, by the arithmetic of kernels and strides along a chain of layers."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Field:
    """Receptive field of a unit and distance between neighbouring units, both in pixels of the input."""

    size: int = 1
    stride: int = 1

    def after(self, layer: nn.Module, inputs: Tensor) -> "Field":
        """The field behind one more layer.

        Args:
            layer: without children; kernel and stride are read from attributes of these names.
            inputs: what went in, (N, C, H, W) or (N, units), for layers whose kernel is a share of it.
        """
        width = inputs.shape[-1] if inputs.ndim == 4 else 1
        if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
            return self._over(width, _side(layer.output_size) or width)
        if isinstance(layer, nn.Flatten):
            # What follows sees every position.
            return self._over(width, 1)
        kernel = _side(getattr(layer, "kernel_size", 1))
        dilation = _side(getattr(layer, "dilation", 1))
        stride = _side(getattr(layer, "stride", 1) or kernel)
        return Field(self.size + dilation * (kernel - 1) * self.stride, self.stride * stride)

    def _over(self, width: int, windows: int) -> "Field":
        step = width // windows
        kernel = width - (windows - 1) * step
        return Field(self.size + (kernel - 1) * self.stride, self.stride * step)


def _side(value: Any) -> Any:
    return value[-1] if isinstance(value, tuple) else value
