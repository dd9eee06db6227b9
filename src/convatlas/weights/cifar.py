"""Weights of Y. Idelbayev's pytorch_resnet_cifar10: the ResNets of section 4.2 of the paper, trained on CIFAR-10."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from convatlas.weights.rename import BLOCK, RGB, Library, Meaning, Peer, residual_layers

LIBRARY: Library = "pytorch_resnet_cifar10"
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_DEPTHS = (20, 32, 44, 56, 110, 1202)
_ENDS = {"conv1": "conv1.0", "bn1": "conv1.1", "linear": "fc"}


def _layers(depth: int) -> dict[str, str]:
    blocks = (depth - 2) // 6
    return _ENDS | residual_layers((blocks,) * 3, BLOCK)


def zeros_last(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights for shortcuts A whose zeros lie behind the maps, from those for zeros around the maps.

    Which map stands where is free inside a row, as long as the next one reads it there: the new maps of a row go behind
    those that the shortcut hands on. The function stays the same to the last term of each sum.

    Args:
        weights: tensors by our names.
    """
    # What a row of ours has at each place, as a place in theirs.
    order = {2: torch.arange(16)}
    for row, maps in ((3, 32), (4, 64)):
        kept = order[row - 1] + maps // 4
        new = torch.ones(maps, dtype=torch.bool)
        new[kept] = False
        order[row] = torch.cat([kept, new.nonzero().flatten()])
    return {name: _reordered(name, tensor, order) for name, tensor in weights.items()}


def _reordered(name: str, tensor: Tensor, order: Mapping[int, Tensor]) -> Tensor:
    if name == "fc.weight":
        return _taken(tensor, 1, order[4])
    stage, _, rest = name.partition("_x.")
    row = int(stage[-1]) if rest else 0
    if row not in order:
        return tensor
    block, _, layer = rest.partition(".")
    if layer.startswith("residual_branch.0.0."):
        is_first = block.endswith("_1") and row > min(order)
        return _taken(tensor, 1, order[row - 1 if is_first else row])
    return _taken(tensor, 0, order[row]) if layer.startswith("residual_branch.1.") else tensor


def _taken(tensor: Tensor, axis: int, places: Tensor) -> Tensor:
    # Of another shape it is no tensor of these networks, and is refused where its shape is compared.
    return tensor.index_select(axis, places) if tensor.ndim > axis and tensor.shape[axis] == len(places) else tensor


def meaning() -> Meaning:
    """What the weights mean: CIFAR-10's classes, images of 32x32 pixels normalised by ImageNet's numbers."""
    return Meaning(_CLASSES, {"channels": 3, "size": (32, 32), "mean": RGB.mean, "std": RGB.std})


PEERS = {
    f"resnet{depth}_cifar": Peer(LIBRARY, f"resnet{depth}", partial(_layers, depth), meaning, zeros_last)
    for depth in _DEPTHS
}
"""By our name the library's network whose weights fit."""
