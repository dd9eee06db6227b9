"""A network slid over images that are larger than its input: its fully-connected layers as convolutions.

Sermanet et al., "OverFeat", ICLR 2014, section 3.3, and Simonyan and Zisserman 2015, section 3.2. What brings larger
maps to the size that the classifier wants, by averaging, is left out. Where that is global average pooling and one
linear layer follows, the average of all positions' scores is the score of the average, as the network has it.
"""

from collections.abc import Iterator
from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.errors import UsageError
from convatlas.models.network import Network

_TOLERANCE = 1e-3
_OTHERS = "choose views that are crops"


def class_score_map(network: Network, images: Tensor) -> Tensor:
    """Scores of the network at every position of whole images.

    Args:
        network: in evaluation mode.
        images: (N, C, H, W), not below the network's input.

    Returns:
        (N, num_classes, rows, columns); one position where the images are the network's input.

    Raises:
        UsageError: for images that are too small, or a network that cannot be slid.
    """
    x, is_classifying = images, False
    for name in network.rows:
        for layer in _layers(network.get_submodule(name)):
            if isinstance(layer, nn.Linear):
                x = _slid(name, layer, x, images)
            elif isinstance(layer, nn.Flatten):
                is_classifying = True
            elif is_classifying and next(iter(layer.state_dict()), None) is not None:
                raise UsageError(
                    f"{name} of this network is {type(layer).__name__}, which has no form as a convolution", do=_OTHERS
                )
            elif not isinstance(layer, nn.AdaptiveAvgPool2d):
                x = layer(x)
    return x


def dense_logits(network: Network, images: Tensor) -> Tensor:
    """Logits (N, num_classes) of whole images: the class score map's average; raises as `class_score_map`."""
    return class_score_map(network, images).mean((2, 3))


def require_dense(network: Network, input_size: tuple[int, int, int]) -> None:
    """Refuse a network whose one position at its own input is not its answer there.

    Args:
        network: in evaluation mode.
        input_size: (C, H, W) that it was trained at.

    Raises:
        UsageError: in words.
    """
    example = torch.rand(1, *input_size, generator=torch.Generator().manual_seed(0))
    example = example.to(next(network.parameters()).device)
    with torch.inference_mode():
        answer, slid = network(example), class_score_map(network, example)
    if (slid.mean((2, 3)) - answer).abs().max() > _TOLERANCE * answer.abs().max():
        size = "x".join(map(str, input_size))
        raise UsageError(
            f"at {size} this network averages its maps before its fully-connected layers, which cannot be slid then",
            do=_OTHERS,
        )


def _layers(row: nn.Module) -> Iterator[nn.Module]:
    if isinstance(row, nn.Sequential):
        for child in row:
            yield from _layers(child)
    else:
        yield row


def _slid(row: str, layer: nn.Linear, x: Tensor, images: Tensor) -> Tensor:
    side = isqrt(layer.in_features // x.shape[1])
    if min(x.shape[-2:]) < side:
        pixels, maps = ("x".join(map(str, tensor.shape[-2:])) for tensor in (images, x))
        raise UsageError(
            f"{row} as a convolution needs maps of at least {side}x{side}, {pixels} pixels give {maps}",
            do=f"enlarge the images, or {_OTHERS}",
        )
    return F.conv2d(x, layer.weight.view(layer.out_features, -1, side, side), layer.bias)
