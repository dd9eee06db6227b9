"""How much of the input one unit sees, by the arithmetic of kernels and strides along a chain of layers."""

from dataclasses import dataclass

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
            inputs: what went in (N, C, H, W), for layers that see all of it.
        """
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            return Field(self.size + (inputs.shape[-1] - 1) * self.stride, self.stride * inputs.shape[-1])
        kernel = _side(getattr(layer, "kernel_size", 1))
        dilation = _side(getattr(layer, "dilation", 1))
        stride = _side(getattr(layer, "stride", 1) or kernel)
        return Field(self.size + dilation * (kernel - 1) * self.stride, self.stride * stride)


def _side(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[-1]
