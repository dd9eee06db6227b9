"""What the maps from other libraries' names share: a table of layers, and tensors renamed by it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Library = Literal["torchvision", "timm", "pytorch_resnet_cifar10"]


class Normalisation(NamedTuple):
    """Mean and standard deviation of a channel's values between 0 and 1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


RGB = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""ImageNet's, as nearly everyone has it."""

# What a convolution with batch normalisation is called inside its block, and where ours has it.
CONV_BN = {"conv": "0", "bn": "1"}
# A residual block of torchvision, timm and pytorch_resnet_cifar10.
BLOCK = {f"{kind}{place + 1}": f"residual_branch.{place}.{i}" for place in range(3) for kind, i in CONV_BN.items()}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the outputs and inputs of published weights mean.

    Attributes:
        classes: their names in the order of the outputs.
        preprocess: the values of `convatlas.data.preprocess.Preprocess`.
    """

    classes: tuple[str, ...]
    preprocess: dict[str, Any]


def _as_they_are(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library's network whose weights fit one of ours.

    Attributes:
        name: what the library calls it.
        layers: gives our path of a layer, or of a part of the network, by theirs.
        meaning: of the weights that the library publishes under this name.
        reshape: brings the renamed tensors to our shapes and our order of maps.
    """

    library: Library
    name: str
    layers: Callable[[], Mapping[str, str]]
    meaning: Callable[[], Meaning]
    reshape: Callable[[dict[str, Tensor]], dict[str, Tensor]] = _as_they_are

    def to_ours(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The library's tensors with our names and shapes; names that it does not know stay as they are."""
        return self.reshape(renamed(weights, self.layers()))

    def knows(self, weights: Mapping[str, Tensor]) -> bool:
        """Whether every tensor lies in a layer of the library's network."""
        layers = self.layers()
        return all(_place(name, layers) > 0 for name in weights)


def renamed(weights: Mapping[str, Tensor], layers: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors under our names, whatever their order; counters of batches that the file lacks are zero.

    Args:
        weights: tensors by another library's names.
        layers: our path of a layer, or of a part of the network, by theirs; the longest path that fits counts.
    """
    ours = {_renamed(name, layers): tensor for name, tensor in weights.items()}
    for name in list(ours):
        if name.endswith(".running_mean"):
            ours.setdefault(f"{name.removesuffix('running_mean')}num_batches_tracked", torch.tensor(0))
    return ours


def _renamed(name: str, layers: Mapping[str, str]) -> str:
    end = _place(name, layers)
    if end == 0:
        return name
    parts = name.split(".")
    # The last part is the tensor's, and the one before may be a convolution's or its normalisation's.
    inner = [CONV_BN.get(part, part) for part in parts[end:-1]]
    return ".".join([layers[".".join(parts[:end])], *inner, parts[-1]])


def _place(name: str, layers: Mapping[str, str]) -> int:
    """How many parts of a tensor's name are the longest path in the table; 0 if none is."""
    parts = name.split(".")
    return next((end for end in range(len(parts) - 1, 0, -1) if ".".join(parts[:end]) in layers), 0)


def residual_layers(blocks: tuple[int, ...], inside: Mapping[str, str]) -> dict[str, str]:
    """Paths of the layers in a ResNet's stages; their layer1 is our conv2_x.

    Args:
        blocks: number of blocks of each stage.
        inside: our path of a layer in a block by theirs.
    """
    return {
        f"layer{row - 1}.{block}.{theirs}": f"conv{row}_x.conv{row}_{block + 1}.{ours}"
        for row, count in enumerate(blocks, 2)
        for block in range(count)
        for theirs, ours in inside.items()
    }


def flattened(weights: Mapping[str, Tensor], *, layers: tuple[str, ...]) -> dict[str, Tensor]:
    """Tensors in which the weights of convolutions that are linear layers of ours have two dimensions.

    Args:
        weights: tensors by our names.
        layers: our paths, or the ends of them.
    """
    ends = tuple(f"{layer}.weight" for layer in layers)
    return {name: t.flatten(1) if name.endswith(ends) and t.ndim > 1 else t for name, t in weights.items()}
