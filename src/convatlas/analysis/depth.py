"""How deep a network is, counted as the papers count."""

import math

from torch import Tensor, nn

from convatlas.analysis.trace import BESIDE, IMAGE, Operation, Trace, whole_layers

_FUNCTIONS = frozenset({"conv1d", "conv2d", "conv3d", "linear"})


def depth(traced: Trace) -> int:
    """Layers with weights on the longest way from the image to the result.

    A layer counts if its weights join inputs: convolutions, linear layers and their like, and not batch
    normalisation or trainable subsampling, which scale one map each. So AlexNet has 8, VGG-D 16, GoogLeNet 22. The
    convolution on a shortcut lies beside a longer way and never counts; a gate, which a block multiplies its maps with,
    is no part of the way, so SE-ResNet-50 has 50 as ResNet-50 has.

    Args:
        traced: made by `trace`.
    """
    layers = whole_layers(traced)
    longest = {IMAGE: 0, BESIDE: 0}
    for index, operation in enumerate(layers.operations):
        before = max(longest[i] for i in _on_the_way(operation, layers))
        longest[index] = before + _joins_inputs(operation)
    return longest[layers.result]


def _on_the_way(operation: Operation, traced: Trace) -> tuple[int, ...]:
    """The inputs that the way may come from: of a product only its largest factor, of two equal ones the first."""
    if operation.kind != "mul":
        return operation.inputs

    def values(index: int) -> int:
        if index == BESIDE:
            return 0
        return math.prod(traced.input_size if index == IMAGE else traced.operations[index].output[1:])

    return (max(operation.inputs, key=values),)


def _joins_inputs(operation: Operation) -> bool:
    layer = operation.layer
    if layer is None:
        return operation.kind in _FUNCTIONS
    return any(tensor.ndim > 1 and tensor.is_floating_point() for tensor in _weights(layer))


def _weights(layer: nn.Module) -> list[Tensor]:
    # Of a kind of its own a layer may keep what is never trained as a buffer, as LeNet-5 does with its classes' codes.
    return [*layer.parameters(), *layer.buffers()]
