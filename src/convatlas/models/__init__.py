"""The networks, one file a paper, and how to get one by name."""

from fnmatch import fnmatchcase

import torch

from convatlas.errors import UsageError, nearest
from convatlas.models import (
    alexnet,
    googlenet,
    inception_resnet,
    inception_v4,
    lenet,
    nin,
    resnet,
    resnet_cifar,
    senet,
    senet_inception,
    vgg,
)
from convatlas.models.initialisation import OnMeta
from convatlas.models.network import Description, Network
from convatlas.models.variant import Variant

_FILES = (
    lenet,
    alexnet,
    nin,
    vgg,
    googlenet,
    resnet,
    resnet_cifar,
    inception_v4,
    inception_resnet,
    senet,
    senet_inception,
)


def _merged() -> dict[str, Variant]:
    merged: dict[str, Variant] = {}
    for file in _FILES:
        for name, variant in file.VARIANTS.items():
            if name in merged:
                raise RuntimeError(f"two files register {name!r}")
            merged[name] = variant
    return merged


VARIANTS = _merged()


def list_models(pattern: str = "*", *, family: str | None = None, year: int | None = None) -> list[str]:
    """Names of the networks, oldest paper first.

    Args:
        pattern: a glob, as in `"se_*"`.
        family: only this family, as in `"LeNet"`.
        year: only papers of this year.
    """
    return [
        name
        for name, variant in sorted(VARIANTS.items(), key=lambda item: item[1].paper.year)
        if fnmatchcase(name, pattern) and family in (None, variant.family) and year in (None, variant.paper.year)
    ]


def get_variant(name: str) -> Variant:
    """The record of a network: paper, sizes, published numbers, deviations.

    Raises:
        UsageError: for an unknown name; the message has the nearest ones.
    """
    if name not in VARIANTS:
        raise UsageError(f"there is no network {name!r}; {nearest(name, VARIANTS)}", do="see convatlas list")
    return VARIANTS[name]


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    device: torch.device | str | None = None,
) -> Network:
    """Build a network with its paper's initialisation.

    Args:
        name: see `list_models`.
        num_classes: classes of the output; the paper's number by default.
        in_channels: channels of the input; the paper's number by default.
        device: where the parameters live; "meta" builds without memory.

    Raises:
        UsageError: for an unknown name or a number below 1.
    """
    variant = get_variant(name)
    num_classes = variant.num_classes if num_classes is None else num_classes
    in_channels = variant.input_size[0] if in_channels is None else in_channels
    for argument, value in (("num_classes", num_classes), ("in_channels", in_channels)):
        if value < 1:
            raise UsageError(f"{argument} is {value}", do=f"give {argument} of 1 or more")
    device = torch.device(device or torch.get_default_device())
    with OnMeta() if device.type == "meta" else device:
        network = variant.build(num_classes, in_channels)
    network.description = Description(name, num_classes, in_channels, variant.min_size)
    return network
