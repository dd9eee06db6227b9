"""torchvision's weights: which of its networks are ours, by its names, and what its published weights mean."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from convatlas.models import get_variant
from convatlas.weights.rename import BLOCK, Meaning, Peer, residual_layers

_ALEXNET = {
    "features.0": "conv1.0", "features.3": "conv2.0", "features.6": "conv3.0", "features.8": "conv4.0",
    "features.10": "conv5.0", "classifier.1": "fc6.3", "classifier.4": "fc7.1", "classifier.6": "fc8",
}  # fmt: skip

_VGG_HEAD = {"classifier.0": "fc6.2", "classifier.3": "fc7.0", "classifier.6": "fc8"}

RESNET_ENDS = {"conv1": "conv1.0", "bn1": "conv1.1", "fc": "fc"}

_GOOGLENET = {
    "conv1": "conv1", "conv2": "conv2.0", "conv3": "conv2.1", "fc": "linear",
    **{
        f"{theirs}.{inner}": f"{ours}.{our_inner}"
        for theirs, ours in (("aux1", "auxiliary_4a"), ("aux2", "auxiliary_4d"))
        for inner, our_inner in (("conv", "conv"), ("fc1", "fc"), ("fc2", "linear"))
    },
    **{
        f"inception{row}.{theirs}": f"inception_{row}.{ours}"
        for row in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
        for theirs, ours in (
            ("branch1", "branch1x1"), ("branch2", "branch3x3"), ("branch3", "branch5x5"), ("branch4", "branch_pool")
        )
    },
}  # fmt: skip


def vgg_features(name: str) -> dict[str, str]:
    """Paths of a VGG's convolutions and batch normalisations, which torchvision and timm number through.

    Args:
        name: ours.
    """
    layers: dict[str, str] = {}
    index = 0
    inside = 2 if name.endswith("_bn") else 1
    for row in get_variant(name).rows:
        if row.startswith("conv"):
            layers |= {f"features.{index + place}": f"{row}.{place}" for place in range(inside)}
            index += inside
        # The ReLU, or the pooling, has a number too.
        index += 1
    return layers


def resnet_layers(blocks: tuple[int, int, int, int]) -> dict[str, str]:
    """Paths of the layers of a ResNet for ImageNet; timm has torchvision's names."""
    return RESNET_ENDS | residual_layers(blocks, {**BLOCK, "downsample": "shortcut"})


def _vgg_layers(name: str) -> dict[str, str]:
    return vgg_features(name) | _VGG_HEAD


RESNETS = {
    "resnet18": ("resnet18", (2, 2, 2, 2)),
    "resnet34": ("resnet34", (3, 4, 6, 3)),
    "resnet50_v1_5": ("resnet50", (3, 4, 6, 3)),
    "resnet101_v1_5": ("resnet101", (3, 4, 23, 3)),
    "resnet152_v1_5": ("resnet152", (3, 8, 36, 3)),
}
"""Of a network of ours the name that torchvision and timm have for it, and its numbers of blocks."""

VGGS = tuple(f"vgg{depth}{bn}" for bn in ("", "_bn") for depth in (11, 13, 16, 19))


def meaning(name: str) -> Meaning:
    """What torchvision's first ImageNet weights of one of its networks mean.

    Args:
        name: torchvision's.
    """
    from torchvision.models import get_model_weights

    weights = get_model_weights(name)["IMAGENET1K_V1"]
    transforms = weights.transforms()
    preprocess = {
        "channels": 3,
        "size": tuple(transforms.crop_size) * 2,
        "fit_size": tuple(transforms.resize_size) * 2,
        "fit": "crop",
        "interpolation": transforms.interpolation.value,
        "mean": tuple(transforms.mean),
        "std": tuple(transforms.std),
    }
    return Meaning(tuple(weights.meta["categories"]), preprocess)


def googlenet_meaning() -> Meaning:
    """What torchvision's GoogLeNet means: its forward undoes the normalisation, then normalises by one half."""
    found = meaning("googlenet")
    return replace(found, preprocess=found.preprocess | {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)})


def _peer(name: str, layers: Callable[[], Mapping[str, str]]) -> Peer:
    return Peer("torchvision", name, layers, partial(meaning, name))


PEERS = {
    "alexnet_owt": _peer("alexnet", lambda: _ALEXNET),
    **{name: _peer(name, partial(_vgg_layers, name)) for name in VGGS},
    "googlenet_bn": Peer("torchvision", "googlenet", lambda: _GOOGLENET, googlenet_meaning),
    **{ours: _peer(name, partial(resnet_layers, blocks)) for ours, (name, blocks) in RESNETS.items()},
}
"""By our name the network of torchvision whose weights fit."""
